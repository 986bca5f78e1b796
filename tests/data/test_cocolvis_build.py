"""COCO+LVIS built from miniatures of the official files: both forms, going on after a stop, bad input."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from miniatures import blob, picture, save

from clickwise.cli.main import main
from clickwise.data import cocolvis_build
from clickwise.data.cocolvis_build import JOURNAL_FILE, BuildPlan, build_cocolvis
from clickwise.data.cocolvis_merge import merge_picture
from clickwise.data.cocolvis_work import dump_pickle, fill_official, pycocotools
from clickwise.data.datasets.coco_lvis import CocoLvis
from clickwise.data.datasets.safe_pickle import loads
from clickwise.errors import ClickwiseError, DatasetError, MissingExtraError, OptionError

pytest.importorskip("pycocotools")
SIZE = (60, 80)
Box = tuple[int, int, int, int]
PICTURES: dict[str, dict[str, list[Box]]] = {
    "train2017/000000000009.jpg": {
        "lvis": [(2, 2, 40, 40), (5, 5, 25, 25), (7, 7, 17, 17), (50, 2, 70, 20), (50, 2, 70, 19)],
        "things": [(2, 2, 40, 38), (50, 30, 70, 45)],
        "stuff": [(0, 46, 80, 60)],
        "crowd": [(60, 22, 78, 28)],
    },
    "train2017/000000000025.jpg": {"lvis": [(1, 1, 30, 30)], "things": [], "stuff": [], "crowd": []},
    "val2017/000000000030.jpg": {"lvis": [(1, 1, 5, 5)], "things": [(10, 10, 30, 40)], "stuff": [], "crowd": []},
    "val2017/000000000042.jpg": {"lvis": [(1, 1, 5, 5)], "things": [], "stuff": [], "crowd": []},  # too small
}
CATEGORIES = [{"id": 1, "isthing": 1}, {"id": 184, "isthing": 0}]


def write_official(root: Path) -> tuple[Path, Path]:
    lvis, coco = root / "LVIS", root / "COCO"
    images, annotations = [], []
    panoptic: dict[str, list[object]] = {"train2017": [], "val2017": []}
    for file, content in PICTURES.items():
        part, name = file.split("/")
        number = int(Path(name).stem)
        save(coco / part / name, picture(SIZE, seed=number))
        images.append({"id": number, "height": SIZE[0], "width": SIZE[1], "coco_url": f"http://images/{file}"})
        for x0, y0, x1, y1 in content["lvis"]:
            polygon = [x0, y0, x1, y0, x1, y1, x0, y1]
            annotations.append({"id": len(annotations), "image_id": number, "segmentation": [polygon]})
        ids, segments = np.zeros(SIZE, np.int64), []
        for kind in ("stuff", "things", "crowd"):
            for box in content[kind]:
                segment = 1000 * (len(segments) + 1) + number
                ids[blob(box, SIZE)] = segment
                category = 184 if kind == "stuff" else 1
                segments.append({"id": segment, "category_id": category, "iscrowd": int(kind == "crowd")})
        if name == "000000000025.jpg":
            continue  # a picture that COCO's panoptic annotations do not have
        colours = np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8)
        stem = Path(name).stem
        save(coco / "annotations" / f"panoptic_{part}" / f"{stem}.png", colours)
        panoptic[part].append({"image_id": number, "file_name": f"{stem}.png", "segments_info": segments})
    for part, entries in panoptic.items():
        file = coco / "annotations" / f"panoptic_{part}.json"
        file.write_text(json.dumps({"categories": CATEGORIES, "annotations": entries}))
    (lvis / "train").mkdir(parents=True)
    (lvis / "train" / "lvis_v1_train.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    return lvis, coco


@pytest.fixture
def official(tmp_path: Path) -> tuple[Path, Path]:
    return write_official(tmp_path)


def plan_of(official: tuple[Path, Path], output: Path, **more: object) -> BuildPlan:
    return BuildPlan(official[0], official[1], output, **more)  # type: ignore[arg-type]


def expected(file: str):
    content = PICTURES[file]
    masks = {kind: [blob(box, SIZE) for box in boxes] for kind, boxes in content.items()}
    things = masks["things"] if "25" not in file else []
    return merge_picture(masks["lvis"], things, masks["stuff"], SIZE)


@pytest.mark.parametrize(("form", "processes"), [("clickwise", 1), ("published", 1), ("clickwise", 2)])
def test_build_and_read(official, tmp_path, form, processes) -> None:
    told: list[tuple[int, int]] = []
    plan = plan_of(official, tmp_path / "out", form=form, processes=processes)
    summary = build_cocolvis(plan, lambda done, total: told.append((done, total)))
    assert (summary.pictures, summary.left_out, summary.continued) == (3, 1, 0)
    assert told == [(done, 4) for done in range(5)]  # counts, whatever the order
    assert not (tmp_path / "out" / "train" / JOURNAL_FILE).exists()
    data = CocoLvis(tmp_path / "out", "mini", stuff_prob=1)
    assert list(data.sample_ids) == ["000000000009", "000000000025", "000000000030"]
    objects = stuff = 0
    for index, file in enumerate(list(PICTURES)[:3]):
        sample, truth = data.load(index), expected(file)
        assert np.array_equal(sample.layers, np.stack(truth.layers, axis=2))
        assert [ref.parent for ref in sample.objects[: truth.instances]] == list(truth.parents)
        assert [(ref.layer, *ref.values) for ref in sample.objects] == list(truth.places)
        objects, stuff = objects + truth.instances, stuff + len(truth.places) - truth.instances
        assert sample.image.shape == (*SIZE, 3)
    assert (summary.objects, summary.stuff) == (objects, stuff)
    # 5 LVIS masks of which one is a double, a COCO object, another that is a double, a crowd, stuff.
    assert (len(data.load(0).objects), stuff) == (6, 1)
    assert [ref.parent for ref in data.load(0).objects] == [None, 0, None, None, 1, None]


def test_published_files_are_those_that_the_originals_read(official, tmp_path) -> None:
    build_cocolvis(plan_of(official, tmp_path / "out", form="published"))
    folder = tmp_path / "out" / "train"
    annotation = pickle.loads((folder / "hannotation.pickle").read_bytes())
    assert annotation["000000000025"] == {"num_instance_masks": 1, "hierarchy": {0: None}}
    assert annotation["000000000009"]["hierarchy"][0] == {"children": [1], "parent": None, "node_level": 0}
    assert annotation["000000000009"]["hierarchy"][4] == {"children": [], "parent": 1, "node_level": 2}
    layers, mapping = pickle.loads((folder / "masks" / "000000000009.pickle").read_bytes())
    assert isinstance(layers, list)
    assert isinstance(mapping, list)
    truth = expected("train2017/000000000009.jpg")
    decoded = [cv2.imdecode(layer, cv2.IMREAD_UNCHANGED) for layer in layers]
    assert all(np.array_equal(got, want) for got, want in zip(decoded, truth.layers, strict=True))
    assert mapping == list(truth.places)


def test_pickles_name_nothing_that_numpy_has_moved() -> None:
    raw = dump_pickle([np.arange(3, dtype=np.uint8)])
    assert b"core" not in raw
    assert loads(raw)[0].tolist() == [0, 1, 2]


class TestPictures:
    @pytest.mark.parametrize("pictures", ["link", "copy", "none"])
    def test_how_they_come(self, official, tmp_path, pictures) -> None:
        build_cocolvis(plan_of(official, tmp_path / "out", pictures=pictures))
        found = sorted((tmp_path / "out" / "train" / "images").iterdir())
        assert len(found) == (0 if pictures == "none" else 4)
        assert all(file.is_symlink() == (pictures == "link") for file in found)

    def test_file_systems_without_links(self, official, tmp_path, monkeypatch) -> None:
        def refuse(*_: object) -> None:
            raise OSError("no links here")

        monkeypatch.setattr(Path, "symlink_to", refuse)
        build_cocolvis(plan_of(official, tmp_path / "out"))
        assert all(not file.is_symlink() for file in (tmp_path / "out" / "train" / "images").iterdir())
        assert len(CocoLvis(tmp_path / "out", "mini").load(0).objects) == 5

    def test_beside_the_annotations_of_lvis(self, official, tmp_path) -> None:
        lvis, coco = official
        for part in ("train", "val"):
            shutil.move(coco / f"{part}2017", lvis / part / "images")
        build_cocolvis(BuildPlan(lvis, coco, lvis))
        assert len(CocoLvis(lvis, "mini")) == 3


class TestGoingOn:
    def stop_after(self, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
        run = cocolvis_build.run_task
        calls = iter(range(count))

        def limited(task: object) -> object:
            if next(calls, None) is None:
                raise KeyboardInterrupt
            return run(task)

        monkeypatch.setattr(cocolvis_build, "run_task", limited)

    @pytest.mark.parametrize("form", ["clickwise", "published"])
    @pytest.mark.parametrize("damage", ["", '{"id": "0000'])
    def test_after_a_stop(self, official, tmp_path, monkeypatch, form, damage) -> None:
        whole = build_cocolvis(plan_of(official, tmp_path / "whole", form=form))
        plan = plan_of(official, tmp_path / "out", form=form)
        with monkeypatch.context() as patch:
            self.stop_after(patch, 2)
            with pytest.raises(KeyboardInterrupt):
                build_cocolvis(plan)
        assert not (plan.folder / whole.file.name).exists()
        with (plan.folder / JOURNAL_FILE).open("a") as journal:
            journal.write(damage)
        (plan.folder / "masks" / ".clickwise-0123456789abcdef.tmp").write_bytes(b"half")
        summary = build_cocolvis(plan)
        assert (summary.continued, summary.pictures) == (2, 3)
        assert summary.file.read_bytes() == whole.file.read_bytes()
        for file in (tmp_path / "whole" / "train" / "masks").iterdir():
            assert (plan.folder / "masks" / file.name).read_bytes() == file.read_bytes()
        assert not list(plan.folder.rglob(".clickwise*"))

    @pytest.mark.soak
    def test_killed_and_continued(self, tmp_path, monkeypatch) -> None:
        many = {f"train2017/{number:012d}.jpg": PICTURES["train2017/000000000009.jpg"] for number in range(100, 400)}
        monkeypatch.setitem(globals(), "PICTURES", {**PICTURES, **many})
        official = write_official(tmp_path)
        whole = build_cocolvis(plan_of(official, tmp_path / "whole"))
        command = [sys.executable, "-m", "clickwise", "data", "build-cocolvis", str(tmp_path / "out")]
        command += ["--data-root", str(tmp_path), "--processes", "2"]
        journal = tmp_path / "out" / "train" / JOURNAL_FILE
        for lines in (5, 20, 60):
            running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            while not (journal.exists() and journal.read_text().count("\n") > lines) and running.poll() is None:
                time.sleep(0.05)
            running.kill()
            # The pipe closes when the last worker has ended: none outlives the command.
            running.communicate(timeout=60)
        summary = build_cocolvis(plan_of(official, tmp_path / "out"))
        assert summary.continued >= 60
        assert summary.file.read_bytes() == whole.file.read_bytes()

    def test_not_with_other_settings(self, official, tmp_path, monkeypatch) -> None:
        with monkeypatch.context() as patch:
            self.stop_after(patch, 1)
            with pytest.raises(KeyboardInterrupt):
                build_cocolvis(plan_of(official, tmp_path / "out"))
        with pytest.raises(DatasetError, match=r"partial\.jsonl was begun with other files or another form"):
            build_cocolvis(plan_of(official, tmp_path / "out", form="published"))

    def test_not_over_a_finished_one(self, official, tmp_path) -> None:
        build_cocolvis(plan_of(official, tmp_path / "out"))
        with pytest.raises(DatasetError, match=r"annotations\.jsonl is already there"):
            build_cocolvis(plan_of(official, tmp_path / "out"))


class TestBadInput:
    @pytest.mark.parametrize(
        ("gone", "words"),
        [
            ("LVIS/train/lvis_v1_train.json", "has neither train/lvis_train.json"),
            ("COCO/annotations/panoptic_val2017.json", r"panoptic_val2017\.json does not exist"),
            ("COCO/annotations/panoptic_train2017/000000000009.png", r"000000000009\.png does not exist"),
            ("COCO/train2017/000000000025.jpg", r"000000000025\.jpg does not exist; lvis_v1_train\.json lists it"),
        ],
    )
    def test_missing_files_are_noticed_first(self, official, tmp_path, gone, words) -> None:
        (tmp_path / gone).unlink()
        with pytest.raises(DatasetError, match=words):
            build_cocolvis(plan_of(official, tmp_path / "out"))
        assert not list((tmp_path / "out").rglob("*.png"))

    def test_damaged_masks(self, official, tmp_path) -> None:
        file = official[1] / "annotations" / "panoptic_val2017" / "000000000030.png"
        file.write_bytes(file.read_bytes()[:-40])
        with pytest.raises(DatasetError, match=r"000000000030\.png is damaged"):
            build_cocolvis(plan_of(official, tmp_path / "out", processes=2))
        write_official(tmp_path / "again")
        shutil.copy(tmp_path / "again" / file.relative_to(tmp_path), file)
        assert build_cocolvis(plan_of(official, tmp_path / "out")).pictures == 3

    def test_sizes_that_differ(self, official, tmp_path) -> None:
        file = official[0] / "train" / "lvis_v1_train.json"
        file.write_text(file.read_text().replace('"height": 60', '"height": 61'))
        with pytest.raises(DatasetError, match=r"is 80 x 60 pixels, LVIS says 80 x 61"):
            build_cocolvis(plan_of(official, tmp_path / "out"))

    @pytest.mark.parametrize(
        "more", [{"split": "test"}, {"form": "json"}, {"pictures": "move"}, {"processes": 0}], ids=str
    )
    def test_options(self, official, tmp_path, more) -> None:
        with pytest.raises(OptionError, match="expected"):
            plan_of(official, tmp_path, **more)

    def test_without_pycocotools(self, official, tmp_path, monkeypatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pycocotools.mask", None)
        with pytest.raises(MissingExtraError, match=r"clickwise\[data\]"):
            build_cocolvis(plan_of(official, tmp_path / "out"))


def test_polygons_are_filled_as_lvis_does() -> None:
    polygons = [[1.4, 1.4, 8.61, 1.4, 8.61, 8.6, 1.4, 8.6], [5.0, 5.0, 20.0, 5.0, 20.0, 12.5]]
    tool = pycocotools()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        truth = tool.decode(tool.merge(tool.frPyObjects(polygons, *SIZE))) > 0
    corners = [np.array(polygon, np.float32).reshape(-1, 2) for polygon in polygons]
    assert np.array_equal(fill_official(corners, SIZE), truth)


class TestCommand:
    def test_runs(self, official, tmp_path, capsys) -> None:
        lvis, coco = official
        sources = ["--lvis", str(lvis), "--coco", str(coco), "--processes", "1"]
        assert main(["data", "build-cocolvis", str(tmp_path / "a"), *sources]) == 0
        said = capsys.readouterr()
        assert "annotations.jsonl: 3 pictures, 7 objects, 1 stuff (1 without an object left out)" in said.out
        assert said.err == ""

    def test_finds_the_official_files_in_the_data_root(self, official, tmp_path, capsys) -> None:
        arguments = ["data", "build-cocolvis", str(tmp_path / "COCO_LVIS"), "--data-root", str(tmp_path)]
        assert main([*arguments, "--form", "published", "--processes", "1"]) == 0
        assert "hannotation.pickle: 3 pictures" in capsys.readouterr().out

    @pytest.mark.parametrize(
        "more", [["--form", "x"], ["--split", "test"], ["--lvis", "nowhere"], ["--processes", "0"]]
    )
    def test_bad_input_is_one_line(self, official, tmp_path, capsys, more) -> None:
        arguments = ["data", "build-cocolvis", str(tmp_path / "out"), "--data-root", str(tmp_path), *more]
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1


def test_errors_are_ours() -> None:
    assert issubclass(MissingExtraError, ClickwiseError)
