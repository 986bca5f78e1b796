"""What a client sends and what comes of it: one connection, in order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from talking import SIZE, Server, serving

from clickwise.annotate.deltas import read_patch
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.protocol import Patch


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("shared"), 2 * 14) as running:
        yield running


@pytest.fixture
def server(shared: Server) -> Server:
    return shared.next_test()


@pytest.fixture(scope="module")
def untouched(shared: Server) -> str:
    """A picture that only refused commands name."""
    return shared.next_test().images[0]


class Replica:
    """What a page holds: made from a document, moved on by deltas, exactly as the protocol says."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.version, self.order = document["version"], document["order"]
        self.finished = document["finished"]
        self.undoable, self.redoable = document["undoable"], document["redoable"]
        self.objects = {item["object_id"]: self._object(item) for item in document["objects"]}

    @staticmethod
    def _object(item: dict[str, Any]) -> dict[str, Any]:
        return {**item, "mask": _pasted(np.zeros(SIZE, bool), item["mask"])}

    def apply(self, delta: dict[str, Any]) -> None:
        if delta["version"] <= self.version:
            return
        assert delta["from"] == self.version
        for change in delta["objects"]:
            old = self.objects.get(change["object_id"])
            if old is None:
                self.objects[change["object_id"]] = self._object(change)
                continue
            new = {**old, **change}
            if "mask" in change:
                new["mask"] = _pasted(old["mask"], change["mask"])
            if "clicks" in change:
                new["clicks"] = old["clicks"][: change["clicks"]["keep"]] + change["clicks"]["items"]
            self.objects[change["object_id"]] = new
        for object_id in delta["removed"]:
            del self.objects[object_id]
        if "order" in delta:
            self.order = self.order[: delta["order"]["keep"]] + delta["order"]["items"]
        self.finished = delta.get("finished", self.finished)
        self.undoable = self.undoable if delta["undoable"] is None else delta["undoable"]
        self.redoable = self.redoable if delta["redoable"] is None else delta["redoable"]
        self.version = delta["version"]

    def take(self, result: dict[str, Any]) -> None:
        for delta in result["news"]:
            self.apply(delta)
        if result["delta"]:
            self.apply(result["delta"])

    def equals(self, other: Replica) -> bool:
        plain = [{**r.__dict__, "objects": {k: {**v, "mask": v["mask"].tobytes()} for k, v in r.objects.items()}}
                 for r in (self, other)]  # fmt: skip
        return plain[0] == plain[1]


def _pasted(mask: np.ndarray, patch: dict[str, Any]) -> np.ndarray:
    x0, y0, x1, y1 = patch["rect"]
    new = mask.copy()
    if x0 != x1:
        rows = MaskRuns((x1 - x0, y1 - y0), patch["counts"]).array().T
        new[y0:y1, x0:x1] = rows
    return new


def patch_of(mask: np.ndarray) -> dict[str, Any]:
    turned = np.ascontiguousarray(mask.T)
    return {"rect": [0, 0, SIZE[1], SIZE[0]], "counts": MaskRuns.of(turned).counts}


def document(server: Server, image: str) -> dict[str, Any]:
    return server.http.get(f"/api/images/{image}").json()


def test_a_click_gives_the_mask_that_a_predictor_gives(server: Server) -> None:
    from clickwise.inference.predictor import Predictor

    image = server.images[0]
    with server.client() as client:
        result = client.ask("click", image_id=image, x=20, y=15)
        again = client.ask("click", image_id=image, object_id=result["object_id"], x=40, y=15)
    predictor = Predictor(server.network)
    predictor.set_image(Path(server.store.image(image).path))
    predictor.click(20, 15)
    expected = predictor.click(40, 15).mask
    item = server.store.document(image).objects[0]
    assert (item.mask.array() == expected).all()
    assert len(item.clicks) == 2
    assert again["delta"]["objects"][0]["area"] == expected.sum()
    assert set(again["timing"]) == {"wait", "decode", "network", "store", "total"}
    assert again["timing"]["total"] >= again["timing"]["network"] > 0


