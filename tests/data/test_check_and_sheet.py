"""`check_dataset` finds all that is wrong and counts right; the contact sheet shows objects where they are."""

from __future__ import annotations

import json

import numpy as np
import pytest
from miniatures import SIZE, blob, grey, picture, save

from clickwise.data.check import check_dataset
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import ObjectRef, Sample
from clickwise.data.sheet import choose, contact_sheet, thumbnail
from clickwise.errors import DatasetError, OptionError


class Odd:
    """One sample of each kind that a check has something to say about."""

    name = "odd"
    sample_ids = ("good", "nothing", "empty", "hidden", "twice", "broken", "family", "good")

    def __len__(self) -> int:
        return len(self.sample_ids)

    def indices_by_source(self):
        return {"all": list(range(len(self)))}

    def load(self, index: int) -> Sample:
        name = self.sample_ids[index]
        if name == "broken":
            raise DatasetError("odd: broken.png is broken")
        layers = np.zeros((*SIZE, 2), np.int32)
        layers[..., 0][blob((4, 5, 16, 18))] = 1
        if name in ("twice", "family"):
            layers[..., 1][blob((4, 5, 16, 18))] = 1
        objects = {
            "nothing": (),
            "empty": (ObjectRef(0, (1,)), ObjectRef(1, (7,))),
            "hidden": (ObjectRef(0, (1,)),),
            "twice": (ObjectRef(0, (1,)), ObjectRef(1, (1,))),
            "family": (ObjectRef(0, (1,), children=(1,)), ObjectRef(1, (1,), parent=0)),
        }.get(name, (ObjectRef(0, (1,)),))
        ignored = (ObjectRef(0, (1,)),) if name == "hidden" else ()
        return Sample(name, picture(), layers, objects, ignored)

    def start_mask(self, index: int):
        return np.zeros((3, 3), bool) if index == 0 else None


def test_all_findings_of_a_walk() -> None:
    steps = []
    report = check_dataset(lambda report: Odd(), "odd", tick=lambda done, of: steps.append((done, of)))
    assert [(one.rule, one.level) for one in report.findings] == [
        ("name twice", "error"),
        ("start mask", "error"),
        ("no object", "warning"),
        ("empty object", "warning"),
        ("empty object", "warning"),
        ("same object twice", "warning"),
        ("cannot be read", "error"),
    ]
    assert all("\n" not in one.message and one.message.startswith("odd: ") for one in report.findings)
    assert (report.errors, report.warnings, report.checked) == (3, 4, 8)
    assert steps[-1] == (8, 8)
    numbers = report.to_json()
    assert json.loads(json.dumps(numbers)) == numbers
    assert numbers["objects"] == 9
    assert numbers["background_samples"] == 1
    assert numbers["width"] == {"min": 32, "median": 32, "max": 32}
    assert numbers["object_pixels"]["max"] == 12 * 13
    assert numbers["sources"] == {"all": 8}
    assert any("8 of 8 samples" in line for line in report.lines())


def test_a_limit_spreads_over_the_set() -> None:
    report = check_dataset(lambda report: Odd(), "odd", limit=2)
    assert report.checked == 2
    assert [one.rule for one in report.findings] == ["name twice", "empty object"]  # samples 2 and 6
    assert check_dataset(lambda report: Odd(), "odd", limit=99).checked == 8
    with pytest.raises(OptionError):
        check_dataset(lambda report: Odd(), "odd", limit=0)


def test_what_cannot_be_opened_is_a_finding(tmp_path) -> None:
    report = check_dataset(lambda findings: open_dataset(tmp_path, report=findings), "here")
    assert [one.rule for one in report.findings] == ["cannot be opened"]
    assert (report.samples, report.checked) == (0, 0)
    assert list(report.lines())[-1].startswith("here: 0 of 0")


def test_files_and_samples_are_told_together(tmp_path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"images/{name}.png", picture())
    save(tmp_path / "masks/a.png", np.full(SIZE, 9, np.uint8))
    save(tmp_path / "masks/x.png", grey(blob((1, 1, 5, 5))))
    report = check_dataset(lambda findings: open_dataset(tmp_path, report=findings), "here")
    assert [(one.rule, one.file.rpartition("/")[2]) for one in report.findings] == [
        ("without picture", "x.png"),
        ("without mask", "b.png"),
        ("mask", "a.png"),
        ("no object", "a.png"),
    ]


def test_samples_are_drawn_by_the_seed() -> None:
    assert choose(5, 9, 0) == [0, 1, 2, 3, 4]
    assert choose(1000, 9, 1) == choose(1000, 9, 1) != choose(1000, 9, 2)
    assert len(set(choose(1000, 9, 1))) == 9
    with pytest.raises(OptionError):
        choose(5, 0, 0)


def test_a_thumbnail_shows_outline_veil_and_start() -> None:
    layers = np.zeros((*SIZE, 1), np.int32)
    layers[..., 0][blob((4, 5, 16, 18))] = 1
    layers[..., 0][blob((20, 5, 30, 18))] = 2
    sample = Sample("a", np.zeros((*SIZE, 3), np.uint8), layers, (ObjectRef(0, (1,)),), (ObjectRef(0, (2,)),))
    thumb = thumbnail(sample, 999, blob((4, 20, 16, 23)))
    assert thumb[5, 8].max() == 255
    assert thumb[11, 10].tolist() == [0, 0, 0]
    assert thumb[11, 25].tolist() == [96, 96, 96]
    assert thumb[20, 8].tolist() == [255, 255, 255]
    assert not sample.image.any(), "the sample is as it was"


def test_a_sheet_has_a_cell_per_sample() -> None:
    drawn = []
    sheet = contact_sheet(Odd(), [0, 1, 6], cell=64, tick=lambda: drawn.append(1))
    assert sheet.shape == (2 * (64 + 16 + 4) + 4, 2 * 68 + 4, 3) or sheet.shape == (84 + 4, 3 * 68 + 4, 3)
    assert len(drawn) == 3
    with pytest.raises(DatasetError, match="broken"):
        contact_sheet(Odd(), [5])
    with pytest.raises(OptionError):
        contact_sheet(Odd(), [0], cell=3)
