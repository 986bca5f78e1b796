"""Small files made by hand, as other programs write them, and what ours look like to those programs."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from label_records import box, image, labels, thing, tricky
from PIL import Image

from clickwise.data.datasets.registry import open_dataset
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.outlines import fill_polygon
from clickwise.formats.records import Labels, RunLengths
from clickwise.formats.registry import read_labels, write_labels
from clickwise.formats.run_lengths import encode_counts
from clickwise.formats.tracing import bridged, trace
from clickwise.imaging import voc_palette

SIZE = (4, 6)
BAR = box(SIZE, 1, 1, 4, 3)
CORNERS = [[1, 1], [4, 1], [4, 3], [1, 3]]
FLAT = [1, 1, 4, 1, 4, 3, 1, 3]
RING = box(SIZE, 0, 0, 3, 3) & ~box(SIZE, 1, 1, 2, 2)
RING_COUNTS = [0, 3, 1, 1, 1, 1, 1, 3, 13]


def only(content: Labels):
    (one,) = content.images
    return one


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def picture(path: Path, size=SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1]).save(path)
    return path


# Read


def test_coco_by_hand(tmp_path) -> None:
    content = {
        "images": [{"id": 3, "file_name": "a.jpg", "height": 4, "width": 6}],
        "categories": [{"id": 0, "name": "bar"}, {"id": 9, "name": "ring", "color": [1, 2, 3]}],
        "annotations": [
            {"id": 5, "image_id": 3, "category_id": 9, "segmentation": {"size": [4, 6], "counts": RING_COUNTS}},
            {"id": 6, "image_id": 3, "category_id": 0, "segmentation": [FLAT, [5, 3, 6, 3, 6, 4, 5, 4]]},
            {"id": 7, "image_id": 3, "category_id": 0, "iscrowd": 1, "segmentation": {"size": [4, 6], "counts": "h0"}},
        ],
    }  # fmt: skip
    found = read_labels(write(tmp_path / "some.json", json.dumps(content)))
    ring, bar, crowd = only(found).objects
    assert (ring.mask.mask() == RING).all()
    assert (bar.mask.mask() == (BAR | box(SIZE, 5, 3, 6, 4))).all()
    assert (ring.class_name, ring.object_id, bar.class_name) == ("ring", 5, "bar")
    assert crowd.is_ignored
    assert crowd.mask.area == 0
    assert [(one.name, one.colour) for one in found.classes] == [("bar", None), ("ring", (1, 2, 3))]


def test_labelme_by_hand(tmp_path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(RING[:3, :3]).save(buffer, "PNG")
    drawn = base64.b64encode(buffer.getvalue()).decode()
    shapes = [
        {"label": "bar", "points": CORNERS, "shape_type": "polygon", "group_id": 4},
        {"label": "bar", "points": [[5, 3], [6, 4]], "shape_type": "rectangle", "group_id": 4},
        {"label": "ring", "points": [[0, 0], [2, 2]], "shape_type": "mask", "mask": drawn},
        {"label": "spot", "points": [[0, 0]], "shape_type": "point"},
    ]
    content = {"version": "5.4.1", "shapes": shapes, "imagePath": "..\\a.jpg", "imageHeight": 4, "imageWidth": 6}
    write(tmp_path / "a.json", json.dumps(content))
    bar, ring = only(read_labels(tmp_path)).objects
    assert (bar.mask.mask() == (BAR | box(SIZE, 5, 3, 6, 4))).all()
    assert (ring.mask.mask() == RING).all()
    assert only(read_labels(tmp_path)).file_name == "a.jpg"


def test_yolo_by_hand(tmp_path) -> None:
    write(tmp_path / "data.yaml", "path: ../elsewhere\ntrain: images/train\nval: images/val\nnames: [bar, ring]\n")
    for split in ("train", "val"):
        picture(tmp_path / "images" / split / f"{split}.png")
    write(tmp_path / "labels/train/train.txt", "1 0.166667 0.25 0.666667 0.25 0.666667 0.75 0.166667 0.75\n\n")
    found = read_labels(tmp_path)
    first, second = found.images
    assert (first.file_name, second.file_name) == ("train/train.png", "val/val.png")
    assert (first.objects[0].mask.mask() == BAR).all()
    assert first.objects[0].class_name == "ring"
    assert second.objects == ()
    assert [one.name for one in found.classes] == ["bar", "ring"]


def test_voc_by_hand(tmp_path) -> None:
    def indexed(path: Path, values: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = Image.fromarray(values.astype(np.uint8))
        file.putpalette(voc_palette().ravel().tolist())
        file.save(path)

    objects = np.where(BAR, 2, 0) + np.where(box(SIZE, 5, 0, 6, 4), 255, 0)
    indexed(tmp_path / "SegmentationObject/2007_1.png", objects)
    indexed(tmp_path / "SegmentationClass/2007_1.png", np.where(objects == 2, 8, objects))
    write(tmp_path / "ImageSets/Segmentation/val.txt", "2007_1\n")
    picture(tmp_path / "JPEGImages/2007_1.jpg")
    cat, void = only(read_labels(tmp_path)).objects
    assert (cat.mask.mask() == BAR).all()
    assert cat.class_name == "cat"
    assert void.is_ignored
    assert (void.mask.mask() == box(SIZE, 5, 0, 6, 4)).all()
    # The same in colour, as some tools save it.
    for kind in ("SegmentationObject", "SegmentationClass"):
        path = tmp_path / kind / "2007_1.png"
        Image.open(path).convert("RGB").save(path)
    assert only(read_labels(tmp_path)).objects == (cat, void)


def test_masks_by_hand(tmp_path) -> None:
    for name in ("a", "a_1", "b"):
        picture(tmp_path / f"images/{name}.jpg")
    (tmp_path / "masks/b").mkdir(parents=True)
    grey = np.where(BAR, 255, 0).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "masks/a_1.png")
    Image.fromarray(np.where(RING, 200, 128).astype(np.uint8)).save(tmp_path / "masks/a_2.png")
    Image.fromarray(grey).save(tmp_path / "masks/b/x.png")
    Image.fromarray((grey // 255).astype(np.uint16) * 300).save(tmp_path / "masks/b/y.png")
    found = {one.file_name: one.objects for one in read_labels(tmp_path).images}
    assert [o.mask for o in found["a_1.jpg"]] == [RunLengths.of(BAR)]  # its own name wins over a's first mask
    assert [(o.mask, o.is_ignored) for o in found["a.jpg"]] == [
        (RunLengths.of(RING), False),
        (RunLengths.of(~RING), True),
    ]
    assert [o.mask for o in found["b.jpg"]] == [RunLengths.of(BAR)] * 2


# Written


def test_what_coco_looks_like(tmp_path) -> None:
    content = labels(image("é.jpg", SIZE, thing(BAR)), classes=("cup",))
    write_labels(content, tmp_path / "x.json", "coco-polygons")
    assert (tmp_path / "x.json").read_text("utf-8") == (
        '{"images":[{"id":1,"file_name":"é.jpg","width":6,"height":4}],'
        '"annotations":[{"id":1,"image_id":1,"category_id":1,"segmentation":[[1,1,4,1,4,3,1,3]],'
        '"area":6,"bbox":[1,1,3,2],"iscrowd":0}],'
        '"categories":[{"id":1,"name":"cup","supercategory":""}]}\n'
    )


def test_what_yolo_looks_like(tmp_path) -> None:
    write_labels(labels(image("é.jpg", SIZE, thing(BAR, "猫"))), tmp_path / "out", "yolo")
    assert (tmp_path / "out/labels/é.txt").read_text("utf-8") == (
        "2 0.1666667 0.25 0.6666667 0.25 0.6666667 0.75 0.1666667 0.75\n"
    )
    assert yaml.safe_load((tmp_path / "out/data.yaml").read_text("utf-8")) == {
        "train": "images",
        "val": "images",
        "names": {0: "cup", 1: "tasse à café", 2: "猫"},
    }


def test_what_voc_looks_like(tmp_path) -> None:
    write_labels(labels(image("é.jpg", SIZE, thing(BAR, "猫"))), tmp_path / "out", "voc")
    with Image.open(tmp_path / "out/SegmentationObject/é.png") as file:
        assert (np.asarray(file) == np.where(BAR, 1, 0)).all()
        assert file.mode == "P"
    assert (np.asarray(Image.open(tmp_path / "out/SegmentationClass/é.png")) == np.where(BAR, 3, 0)).all()
    for split in ("train", "val", "trainval"):
        assert (tmp_path / f"out/ImageSets/Segmentation/{split}.txt").read_text("utf-8") == "é\n"
    assert "猫:128,128,0::" in (tmp_path / "out/labelmap.txt").read_text("utf-8")


@pytest.mark.parametrize("name", ["labelme", "yolo", "voc", "png-objects", "png-indexed"])
def test_an_export_with_pictures_is_a_data_set_to_train_on(name, tmp_path) -> None:
    source = picture(tmp_path / "a.jpg")
    content = labels(image("a.jpg", SIZE, thing(BAR), thing(box(SIZE, 5, 0, 6, 4)), path=source))
    write_labels(content, tmp_path / "out", name, WriteOptions(pictures=True))
    sample = open_dataset(tmp_path / "out").load(0)
    assert [(sample.object_mask(i) == one.mask.mask()).all() for i, one in enumerate(content.images[0].objects)] == [
        True,
        True,
    ]


# A second opinion


@settings(max_examples=60, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 25), st.integers(1, 25))))
def test_pycocotools_agrees(mask) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    own = RunLengths.of(mask)
    theirs = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    assert own.counts == theirs["counts"].decode()
    assert (own.mask() == mask).all()
    assert own.area == coco.area(theirs) == sum(encode_counts(mask)[1::2])
    rings = trace(mask)
    if rings.parts:
        outline = bridged([*rings.parts, *rings.holes])
        assert (fill_polygon(outline, mask.shape) == mask).all()
        flat = [float(value) for corner in outline for value in corner]
        assert (coco.decode(coco.frPyObjects([flat], *mask.shape))[:, :, 0] == mask).all()
        x0, y0, x1, y1 = own.box()
        assert coco.toBbox(theirs).tolist() == [x0, y0, x1 - x0, y1 - y0]


@pytest.mark.parametrize("name", ["coco", "coco-polygons"])
def test_pycocotools_reads_our_files(name, tmp_path, capsys) -> None:
    module = pytest.importorskip("pycocotools.coco")
    content = tricky()
    write_labels(content, tmp_path / "x.json", name, WriteOptions(holes="bridge"))
    theirs = module.COCO(str(tmp_path / "x.json"))
    for number, one in enumerate(content.images, 1):
        entries = theirs.loadAnns(theirs.getAnnIds(imgIds=number))
        assert [(theirs.annToMask(e) == o.mask.mask()).all() for e, o in zip(entries, one.objects, strict=True)] == [
            True
        ] * len(one.objects)


def test_parts_and_holes_are_told_apart() -> None:
    from scipy import ndimage

    rng = np.random.default_rng(5)
    for _ in range(200):
        height, width = rng.integers(1, 14, 2)
        mask = rng.random((height, width)) < rng.random()
        rings = trace(mask)
        outside = np.pad(~mask, 1, constant_values=True)
        assert len(rings.parts) == ndimage.label(mask)[1]
        assert len(rings.holes) == ndimage.label(outside, np.ones((3, 3)))[1] - 1


def test_pictures_elsewhere_are_found(tmp_path) -> None:
    write(tmp_path / "labels/day/a.txt", "0 0.166667 0.25 0.666667 0.25 0.666667 0.75 0.166667 0.75\n")
    write(tmp_path / "data.yaml", "train: images\nnames: {0: bar}\n")
    picture(tmp_path / "photos/day/a.JPEG")
    picture(tmp_path / "photos/other.jpg")
    found = only(read_labels(tmp_path, "yolo", ReadOptions((tmp_path / "photos",))))
    assert found.file_name == "day/a.JPEG"
    assert (found.objects[0].mask.mask() == BAR).all()


def test_points_are_left_out_with_a_word(tmp_path) -> None:
    shapes = [{"label": "spot", "points": [[0, 0]], "shape_type": "point"}]
    content = {"shapes": shapes, "imagePath": "a.jpg", "imageHeight": 4, "imageWidth": 6}
    write(tmp_path / "a.json", json.dumps(content))
    told: list[str] = []
    assert only(read_labels(tmp_path, "auto", ReadOptions(warn=told.append))).objects == ()
    assert told == [f"{tmp_path / 'a.json'} shape 0 is a point, which encloses nothing; left out"]


def test_same_names_in_train_and_valid_are_two_pictures(tmp_path) -> None:
    content = labels(image("a.jpg", SIZE, thing(BAR)))
    for split in ("train", "valid"):
        (tmp_path / split).mkdir()
        write_labels(content, tmp_path / split / "_annotations.coco.json", "coco")
    assert [one.file_name for one in read_labels(tmp_path).images] == ["train/a.jpg", "valid/a.jpg"]