def test_every_kind_of_command_keeps_a_replica_equal(server: Server) -> None:
    image = server.images[0]
    replica = Replica(document(server, image))
    mask = np.zeros(SIZE, bool)
    mask[30:44, 30:60] = True
    with server.client() as client:
        for kind, fields in [
            ("click", {"x": 20, "y": 15}),
            ("click", {"x": 30, "y": 20, "object_id": 1}),
            ("click", {"x": 22, "y": 15, "positive": False, "object_id": 1}),
            ("box", {"x0": 5.4, "y0": 3.2, "x1": 30, "y1": 28}),
            ("stroke", {"points": [[4, 4], [30, 40.5]], "radius": 3}),
            ("stroke", {"points": [[10, 10]], "radius": 5, "erases": True, "object_id": 3}),
            ("mask", {"mask": patch_of(mask), "cut_others": True, "name": "pasted"}),
            ("mask", {"mask": patch_of(~mask), "object_id": 3}),
            ("threshold", {"object_id": 1, "value": 0.9, "commit": True}),
            ("click", {"x": 33, "y": 12, "object_id": 4, "cut_others": True}),
            ("action", {"action": {"action": "rename", "object_id": 1, "name": "Tasse é"}}),
            ("action", {"action": {"action": "colour", "object_id": 1, "colour": [1, 2, 3]}}),
            ("action", {"action": {"action": "colour", "object_id": 1, "colour": None}}),
            ("action", {"action": {"action": "hide", "object_ids": [1, 2], "hidden": True}}),
            ("action", {"action": {"action": "move", "object_id": 1, "place": 3}}),
            ("action", {"action": {"action": "merge", "into": 2, "others": [3]}}),
            ("action", {"action": {"action": "delete", "object_ids": [4]}}),
            ("action", {"action": {"action": "finish", "finished": True}}),
            ("action", {"action": {"action": "together", "actions": [
                {"action": "lock", "object_ids": [2], "locked": True}, {"action": "finish", "finished": False}]}}),
        ] + [("undo", {})] * 19 + [("redo", {})] * 12:  # fmt: skip
            result = client.ask(kind, image_id=image, base_version=replica.version, **fields)
            assert result["type"] == "result", result
            replica.take(result)
            assert replica.equals(Replica(document(server, image))), kind
    assert replica.undoable == 12
    assert not server.store.check()


def test_the_box_begins_as_predict_does(server: Server) -> None:
    from clickwise.inference.predictor import Predictor

    image = server.images[0]
    with server.client() as client:
        result = client.ask("box", image_id=image, x0=8, y0=6, x1=41, y1=32)
    predictor = Predictor(server.network)
    predictor.set_image(Path(server.store.image(image).path))
    masks, _, _ = predictor.predict(box=[8, 6, 41, 32])
    item = server.store.document(image).objects[0]
    assert (item.mask.array() == masks[0]).all()
    assert item.start is not None
    assert item.start.area == 33 * 26
    assert result["delta"]["undoable"] == 1
    assert result["delta"]["objects"][0]["has_start"]


def test_an_existing_mask_is_corrected_by_clicks(server: Server) -> None:
    from clickwise.inference.predictor import Predictor

    image = server.images[0]
    label = np.zeros(SIZE, bool)
    label[8:33, 12:44] = True
    with server.client() as client:
        made = client.ask("mask", image_id=image, mask=patch_of(label))
        client.ask("click", image_id=image, object_id=made["object_id"], x=42, y=30, positive=False)
    predictor = Predictor(server.network)
    predictor.set_image(Path(server.store.image(image).path))
    predictor.set_mask(label)
    expected = predictor.click(42, 30, positive=False).mask
    assert (server.store.document(image).objects[0].mask.array() == expected).all()
    assert expected[10:30, 15:35].all()
    assert not expected[30, 42]


