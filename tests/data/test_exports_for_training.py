"""What ``export-labels`` writes is read for training and evaluation: turned pictures, folders, many objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise.data.datasets.exported_masks import ExportedMasks
from clickwise.data.datasets.images_masks import ImagesMasks
from clickwise.data.datasets.registry import open_dataset
from clickwise.errors import DatasetError
from clickwise.formats.options import WriteOptions
from clickwise.formats.records import LabelClass, LabelledImage, LabelledObject, Labels, RunLengths
from clickwise.formats.registry import FORMATS, write_labels

FOLDERS = [form.name for form in FORMATS if form.target == "folder"]
SIZE = (24, 36)


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    return mask


def photo(folder: Path, name: str, orientation: int) -> Path:
    """An upright picture of 36 x 24, red at its top left, stored as cameras do."""
    upright = np.zeros((*SIZE, 3), np.uint8)
    upright[:6, :9] = (250, 0, 0)
    stored = {1: upright, 3: upright[::-1, ::-1], 6: np.rot90(upright, 1), 8: np.rot90(upright, -1)}[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif, quality=98)
    return path


def image(folder: Path, name: str, orientation: int, *masks: np.ndarray, ignored: np.ndarray | None = None):
    objects = [LabelledObject("cup", RunLengths.of(mask)) for mask in masks]
    if ignored is not None:
        objects.append(LabelledObject("__ignore__", RunLengths.of(ignored), is_ignored=True))
    return LabelledImage(name, *SIZE, tuple(objects), orientation, photo(folder, name, orientation))


def labels(*images: LabelledImage) -> Labels:
    return Labels((LabelClass("cup"), LabelClass("__ignore__")), images)


@pytest.mark.parametrize("form", FOLDERS)
def test_turned_pictures_in_folders(form: str, tmp_path: Path) -> None:
    corner, other = box(0, 0, 9, 6), box(20, 10, 30, 20)
    masks = (corner,) if form == "png-binary" else (corner, other)
    names = {1: "a.jpg", 3: "day1/a.jpg", 6: "day1/deep/b.jpg", 8: "c.jpg"}
    content = labels(*(image(tmp_path / "p", name, turn, *masks) for turn, name in names.items()))
    write_labels(Labels(content.classes[:1], content.images), tmp_path / "out", form, WriteOptions(pictures=True))
    data = open_dataset(tmp_path / "out")
    assert len(data) == 4
    assert sorted(name.removeprefix("images/") for name in data.sample_ids) == ["a", "c", "day1/a", "day1/deep/b"]
    for index in range(4):
        sample = data.load(index)
        assert sample.image.shape == (*SIZE, 3)
        assert sample.image[2, 3, 0] > 150
        assert sample.image[20, 30, 0] < 100
        found = [sample.object_mask(number) for number in range(len(sample.objects))]
        assert [mask.tolist() for mask in found] == [mask.tolist() for mask in masks]


def test_coco_beside_its_pictures(tmp_path: Path) -> None:
    content = labels(*(image(tmp_path, f"{turn}/a.jpg", turn, box(0, 0, 9, 6)) for turn in (1, 3, 6)))
    write_labels(content, tmp_path / "labels.json", "coco")
    data = open_dataset(tmp_path)
    assert len(data) == 3
    for index in range(3):
        assert np.array_equal(data.load(index).object_mask(0), box(0, 0, 9, 6))


@pytest.mark.parametrize("form", ["png-indexed", "png-objects", "png-binary", "voc"])
def test_regions_without_truth(form: str, tmp_path: Path) -> None:
    content = labels(image(tmp_path / "p", "a.jpg", 6, box(0, 0, 9, 6), ignored=box(9, 0, 36, 2)))
    write_labels(content, tmp_path / "out", form, WriteOptions(pictures=True))
    sample = open_dataset(tmp_path / "out").load(0)
    assert np.array_equal(sample.object_mask(0), box(0, 0, 9, 6))
    assert np.array_equal(sample.ignore_mask(), box(9, 0, 36, 2))
    assert len(sample.objects) == 1


def test_three_hundred_objects_in_masks_of_sixteen_bits(tmp_path: Path) -> None:
    dots = [box(n % 36, n // 36, n % 36 + 1, n // 36 + 1) for n in range(300)]
    content = labels(image(tmp_path / "p", "day1/a.jpg", 6, *dots, ignored=box(0, 20, 36, 24)))
    write_labels(content, tmp_path / "out", "png-indexed", WriteOptions(pictures=True))
    data = open_dataset(tmp_path / "out")
    assert isinstance(data, ExportedMasks)
    assert data.describe(0, 7).endswith("masks/day1/a.png")
    sample = data.load(0)
    assert len(sample.objects) == 300
    assert all(np.array_equal(sample.object_mask(n), dots[n]) for n in range(0, 300, 37))
    (tmp_path / "out" / "labels.json").unlink()  # by the plain rules, without folders
    (tmp_path / "out" / "images" / "day1" / "a.jpg").rename(tmp_path / "out" / "images" / "a.jpg")
    (tmp_path / "out" / "masks" / "day1" / "a.png").rename(tmp_path / "out" / "masks" / "a.png")
    (tmp_path / "out" / "masks" / "day1").rmdir()
    plain = open_dataset(tmp_path / "out")
    assert isinstance(plain, ImagesMasks)
    again = plain.load(0)
    assert len(again.objects) == 300
    assert np.array_equal(again.object_mask(299), dots[299])
    assert np.array_equal(again.ignore_mask(), box(0, 20, 36, 24))


def test_a_black_and_white_mask_of_sixteen_bits_is_one_object(tmp_path: Path) -> None:
    photo(tmp_path / "images", "a.jpg", 1)
    (tmp_path / "masks").mkdir()
    Image.fromarray(box(0, 0, 9, 6).astype(np.uint16) * 65535).save(tmp_path / "masks" / "a.png")
    sample = open_dataset(tmp_path).load(0)
    assert len(sample.objects) == 1
    assert np.array_equal(sample.object_mask(0), box(0, 0, 9, 6))


def test_an_export_without_its_pictures_says_so(tmp_path: Path) -> None:
    content = labels(
        image(tmp_path / "p", "a.jpg", 1, box(0, 0, 9, 6)),
        image(tmp_path / "p", "b.jpg", 1),
    )
    write_labels(content, tmp_path / "out", "png-objects", WriteOptions(pictures=True))
    (tmp_path / "out" / "images" / "a.jpg").unlink()
    with pytest.raises(DatasetError, match=r"picture 0 names a\.jpg, which is not in images/"):
        open_dataset(tmp_path / "out")
    told = []
    data = open_dataset(tmp_path / "out", report=told.append)
    assert (len(told), len(data), len(data.load(0).objects)) == (1, 1, 0)
    (tmp_path / "out" / "images" / "b.jpg").unlink()
    with pytest.raises(DatasetError, match="--with-pictures"):
        open_dataset(tmp_path / "out", report=told.append)
    (tmp_path / "out" / "labels.json").write_text("[]")
    with pytest.raises(DatasetError, match="expected the file that clickwise wrote"):
        ExportedMasks(tmp_path / "out")
