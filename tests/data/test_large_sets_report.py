"""Checking a large set: everything that is wrong is told at once, and the rest can still be read."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import test_ade20k
import test_coco_lvis
import test_coco_panoptic
import test_lvis
import test_pascal_voc
import test_sbd
from miniatures import instance_mat, picture, save

from clickwise.data.datasets.registry import open_dataset
from clickwise.data.findings import Finding


def sbd(root: Path) -> None:
    for number, (name, labels) in enumerate(test_sbd.LABELS.items()):
        save(root / "img" / f"{name}.jpg", picture(seed=number))
        instance_mat(root / "inst" / f"{name}.mat", labels)
    for split in ("train", "val"):
        (root / f"{split}.txt").write_text("\n".join(test_sbd.LABELS))


def voc(root: Path) -> None:
    for number, (name, labels) in enumerate(test_pascal_voc.LABELS.items()):
        save(root / "JPEGImages" / f"{name}.jpg", picture(seed=number))
        test_pascal_voc.palette_png(root / "SegmentationObject" / f"{name}.png", labels)
    (root / test_pascal_voc.SETS).mkdir(parents=True)
    (root / test_pascal_voc.SETS / "val.txt").write_text("\n".join(test_pascal_voc.LABELS))


CASES: list[tuple[str, Callable[[Path], object], list[str], list[str], int]] = [
    ("SBD", sbd, ["img/2008_000008.jpg", "inst/2008_000007.mat"], [], 1),
    ("SBD:train", sbd, ["img/2008_000008.jpg", "inst/2008_000007.mat"], [], 1),
    ("SBD", sbd, [], ["inst/2008_000007.mat"], 3),
    ("PascalVOC", voc, ["JPEGImages/2007_000033.jpg", "SegmentationObject/2007_000042.png"], [], 1),
    ("COCO", test_coco_panoptic.write, ["train2017/000000000139.jpg"], [], 1),
    ("LVIS", test_lvis.write, ["train/images/000000000009.jpg", "val/images/000000000030.jpg"], [], 1),
    (
        "COCO_LVIS",
        lambda root: test_coco_lvis.write(root, "ours"),
        ["train/images/000000000009.jpg", "train/masks/000000000030_0.png"],
        [],
        1,
    ),
    ("ADE20K", test_ade20k.write, [f"{test_ade20k.ROOM}_seg.png"], [], 1),
    ("ADE20K", test_ade20k.write, [], [f"{test_ade20k.ROOM}_atr.txt"], 1),
]


@pytest.mark.parametrize(("name", "write", "gone", "damaged", "left"), CASES, ids=lambda value: str(value)[:20])
def test_all_that_is_wrong(tmp_path, name, write, gone, damaged, left) -> None:
    root = tmp_path / name.partition(":")[0]
    write(root)
    for file in gone:
        (root / file).unlink()
    for file in damaged:
        (root / file).write_bytes(b"nonsense")
    findings: list[Finding] = []
    data = open_dataset(name, tmp_path, report=findings.append)
    assert len(data) == left
    for file in (*gone, *damaged):
        stem = Path(file).name.removesuffix("_atr.txt").removesuffix("_seg.png")
        assert any(stem in finding.file for finding in findings), (file, findings)
    assert all(finding.message.startswith(f"{name}: ") for finding in findings)
    for index in range(len(data)):
        sample = data.load(index)
        assert sample.sample_id == data.sample_ids[index]
        assert sample.image.shape[:2] == sample.layers.shape[:2]


@pytest.mark.parametrize(("name", "write"), [case[:2] for case in CASES[1:7]], ids=lambda value: str(value)[:20])
def test_readers_go_to_other_processes(tmp_path, name, write) -> None:
    write(tmp_path / name.partition(":")[0])
    data = open_dataset(name, tmp_path)
    again = pickle.loads(pickle.dumps(data))
    assert list(again.sample_ids) == list(data.sample_ids)
    assert (again.load(0).layers == data.load(0).layers).all()
