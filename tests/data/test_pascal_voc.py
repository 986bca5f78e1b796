"""Pascal VOC on a miniature: palette PNGs, split lists, RITM's test.pickle."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from miniatures import SIZE, blob, picture, regions, save
from PIL import Image

from clickwise.data.datasets.pascal_voc import PascalVoc, grey_levels
from clickwise.data.datasets.registry import open_dataset
from clickwise.errors import DatasetError
from clickwise.imaging import voc_palette

SETS = Path("ImageSets", "Segmentation")


def palette_png(path: Path, labels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    palette = voc_palette()
    palette[255] = (224, 224, 192)
    image = Image.fromarray(labels.astype(np.uint8))
    image = image.convert("P") if image.mode != "P" else image
    image.putdata(labels.flatten().tolist())
    image.putpalette(palette.flatten().tolist())
    image.save(path)


def labels_of(*values: int) -> np.ndarray:
    """Labels in bars, with a boundary between them."""
    labels = np.zeros(SIZE, np.uint8)
    for number, value in enumerate(values):
        labels[4:20, 6 * number + 1 : 6 * number + 5] = value
        labels[4:20, 6 * number + 5] = 255
    return labels


LABELS = {"2007_000033": labels_of(1, 2, 3), "2007_000042": labels_of(1, 16), "2007_000061": labels_of(5)}


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    root = tmp_path / "PascalVOC"
    for number, (name, labels) in enumerate(LABELS.items()):
        save(root / "JPEGImages" / f"{name}.jpg", picture(seed=number))
        palette_png(root / "SegmentationObject" / f"{name}.png", labels)
    save(root / "JPEGImages" / "2007_000027.jpg", picture())  # most pictures have no segmentation
    (root / SETS).mkdir(parents=True)
    (root / SETS / "val.txt").write_text("2007_000042\n2007_000033\n")
    (root / SETS / "train.txt").write_text("2007_000061\n")
    (root / SETS / "trainval.txt").write_text("2007_000033\n2007_000042\n2007_000061\n")
    tests = [("2007_000033", 38), ("2007_000033", 75), ("2007_000042", 38)]
    content = ([name for name, _ in tests], [np.uint8(level) for _, level in tests])
    (root / SETS / "test.pickle").write_bytes(pickle.dumps(content, 3))
    return root


def test_grey_levels_are_those_of_the_published_reader() -> None:
    grey = grey_levels()
    for first, second in ((1, 16), (3, 18), (6, 21), (9, 24)):
        assert grey[first] == grey[second]
    assert len(set(grey[:16].tolist())) == 16
    assert (grey[0], grey[1], grey[255]) == (0, 38, 220)


def test_all_objects_of_a_picture(voc) -> None:
    data = open_dataset("PascalVOC", voc.parent)
    assert list(data.sample_ids) == ["2007_000042", "2007_000033"]
    for index, name in enumerate(data.sample_ids):
        sample, labels = data.load(index), LABELS[name]
        values = [v for v in np.unique(labels) if v not in (0, 255)]
        assert [ref.values for ref in sample.objects] == [(v,) for v in values]
        for number, value in enumerate(values):
            assert np.array_equal(sample.object_mask(number), labels == value)
        assert np.array_equal(sample.ignore_mask(), labels == 255)


def test_grey_rule_merges_labels(voc) -> None:
    for data in (
        open_dataset("PascalVOC:val-grey", voc.parent),
        open_dataset("PascalVOC", voc.parent, options={"labels": "grey"}),
    ):
        sample = data.load(0)
        assert len(sample.objects) == 1
        assert np.array_equal(sample.object_mask(0), np.isin(LABELS["2007_000042"], (1, 16)))
        assert np.array_equal(sample.ignore_mask(), LABELS["2007_000042"] == 255)
        assert [ref.values for ref in data.load(1).objects] == [(38,), (75,), (113,)]


def test_ritm_split(voc) -> None:
    data = open_dataset("PascalVOC:test", voc.parent)
    assert list(data.sample_ids) == ["2007_000033_1", "2007_000033_2", "2007_000042_1", "2007_000042_16"]
    for index, (name, value) in enumerate([("2007_000033", 1), ("2007_000033", 2), ("2007_000042", 1)]):
        sample = data.load(index)
        assert len(sample.objects) == 1
        assert np.array_equal(sample.object_mask(0), LABELS[name] == value)
        assert np.array_equal(sample.ignore_mask(), LABELS[name] == 255)
    grey = open_dataset("PascalVOC:test-grey", voc.parent)
    assert len(grey) == 3
    assert np.array_equal(grey.load(2).object_mask(0), np.isin(LABELS["2007_000042"], (1, 16)))


def test_training_splits(voc) -> None:
    data = open_dataset("PascalVOC:train", voc.parent)
    assert data.indices_by_source() == {"PascalVOC:train": [0]}
    assert len(open_dataset("PascalVOC:trainval", voc.parent)) == 3


@pytest.mark.parametrize("inner", ["VOC2012", "VOCdevkit/VOC2012"])
def test_published_sub_folders(voc, inner) -> None:
    target = voc.parent / "other" / inner
    target.parent.mkdir(parents=True)
    voc.rename(target)
    assert len(PascalVoc(voc.parent / "other", "VOC")) == 2


def test_masks_that_other_tools_saved(voc) -> None:
    labels = LABELS["2007_000042"]
    palette = voc_palette()
    palette[255] = (224, 224, 192)
    data = PascalVoc(voc, "VOC")
    for values in (palette[labels], labels):  # colours, or the bare labels
        save(voc / "SegmentationObject" / "2007_000042.png", values)
        assert np.array_equal(data.load(0).object_mask(1), labels == 16)
    broken = palette[labels]
    broken[0, 0] = (1, 2, 3)
    save(voc / "SegmentationObject" / "2007_000042.png", broken)
    with pytest.raises(DatasetError, match=r"2007_000042\.png holds the colour \(1, 2, 3\), .*; rule: the palette"):
        data.load(0)


class TestMalformed:
    @pytest.mark.parametrize(
        ("split", "gone", "words"),
        [
            ("val", "ImageSets/Segmentation/val.txt", r"has no ImageSets.Segmentation.val\.txt"),
            ("val", "SegmentationObject", "has no SegmentationObject"),
            ("val", "SegmentationObject/2007_000042.png", r"2007_000042\.png does not exist; val\.txt lists it"),
            ("val", "JPEGImages/2007_000033.jpg", r"2007_000033\.jpg does not exist; val\.txt lists it"),
            ("test", "ImageSets/Segmentation/test.pickle", r"test\.pickle"),
            ("test", "JPEGImages/2007_000033.jpg", r"2007_000033\.jpg does not exist; test\.pickle lists it"),
        ],
    )
    def test_missing(self, voc, split, gone, words) -> None:
        (voc / gone).rename(voc.parent / "gone")
        with pytest.raises(DatasetError, match=words):
            PascalVoc(voc, "VOC", split)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"cos\nsystem\n(S'false'\ntR.", "os.system, which is not data"),
            (pickle.dumps((["2007_000033"], [38, 75])), "not .names, labels."),
            (pickle.dumps(3), "not .names, labels."),
            (pickle.dumps((["2007_000033"], [15])), r"2007_000033\.png has no object of grey level 15"),
            (pickle.dumps((["gone"], [38])), r"gone\.jpg does not exist"),
        ],
    )
    def test_list_of_the_test_split(self, voc, content, words) -> None:
        (voc / SETS / "test.pickle").write_bytes(content)
        with pytest.raises(DatasetError, match=words):
            PascalVoc(voc, "VOC", "test")

    def test_truncated_and_wrong_files(self, voc) -> None:
        file = voc / "SegmentationObject" / "2007_000042.png"
        whole = file.read_bytes()
        data = PascalVoc(voc, "VOC")
        for content in (b"", whole[:-40], whole[:60]):
            file.write_bytes(content)
            with pytest.raises(DatasetError, match=r"VOC: mask .*2007_000042\.png"):
                data.load(0)
        palette_png(file, regions((1, 1, 4, 4), size=(24, 30)))
        with pytest.raises(DatasetError, match=r"2007_000042\.png is 30 x 24 pixels"):
            data.load(0)

    def test_options(self, voc) -> None:
        with pytest.raises(DatasetError, match="expected 'index' or 'grey'"):
            open_dataset("PascalVOC", voc.parent, options={"labels": "gray"})
        with pytest.raises(DatasetError, match="it has: labels"):
            open_dataset("PascalVOC", voc.parent, options={"label": "grey"})


def test_boundary_wins_over_nothing_else(voc) -> None:
    palette_png(voc / "SegmentationObject" / "2007_000042.png", np.where(blob((2, 2, 9, 9)), 254, 0))
    assert [ref.values for ref in PascalVoc(voc, "VOC").load(0).objects] == [(254,)]
