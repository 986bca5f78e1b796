"""The predictor from afar does what the local one does: one contract for both. And what only a server can do."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from running import TOKEN, Brightness, make_photos, running, scene

from clickwise.annotate.client import Calls, RemotePredictor, RemoteProject
from clickwise.annotate.networks import Network
from clickwise.annotate.scratch import Scratches
from clickwise.annotate.store import ProjectStore
from clickwise.errors import (
    ClickError,
    ClickwiseError,
    ConflictError,
    ImageError,
    InputError,
    LockedError,
    MaskError,
    ModelError,
    OptionError,
    ProjectError,
    ServerError,
)
from clickwise.imaging import image_from
from clickwise.inference.predictor import Predictor


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served")
    make_photos(folder / "photos")
    (folder / "photos" / "broken.png").write_bytes(b"no picture")
    with ProjectStore.open(folder / "project", name="bars") as store:
        store.add_images([folder / "photos"])
        with running(store) as address:
            yield address


def local(_address: str) -> Predictor:
    return Predictor(Brightness().eval())


def remote(address: str) -> RemotePredictor:
    return RemotePredictor(address)


@pytest.fixture(params=[local, remote], ids=["local", "remote"])
def predictor(request: pytest.FixtureRequest, address: str) -> Iterator[Any]:
    made = request.param(address)
    yield made
    if isinstance(made, RemotePredictor):
        made.close()


# ------------------------------------------------------------------------------------------------ the contract


def assert_empty(prediction: Any) -> None:
    assert not prediction.mask.any()
    assert (prediction.area, prediction.box, len(prediction.clicks)) == (0, None, 0)
    assert not prediction.probs.any()


def test_pictures_of_every_kind(predictor: Any, tmp_path: Path) -> None:
    rgb = scene()
    Image.fromarray(rgb).save(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(rgb).save(tmp_path / "turned.png", exif=exif)
    areas = []
    for given in (rgb, Image.fromarray(rgb), tmp_path / "a.png", str(tmp_path / "a.png"), image_from(rgb)):
        predictor.set_image(given)
        assert predictor.size == (80, 120)
        assert np.array_equal(predictor.image.rgb, rgb)
        assert_empty(predictor.prediction)
        areas.append(predictor.click(30, 20).area)
    assert len(set(areas)) == 1
    predictor.set_image(tmp_path / "turned.png")
    assert predictor.size == (120, 80)
    assert predictor.click(65, 30).mask[30, 65]
    predictor.set_image(rgb[:, :, 0])
    assert predictor.size == (80, 120)


def test_click_undo_redo_reset(predictor: Any) -> None:
    predictor.set_image(scene())
    first = predictor.click(30, 20)
    second = predictor.click(5, 5, positive=False)
    assert [(c.x, c.y, c.is_positive) for c in second.clicks] == [(30, 20, True), (5, 5, False)]
    assert (first.mask.dtype, first.mask.shape, first.probs.dtype) == (np.bool_, (80, 120), np.float32)
    assert np.array_equal(first.mask, first.probs > first.threshold)
    assert first.area == first.mask.sum()
    assert (first.forwards >= 1, 0 < first.score <= 1) == (True, True)
    assert np.isfinite(first.logits).all()
    assert np.array_equal(predictor.undo().mask, first.mask)
    assert_empty(predictor.undo())
    assert_empty(predictor.undo())
    assert np.array_equal(predictor.redo().probs, first.probs)
    assert np.array_equal(predictor.redo().probs, second.probs)
    assert np.array_equal(predictor.redo().mask, second.mask)
    predictor.undo()
    third = predictor.click(6, 70, False)
    assert np.array_equal(predictor.redo().mask, third.mask)  # nothing to redo after a new click
    predictor.reset()
    assert_empty(predictor.prediction)
    assert_empty(predictor.redo())


@pytest.mark.parametrize("kind", ["bool", "bytes", "float", "deep"])
def test_masks_to_start_from(predictor: Any, kind: str) -> None:
    predictor.set_image(scene())
    mask = np.zeros((80, 120), bool)
    mask[40:60, 70:110] = True
    given: Any = {
        "bool": mask,
        "bytes": mask.astype(np.uint8) * 255,
        "float": mask.astype(np.float64) * 0.75,
        "deep": mask[None],
    }[kind]
    started = predictor.set_mask(given)
    assert np.array_equal(started.mask, mask)
    assert started.probs.max() == (0.75 if kind == "float" else 1)
    assert len(started.clicks) == 0
    corrected = predictor.click(80, 50, False)  # a background click alone is fine on a mask
    assert len(corrected.clicks) == 1
    predictor.undo()
    assert_empty(predictor.undo())


def test_boxes(predictor: Any) -> None:
    predictor.set_image(scene())
    boxed = predictor.box(18, 8, 62, 32)
    assert [(c.x, c.y) for c in boxed.clicks] == [(39.5, 19.5)]
    assert boxed.mask[20, 40]
    again = predictor.box(18, 8, 62, 32, keep_mask=True)
    assert len(again.clicks) == 2


def test_predict_with_the_arguments_of_segment_anything(predictor: Any) -> None:
    predictor.set_image(scene())
    kept = predictor.click(30, 20)
    coords, signs = np.array([[30, 20], [5, 5]]), np.array([1, 0])
    masks, scores, probs = predictor.predict(coords, signs, box=np.array([18, 8, 62, 32]), multimask_output=True)
    assert (masks.shape, masks.dtype) == ((1, 80, 120), np.bool_)
    assert (scores.shape, scores.dtype, probs.shape, probs.dtype) == ((1,), np.float32, (1, 80, 120), np.float32)
    assert masks[0, 20, 30]
    logits, _, _ = predictor.predict(mask_input=probs[0], return_logits=True)
    assert logits.dtype == np.float32
    assert np.array_equal(predictor.prediction.mask, kept.mask)  # it does not matter to clicks
    assert np.array_equal(predictor.undo().mask, np.zeros((80, 120), bool))


WRONG = [
    (lambda p: p.click(-1, 3), ClickError, "outside the image of 120 x 80"),
    (lambda p: p.click(120, 3), ClickError, "outside the image"),
    (lambda p: p.click(float("nan"), 3), ClickError, "finite"),
    (lambda p: p.click(3, 3, positive=False), ClickError, "click the object first"),
    (lambda p: p.box(5, 5, 5, 9), ClickError, "holds no pixel"),
    (lambda p: p.box(0, 0, 500, 9), ClickError, "outside the image"),
    (lambda p: p.box(0, 0, float("inf"), 9), ClickError, "finite"),
    (lambda p: p.set_mask(np.zeros((3, 4), bool)), MaskError, r"shape \(3, 4\)"),
    (lambda p: p.set_mask(np.full((80, 120), 2.0)), MaskError, "probabilities"),
    (lambda p: p.predict(), ClickError, "no clicks, box or mask"),
    (lambda p: p.predict([[1, 2]], None), ClickError, "belong together"),
    (lambda p: p.predict([[1, 2]], [1, 1]), ClickError, "expected as many"),
    (lambda p: p.predict([[1, 2, 3]], [1]), ClickError, "shape"),
    (lambda p: p.predict([[1, 2]], [7]), ClickError, "expected 1"),
    (lambda p: p.predict("here", [1]), ClickError, "numbers"),
    (lambda p: p.predict(box=[1, 2, 3]), ClickError, "shape"),
    (lambda p: p.set_image("nowhere.png"), ImageError, "nowhere.png"),
    (lambda p: p.set_image(object()), ImageError, "picture is"),
]


def test_the_same_errors_and_nothing_is_changed_by_them(predictor: Any) -> None:
    with pytest.raises(ImageError, match="set_image first"):
        predictor.click(1, 1)
    predictor.set_image(scene())
    for wrong, kind, words in WRONG:
        with pytest.raises(kind, match=words):
            wrong(predictor)
        assert_empty(predictor.prediction)
    kept = predictor.click(30, 20)
    with pytest.raises(ClickError):
        predictor.click(1000, 1)
    assert np.array_equal(predictor.prediction.mask, kept.mask)


def test_both_give_the_same_numbers(address: str) -> None:
    """Bit by bit: the same network, the same chain, nothing rounded on the way."""
    one, other = local(address), remote(address)
    steps: list[Any] = [
        lambda p: p.click(30, 20),
        lambda p: p.click(100.5, 60.25, False),
        lambda p: p.undo(),
        lambda p: p.click(50, 12),
        lambda p: p.set_mask(np.linspace(0, 1, 9600, dtype=np.float32).reshape(80, 120)),
        lambda p: p.click(50, 12, False),
        lambda p: p.box(10, 5, 70, 40),
    ]
    for predictor in (one, other):
        predictor.set_image(scene())
    for step in steps:
        here, there = step(one), step(other)
        assert np.array_equal(here.mask, there.mask)
        assert np.array_equal(here.probs, there.probs)
        assert np.array_equal(here.logits, there.logits)
        assert (here.box, here.area, here.window, here.forwards) == (
            there.box,
            there.area,
            there.window,
            there.forwards,
        )
        assert here.score == pytest.approx(there.score)
        assert (here.clicks, here.threshold) == (there.clicks, there.threshold)
    for here, there in zip(one.predict([[30, 20]], [1]), other.predict([[30, 20]], [1]), strict=True):
        assert np.array_equal(here, there)
    other.close()


# ------------------------------------------------------------------------------------------------ only from afar


def test_several_users_do_not_mix(address: str) -> None:
    wanted = [local(address) for _ in range(3)]
    areas: dict[int, list[int]] = {}
    for number, predictor in enumerate(wanted):
        predictor.set_image(scene(number))
        areas[number] = [predictor.click(30, 30).area, predictor.click(50, 30).area, predictor.undo().area]
    found: dict[int, list[int]] = {}

    def work(number: int) -> None:
        with RemotePredictor(address, user=f"user {number}") as predictor:
            predictor.set_image(scene(number))
            found[number] = [predictor.click(30, 30).area, predictor.click(50, 30).area, predictor.undo().area]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == areas


def test_options_and_models(address: str) -> None:
    low, high = RemotePredictor(address, threshold=0.001), RemotePredictor(address, threshold=0.99)
    for predictor in (low, high):
        predictor.set_image(scene())
    assert low.click(30, 20).area > high.click(30, 20).area
    with pytest.raises(ModelError, match="expected one of tiny, broken"):
        RemotePredictor(address, model="other").set_image(scene())
    failing = RemotePredictor(address, model="broken")
    failing.set_image(scene())
    with pytest.raises(ModelError, match="no such weights"):
        failing.click(1, 1)
    for predictor in (low, high, failing):
        predictor.close()
        with pytest.raises(ImageError, match="set_image first"):
            predictor.click(1, 1)


def test_old_probabilities_go_and_masks_stay(address: str) -> None:
    with RemotePredictor(address) as predictor:
        predictor.set_image(scene())
        first = predictor.click(30, 20)
        seen = predictor.click(31, 20)
        assert seen.probs.max() > 0
        for _ in range(40):
            predictor.click(30, 21)
        with pytest.raises(ProjectError, match="not kept any more"):
            first.probs  # noqa: B018
        assert first.mask.any()
        assert seen.probs.max() > 0


def test_addresses_tokens_and_servers_that_are_not_there(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = address.partition("/#")[0]
    monkeypatch.delenv("CLICKWISE_TOKEN", raising=False)
    for given, token in ((address, None), (plain, TOKEN), (plain.removeprefix("http://"), TOKEN), (f"{plain}/", TOKEN)):
        assert RemoteProject(given, token).name == "bars"
    with pytest.raises(OptionError, match="no token"):
        RemoteProject(plain)
    monkeypatch.setenv("CLICKWISE_TOKEN", TOKEN)
    assert RemoteProject(plain).name == "bars"
    with pytest.raises(ServerError, match="token is missing or wrong"):
        RemoteProject(plain, "another-token").info()
    with pytest.raises(ServerError, match="cannot be reached"):
        RemoteProject("http://127.0.0.1:9", TOKEN).info()
    for wrong in ("ftp://host/", "http://", "http://host:port"):
        with pytest.raises(OptionError, match="no address"):
            Calls(wrong, TOKEN)


def test_a_connection_that_the_server_dropped_is_opened_again(address: str) -> None:
    calls = Calls(address)
    calls.json("GET", "health")
    calls._connection.sock.close()  # as after a restart or a night
    assert calls.json("GET", "health")["ok"]


def test_the_client_needs_neither_torch_nor_a_web_framework() -> None:
    code = (
        "import sys, clickwise.annotate.client; "
        "print(sorted({'torch', 'fastapi', 'starlette', 'uvicorn', 'sqlalchemy', 'httpx'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ------------------------------------------------------------------------------------------------ leases


def test_leases_end_by_silence_and_are_limited() -> None:
    now = [0.0]
    leases = Scratches(most=2, most_bytes=100_000, idle_seconds=10, clock=lambda: now[0])
    network = Network("tiny", lambda: Brightness().eval())
    image = image_from(scene())
    first = leases.lease(image, network)
    now[0] = 8
    second = leases.lease(image, network)
    with pytest.raises(ServerError, match="2 pictures of scripts are open"):
        leases.lease(image, network)
    leases.get(first.scratch_id)
    now[0] = 17
    leases.get(first.scratch_id)
    now[0] = 19  # the second was silent for 11 s
    with pytest.raises(ProjectError, match="after 10 s of silence"):
        leases.get(second.scratch_id)
    leases.close(first.scratch_id)
    leases.close(first.scratch_id)
    assert len(leases) == 0
    big = image_from(np.zeros((200, 200, 3), np.uint8))
    leases.lease(big, network)  # alone anything goes
    with pytest.raises(ServerError, match="room"):
        leases.lease(image, network)
    network.close()


def test_pictures_go_although_nobody_asks_any_more() -> None:
    leases = Scratches(idle_seconds=0.05)
    network = Network("tiny", lambda: Brightness().eval())
    leases.lease(image_from(scene()), network)
    begin = time.monotonic()
    while len(leases) and time.monotonic() - begin < 30:
        time.sleep(0.01)
    assert len(leases) == 0
    network.close()


# ------------------------------------------------------------------------------------------------ the project


def test_a_script_labels_a_picture(address: str, tmp_path: Path) -> None:
    with RemoteProject(address, user="Ada") as project:
        names = [item.name for item in project.images()]
        assert names == ["a.png", "b.jpg", "broken.png", "day1/a.png"]
        assert [item.name for item in project.images("broken")] == ["broken.png"]
        assert project.models()[0].name == "tiny"
        image_id = project.image("day1/a.png").image_id
        number = project.click(image_id, 30, 20)
        assert project.click(image_id, 5, 70, False, object_id=number) == number
        mask = np.zeros((80, 120), np.uint8)
        mask[3:9, 100:110] = 255
        other = project.set_mask(image_id, mask, name="left")
        document = project.document(image_id)
        assert [item.object_id for item in document.objects] == [number, other]
        assert (document.objects[1].name, document.objects[1].class_name) == ("left", "object")
        assert np.array_equal(document.objects[1].mask, mask > 0)
        assert len(document.objects[0].clicks) == 2
        assert document.objects[0].mask[20, 30]
        project.action(image_id, "lock", object_ids=[other], locked=True)
        with pytest.raises(LockedError, match="locked"):
            project.set_mask(image_id, mask, object_id=other)
        project.undo(image_id)
        project.redo(image_id)
        project.finish(image_id)
        assert project.document(image_id).finished
        with pytest.raises(ConflictError, match="version"):
            project.do(image_id, "undo", base_version=1)
        assert project.classes() == {"object": 1}


def test_wrong_calls_say_what_is_wrong(address: str, tmp_path: Path) -> None:
    project = RemoteProject(address)
    for wrong, kind, words in (
        (lambda: project.image("nothing.png"), InputError, "no picture"),
        (lambda: project.document("0" * 16), ProjectError, "not in this project"),
        (lambda: project.document(project.image("broken.png").image_id), InputError, "broken.png"),
        (lambda: project.do(project.image("a.png").image_id, "dance"), InputError, "dance"),
        (lambda: project.set_mask(project.image("a.png").image_id, np.zeros((2, 2), bool)), MaskError, "shape"),
        (lambda: project.upload(tmp_path / "none.png"), InputError, "cannot be read"),
        (lambda: project.export("coco", tmp_path), OptionError, "is a folder"),
        (lambda: project.export("doc", tmp_path / "x.json"), ClickwiseError, "known: coco"),
    ):
        with pytest.raises(kind, match=words):
            wrong()
    assert list(tmp_path.iterdir()) == []


def test_uploads(address: str, tmp_path: Path) -> None:
    Image.fromarray(scene(3)).save(tmp_path / "new.png")
    project = RemoteProject(address)
    found = project.upload(tmp_path / "new.png", "../../fresh.png")
    assert found.name == "fresh.png"
    assert project.click(found.image_id, 30, 30) == 1
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="bad"):
        project.upload(tmp_path / "bad.png")


def test_a_picture_is_left_out_and_taken_back(tmp_path: Path) -> None:
    with ProjectStore.open(tmp_path / "project") as store:
        store.add_images([make_photos(tmp_path / "photos")])
        with running(store) as address, RemoteProject(address) as project:
            picture = project.image("a.png")
            item = project.set_mask(picture.image_id, scene()[:, :, 0] > 128)
            assert project.leave_out(picture.image_id).object_count == 1
            with pytest.raises(InputError, match="no picture"):
                project.image("a.png")
            assert [one.name for one in project.images("left_out")] == ["a.png"]
            project.take_back(picture.image_id)
            assert project.image("a.png").object_count == 1
            assert project.document(picture.image_id).objects[0].object_id == item
            with pytest.raises(ProjectError):
                project.leave_out("nothing")


def test_a_predictor_beside_the_project(address: str) -> None:
    with RemoteProject(address) as project:
        predictor = project.predictor()
        predictor.set_image(scene())
        assert predictor.click(30, 20).mask[20, 30]
        before = sum(1 for _ in project.images())
        predictor.close()
        assert sum(1 for _ in project.images()) == before
