"""COCO JSON (cocodataset.org/#format-data): run lengths or polygons, crowds, any number of classes.

Coordinates belong to the upright picture. Reading takes those of the stored raster too, where ``width`` and ``height``
say so and the picture is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from clickwise.errors import DatasetError
from clickwise.formats.files import (
    PictureFacts,
    Wrong,
    find_file,
    is_number,
    json_text,
    picture_facts,
    read_json,
    refuse,
    told_size,
)
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.outlines import fill_polygon
from clickwise.formats.records import (
    UNNAMED,
    Colour,
    LabelClass,
    LabelledImage,
    LabelledObject,
    Labels,
    RunLengths,
    labels_of,
)
from clickwise.formats.run_lengths import decode_counts
from clickwise.formats.tracing import Rings, bridged, trace
from clickwise.imaging import to_upright
from clickwise.types import MaskArray, Size

_OTHER_TASKS = ("captions", "person_keypoints", "panoptic", "stuff", "image_info")
"""Beginnings of COCO's own files that hold no instances."""
_HEAD = 65536


@dataclass(slots=True)
class CocoImage:
    """An entry of ``images`` with its annotations, each with its place as ``_place``."""

    place: str
    entry: dict[str, Any]
    annotations: list[dict[str, Any]] = field(default_factory=list)


def read_content(file: Path, name: str = "") -> dict[str, Any]:
    """The lists of a COCO file. Raises DatasetError when it is none."""
    content = read_json(file, name)
    if not (isinstance(content, dict) and all(isinstance(content.get(k), list) for k in ("images", "annotations"))):
        start = f"{name}: " if name else ""
        raise DatasetError(f"{start}{file} is no COCO JSON; expected an object with images and annotations")
    return content


def listed_images(content: dict[str, Any], file: Path, wrong: Wrong) -> dict[int | str, CocoImage]:
    """Id -> picture; entries without id or name are told to ``wrong`` and left out."""
    found: dict[int | str, CocoImage] = {}
    for number, entry in enumerate(content["images"]):
        place = f"{file} image {number}"
        if not (isinstance(entry, dict) and "id" in entry and isinstance(entry.get("file_name"), str)):
            wrong(place, "image without id or file_name", "has no id or no file_name; both are needed")
        elif not isinstance(entry["id"], (int, str)) or entry["id"] in found:
            wrong(place, "image id", f"has the id {entry['id']!r}, which is not unique; give each its own")
        else:
            found[entry["id"]] = CocoImage(place, entry)
    return found


def assign_annotations(content: dict[str, Any], file: Path, images: dict[int | str, CocoImage], wrong: Wrong) -> None:
    """Put every annotation with its picture; those without one, or without outline, are told to ``wrong``."""
    for number, annotation in enumerate(content["annotations"]):
        place = f"{file} annotation {number}"
        if not isinstance(annotation, dict) or not isinstance(annotation.get("image_id"), (int, str)):
            wrong(place, "annotation without image", "has no image_id; expected the id of its picture")
        elif annotation["image_id"] not in images:
            wrong(place, "annotation without image", f"names image {annotation['image_id']!r}, which is not listed")
        elif trouble := _shape_trouble(annotation.get("segmentation")):
            wrong(place, "outline", f"{trouble}; rule: polygons of at least 3 points x, y, or run lengths")
        else:
            images[annotation["image_id"]].annotations.append({**annotation, "_place": place})


def annotation_mask(annotation: dict[str, Any], size: Size) -> MaskArray:
    """(H, W) of an annotation; the polygons of one are its parts. Raises ValueError saying what is wrong with it."""
    outline = annotation["segmentation"]
    if isinstance(outline, dict):
        return decode_counts(_counts_of(outline, size), size)
    mask = np.zeros(size, dtype=bool)
    for polygon in outline:
        if not all(is_number(value) for value in polygon):
            raise ValueError("a corner is not a finite number")
        mask |= fill_polygon(polygon, size)
    return mask


def annotation_runs(annotation: dict[str, Any], size: Size) -> RunLengths:
    """As `annotation_mask`, without decoding what is run lengths already."""
    outline = annotation["segmentation"]
    if isinstance(outline, dict):
        return RunLengths.of_counts(_counts_of(outline, size), size)
    return RunLengths.of(annotation_mask(annotation, size))


def _counts_of(outline: dict[str, Any], size: Size) -> list[int] | str:
    if tuple(outline["size"]) != size:
        raise ValueError(f"its run lengths have the size {outline['size']}, the picture {list(size)} (height, width)")
    counts: list[int] | str = outline["counts"]
    return counts


