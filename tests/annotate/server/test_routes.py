"""The list, tiles, thumbnails, the description, broken pictures, commands over REST."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from talking import SIZE, Server, make_pictures, serving

from clickwise.assets import sample


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("routes")
    make_pictures(folder / "pictures", 5)
    shutil.copy(sample().photo_path, folder / "pictures" / "photo.jpg")
    (folder / "pictures" / "torn.jpg").write_bytes(sample().photo_path.read_bytes()[:9000])
    (folder / "pictures" / "none.png").write_text("no picture")
    with serving(folder) as running:
        yield running


def test_the_list_in_parts(server: Server) -> None:
    whole = server.http.get("/api/images").json()
    assert whole["total"] == 8
    assert [item["position"] for item in whole["images"]] == list(range(8))
    part = server.http.get("/api/images", params={"offset": 2, "limit": 3}).json()
    assert part == {"total": 8, "images": whole["images"][2:5]}
    named = server.http.get("/api/images", params={"q": "P3"}).json()
    assert [item["name"] for item in named["images"]] == ["p3.png"]
    assert server.http.get("/api/images", params={"q": "%"}).json()["total"] == 0
    broken = server.http.get("/api/images", params={"filter": "broken"}).json()["images"]
    assert "none.png" in [item["name"] for item in broken]
    for wrong in ({"filter": "odd"}, {"offset": -1}, {"limit": 0}, {"limit": "many"}):
        answer = server.http.get("/api/images", params=wrong)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_from_picture_to_picture(server: Server) -> None:
    ids = server.images

    def following(image: str, direction: str) -> str | None:
        return server.http.get(f"/api/images/{image}/next", params={"direction": direction}).json()["image_id"]

    assert following(ids[0], "next") == ids[1]
    assert following(ids[0], "previous") is None
    assert following(ids[-1], "next") is None
    assert following(ids[-1], "unfinished") is not None
    assert server.http.get("/api/images/odd/next").status_code == 404


def test_tiles_show_the_picture(server: Server) -> None:
    image = next(entry for entry in server.store.images() if entry.name == "photo.jpg")
    document = server.http.get(f"/api/images/{image.image_id}").json()
    assert (document["width"], document["height"], document["levels"], document["tile"]) == (600, 400, 2, 512)
    answer = server.http.get(f"/api/images/{image.image_id}/tiles/0/1/0.jpg", params={"v": document["v"]})
    assert "immutable" in answer.headers["cache-control"]
    with Image.open(io.BytesIO(answer.content)) as tile:
        shown = np.asarray(tile, np.int16)
    assert shown.shape == (400, 88, 3)
    assert np.abs(shown - sample().image[:, 512:].astype(np.int16)).mean() < 3
    assert server.http.get(f"/api/images/{image.image_id}/tiles/0/9/9.jpg").status_code == 404
    assert server.http.get(f"/api/images/{image.image_id}/tiles/0/x/9.jpg").status_code == 400
    small = server.http.get(f"/api/images/{image.image_id}/thumbnail.jpg")
    with Image.open(io.BytesIO(small.content)) as thumbnail:
        assert max(thumbnail.size) == 160


def test_a_torn_picture_is_listed_with_its_trouble_once_it_is_known(server: Server) -> None:
    torn = next(entry for entry in server.store.images() if entry.name == "torn.jpg")
    with server.client() as client:
        answer = client.ask("click", image_id=torn.image_id, x=3, y=3)
        assert answer["code"] == "bad_request"
        assert "torn.jpg is damaged" in answer["message"]
        assert client.of("image")["image"]["trouble"] == answer["message"]
    for path in ("", "/tiles/0/0/0.jpg", "/thumbnail.jpg"):
        refused = server.http.get(f"/api/images/{torn.image_id}{path}")
        assert refused.status_code == 400
        assert "torn.jpg" in refused.json()["error"]["message"]
        assert str(Path(torn.path).parent) not in refused.text


def test_commands_over_rest(server: Server) -> None:
    image = server.images[1]
    command = {"type": "click", "id": "rest-1", "image_id": image, "x": 20, "y": 15}
    with server.client() as client:
        client.send("open", image_id=image)
        client.send("ping")
        client.of("pong")
        answer = server.http.post(f"/api/images/{image}/do", json=command, headers={"x-clickwise-user": "script"})
        assert answer.status_code == 200, answer.text
        assert client.of("news")["delta"] == answer.json()["delta"]
    assert answer.json()["delta"]["author"] == "script"
    assert server.http.post(f"/api/images/{image}/do", json=command).json()["version"] == 1
    for wrong, status in [
        ({**command, "image_id": "other"}, 400),
        ({**command, "id": "rest-2", "x": 9999}, 400),
        ({**command, "id": "rest-3", "base_version": 0, "object_id": 7}, 409),
        ({"type": "ping"}, 400),
        ([], 400),
    ]:
        assert server.http.post(f"/api/images/{image}/do", json=wrong).status_code == status, wrong
    assert server.http.post(f"/api/images/{image}/do", content=b"x" * (9 << 20)).status_code == 413


def test_the_description_needs_no_token_and_no_other_site(server: Server) -> None:
    page = server.http.get("/api/docs", headers={"authorization": ""}).text
    assert "/api/images/{image_id}/do" in page
    assert "<script" not in page
    assert "style=" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    schema = server.http.get("/api/openapi.json", headers={"authorization": ""}).json()
    assert "/api/classes" in schema["paths"]
    assert schema["security"] == [{"token": []}]


def test_health_and_project(server: Server) -> None:
    assert server.http.get("/api/health").json()["ok"] is True
    project = server.http.get("/api/project").json()
    assert project["model"] == "discs"
    assert project["models"][0]["default_threshold"] == 0.49
    assert project["progress"]["total"] == project["images"] == 8
    assert {"name", "title", "suffix"} == set(project["formats"][0])
    assert server.http.get("/api/odd").json()["error"]["code"] == "not_found"
    assert server.http.post("/api/models/odd/load").status_code == 404
    assert SIZE == (48, 64)


def test_how_tos_name_the_entries_of_the_page_as_they_are_called() -> None:
    root = Path(__file__).parents[3]
    menu = (root / "src/clickwise/annotate/web/panels/bar.js").read_text("utf-8")
    for page, entries in (
        ("move-a-project", ("Save project as zip", "Restore project from zip…")),
        ("convert-labels", ("Import labels…", "Export labels…")),
    ):
        text = (root / f"docs/how-to/{page}.md").read_text("utf-8")
        for entry in entries:
            assert f'label: "{entry}"' in menu
            assert f"**{entry}**" in text


def test_a_project_says_nothing_that_no_server_does(server: Server) -> None:
    assert "read_only" not in server.http.get("/api/project").json()


def test_a_picture_is_left_out_and_taken_back_and_everybody_hears_of_it(tmp_path: Path) -> None:
    with serving(tmp_path, count=3) as server, server.client() as other:
        first, middle, last = server.images
        answer = server.http.post(f"/api/images/{middle}/leave-out")
        assert answer.status_code == 200
        assert answer.json()["image_id"] == middle
        assert other.of("progress")["progress"]["total"] == 2
        assert other.of("reload")["reason"] == "p1.png was left out"
        listed = server.http.get("/api/images").json()
        assert [item["image_id"] for item in listed["images"]] == [first, last]
        assert [item["position"] for item in listed["images"]] == [0, 1]
        assert listed["total"] == server.http.get("/api/project").json()["images"] == 2
        assert server.http.get(f"/api/images/{first}/next").json() == {"image_id": last}
        assert server.http.get(f"/api/images/{middle}").status_code == 200  # for whoever is at work on it
        there = server.http.get("/api/images?filter=left_out").json()
        assert [item["image_id"] for item in there["images"]] == [middle]

        assert server.http.post(f"/api/images/{middle}/take-back").json()["position"] == 1
        assert other.of("progress")["progress"]["total"] == 3
        assert other.of("reload")["reason"] == "p1.png was taken back"
        assert server.images == [first, middle, last]
        assert server.http.post("/api/images/nothing/leave-out").status_code == 404


def test_an_upload_of_a_picture_that_was_left_out_takes_it_back(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        first, _ = server.images
        server.store.leave_out(first)
        file = tmp_path / "pictures" / "p0.png"
        data = file.read_bytes()
        file.unlink()  # moved elsewhere: its content is what it is known by
        assert server.http.post("/api/images?name=p0.png", content=data).json()["image_id"] == first
        assert first in server.images