def test_a_click_after_the_brush_starts_from_the_painted_mask(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        client.ask("click", image_id=image, x=20, y=15)
        client.ask("stroke", image_id=image, object_id=1, points=[[50, 40]], radius=6)
        painted = server.store.document(image).objects[0].mask.array()
        client.ask("click", image_id=image, object_id=1, x=30, y=15)
    after = server.store.document(image).objects[0].mask.array()
    assert painted[40, 50]
    assert after[40, 50]
    assert after[15, 30]


def test_after_undo_a_click_goes_on_from_what_was_there(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        client.ask("click", image_id=image, x=20, y=15)
        first = client.ask("click", image_id=image, object_id=1, x=40, y=15)
        client.ask("undo", image_id=image)
        calls = server.network.calls
        client.ask("click", image_id=image, object_id=1, x=40, y=15)
    assert server.network.calls == calls + 1, "the state before was kept, so nothing is replayed"
    assert server.store.document(image).objects[0].mask.area == first["delta"]["objects"][0]["area"]


def test_after_a_restart_clicks_are_replayed(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.client() as client:
        image = server.images[0]
        client.ask("click", image_id=image, x=20, y=15)
        client.ask("click", image_id=image, object_id=1, x=40, y=15)
        expected = client.ask("click", image_id=image, object_id=1, x=30, y=30)["delta"]["objects"][0]["area"]
        client.ask("undo", image_id=image)
    with serving(tmp_path) as server, server.client("c2") as client:
        result = client.ask("click", image_id=image, object_id=1, x=30, y=30)
        assert result["delta"]["objects"][0]["area"] == expected
        assert server.network.calls == 3


def test_a_threshold_is_shown_before_it_is_stored(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        client.ask("click", image_id=image, x=20, y=15)
        before = server.store.document(image).objects[0].mask
        shown = client.ask("threshold", image_id=image, object_id=1, value=0.9)
        assert shown["type"] == "preview"
        assert server.store.document(image).version == 1
        new = _pasted(before.array(), shown["mask"])
        assert 0 < new.sum() == shown["area"] < before.area
        client.ask("threshold", image_id=image, object_id=1, value=0.9, commit=True)
        assert (server.store.document(image).objects[0].mask.array() == new).all()
        calls = server.network.calls
        client.ask("threshold", image_id=image, object_id=1, value=0.5, commit=True)
        client.ask("click", image_id=image, object_id=1, x=40, y=15)
    assert server.network.calls == calls + 1


def test_a_painted_mask_has_no_threshold(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        client.ask("stroke", image_id=image, points=[[20, 20]], radius=5)
        refused = client.ask("threshold", image_id=image, object_id=1, value=0.9)
    assert (refused["type"], refused["code"]) == ("error", "bad_request")
    assert "click it once" in refused["message"]


def test_not_overlapping_others_is_one_step_of_undo(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        client.ask("click", image_id=image, x=20, y=15)
        area = server.store.document(image).objects[0].mask.area
        client.ask("click", image_id=image, x=24, y=15, cut_others=True)
        first, second = server.store.document(image).objects
        assert not (first.mask & second.mask).area
        assert first.mask.area < area
        client.ask("undo", image_id=image)
    (item,) = server.store.document(image).objects
    assert item.mask.area == area


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("click", {"x": 64, "y": 3}, "bad_request"),
        ("click", {"x": 3, "y": 3, "positive": False}, "bad_request"),
        ("click", {"x": 3, "y": 3, "object_id": 9}, "bad_request"),
        ("click", {"x": 3, "y": 3, "object_of": "nothing-like-it"}, "bad_request"),
        ("click", {"x": 3, "y": 3, "class_id": 9}, "bad_request"),
        ("click", {"x": 3, "y": 3, "model": "other"}, "model"),
        ("click", {"x": "3", "y": 3}, "bad_request"),
        ("click", {"y": 3}, "bad_request"),
        ("box", {"x0": 70, "y0": 3, "x1": 90, "y1": 20}, "bad_request"),
        ("stroke", {"points": [], "radius": 2}, "bad_request"),
        ("stroke", {"points": [[1, 1]], "radius": 0}, "bad_request"),
        ("mask", {"mask": {"rect": [0, 0, 65, 10], "counts": "0"}}, "bad_request"),
        ("mask", {"mask": {"rect": [0, 0, 4, 4], "counts": "zzz"}}, "bad_request"),
        ("mask", {"mask": {"rect": [0, 0, 4, 4], "counts": "\u0100"}}, "bad_request"),
        ("action", {"action": {"action": "delete"}}, "bad_request"),
        ("action", {"action": {"action": "delete", "object_ids": [7]}}, "bad_request"),
        ("action", {"action": {"action": "rename", "object_id": 1, "name": {"mask": "ab"}}}, "bad_request"),
        ("action", {"action": {"action": "start", "mask": {"mask": "ab"}}}, "bad_request"),
        ("action", {"action": {"action": "finish", "finished": "yes"}}, "bad_request"),
        ("undo", {}, "bad_request"),
        ("undo", {"base_version": 99}, "bad_request"),
        ("dance", {}, "bad_request"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_changes(
    shared: Server, untouched: str, kind: str, fields: dict[str, Any], code: str
) -> None:
    with shared.client() as client:
        answer = client.ask(kind, image_id=untouched, **fields)
        assert (answer["type"], answer["code"], answer["keep"]) == ("error", code, True)
        assert "\n" not in answer["message"]
        client.send("ping")
        client.of("pong")
    assert shared.store.document(untouched).version == 0


def test_a_locked_object_says_so(server: Server) -> None:
    image = server.images[0]
    with server.client() as client:
        client.ask("click", image_id=image, x=20, y=15)
        client.ask("action", image_id=image, action={"action": "lock", "object_ids": [1], "locked": True})
        calls = server.network.calls
        for kind, fields in [("click", {"x": 3, "y": 3}), ("stroke", {"points": [[1, 1]], "radius": 2})]:
            assert client.ask(kind, image_id=image, object_id=1, **fields)["code"] == "locked"
    assert server.network.calls == calls


def test_an_unknown_picture_is_not_found(server: Server) -> None:
    with server.client() as client:
        assert client.ask("click", image_id="nothing", x=1, y=1)["code"] == "not_found"
        assert client.ask("undo", image_id="nothing")["code"] == "not_found"
    assert server.http.get("/api/images/nothing").status_code == 404


def test_patches_are_read_as_they_are_written() -> None:
    rng = np.random.default_rng(3)
    mask = rng.random(SIZE) < 0.3
    sent = Patch.model_validate_json(json.dumps(patch_of(mask)))
    assert (read_patch(sent, SIZE).array() == mask).all()