def is_ignored(annotation: dict[str, Any]) -> bool:
    """Whether an annotation is a region without truth."""
    return bool(annotation.get("iscrowd")) or bool(annotation.get("ignore"))


def picture_folders(file: Path, root: Path) -> list[Path]:
    """Where the pictures of an annotation file may lie."""
    split = file.stem.removeprefix("instances_")
    near = [base / below for base in (file.parent, root) for below in ("", "images", split, f"images/{split}")]
    return list(dict.fromkeys([*near, file.parent.parent, file.parent.parent / split]))


def annotation_files(root: Path) -> list[Path]:
    """COCO files of a folder: directly in it, in ``annotations/``, or one per sub-folder (``train/_annotations...``).

    Where ``instances_*.json`` exist, they alone count.
    """
    folders = sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else []
    for found in (_jsons(root), _jsons(root / "annotations"), [f for d in folders for f in _jsons(d)]):
        files = [f for f in found if not f.name.startswith(_OTHER_TASKS) and looks_like_coco(f)]
        if files:
            return [f for f in files if f.name.startswith("instances_")] or files
    return []


def looks_like_coco(file: Path) -> bool:
    """By the ends of the file alone: they may be large."""
    if file.suffix.lower() != ".json":
        return False
    try:
        with file.open("rb") as opened:
            head = opened.read(_HEAD)
            opened.seek(max(0, file.stat().st_size - _HEAD))
            ends = head + opened.read(_HEAD)
    except OSError:
        return False
    marks = (b'"images"', b'"annotations"', b'"categories"')
    return head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] == b"{" and sum(mark in ends for mark in marks) >= 2


def recognises(place: Path) -> bool:
    """Whether a file, or one in a folder, is COCO JSON."""
    return looks_like_coco(place) if place.is_file() else bool(annotation_files(place))


def read(place: Path, options: ReadOptions) -> Labels:
    """All pictures of a COCO file, or of those of a folder. Pictures themselves need not be there.

    Raises DatasetError naming file and rule for whatever is malformed.
    """
    files = [place] if place.is_file() else annotation_files(place)
    if not files:
        raise DatasetError(f"{place} holds no COCO JSON; expected one with images and annotations")
    images: list[tuple[str, LabelledImage]] = []
    classes: dict[str, LabelClass] = {}
    for file in files:
        content = read_content(file)
        names = _categories(content, file)
        classes.update((one.name, one) for one in names.values() if one.name not in classes)
        listed = listed_images(content, file, refuse)
        assign_annotations(content, file, listed, refuse)
        folders = [*options.images, *picture_folders(file, file.parent if place.is_file() else place)]
        below = file.parent.relative_to(place).as_posix() if place.is_dir() else "."
        images += [(below, _image(one, names, folders)) for one in listed.values()]
    if len({image.file_name for _, image in images}) < len(images):  # train/ and valid/ may have the same names
        images = [
            (at, image if at == "." else replace(image, file_name=f"{at}/{image.file_name}")) for at, image in images
        ]
    return labels_of(tuple(image for _, image in images), tuple(classes.values()))


def _image(one: CocoImage, names: dict[Any, LabelClass], folders: Sequence[Path]) -> LabelledImage:
    name = str(one.entry["file_name"]).replace("\\", "/").removeprefix("./")
    size, facts = _size_told(one, folders)
    objects: list[LabelledObject] = []
    for annotation in one.annotations:
        place = annotation["_place"]
        try:
            runs = annotation_runs(annotation, size)
        except ValueError as error:
            raise DatasetError(f"{place} cannot be read: {error}") from None
        if size != facts.size:
            runs = RunLengths.of(to_upright(runs.mask(), facts.orientation or 1))
        category = annotation.get("category_id")
        if names and category not in names:
            raise DatasetError(f"{place} has the category_id {category!r}, which categories does not list")
        number, more = annotation.get("id"), annotation.get("attributes")
        objects.append(
            LabelledObject(
                names[category].name if names else UNNAMED,
                runs,
                number if isinstance(number, int) and not isinstance(number, bool) else None,
                is_ignored(annotation),
                dict(more) if isinstance(more, dict) else {},
            )
        )
    try:
        return LabelledImage(name, *facts.size, tuple(objects), facts.orientation, facts.path)
    except DatasetError as error:
        raise DatasetError(f"{one.place}: {error}") from None


