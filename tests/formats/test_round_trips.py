"""What is written comes back: every format, every shape that exports are known to break on."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from label_records import box, drawn, image, labels, put_pictures, thing, tricky, without

from clickwise.errors import OutputError
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.records import LabelClass, Labels
from clickwise.formats.registry import FORMATS, find_format, read_labels, write_labels

ALL = [one.name for one in FORMATS]
HOLDS_ANYTHING = ["coco", "labelme", "png-objects"]
BRIDGED = WriteOptions(holes="bridge")


def there_and_back(content: Labels, name: str, folder: Path, options: WriteOptions = BRIDGED) -> Labels:
    target = folder / ("labels.json" if find_format(name).target == "file" else "out")
    write_labels(content, target, name, options)
    pictures = put_pictures(folder / "pictures", content)
    return read_labels(target, "auto", ReadOptions((pictures,)))


def assert_same(got: Labels, expected: Labels, *, endings: bool = True) -> None:
    by_name = {one.file_name if endings else one.stem: one for one in got.images}
    assert len(by_name) == len(expected.images)
    for want in expected.images:
        have = by_name[want.file_name if endings else want.stem]
        assert have.size == want.size
        assert [o.class_name for o in have.objects] == [o.class_name for o in want.objects]
        assert [o.mask for o in have.objects] == [o.mask for o in want.objects]
        assert [o.is_ignored for o in have.objects] == [o.is_ignored for o in want.objects]


@pytest.mark.parametrize("name", ALL)
def test_shapes_that_exports_break_on(name, tmp_path) -> None:
    content = tricky()
    if name == "voc":
        content = without(content, "all of it.jpg")
    if name == "png-binary":
        content = Labels(content.classes, tuple(one for one in content.images if len(one.objects) < 2))
    got = there_and_back(content, name, tmp_path)
    assert_same(got, content)
    if find_format(name).can.unused_classes:
        assert [one.name for one in got.classes] == [one.name for one in content.classes]


@pytest.mark.parametrize("name", [*HOLDS_ANYTHING, "coco-polygons", "yolo"])
@settings(max_examples=25, deadline=None)
@given(content=drawn(overlapping=True))
def test_any_masks(name, content) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_same(there_and_back(content, name, Path(folder)), content)


@pytest.mark.parametrize("name", ["voc", "png-indexed"])
@settings(max_examples=25, deadline=None)
@given(content=drawn(overlapping=False))
def test_any_masks_side_by_side(name, content) -> None:
    with tempfile.TemporaryDirectory() as folder:
        assert_same(there_and_back(content, name, Path(folder)), content)


@settings(max_examples=25, deadline=None)
@given(content=drawn(overlapping=False))
def test_any_single_mask(content) -> None:
    one = Labels(content.classes, tuple(image(i.file_name, i.size, *i.objects[:1]) for i in content.images))
    with tempfile.TemporaryDirectory() as folder:
        assert_same(there_and_back(one, "png-binary", Path(folder)), one)


@pytest.mark.parametrize("name", [name for name in ALL if name not in ("voc", "png-binary")])
def test_three_hundred_objects(name, tmp_path) -> None:
    size, side = (60, 80), 4
    spots = [box(size, x, y, x + side - 1, y + side) for y in range(0, 60, side) for x in range(0, 80, side)]
    content = labels(image("many.jpg", size, *(thing(mask, "猫") for mask in spots)))
    assert content.object_count == 300
    assert_same(there_and_back(content, name, tmp_path), content)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_pictures_that_a_camera_turned(name, orientation, tmp_path) -> None:
    content = labels(image("turned.jpg", (20, 30), thing(box((20, 30), 2, 3, 9, 5)), orientation=orientation))
    got = there_and_back(content, name, tmp_path)
    assert_same(got, content)
    assert got.images[0].orientation == orientation


@pytest.mark.parametrize("name", ALL)
def test_pictures_in_folders_are_told_apart(name, tmp_path) -> None:
    """The same name in three folders, of three sizes and orientations: each gets its own masks back."""
    content = labels(
        image("a.jpg", (20, 30), thing(box((20, 30), 2, 3, 9, 5)), orientation=6),
        image("day1/a.jpg", (30, 20), thing(box((30, 20), 0, 0, 4, 30), "猫"), orientation=3),
        image("day1/deep/er/a.jpg", (5, 7), thing(box((5, 7), 6, 4, 7, 5)), orientation=1),
    )
    got = there_and_back(content, name, tmp_path)
    assert_same(got, content)
    assert {one.file_name: one.orientation for one in got.images} == {
        one.file_name: one.orientation for one in content.images
    }
    assert all(one.path == tmp_path / "pictures" / one.file_name for one in got.images)


@pytest.mark.parametrize("name", [name for name in ALL if find_format(name).can.sizes])
@pytest.mark.parametrize("orientation", [None, 8])
def test_the_pictures_need_not_be_there(name, orientation, tmp_path) -> None:
    content = labels(image("far.jpg", (20, 30), thing(box((20, 30), 2, 3, 9, 5)), orientation=orientation))
    target = tmp_path / ("labels.json" if find_format(name).target == "file" else "out")
    write_labels(content, target, name)
    assert_same(read_labels(target), content)


@pytest.mark.parametrize("name", [n for n in ALL if find_format(n).can.ignored != "none"])
def test_regions_without_truth(name, tmp_path) -> None:
    size = (10, 12)
    crowd = thing(box(size, 6, 0, 12, 10), "__ignore__", is_ignored=True)
    content = labels(image("a.jpg", size, thing(box(size, 0, 0, 5, 5)), crowd), classes=("cup", "__ignore__"))
    assert_same(there_and_back(content, name, tmp_path), content)


@pytest.mark.parametrize("name", HOLDS_ANYTHING)
def test_numbers_attributes_and_colours(name, tmp_path) -> None:
    size = (6, 6)
    one = thing(box(size, 1, 1, 3, 3), object_id=41, attributes={"occluded": True, "note": "前", "score": 0.5})
    content = Labels((LabelClass("cup", (255, 0, 9)),), (image("a.jpg", size, one),))
    got = there_and_back(content, name, tmp_path)
    assert got.images[0].objects == content.images[0].objects
    assert (got.classes == content.classes) == find_format(name).can.colours


@settings(max_examples=15, deadline=None)
@given(start=st.sampled_from(HOLDS_ANYTHING), via=st.sampled_from(["yolo", "labelme", "coco-polygons", "png-objects"]))
def test_from_one_format_into_another(start, via) -> None:
    content = tricky()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        once = there_and_back(content, start, Path(first))
        assert_same(there_and_back(once, via, Path(second)), content)


@pytest.mark.parametrize("name", ALL)
def test_same_labels_same_bytes(name, tmp_path) -> None:
    content = without(tricky(), *(one.file_name for one in tricky().images if len(one.objects) > 1))
    content = without(content, "all of it.jpg")
    written = []
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        write_labels(content, tmp_path / folder / "x.json", name, BRIDGED)
        files = sorted(p for p in (tmp_path / folder).rglob("*") if p.is_file())
        written.append([(p.relative_to(tmp_path / folder), p.read_bytes()) for p in files])
    assert written[0] == written[1]
    assert written[0]


@pytest.mark.parametrize("number", [254, 255, 300])
def test_indexed_masks_take_two_bytes_when_one_is_too_few(number, tmp_path) -> None:
    dots = np.eye(400, dtype=bool).reshape(400, 20, 20)[:number]
    content = labels(image("a.jpg", (20, 20), *(thing(dot) for dot in dots)))
    assert_same(there_and_back(content, "png-indexed", tmp_path), content)
    if number > 254:
        with pytest.raises(
            OutputError, match=r"a\.jpg has \d+ objects, more than 254, which voc cannot hold; use coco"
        ):
            write_labels(content, tmp_path / "voc", "voc")
