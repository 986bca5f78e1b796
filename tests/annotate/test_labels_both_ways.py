"""Labels out of a project and into another one: through the server, through the command, in every format."""

from __future__ import annotations

import io
import json
import stat
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import make_photos, running, scene

from clickwise.annotate import actions, transfer
from clickwise.annotate.client import RemoteProject
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.store import ProjectStore
from clickwise.cli.main import main
from clickwise.errors import ClickwiseError, ConflictError, InputError, ProjectError
from clickwise.formats.registry import FORMATS, find_format

MOST = 1 << 24
NAMES = ("a.png", "day1/a.png", "day1/deep/b.jpg")
ALL = [form.name for form in FORMATS]


def masks(holes: bool, overlapping: bool) -> list[np.ndarray]:
    """A bar, one pixel in the corner, two parts that touch at one, one with a hole."""
    bar, dot, parts, ring = (np.zeros((80, 120), bool) for _ in range(4))
    bar[0:20, 0:119] = True
    dot[79, 119] = True
    parts[30:40, 10:20] = parts[40:50, 20:30] = parts[60, 3:60:4] = True
    ring[30:70, 60:100] = True
    ring[40:50, 70:80] = not holes
    if overlapping:
        dot[10:30, 50:60] = True
    return [bar, dot, parts, ring]


def worked_on(place: Path, photos: Path, holes: bool = True, overlapping: bool = True) -> ProjectStore:
    store = ProjectStore.open(place, name="bars & more")
    store.add_images([photos])
    store.set_classes(store.classes()[0].add("été"))
    for number, entry in enumerate(store.images()):
        steps = [
            actions.AddObject(MaskRuns.of(mask), 1 + (number + n) % 2)
            for n, mask in enumerate(masks(holes, overlapping))
        ]
        store.record(entry.image_id, actions.Together(tuple(steps)))
    return store


def content(store: ProjectStore) -> dict[str, list[tuple[str, MaskRuns]]]:
    classes = store.classes()[0]
    return {
        entry.name: [(classes.get(o.class_id).name, o.mask) for o in store.document(entry.image_id).objects]
        for entry in store.images()
    }


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = make_photos(tmp_path / "photos", NAMES)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(scene(), 1)).save(folder / "day1/deep/b.jpg", exif=exif)
    return folder


@pytest.mark.parametrize("form", [*ALL, "project"])
def test_out_of_a_project_and_into_another(form: str, photos: Path, tmp_path: Path) -> None:
    can = find_format(form).can if form != "project" else None
    with worked_on(tmp_path / "one", photos, can is None or can.holes, can is None or can.overlaps) as one:
        if can is not None and can.most == 1:
            for entry in one.images():
                one.record(entry.image_id, actions.Delete((2, 3, 4)))
        (tmp_path / "out").mkdir()
        sent = transfer.labels_file(one, form, tmp_path / "out")
        assert sent.name == f"bars---more{'' if form == 'project' else '-' + form}{sent.path.suffix}"
        with ProjectStore.open(tmp_path / "two") as two:
            two.add_images([photos])
            done = transfer.take_labels(two, sent.path, sent.name, most_bytes=MOST)
            assert content(two) == content(one)
            assert (done.images, done.objects) == (3, sum(map(len, content(one).values())))
            again = transfer.take_labels(two, sent.path, sent.name, most_bytes=MOST)
            assert again.objects in (0, done.objects)
            assert content(two) == content(one)
            if form != "project":
                for entry in two.images():  # one step of undo for each picture
                    assert two.undo(entry.image_id).document.objects == ()