def _size_told(one: CocoImage, folders: Sequence[Path]) -> tuple[Size, PictureFacts]:
    """(height, width) of the raster that the coordinates belong to, and what is known of the picture."""
    told = one.entry.get("height"), one.entry.get("width")
    path = find_file(one.entry["file_name"], folders)
    if path is None:
        size = told_size(one.place, *told)
        return size, PictureFacts(size)
    facts = picture_facts(path)
    turned = facts.orientation is not None and facts.orientation >= 5
    if told == (None, None) or told == facts.size:
        return facts.size, facts
    if turned and told == facts.size[::-1]:
        return facts.size[::-1], facts
    raise DatasetError(
        f"{one.place} says {told[1]} x {told[0]} pixels, {path} has {facts.size[1]} x {facts.size[0]} "
        "(width x height); they must agree"
    )


def _categories(content: dict[str, Any], file: Path) -> dict[Any, LabelClass]:
    """Id -> class. Raises DatasetError for entries without id or name."""
    listed = content.get("categories") or []
    found: dict[Any, LabelClass] = {}
    for number, entry in enumerate(listed if isinstance(listed, list) else [None]):
        fits = isinstance(entry, dict) and isinstance(entry.get("id"), (int, str)) and entry["id"] not in found
        if not (fits and isinstance(entry.get("name"), str) and entry["name"]):
            raise DatasetError(f"{file} category {number} has no name or no id of its own; both are needed")
        found[entry["id"]] = LabelClass(entry["name"], _colour(entry.get("color")))
    return found


def _colour(value: Any) -> Colour | None:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value):
        return value[0], value[1], value[2]
    return None


def write_run_lengths(labels: Labels, target: Path, options: WriteOptions) -> None:
    """One JSON file with compressed run lengths: every mask exactly."""
    _write(labels, target, options, polygons=False)


def write_polygons(labels: Labels, target: Path, options: WriteOptions) -> None:
    """One JSON file with polygons along pixel edges; ignored regions stay run lengths, as in COCO's own files."""
    _write(labels, target, options, polygons=True)


def _write(labels: Labels, target: Path, options: WriteOptions, *, polygons: bool) -> None:
    ids = {one.name: number for number, one in enumerate(labels.classes, 1)}
    categories = [
        {"id": ids[one.name], "name": one.name, "supercategory": ""}
        | ({} if one.colour is None else {"color": list(one.colour)})
        for one in labels.classes
    ]
    numbers = [one.object_id for image in labels.images for one in image.objects]
    keeps_ids = None not in numbers and len(set(numbers)) == len(numbers)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(labels.images, 1):
        images.append({"id": image_id, "file_name": image.file_name, "width": image.width, "height": image.height})
        for one in image.objects:
            number = one.object_id if keeps_ids else len(annotations) + 1
            mask = one.mask.mask()
            outline = _outline(one, trace(mask) if polygons else None, options)
            x0, y0, x1, y1 = one.mask.box() or (0, 0, 0, 0)
            annotations.append(
                {
                    "id": number,
                    "image_id": image_id,
                    "category_id": ids[one.class_name],
                    "segmentation": outline,
                    "area": int(mask.sum()),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": int(one.is_ignored),
                }
                | ({"attributes": dict(one.attributes)} if one.attributes else {})
            )
    content = {"images": images, "annotations": annotations, "categories": categories}
    target.write_text(json_text(content), "utf-8")


def _outline(one: LabelledObject, rings: Rings | None, options: WriteOptions) -> object:
    if rings is None or one.is_ignored or not rings.parts:
        return {"size": list(one.mask.size), "counts": one.mask.counts}
    if rings.holes and options.holes == "bridge":
        outlines = [bridged([*rings.parts, *rings.holes])]
    else:
        outlines = list(rings.parts)
    return [[value for corner in outline for value in corner] for outline in outlines]


def _shape_trouble(outline: Any) -> str:
    """What is wrong with the form of a segmentation, or nothing."""
    if isinstance(outline, dict):
        size, counts = outline.get("size"), outline.get("counts")
        return "" if isinstance(size, list) and isinstance(counts, (list, str)) else "has no size or no counts"
    if not isinstance(outline, list) or not outline:
        return "has no segmentation"
    if not all(isinstance(polygon, list) for polygon in outline):
        return "has a segmentation that is no list of polygons"
    lengths = [len(polygon) for polygon in outline]
    odd = next((n for n in lengths if n % 2 or n < 6), None)
    return f"has a polygon of {odd} numbers" if odd is not None else ""


def _jsons(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []
