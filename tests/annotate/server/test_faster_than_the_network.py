"""A user who is faster than the network: clicks that go together, wait, are taken back, or are late."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from talking import Discs, Server, serving

from clickwise.annotate.networks import Networks
from clickwise.errors import ModelError


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("shared"), 2 * 12) as running:
        yield running


@pytest.fixture
def server(shared: Server) -> Server:
    return shared.next_test()


def decode(server: Server) -> None:
    """Read all pictures beforehand: from now on a click waits for the network only."""
    for image in server.images:
        server.http.get(f"/api/images/{image}/tiles/0/0/0.jpg").raise_for_status()


def hold(server: Server) -> None:
    server.network.free.clear()
    server.network.begun.clear()


def test_clicks_that_wait_go_to_the_network_together(server: Server) -> None:
    from clickwise.clicks.click import Click
    from clickwise.inference.predictor import Predictor

    image = server.images[0]
    with server.client() as client:
        hold(server)
        first = client.send("click", image_id=image, x=20, y=15)
        assert server.network.begun.wait(200)
        second = client.send("click", image_id=image, object_of=first, x=30, y=15)
        third = client.send("click", image_id=image, object_of=second, x=40, y=15)
        assert client.answer(second) == {"type": "superseded", "id": second, "by": third}
        assert client.until(lambda m: m["type"] == "busy" and m["id"] in (second, third))["reason"] == "queue"
        server.network.free.set()
        one, both = client.answer(first), client.answer(third)
    assert server.network.calls == 2
    assert one["object_id"] == both["object_id"] == 1
    assert both["delta"]["what"] == "together"
    assert both["timing"]["wait"] > 0
    document = server.store.document(image)
    assert [(click.x, click.y) for click in document.objects[0].clicks] == [(20, 15), (30, 15), (40, 15)]
    assert len(document.undoable) == 2
    predictor = Predictor(server.network)
    predictor.set_image(Path(server.store.image(image).path))
    predictor.click(20, 15)
    expected = predictor.click_together([Click(30, 15), Click(40, 15)]).mask
    assert (document.objects[0].mask.array() == expected).all()


def test_clicks_on_different_objects_do_not_go_together(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        hold(server)
        names = [client.send("click", image_id=image, x=10 * n + 5, y=15) for n in range(3)]
        server.network.free.set()
        assert [client.answer(name)["object_id"] for name in names] == [1, 2, 3]


def test_clicks_on_an_object_that_is_being_made_go_together(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        hold(server)
        first = client.send("click", image_id=image, x=5, y=15)
        assert server.network.begun.wait(200)
        names = [client.send("click", image_id=image, object_of=first, x=10 * n + 15, y=15) for n in range(3)]
        server.network.free.set()
        assert client.answer(names[-1])["object_id"] == 1
        assert [client.answer(name)["by"] for name in names[:-1]] == names[1:]
    assert len(server.store.document(image).objects[0].clicks) == 4
    assert server.store.document(image).version == 2


def test_an_undo_sent_after_a_click_takes_back_that_click(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        hold(server)
        client.send("click", image_id=image, base_version=0, x=20, y=15)
        undo = client.send("undo", image_id=image, base_version=0)
        server.network.free.set()
        assert client.answer(undo)["version"] == 2
    assert not server.store.document(image).objects


def test_a_click_can_be_taken_back_until_it_begins(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        hold(server)
        first = client.send("click", image_id=image, x=20, y=15)
        assert server.network.begun.wait(200)
        second = client.send("click", image_id=image, x=40, y=15)
        third = client.send("click", image_id=image, object_of=second, x=42, y=15, threshold=0.7)
        client.send("cancel", target=second)
        client.send("cancel", target=first)
        assert client.answer(second)["code"] == "cancelled"
        server.network.free.set()
        assert client.answer(first)["type"] == "result"
        assert client.answer(third)["code"] == "bad_request", "there is no object to add to"
    assert len(server.store.document(image).objects) == 1


def test_going_to_another_picture_drops_what_waits_and_keeps_what_began(server: Server) -> None:
    one, two = server.images
    with server.client() as client:
        client.send("open", image_id=one)
        hold(server)
        began = client.send("click", image_id=one, x=20, y=15)
        assert server.network.begun.wait(200)
        waits = client.send("click", image_id=one, x=40, y=15)
        client.send("open", image_id=two)
        assert client.answer(waits)["code"] == "cancelled"
        server.network.free.set()
        assert client.answer(began)["type"] == "result"
    assert len(server.store.document(one).objects) == 1


def test_a_click_that_waits_too_long_is_named_and_nothing_changes(tmp_path: Path) -> None:
    with serving(tmp_path, request_seconds=2) as server, server.client() as client:
        one, two = server.images
        hold(server)
        began = client.send("click", image_id=one, x=20, y=15)
        assert server.network.begun.wait(200)
        waits = client.send("click", image_id=two, x=20, y=15)
        late = client.answer(waits)
        assert (late["code"], late["keep"]) == ("timeout", True)
        assert "not begun" in late["message"]
        server.network.free.set()
        answer = client.answer(began)
        assert answer["type"] == "result", "what began goes on: a client that took it for refused would click twice"
        assert len(server.store.document(one).objects) == 1
        assert not server.store.document(two).objects


def test_a_slider_that_moves_on_gets_the_newest_preview_only(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        client.ask("click", image_id=image, x=20, y=15)
        hold(server)
        client.send("click", image_id=image, x=50, y=40)
        assert server.network.begun.wait(200)
        names = [client.send("threshold", image_id=image, object_id=1, value=0.5 + n / 10) for n in range(4)]
        for name in names[:-1]:
            assert client.answer(name)["type"] == "superseded"
        server.network.free.set()
        assert client.answer(names[-1])["type"] == "preview"


def test_a_click_before_the_model_is_ready_waits_for_it(tmp_path: Path) -> None:
    with serving(tmp_path, request_seconds=0.3) as server:
        network = Discs()
        network.free.clear()
        server.services.networks = Networks({"slow": lambda: network})
        server.services.networks.tell(server.services.live.model_changed)
        decode(server)
        with server.client() as client:
            name = client.send("click", image_id=server.images[0], x=20, y=15)
            assert client.of("model")["model"]["state"] == "loading"
            assert client.of("busy")["reason"] == "model"
            time.sleep(1.0)
            network.free.set()
            assert client.of("model")["model"]["state"] == "ready"
            assert client.answer(name)["type"] == "result"


def test_a_model_that_cannot_be_loaded_says_why_and_can_be_tried_again(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        tries = []

        def open_it() -> Discs:
            tries.append(1)
            if len(tries) == 1:
                raise ModelError("weights are missing; clickwise download NAME")
            return Discs()

        server.services.networks = Networks({"odd": open_it})
        server.services.networks.tell(server.services.live.model_changed)
        with server.client() as client:
            refused = client.ask("click", image_id=server.images[0], x=20, y=15)
            assert refused["code"] == "model"
            assert "clickwise download NAME" in refused["message"]
            assert server.http.get("/api/models").json()[0]["state"] == "failed"
            server.http.post("/api/models/odd/load")
            assert client.ask("click", image_id=server.images[0], x=20, y=15)["type"] == "result"


def test_a_click_taken_back_while_others_have_the_network_does_not_stop_those_behind(server: Server) -> None:
    one, two = server.images
    decode(server)
    with server.client("a") as ann, server.client("b") as bob:
        hold(server)
        ann.send("click", image_id=one, x=20, y=15)
        assert server.network.begun.wait(200)
        waits = bob.send("click", image_id=two, x=20, y=15)
        assert bob.of("busy")["reason"] == "queue"
        bob.send("cancel", target=waits)
        assert bob.answer(waits)["code"] == "cancelled"
        behind = bob.send("click", image_id=two, x=40, y=15)
        server.network.free.set()
        assert bob.answer(behind)["type"] == "result"
    assert len(server.store.document(two).objects) == 1
