"""Entries of COCO JSON (cocodataset.org/#format-data) and where such files lie: for `coco` and the data readers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from clickwise.errors import DatasetError
from clickwise.formats.files import Wrong, is_number, read_json
from clickwise.formats.outlines import fill_polygon
from clickwise.formats.records import RunLengths
from clickwise.formats.run_lengths import decode_counts
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
