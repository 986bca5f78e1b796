"""Users' own forms of data: a good miniature of each, and malformed ones beside it with their one-line errors."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from miniatures import SIZE, blob, grey, picture, save
from PIL import Image

from clickwise.data.datasets.coco_json import CocoJson
from clickwise.data.datasets.davis585 import Davis585
from clickwise.data.datasets.hqseg import HQSeg
from clickwise.data.datasets.images_masks import ImagesMasks
from clickwise.data.datasets.labelme import LabelMe
from clickwise.data.datasets.plain_pack import read_pack
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.datasets.yolo import YoloSeg
from clickwise.data.sample import Dataset, HasStartMasks
from clickwise.errors import DatasetError
from clickwise.imaging import voc_palette

A, B = blob((4, 5, 16, 18)), blob((20, 2, 30, 12))
RING = blob((4, 5, 16, 18)) & ~blob((8, 9, 12, 13))


def corners(x0, y0, x1, y1):
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


A_CORNERS, B_CORNERS = corners(4, 5, 16, 18), corners(20, 2, 30, 12)


def flat(points):
    return [value for point in points for value in point]


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")
    return path


def masks_of(dataset: Dataset, index: int = 0) -> list[np.ndarray]:
    sample = dataset.load(index)
    return [sample.object_mask(i) for i in range(len(sample.objects))]


def assert_masks(dataset: Dataset, *expected: np.ndarray, index: int = 0) -> None:
    got = masks_of(dataset, index)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert (one == other).all()


def findings(place: Path) -> list[tuple[str, str]]:
    """(rule, level) of all that is wrong when nothing stops, in the order found."""
    found = []
    dataset = open_dataset(place, report=found.append)
    for index in range(len(dataset)):
        dataset.load(index)
    return [(finding.rule, finding.level) for finding in found]


def counts_of(mask):
    changes = np.flatnonzero(np.diff(mask.T.ravel().astype(int), prepend=0))
    return np.diff([0, *changes, mask.size]).tolist()


# COCO JSON


def coco(root: Path, annotations: list, images: list | None = None, file: str = "annotations.json", **more) -> Path:
    images = images if images is not None else [{"id": 7, "file_name": "a.png", "height": SIZE[0], "width": SIZE[1]}]
    for image in images:
        if image.get("file_name") not in (None, "gone.png"):
            save(root / "images" / image["file_name"], picture())
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}], **more}
    write_json(root / file, content)
    return root


def outline(*polygons, image=7, **more):
    return {"id": 1, "image_id": image, "category_id": 1, "segmentation": [flat(p) for p in polygons], **more}


def test_coco_polygons_run_lengths_and_crowds(tmp_path) -> None:
    ring = {"size": list(SIZE), "counts": counts_of(RING)}
    crowd = {"size": list(SIZE), "counts": counts_of(B)}
    annotations = [
        outline(A_CORNERS, B_CORNERS),
        {**outline(), "segmentation": ring, "iscrowd": 0},
        {**outline(), "segmentation": crowd, "iscrowd": 1},
    ]
    data = open_dataset(coco(tmp_path / "mine", annotations))
    assert isinstance(data, CocoJson)
    assert (data.name, list(data.sample_ids)) == ("mine", ["a"])
    assert_masks(data, A, RING)  # the crowd wins over the second part
    assert (data.load(0).ignore_mask() == B).all()
    assert data.load(0).layers.shape[2] == 2
    assert "annotation 1" in data.describe(0, 1)


def test_coco_layouts(tmp_path) -> None:
    official = coco(tmp_path / "coco", [outline(A_CORNERS)], file="annotations/instances_val2017.json")
    write_json(official / "annotations/captions_val2017.json", {"images": [], "annotations": []})
    (official / "images").rename(official / "val2017")
    assert len(open_dataset(official)) == 1
    assert_masks(open_dataset(official / "annotations/instances_val2017.json"), A)
    for split in ("train", "valid"):
        coco(tmp_path / "robo" / split, [outline(A_CORNERS)], file="_annotations.coco.json")
    ids = list(open_dataset(tmp_path / "robo").sample_ids)
    assert ids == ["train/a#7", "valid/a#7"]


def test_coco_pictures_without_annotations_are_background(tmp_path) -> None:
    images = [{"id": "x", "file_name": "sub/a.b.png"}, {"id": 2, "file_name": "b.png"}]
    data = CocoJson(coco(tmp_path, [outline(A_CORNERS, image="x")], images))
    assert list(data.sample_ids) == ["sub/a.b", "b"]
    assert [len(data.load(i).objects) for i in (0, 1)] == [1, 0]


def test_coco_of_the_stored_raster_is_turned_with_the_picture(tmp_path) -> None:
    root = coco(tmp_path, [outline(A_CORNERS)], [{"id": 7, "file_name": "a.jpg", "height": 24, "width": 32}])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(picture()).save(root / "images/a.jpg", exif=exif)
    data = CocoJson(root)
    assert data.load(0).image.shape == (32, 24, 3)
    assert_masks(data, np.rot90(A, -1))


@pytest.mark.parametrize(
    ("annotation", "rule", "words"),
    [
        ({**outline(), "segmentation": []}, "outline", "has no segmentation"),
        ({**outline(), "segmentation": [[1, 2, 3, 4]]}, "outline", "polygon of 4 numbers"),
        ({**outline(), "segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "outline", "polygon of 7 numbers"),
        ({**outline(), "segmentation": [[1, 2, 3, "x", 5, 6]]}, "outline", "not a finite number"),
        ({**outline(), "segmentation": [[1, 2, 3, float("nan"), 5, 6]]}, "outline", "not a finite number"),
        ({**outline(), "segmentation": "abc"}, "outline", "no list of polygons|has no segmentation"),
        ({**outline(), "segmentation": {"size": [24, 32], "counts": [1, 2]}}, "outline", "add up to 3"),
        ({**outline(), "segmentation": {"size": [5, 5], "counts": [25]}}, "outline", r"\[5, 5\]"),
        ({**outline(), "segmentation": {"counts": [25]}}, "outline", "no size"),
        (outline(A_CORNERS, image=99), "annotation without image", "99"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6]]}, "annotation without image", "no image_id"),
        (3, "annotation without image", "no image_id"),
    ],
)
def test_malformed_coco_annotations(tmp_path, annotation, rule, words) -> None:
    root = coco(tmp_path, [outline(A_CORNERS), annotation])
    with pytest.raises(DatasetError, match=words) as caught:
        CocoJson(root).load(0)
    assert "\n" not in str(caught.value)
    assert findings(root) == [(rule, "error")]
    found = []
    assert_masks(CocoJson(root, report=found.append), A)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        ([{"id": 7}], "no file_name"),
        ([{"id": 7, "file_name": "gone.png"}], r"gone\.png, which is not in"),
        ([{"id": 7, "file_name": "a.png"}, {"id": 7, "file_name": "b.png"}], "not unique"),
    ],
)
def test_malformed_coco_images(tmp_path, images, words) -> None:
    with pytest.raises(DatasetError, match=words):
        CocoJson(coco(tmp_path, [], images))


def test_malformed_coco_files(tmp_path) -> None:
    root = coco(tmp_path, [outline(A_CORNERS)], [{"id": 7, "file_name": "a.png", "height": 9, "width": 9}])
    with pytest.raises(DatasetError, match="says 9 x 9"):
        CocoJson(root).load(0)
    whole = (root / "annotations.json").read_text()
    (root / "annotations.json").write_text(whole[:-20])
    with pytest.raises(DatasetError, match="no readable JSON"):
        open_dataset(root)
    (root / "annotations.json").write_text('{"images": [], "annotations": {}}')
    with pytest.raises(DatasetError, match="expected an object with images and annotations"):
        open_dataset(root)


# LabelMe


def labelme(root: Path, shapes: list, name: str = "a", **more) -> Path:
    save(root / f"{name}.png", picture())
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": f"{name}.png", "imageData": None}
    write_json(root / f"{name}.json", {**content, "imageHeight": SIZE[0], "imageWidth": SIZE[1], **more})
    return root


def shape(points, kind="polygon", label="thing", **more):
    return {"label": label, "points": points, "group_id": None, "shape_type": kind, "flags": {}, **more}


def png(mask, mode="1") -> str:
    buffer = io.BytesIO()
    (Image.fromarray(mask) if mode == "1" else Image.fromarray(grey(mask))).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_labelme_shapes(tmp_path) -> None:
    shapes = [
        shape(A_CORNERS),
        shape([[20, 2], [30, 12]], "rectangle"),
        shape([[10, 10], [10, 13]], "circle"),
        shape([[4, 5], [16, 18]], "mask", mask=png(RING[5:18, 4:16])),
        shape([[4, 5], [16, 18]], "mask", mask=png(RING[5:18, 4:16], "L")),
        shape([[1, 1]], "point"),
        shape(A_CORNERS, label="_background_"),
    ]
    data = open_dataset(labelme(tmp_path / "mine", shapes))
    assert isinstance(data, LabelMe)
    first, second, third, *rings = masks_of(data)
    assert (first == A).all()
    assert (second == B).all()
    assert third.sum() == 32
    assert all((ring == RING).all() for ring in rings)
    assert findings(tmp_path / "mine") == [("shape without area", "warning")]


def test_labelme_groups_and_regions_without_truth(tmp_path) -> None:
    shapes = [
        shape(A_CORNERS, group_id=1),
        shape(B_CORNERS, group_id=1),
        shape(B_CORNERS, group_id=1, label="other"),
        shape(corners(0, 0, 3, 3), label="__ignore__"),
        shape(corners(0, 20, 3, 23), flags={"ignore": True}),
    ]
    data = LabelMe(labelme(tmp_path, shapes))
    assert_masks(data, A | B, B)
    assert data.load(0).ignore_mask().sum() == 18


def test_labelme_pictures_elsewhere_and_inside(tmp_path) -> None:
    root = labelme(tmp_path / "labels", [shape(A_CORNERS)], imagePath="..\\photos\\a.png")
    (tmp_path / "photos").mkdir()
    (root / "a.png").rename(tmp_path / "photos/a.png")
    assert_masks(open_dataset(tmp_path), A)
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, "PNG")
    labelme(root, [shape(A_CORNERS)], imagePath="gone.png", imageData=base64.b64encode(buffer.getvalue()).decode())
    (root / "a.png").unlink()
    assert (LabelMe(root).load(0).image == picture()).all()


@pytest.mark.parametrize(
    ("one", "rule", "words"),
    [
        (shape([[1, 2], [3, 4]]), "outline", "at least 3 points"),
        (shape([[1, 2], [3, 4], [5]]), "outline", "proper points"),
        (shape([[1, 2], [3, 4], [5, float("inf")]]), "outline", "proper points"),
        (shape(None), "outline", "proper points"),
        (shape([[1, 2]], "circle"), "outline", "2 points"),
        (shape(A_CORNERS, "blob"), "shape type", "'blob'"),
        (shape([[4, 5], [16, 18]], "mask", mask="no PNG"), "mask", "no base64 PNG"),
        (shape([[30, 5], [40, 18]], "mask", mask=png(RING[5:18, 4:16])), "mask", "beyond the picture"),
        ("shape", "shape", "no object"),
    ],
)
def test_malformed_labelme_shapes(tmp_path, one, rule, words) -> None:
    root = labelme(tmp_path, [shape(A_CORNERS), one])
    with pytest.raises(DatasetError, match=words):
        LabelMe(root).load(0)
    assert findings(root) == [(rule, "error")]


def test_malformed_labelme_files(tmp_path) -> None:
    with pytest.raises(DatasetError, match="which is not there"):
        LabelMe(labelme(tmp_path, [], imagePath="gone.png")).load(0)
    with pytest.raises(DatasetError, match="is damaged"):
        LabelMe(labelme(tmp_path, [], imagePath="gone.png", imageData="AAAA")).load(0)
    with pytest.raises(DatasetError, match="says 9 x 9"):
        LabelMe(labelme(tmp_path, [], imageHeight=9, imageWidth=9)).load(0)
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(DatasetError, match="no LabelMe file"):
        LabelMe(tmp_path).load(0)
    with pytest.raises(DatasetError, match="holds no JSON"):
        LabelMe(tmp_path / "nothing")


# YOLO


def yolo(root: Path, lines: list[str], settings: str | None = "train: images/train\nnames: [thing, other]\n") -> Path:
    save(root / "images/train/a.png", picture())
    (root / "labels/train").mkdir(parents=True, exist_ok=True)
    (root / "labels/train/a.txt").write_text("\n".join(lines))
    if settings is not None:
        (root / "data.yaml").write_text(settings)
    return root


def line(points, number=0):
    return f"{number} " + " ".join(f"{x / SIZE[1]:.6f} {y / SIZE[0]:.6f}" for x, y in points)


def test_yolo_outlines(tmp_path) -> None:
    bridged = [*A_CORNERS, A_CORNERS[0], *B_CORNERS, B_CORNERS[0]]
    data = open_dataset(yolo(tmp_path / "mine", [line(A_CORNERS), "", line(bridged, 1)]))
    assert isinstance(data, YoloSeg)
    assert list(data.sample_ids) == ["images/train/a"]
    assert_masks(data, A, A | B)
    assert "a.txt" in data.describe(0)


def test_yolo_splits_and_layouts(tmp_path) -> None:
    settings = "path: /of/another/machine\ntrain: images/train\nval: list.txt\nnames: {0: thing}\n"
    root = yolo(tmp_path / "mine", [line(A_CORNERS)], settings)
    save(root / "images/val/b.png", picture())
    (root / "list.txt").write_text("./images/val/b.png\n\n")
    assert list(open_dataset(root).sample_ids) == ["images/train/a", "images/val/b"]
    val = open_dataset(f"{root}:val")
    assert (val.name, len(val), len(val.load(0).objects)) == ("mine:val", 1, 0)
    assert len(open_dataset(root / "data.yaml")) == 2
    with pytest.raises(DatasetError, match="split test"):
        open_dataset(f"{root}:test")
    with pytest.raises(DatasetError, match="has no split 'tost'"):
        open_dataset(f"{root}:tost")
    robo = tmp_path / "robo"
    save(robo / "train/images/a.png", picture())
    (robo / "train/labels").mkdir()
    (robo / "train/labels/a.txt").write_text(line(A_CORNERS))
    (robo / "data.yaml").write_text("train: ../train/images\nnames: [thing]\n")
    assert_masks(open_dataset(robo), A)
    assert_masks(open_dataset(yolo(tmp_path / "bare", [line(A_CORNERS)], None)), A)


@pytest.mark.parametrize(
    ("text", "rule", "words"),
    [
        ("0 0.1 0.2 0.3 0.4", "box instead of outline", "is a box"),
        ("0 0.1 0.2 0.3 0.4 0.5", "outline", "6 numbers"),
        ("0 0.1 0.2 0.3 0.4 0.5 1.5", "outline", "outside 0..1"),
        ("0 0.1 0.2 0.3 0.4 0.5 nan", "outline", "outside 0..1"),
        ("7 0.1 0.2 0.3 0.4 0.5 0.5", "class", "class 7"),
        ("thing 0.1 0.2 0.3 0.4 0.5 0.5", "line", "no numbers"),
    ],
)
def test_malformed_yolo_lines(tmp_path, text, rule, words) -> None:
    root = yolo(tmp_path, [line(A_CORNERS), text])
    with pytest.raises(DatasetError, match=words) as caught:
        YoloSeg(root).load(0)
    assert "line 2" in str(caught.value)
    assert findings(root) == [(rule, "error")]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("names: [a]\n", "names no split"),
        ("train: [unclosed\n", "no readable YAML"),
        ("train: images/gone\nnames: [a]\n", "names images/gone for train"),
    ],
)
def test_malformed_yolo_settings(tmp_path, settings, words) -> None:
    with pytest.raises(DatasetError, match=words):
        YoloSeg(yolo(tmp_path, [], settings))


# DAVIS-585 and HQSeg


def davis585(root: Path) -> Path:
    save(root / "bear/00000.jpg", picture())
    for number, mask in enumerate((A, B)):
        save(root / f"bear/object{number}_00000.png", grey(mask))
        save(root / f"bear/init_stm_object{number}_00000.png", grey(RING))
        save(root / f"bear/init_sp_object{number}_00000.png", np.dstack([grey(B)] * 3))
    return root


def test_davis585_starts(tmp_path) -> None:
    for root in (davis585(tmp_path / "DAVIS-585"), davis585(tmp_path / "other" / "data").parent):
        data = open_dataset(root)
        assert isinstance(data, Davis585)
        assert isinstance(data, HasStartMasks)
        assert list(data.sample_ids) == ["bear/object0_00000", "bear/object1_00000"]
        assert_masks(data, B, index=1)
        assert data.start_mask(0) is None
    assert not isinstance(ImagesMasks, HasStartMasks)
    for split, expected in (("stm", RING), ("sp", B)):
        assert (open_dataset(f"DAVIS-585:{split}", tmp_path).start_mask(0) == expected).all()
    assert open_dataset("davis585:stm", tmp_path).name == "DAVIS585:stm"


def test_malformed_davis585(tmp_path) -> None:
    root = davis585(tmp_path)
    (root / "bear/init_sp_object1_00000.png").unlink()
    assert len(Davis585(root, split="stm")) == 2
    with pytest.raises(DatasetError, match=r"init_sp_object1_00000\.png"):
        Davis585(root, split="sp")
    save(root / "bear/init_stm_object0_00000.png", np.zeros((3, 3), np.uint8))
    with pytest.raises(DatasetError, match="must agree"):
        Davis585(root, split="stm").start_mask(0)
    (root / "bear/00000.jpg").unlink()
    with pytest.raises(DatasetError, match=r"has no picture 00000\.jpg"):
        Davis585(root)
    with pytest.raises(DatasetError, match="no object mask"):
        Davis585(tmp_path / "nothing")


def test_hqseg_subsets(tmp_path) -> None:
    for subset, name in (("DIS5K/DIS-TR", "a"), ("thin", "a"), ("thin", "b.c")):
        save(tmp_path / subset / "im" / f"{name}.jpg", picture())
        save(tmp_path / subset / "gt" / f"{name}.png", np.where(A, 129, 128).astype(np.uint8))
    data = open_dataset(tmp_path)
    assert isinstance(data, HQSeg)
    assert list(data.sample_ids) == ["DIS5K/DIS-TR/a", "thin/a", "thin/b.c"]
    assert data.indices_by_source() == {"DIS5K/DIS-TR": [0], "thin": [1, 2]}
    assert_masks(data, A, index=2)
    assert list(open_dataset(tmp_path / "thin").sample_ids) == ["a", "b.c"]
    (tmp_path / "thin/gt/a.png").unlink()
    save(tmp_path / "thin/gt/lonely.png", grey(A))
    with pytest.raises(DatasetError, match=r"a\.jpg has no mask"):
        open_dataset(tmp_path)
    assert findings(tmp_path) == [("picture without mask", "error"), ("mask without picture", "error")]


# images/ and masks/, the pack


def indexed(path: Path, values: np.ndarray, palette: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8)).convert("P")
    image.putdata(values.ravel().tolist())
    image.putpalette(palette.ravel().tolist())
    image.save(path)


def test_indexed_masks(tmp_path) -> None:
    save(tmp_path / "images/a.png", picture())
    values = np.zeros(SIZE, int)
    values[A], values[B], values[:2, :2] = 3, 200, 255
    indexed(tmp_path / "masks/a.png", values, voc_palette())
    data = open_dataset(tmp_path)
    assert isinstance(data, ImagesMasks)
    assert_masks(data, A, B)
    assert data.load(0).ignore_mask().sum() == 4
    greys = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    indexed(tmp_path / "masks/a.png", np.where(A, 255, 0), greys)
    assert_masks(data, A)


def test_a_folder_of_masks_per_picture(tmp_path) -> None:
    for name in ("a", "b"):
        save(tmp_path / f"images/{name}.png", picture())
    save(tmp_path / "masks/a/one.png", grey(A))
    save(tmp_path / "masks/a/two.png", grey(B))
    save(tmp_path / "masks/b.png", grey(B))
    data = open_dataset(tmp_path)
    assert_masks(data, A, B)
    assert_masks(data, B, index=1)


def test_all_that_is_wrong_with_pairs(tmp_path) -> None:
    for name in ("a", "b", "c"):
        save(tmp_path / f"images/{name}.png", picture())
    save(tmp_path / "masks/a.png", grey(A))
    save(tmp_path / "masks/a_1.png", np.full(SIZE, 77, np.uint8))
    save(tmp_path / "masks/x.png", grey(A))
    expected = ["without picture", "without mask", "without mask", "mask"]
    assert [rule for rule, _ in findings(tmp_path)] == expected


def test_a_pack_is_recognised(tmp_path) -> None:
    save(tmp_path / "images/a.png", picture())
    indexed(tmp_path / "masks/a.png", A.astype(int), voc_palette())
    entry = {"image": "images/a.png", "mask": "masks/a.png", "source": "s", "objects": 1}
    write_json(tmp_path / "manifest.json", {"images": [entry]})
    assert_masks(open_dataset(tmp_path), A)
    assert read_pack(tmp_path).name == tmp_path.name
