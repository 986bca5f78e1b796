"""Nothing is lost in silence: what a format cannot hold is refused, with those that can; bad files name the rule."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from label_records import box, image, labels, put_pictures, thing
from PIL import Image

from clickwise.errors import ClickwiseError, DatasetError, OptionError, OutputError
from clickwise.formats import registry
from clickwise.formats.options import WriteOptions
from clickwise.formats.records import LabelClass, LabelledImage, LabelledObject, Labels, RunLengths
from clickwise.formats.registry import read_labels, write_labels
from clickwise.formats.staging import staged_file, staged_folder

SIZE = (10, 12)
RING = box(SIZE, 1, 1, 8, 8) & ~box(SIZE, 3, 3, 5, 5)
DOTS = [thing(dot) for dot in np.eye(400, dtype=bool).reshape(-1, 20, 20)]
LEFT, RIGHT = box(SIZE, 0, 0, 5, 5), box(SIZE, 6, 0, 9, 5)
TWO_OVER = labels(image("a.jpg", SIZE, thing(LEFT), thing(box(SIZE, 4, 4, 9, 9), "猫")))
VOID = thing(RIGHT, "__ignore__", is_ignored=True)


def with_void(*voids: LabelledObject) -> Labels:
    return labels(image("a.jpg", SIZE, thing(LEFT), *voids), classes=("cup", "__ignore__"))


def named(name: str) -> Labels:
    return labels(image("a.jpg", SIZE, thing(LEFT, name)), classes=(name,))


def pictures(*names: str) -> Labels:
    return labels(*(image(name, SIZE, thing(LEFT)) for name in names))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("png-indexed", TWO_OVER, "a.jpg object 2 (猫) overlaps one before it, which png-indexed cannot hold; use"),
        ("voc", TWO_OVER, "use coco, coco-polygons, labelme, yolo or png-objects"),
        ("png-binary", labels(image("a.jpg", SIZE, thing(LEFT), thing(RIGHT))), "a.jpg has 2 objects, more than 1"),
        ("yolo", labels(image("a.jpg", SIZE, thing(RING))), "a.jpg object 1 (cup) has a hole, which yolo cannot hold"),
        ("yolo", labels(image("a.jpg", SIZE, thing(RING))), "or --holes bridge"),
        ("yolo", with_void(VOID), "has a region without truth"),
        ("png-indexed", with_void(VOID, thing(box(SIZE, 0, 8, 2, 9), "__ignore__", is_ignored=True)), "2 regions"),
        ("voc", labels(image("a.jpg", (20, 20), *DOTS)), "400"),
        ("voc", labels(image("a.jpg", SIZE), classes=tuple(f"c{n}" for n in range(300))), "there are 300 classes"),
        ("voc", named("cup:red"), "the class 'cup:red' has a name, which voc cannot hold; use coco"),
        ("voc", named(" cup"), "' cup'"),
        ("voc", named("background"), "rename it"),
        ("labelme", named("_background_"), "use coco"),
        ("labelme", named("__ignore__"), "use coco"),
        ("voc", pictures("my photo.jpg"), "my photo.jpg has a blank"),
        ("labelme", pictures("a.jpg", "a.png"), "a.jpg and a.png differ in their endings only"),
        ("yolo", labels(image("a.jpg", SIZE, thing(np.zeros(SIZE)))), "object 1 (cup) has no pixel"),
    ],
)  # fmt: skip
def test_what_a_format_cannot_hold_is_refused(name, content, message, tmp_path) -> None:
    with pytest.raises(OutputError) as caught:
        write_labels(content, tmp_path / "out", name)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_every_refusal_names_a_format_that_takes_it(tmp_path) -> None:
    for content in (TWO_OVER, labels(image("a.jpg", SIZE, thing(RING))), with_void(VOID), named("cup:red")):
        write_labels(content, tmp_path / "x.json", "coco", overwrite=True)
        write_labels(content, tmp_path / "png", "png-objects", overwrite=True)


def test_holes_of_polygons_are_closed_with_a_word(tmp_path) -> None:
    content = labels(image("a.jpg", SIZE, thing(RING)))
    notes = write_labels(content, tmp_path / "x.json", "coco-polygons")
    assert notes == (
        "the holes of a.jpg object 1 (cup) are closed; "
        "coco, labelme, voc, png-objects, png-indexed or png-binary would keep them",
    )
    assert read_labels(tmp_path / "x.json").images[0].objects[0].mask == RunLengths.of(box(SIZE, 1, 1, 8, 8))
    assert write_labels(content, tmp_path / "y.json", "coco") == ()
    with pytest.raises(OutputError, match="has a hole"):
        write_labels(content, tmp_path / "z.json", "coco-polygons", WriteOptions(holes="refuse"))
    write_labels(content, tmp_path / "filled", "yolo", WriteOptions(holes="fill"))


def test_what_is_left_out_is_told(tmp_path) -> None:
    one = thing(LEFT, "b", object_id=3, attributes={"truncated": True})
    content = Labels((LabelClass("a", (1, 2, 3)), LabelClass("b")), (image("a.png", SIZE, one),))
    assert write_labels(content, tmp_path / "x.json", "coco") == ()
    assert len(write_labels(content, tmp_path / "labelme", "labelme")) == 2  # colours, unused class
    assert len(write_labels(content, tmp_path / "voc", "voc")) == 4


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: image("../a.jpg", SIZE), "relative name"),
        (lambda: image("/a.jpg", SIZE), "relative name"),
        (lambda: image("a.jpg", (3, 3), thing(LEFT)), "12 x 10 pixels, the picture 3 x 3"),
        (lambda: Labels((), (image("a.jpg", SIZE, thing(LEFT)),)), "which is not among the classes: none"),
        (lambda: Labels((LabelClass("a"), LabelClass("a"))), "given twice"),
        (lambda: Labels((LabelClass(""),)), "no name"),
        (lambda: pictures("a.jpg", "a.jpg"), "given twice"),
        (lambda: RunLengths.of(np.zeros((2, 2))), "booleans"),
        (lambda: WriteOptions(holes="some"), "expected one of refuse, bridge, fill"),
    ],
)
def test_records_that_make_no_sense(make, words) -> None:
    with pytest.raises(ClickwiseError, match=words):
        make()


# Malformed files


def coco(**changes) -> dict:
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 4, 0, 4, 4]]}
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 10, "width": 12}],
        "annotations": [{**entry, **changes.pop("annotation", {})}],
        "categories": [{"id": 1, "name": "cup"}],
    }
    return {**content, **changes}


LABELME = {"shapes": [], "imagePath": "a.jpg", "imageHeight": 10, "imageWidth": 12}
MALFORMED = {
    "cut.json": ('{"images": [], "annotations": [], "cat', "", "expected a complete file"),
    "list.json": ({"images": {}, "annotations": [], "categories": []}, "", "is no COCO JSON"),
    "no size.json": (coco(images=[{"id": 1, "file_name": "a.jpg", "width": "12"}]), "image 0", "two whole numbers"),
    "category.json": (coco(annotation={"category_id": 7}), "annotation 0", "category_id 7, which categories does not"),
    "huge.json": (
        coco(images=[{"id": 1, "file_name": "a.jpg", "height": 10**6, "width": 10**6}]),
        "image 0",
        "at most 250000000 are read",
    ),
    "names.json": (coco(categories=[{"id": 1}]), "category 0", "no name"),
    "corner.json": (coco(annotation={"segmentation": [[0, 0, 4, "x", 4, 4]]}), "annotation 0", "finite number"),
    "two corners.json": (coco(annotation={"segmentation": [[0, 0, 4, 4]]}), "annotation 0", "of 4 numbers"),
    "counts.json": (coco(annotation={"segmentation": {"size": [10, 12], "counts": [9]}}), "annotation 0", "up to 9"),
    "transposed.json": (coco(annotation={"segmentation": {"size": [12, 10], "counts": [120]}}), "annotation 0", "size"),
    "lost.json": (coco(annotation={"image_id": 5}), "annotation 0", "not listed"),
    "escape.json": (coco(images=[{"id": 1, "file_name": "../a", "height": 10, "width": 12}]), "image 0", "relative"),
    "shape.json": ({**LABELME, "shapes": [{"label": "x", "points": [[0, 0]], "shape_type": "blob"}]}, "shape 0", "b"),
    "label.json": ({**LABELME, "shapes": [{"points": [[0, 0], [3, 0], [3, 3]]}]}, "", "expected a name"),
    "unsized.json": ({**LABELME, "imageWidth": None}, "", "two whole numbers"),
    "path.json": ({"shapes": []}, "", "expected imagePath"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_json(name, tmp_path) -> None:
    content, place, words = MALFORMED[name]
    file = tmp_path / name
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    with pytest.raises(DatasetError) as caught:
        read_labels(file)
    assert words in str(caught.value)
    assert str(file) in str(caught.value)
    assert place in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("0 0.1 0.1 0.5 0.5", "is a box"),
        ("0 0.1 0.1 0.5", "has 4 numbers"),
        ("0 0.1 0.1 0.5 0.1 7 0.5", "outside 0..1"),
        ("9 0.1 0.1 0.5 0.1 0.5 0.5", "the class 9, which data.yaml does not name"),
        ("cup 0.1 0.1 0.5 0.1 0.5 0.5", "no numbers"),
    ],
)
def test_malformed_yolo(line, words, tmp_path) -> None:
    write_labels(pictures("a.jpg"), tmp_path / "out", "yolo")
    put_pictures(tmp_path / "out/images", pictures("a.jpg"))
    (tmp_path / "out/labels/a.txt").write_text(f"\n{line}\n", "utf-8")
    with pytest.raises(DatasetError, match=rf"a\.txt line 2 .*{words}"):
        read_labels(tmp_path / "out")


def test_yolo_without_its_pictures_says_what_is_missing(tmp_path) -> None:
    write_labels(pictures("a.jpg"), tmp_path / "out", "yolo")
    with pytest.raises(DatasetError, match="--images"):
        read_labels(tmp_path / "out")


def spoil(path: Path, change) -> None:
    values = np.asarray(Image.open(path)).copy()
    Image.fromarray(change(values)).save(path)


def test_malformed_masks(tmp_path) -> None:
    root = tmp_path / "out"
    write_labels(pictures("a.jpg"), root, "png-binary")
    spoil(root / "masks/a.png", lambda values: np.where(values, values, 9).astype(np.uint8))
    with pytest.raises(DatasetError, match=r"a\.png holds the value 9, which labels\.json does not name"):
        read_labels(root)
    (root / "labels.json").rename(tmp_path / "away.json")
    with pytest.raises(DatasetError, match=r"a\.png holds the value 9, which has no meaning; rule"):
        read_labels(root)
    (tmp_path / "away.json").rename(root / "labels.json")
    spoil(root / "masks/a.png", lambda values: values[:3])
    with pytest.raises(DatasetError, match=r"is 12 x 3 pixels, its picture 12 x 10"):
        read_labels(root)
    (root / "masks/a.png").write_bytes(b"\x89PNG")
    with pytest.raises(DatasetError, match=r"mask .*a\.png"):
        read_labels(root)
    (root / "masks/a.png").unlink()
    with pytest.raises(DatasetError, match="not there"):
        read_labels(root)
    (root / "labels.json").write_text('{"clickwise_labels": 1, "pictures": [{}]}', "utf-8")
    with pytest.raises(DatasetError, match=r"labels\.json lacks something"):
        read_labels(root)


def test_malformed_voc(tmp_path) -> None:
    root = tmp_path / "out"
    write_labels(pictures("a.jpg"), root, "voc")
    (root / "ImageSets/Segmentation/val.txt").write_text("b\n", "utf-8")
    with pytest.raises(DatasetError, match=r"b\.png does not exist"):
        read_labels(root)
    (root / "ImageSets/Segmentation/val.txt").write_text("a\n", "utf-8")
    spoil(root / "SegmentationClass/a.png", lambda values: np.arange(120, dtype=np.uint8).reshape(10, 12))
    with pytest.raises(DatasetError, match=r"SegmentationClass/a\.png gives object 1 .* the classes \[0, "):
        read_labels(root)
    (root / "labelmap.txt").write_text("cup:1,2,3::\n", "utf-8")
    with pytest.raises(DatasetError, match=r"labelmap\.txt is no list of classes"):
        read_labels(root)


def test_nothing_known(tmp_path) -> None:
    with pytest.raises(DatasetError, match="no label format that is known"):
        read_labels(tmp_path)
    with pytest.raises(DatasetError, match="does not exist"):
        read_labels(tmp_path / "gone")
    with pytest.raises(OptionError, match="did you mean coco"):
        read_labels(tmp_path, "coc")


# Whole or not at all


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_nothing_is_replaced_unasked(tmp_path) -> None:
    mine = tmp_path / "mine"
    (mine / "labels").mkdir(parents=True)
    (mine / "notes.txt").write_text("mine")
    (mine / "labels/old.txt").write_text("0 0 0 1 0 1 1\n")
    before = tree(mine)
    for name in ("yolo", "voc", "png-objects"):
        with pytest.raises(OutputError, match="not empty"):
            write_labels(pictures("a.jpg"), mine, name)
    assert tree(mine) == before
    write_labels(pictures("a.jpg"), mine, "yolo", overwrite=True)
    assert set(tree(mine)) == {"notes.txt", "data.yaml", "labels/a.txt"}  # earlier labels are gone, the rest stays
    (tmp_path / "x.json").write_text("mine")
    with pytest.raises(OutputError, match="there already"):
        write_labels(pictures("a.jpg"), tmp_path / "x.json", "coco")
    assert (tmp_path / "x.json").read_text() == "mine"
    with pytest.raises(OptionError, match=r"end in \.json"):
        write_labels(pictures("a.jpg"), tmp_path / "x", "coco")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "x.json"]


def test_labelme_files_go_among_the_pictures(tmp_path) -> None:
    folder = put_pictures(tmp_path / "photos", pictures("a.jpg", "b.jpg"))
    write_labels(pictures("a.jpg"), folder, "labelme")
    with pytest.raises(OutputError, match=r"a\.json is there already"):
        write_labels(pictures("a.jpg", "b.jpg"), folder, "labelme")
    assert sorted(tree(folder)) == ["a.jpg", "a.json", "b.jpg"]
    write_labels(pictures("a.jpg", "b.jpg"), folder, "labelme", overwrite=True)
    assert sorted(tree(folder)) == ["a.jpg", "a.json", "b.jpg", "b.json"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_failure_half_way_leaves_what_was_there(overwrite, tmp_path, monkeypatch) -> None:
    target = tmp_path / "out"
    if overwrite:
        write_labels(pictures("old.jpg"), target, "png-objects")
    before = tree(tmp_path)

    def full_disk(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clickwise.formats.png_masks._write_sidecar", full_disk)
    with pytest.raises(OutputError, match="No space left"):
        write_labels(pictures("a.jpg", "b.jpg"), target, "png-objects", overwrite=overwrite)
    assert tree(tmp_path) == before
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_an_interrupted_block_leaves_nothing(tmp_path) -> None:
    def folder() -> None:
        with staged_folder(tmp_path / "out", overwrite=False, labels=()) as stage:
            (stage / "half").write_text("x")
            raise KeyboardInterrupt

    def file() -> None:
        with staged_file(tmp_path / "out.json", overwrite=False) as stage:
            stage.write_text("x")
            raise KeyboardInterrupt

    for write in (folder, file):
        with pytest.raises(KeyboardInterrupt):
            write()
    assert not list(tmp_path.iterdir())


def test_a_link_stays_a_link(tmp_path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real", target_is_directory=True)
    write_labels(pictures("a.jpg"), tmp_path / "link", "yolo")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real/data.yaml").is_file()
    (tmp_path / "real/linked").symlink_to("data.yaml")
    write_labels(pictures("a.jpg"), tmp_path / "link", "yolo", overwrite=True)
    assert (tmp_path / "real/linked").readlink() == Path("data.yaml")


def test_pictures_that_cannot_be_copied(tmp_path) -> None:
    with_copies = WriteOptions(pictures=True)
    with pytest.raises(OutputError, match="was not found; say where"):
        write_labels(pictures("a.jpg"), tmp_path / "out", "yolo", with_copies)
    with pytest.raises(OptionError, match="is one file"):
        write_labels(pictures("a.jpg"), tmp_path / "x.json", "coco", with_copies)
    put_pictures(tmp_path, pictures("a.png"))
    content = Labels((LabelClass("cup"),), (LabelledImage("a.png", *SIZE, path=tmp_path / "a.png"),))
    with pytest.raises(OutputError, match="no JPEG"):
        write_labels(content, tmp_path / "out", "voc", with_copies)


def test_formats_of_others_join_by_a_line(tmp_path) -> None:
    own = registry.LabelFormat(
        "mine", "a format of mine", "clickwise.formats.coco", "", "file", registry.FORMATS[0].can
    )
    write_labels(pictures("a.jpg"), tmp_path / "x.json", "coco")
    assert read_labels(tmp_path / "x.json", "mine", formats=(own,)).object_count == 1
    with pytest.raises(OptionError, match="only read"):
        write_labels(pictures("a.jpg"), tmp_path / "y.json", "mine", formats=(own,))
