"""Several users, lost connections and things sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.websockets import WebSocketDisconnect
from talking import Server, serving
from test_commands import Replica, document


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("shared"), 2 * 14) as running:
        yield running


@pytest.fixture
def server(shared: Server) -> Server:
    return shared.next_test()


def test_others_hear_of_what_is_stored(server: Server) -> None:
    image = server.images[0]
    with server.client("a", "ann") as ann, server.client("b", "bob") as bob:
        bob.send("open", image_id=image)
        bob.send("ping")
        bob.of("pong")
        replica = Replica(document(server, image))
        result = ann.ask("click", image_id=image, x=20, y=15)
        news = bob.of("news")
        assert news["delta"] == result["delta"]
        assert news["delta"]["author"] == "ann"
        replica.apply(news["delta"])
        assert replica.equals(Replica(document(server, image)))
        shown = bob.of("image")["image"]
        assert (shown["object_count"], shown["finished"]) == (1, False)
        ann.ask("action", image_id=image, action={"action": "finish", "finished": True})
        assert bob.of("news")["delta"]["finished"] is True
        assert bob.of("image")["image"]["finished"]
        bob.until(lambda m: m["type"] == "progress" and m["progress"]["finished"] == 1)


def test_harmless_steps_of_two_users_go_together(server: Server) -> None:
    image = server.images[0]
    with server.client("a", "ann") as ann, server.client("b", "bob") as bob:
        replica = Replica(document(server, image))
        ann.ask("click", image_id=image, base_version=0, x=20, y=15)
        result = bob.ask("click", image_id=image, base_version=0, x=50, y=40)
        assert [delta["author"] for delta in result["news"]] == ["ann"]
        replica.take(result)
        assert replica.equals(Replica(document(server, image)))


def test_the_same_object_changed_by_both_is_a_conflict(server: Server) -> None:
    image = server.images[0]
    with server.client("a", "ann") as ann, server.client("b", "bob") as bob:
        ann.ask("click", image_id=image, base_version=0, x=20, y=15)
        bob.ask("click", image_id=image, base_version=1, object_id=1, x=40, y=15)
        refused = ann.ask("click", image_id=image, base_version=1, object_id=1, x=30, y=30)
        assert refused["code"] == "conflict"
        assert "bob changed object 1" in refused["message"]
        assert ann.ask("undo", image_id=image, base_version=1)["code"] == "conflict"
        assert ann.ask("click", image_id=image, base_version=2, object_id=1, x=30, y=30)["type"] == "result"


def test_own_steps_never_conflict_however_old_the_version(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        first = client.send("click", image_id=image, base_version=0, x=20, y=15)
        second = client.send("click", image_id=image, base_version=0, object_of=first, x=40, y=15)
        third = client.send("stroke", image_id=image, base_version=0, object_of=first, points=[[50, 40]], radius=4)
        undo = client.send("undo", image_id=image, base_version=0)
        answers = [client.answer(name) for name in (first, second, third, undo)]
    assert {answer["type"] for answer in answers} <= {"result", "superseded"}
    assert answers[-1]["delta"]["what"] == "undo"


def test_a_command_sent_twice_is_done_once(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        once = client.ask("click", image_id=image, x=20, y=15, id="same")
        twice = client.ask("click", image_id=image, x=20, y=15, id="same")
        assert once == twice
    assert server.store.document(image).version == 1


def test_a_lost_connection_is_taken_up_again(server: Server) -> None:
    image = server.images[0]
    server.network.free.clear()
    with server.client("lost") as client:
        first = client.send("click", image_id=image, x=20, y=15)
        assert server.network.begun.wait(200)
        second = client.send("click", image_id=image, object_of=first, x=40, y=15)
        client.send("ping")
        client.of("pong")
    with server.client("lost") as client:
        assert set(client.welcome["known"]) == {first, second}
        client.send("click", image_id=image, x=20, y=15, id=first)
        client.send("click", image_id=image, object_of=first, x=40, y=15, id=second)
        server.network.free.set()
        assert client.answer(first)["object_id"] == 1
        assert client.answer(second)["object_id"] == 1
    assert len(server.store.document(image).objects[0].clicks) == 2


def test_what_was_answered_into_the_void_is_answered_again(server: Server) -> None:
    image = server.images[0]
    with server.client("page") as client:
        client.send("click", image_id=image, x=20, y=15, id="lost")
        client.send("ping")
        client.of("pong")
    while server.store.document(image).version == 0:
        pass
    with server.client("page") as client:
        assert client.ask("click", image_id=image, x=20, y=15, id="lost")["object_id"] == 1
    assert server.store.document(image).version == 1


def test_after_a_restart_nothing_is_done_twice(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.client("page") as client:
        image = server.images[0]
        client.ask("click", image_id=image, x=20, y=15, id="first")
        client.ask("click", image_id=image, object_of="first", x=40, y=15, id="second")
    with serving(tmp_path) as server, server.client("page") as client:
        again = client.ask("click", image_id=image, base_version=0, x=20, y=15, id="first")
        assert again["object_id"] == 1
        assert client.ask("click", image_id=image, base_version=0, object_of="first", x=40, y=15, id="second")[
            "object_id"
        ]
        third = client.ask("click", image_id=image, base_version=1, object_of="first", x=30, y=30, id="third")
        assert third["type"] == "result"
        assert third["object_id"] == 1
    assert third["version"] == 3


def test_a_second_connection_of_a_client_takes_over(server: Server) -> None:
    with server.client("page") as old, server.client("page") as new:
        new.send("ping")
        new.of("pong")
        with pytest.raises(WebSocketDisconnect) as closed:
            old.of("pong")
        assert closed.value.code == 4409


def test_a_user_at_work_does_not_wait_for_another_ones_pictures_to_be_finished(server: Server) -> None:
    one, two = server.images
    with server.client("a", "ann") as ann, server.client("b", "bob") as bob:
        names = [ann.send("click", image_id=one, x=5 * n + 5, y=15) for n in range(8)]
        assert bob.ask("click", image_id=two, x=20, y=15)["type"] == "result"
        assert [ann.answer(name)["type"] for name in names] == ["result"] * 8
    assert [len(server.store.document(image).objects) for image in (one, two)] == [8, 1]


def test_classes_are_changed_for_all(server: Server) -> None:
    with server.client() as client:
        classes = server.http.get("/api/classes").json()
        classes["classes"].append({"class_id": 2, "name": "spoon", "colour": [1, 2, 3], "key": "2", "retired": False})
        answer = server.http.put("/api/classes", json=classes)
        assert answer.status_code == 200, answer.text
        assert answer.json()["version"] == classes["version"] + 1
        assert client.of("classes")["classes"]["classes"][1]["name"] == "spoon"
        late = server.http.put("/api/classes", json=classes)
        assert (late.status_code, late.json()["error"]["code"]) == (409, "conflict")
        classes["classes"][0]["colour"] = [1, 2, 300]
        assert server.http.put("/api/classes", json=classes).status_code == 400