def test_three_hundred_objects_and_pycocotools_agrees(photos: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    rng = np.random.default_rng(0)
    with ProjectStore.open(tmp_path / "one") as one:
        one.add_images([photos / "a.png"])
        drawn = [
            MaskRuns.of_crop(
                (80, 120), int(rng.integers(101)), int(rng.integers(61)), rng.random((20, 20)) < rng.random()
            )
            for _ in range(299)
        ]
        drawn.append(MaskRuns.of_crop((80, 120), 0, 0, np.ones((80, 120), bool)))
        steps = tuple(actions.AddObject(mask) for mask in drawn if mask.area)
        one.record(one.images()[0].image_id, actions.Together(steps))
        sent = transfer.labels_file(one, "coco", tmp_path)
        with ProjectStore.open(tmp_path / "two") as two:
            two.add_images([photos / "a.png"])
            transfer.take_labels(two, sent.path, "x.json", most_bytes=MOST)
            assert content(two) == content(one)
    found = coco.COCO(str(sent.path))
    theirs = [found.annToMask(annotation).astype(bool) for annotation in found.dataset["annotations"]]
    assert all(np.array_equal(a, b.mask.array()) for a, b in zip(theirs, steps, strict=True))


def test_a_mask_as_a_picture_and_files_by_their_last_name(photos: Path, tmp_path: Path) -> None:
    with ProjectStore.open(tmp_path / "one") as one:
        one.add_images([photos])
        mask = np.zeros((80, 120), np.uint8)
        mask[5:9, 7:30] = 255
        Image.fromarray(mask).save(tmp_path / "b.png")
        (tmp_path / "b.txt").write_text("0 0.5 0 1 0 1 1 0.5 1\n")
        done = transfer.take_labels(one, tmp_path / "b.png", "b.png", most_bytes=MOST)
        assert (done.images, done.objects) == (1, 1)
        (entry,) = [entry for entry in one.images() if entry.object_count]
        assert entry.name == "day1/deep/b.jpg"
        assert transfer.take_labels(one, tmp_path / "b.png", "b_mask.png", form="coco", most_bytes=MOST).objects == 0
        done = transfer.take_labels(one, tmp_path / "b.txt", "b.txt", most_bytes=MOST)
        assert (done.objects, done.message) == (1, "1 object on 1 picture.")
        assert one.document(entry.image_id).objects[1].mask.box == (60, 0, 120, 80)
        for name, reason in (("a.png", r"a\.png or day1/a\.png"), ("c.png", "belongs to no picture")):
            with pytest.raises(ProjectError, match=reason):
                transfer.take_labels(one, tmp_path / "b.png", name, most_bytes=MOST)
        done = transfer.take_labels(one, tmp_path / "b.png", "c.png", most_bytes=MOST, image_id=entry.image_id)
        assert (done.images, done.objects) == (1, 0), "as it was said whose it is; it is there already"
        alike = next(one for one in one.images() if one.name == "a.png")
        with pytest.raises(ProjectError, match=r"a\.png or day1/a\.png"):
            transfer.take_labels(one, tmp_path / "b.png", "c.png", most_bytes=MOST, image_id=alike.image_id)
        with pytest.raises(ProjectError, match="not in this project"):
            transfer.take_labels(one, tmp_path / "b.png", "c.png", most_bytes=MOST, image_id="nothing")


def zipped(files: dict[str, bytes], **attributes: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(entry, key, value)
            archive.writestr(entry, data)
    return buffer.getvalue()


def test_uploads_of_strangers_are_refused_and_nothing_is_stored(photos: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    Image.new("RGB", (977, 7)).save(secret)
    coco = {"categories": [{"id": 1, "name": "x"}], "annotations": []}
    spying = [{"id": 1, "file_name": name, "width": 1, "height": 1} for name in (str(secret), "../../secret.png")]
    lists = {"SegmentationObject/x.png": b"", "ImageSets/Segmentation/train.txt": b"../../../secret"}
    uploads = {
        "../out.json": zipped({"../out.json": b"{}"}),
        "links.zip": zipped({"masks/a.png": str(secret).encode()}, external_attr=(stat.S_IFLNK | 0o777) << 16),
        "bomb.zip": zipped({"masks/a.png": bytes(1 << 25)}),
        "empty.zip": zipped({}),
        "nothing.json": b"{}",
        "text.txt": b"hello",
        "half.zip": zipped({"a.json": b"{}"})[:-10],
        "absolute.json": json.dumps({**coco, "images": spying[:1]}).encode(),
        "above.json": json.dumps({**coco, "images": spying[1:]}).encode(),
        "lists.zip": zipped(lists),
        "yolo.zip": zipped({"data.yaml": b"train: /etc\nnames: [x]\n", "labels/zz.txt": b"0 0 0 1 0 1 1\n"}),
    }
    with ProjectStore.open(tmp_path / "one") as one:
        one.add_images([photos])
        for name, data in uploads.items():
            (tmp_path / "upload").write_bytes(data)
            with pytest.raises(ClickwiseError) as caught:
                transfer.take_labels(one, tmp_path / "upload", name, most_bytes=MOST)
            told = str(caught.value)
            assert "977" not in told, f"{name} tells of a picture outside: {told}"
            assert "clickwise-" not in told, f"{name} tells of a folder of the server: {told}"
            assert "\n" not in told
        assert all(entry.version == 0 for entry in one.images())
        assert len(one.classes()[0]) == 1


# ------------------------------------------------------------------------------------------------ over the server


@pytest.fixture
def served(photos: Path, tmp_path: Path) -> Iterator[tuple[ProjectStore, RemoteProject]]:
    with worked_on(tmp_path / "one", photos) as store, running(store, most_upload=MOST) as address:
        yield store, RemoteProject(address, user="Ada")


def test_downloads_and_uploads(served: tuple[ProjectStore, RemoteProject], photos: Path, tmp_path: Path) -> None:
    store, project = served
    assert project.export("coco", tmp_path / "x.json") == ()
    assert project.export("labelme", tmp_path / "x.zip", pictures=True) == ("colours of classes are not kept",)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.read("day1/a.png") == (photos / "day1/a.png").read_bytes()
        assert "day1/deep/b.json" in archive.namelist()
    with pytest.raises(ConflictError, match=r"overlaps one before it, which voc cannot hold; use coco"):
        project.export("voc", tmp_path / "y.zip")
    with pytest.raises(ConflictError, match="no picture is finished"):
        project.export("coco", tmp_path / "y.json", finished_only=True)
    with pytest.raises(ConflictError, match="has a hole, which yolo cannot hold"):
        project.export("yolo", tmp_path / "y.zip")
    assert project.export("yolo", tmp_path / "y.zip", holes="bridge")
    assert not (tmp_path / "y.json").exists()
    before = content(store)
    for entry in store.images():
        store.record(entry.image_id, actions.Delete((1, 2, 3, 4)))
    for file in ("x.json", "x.zip", "y.zip"):
        done = project.import_labels(tmp_path / file)
        assert (done.images, done.objects) == (3, 12 if file == "x.json" else 0)
        assert content(store) == before
    assert store.events(store.images()[0].image_id)[-1].author == "Ada"


def test_the_project_moves_to_another_server(
    served: tuple[ProjectStore, RemoteProject], photos: Path, tmp_path: Path
) -> None:
    store, project = served
    assert project.export_project(tmp_path / "p.zip") == ()
    with ProjectStore.open(tmp_path / "two") as two, running(two) as address:
        other = RemoteProject(address)
        assert other.import_labels(tmp_path / "p.zip").images == 3
        assert content(two) == content(store)
        assert [two.events(e.image_id) for e in two.images()] == [store.events(e.image_id) for e in store.images()]
        assert all(Path(entry.path).is_relative_to(tmp_path / "two" / "pictures") for entry in two.images())
        assert other.export("project", tmp_path / "back.zip") == ()
        two.undo(two.images()[0].image_id)
        other.export_project(tmp_path / "newer.zip", pictures=False)
    assert project.import_labels(tmp_path / "back.zip").images == 0
    assert project.import_labels(tmp_path / "newer.zip").images == 1
    assert store.document(store.images()[0].image_id).objects == ()


def test_refusals_of_uploads(served: tuple[ProjectStore, RemoteProject], tmp_path: Path) -> None:
    store, project = served
    (tmp_path / "big.json").write_bytes(b" " * (MOST + 1))
    (tmp_path / "empty.json").write_bytes(b"")
    Image.new("L", (10, 10), 255).save(tmp_path / "a.png")
    (tmp_path / "wrong.zip").write_bytes(zipped({"masks/day1/a.png": (tmp_path / "a.png").read_bytes()}))
    before = content(store)
    (tmp_path / "masks.zip").write_bytes(zipped({"day1/a.json": b'{"shapes": [], "imagePath": "a.png"}'}))
    for name, form, kind, words in (
        ("masks.zip", "coco", InputError, "holds LabelMe JSON, one per picture, not coco; choose labelme, or auto"),
        ("big.json", "auto", InputError, "larger than 16 MB"),
        ("empty.json", "auto", InputError, "empty"),
        ("a.png", "doc", InputError, "no label format is called 'doc'"),
        ("wrong.zip", "auto", ClickwiseError, "10"),
    ):
        with pytest.raises(kind, match=words):
            project.import_labels(tmp_path / name, form)
    assert content(store) == before


def test_others_click_while_labels_are_written(
    served: tuple[ProjectStore, RemoteProject], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, project = served
    begun, go_on = threading.Event(), threading.Event()

    def slow(*_arguments: object, **_named: object) -> None:
        begun.set()
        assert go_on.wait(200)
        raise ProjectError("enough")

    monkeypatch.setattr(transfer, "labels_file", slow)
    other = RemoteProject(project._calls.address, "token-of-the-tests")
    failed: list[Exception] = []

    def download() -> None:
        try:
            other.export("coco", tmp_path / "x.json")
        except ClickwiseError as error:
            failed.append(error)

    thread = threading.Thread(target=download)
    thread.start()
    assert begun.wait(200)
    image_id = project.image("a.png").image_id
    start = time.monotonic()
    project.click(image_id, 30, 20)
    assert time.monotonic() - start < 150
    go_on.set()
    thread.join()
    assert [str(error) for error in failed] == ["enough"]


# ------------------------------------------------------------------------------------------------ the command


def test_the_command_zips_and_restores(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with worked_on(tmp_path / "one", photos) as one:
        expected = content(one)
    assert main(["export-labels", "one", "--format", "project", "-o", "p.zip", "--with-pictures"]) == 0
    assert capsys.readouterr().out == "p.zip: the project with its history; pictures: 3, with their files: 3\n"
    assert main(["import-labels", "p.zip", "-o", "two"]) == 0
    assert capsys.readouterr().out == "two: pictures with their history: 3; known already: 0\n"
    assert main(["import-labels", "p.zip", "-o", "two"]) == 0
    assert capsys.readouterr().out == "two: pictures with their history: 0; known already: 3\n"
    with ProjectStore.open(tmp_path / "two", create=False) as two:
        assert content(two) == expected
    assert main(["export-labels", "p.zip", "--format", "coco", "-o", "p.json"]) == 0  # a zip is a source like others
    assert main(["import-labels", "p.json", "-o", "three", "--images", "photos"]) == 0
    with ProjectStore.open(tmp_path / "three", create=False) as three:
        assert content(three) == expected
    capsys.readouterr()
    for words, reason in (
        (["export-labels", "one", "--format", "project", "-o", "p.zip"], "there already"),
        (["export-labels", "one", "--format", "project", "-o", "p"], "does not end in .zip"),
        (["export-labels", "p.json", "--format", "project", "-o", "q.zip"], "is no project"),
        (["import-labels", "p.zip", "-o", "photos"], "new folder"),
    ):
        assert main(words) == 2
        told = capsys.readouterr().err
        assert reason in told
        assert told.count("\n") == 1
