"""COCO JSON of any origin: instance outlines or run lengths, crowds ignored (cocodataset.org/#format-data)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.reporting import ReportingReader, find_file, is_number, read_json
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.formats.outlines import fill_polygon
from clickwise.formats.run_lengths import decode_counts
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.imaging import LoadedImage, to_upright
from clickwise.types import MaskArray, Size

_OTHER_TASKS = ("captions", "person_keypoints", "panoptic", "stuff", "image_info")
"""Beginnings of COCO's own files that hold no instances."""
_HEAD = 65536


class CocoJson(ReportingReader):
    """One sample per picture of the JSON files that a folder holds, or of the one file that is given.

    The polygons of an annotation are parts of one object, filled as `outlines` says; run lengths (lists and compressed
    strings) keep their holes. ``iscrowd`` or ``ignore`` set: a region without truth. Pictures without annotations are
    background samples. Coordinates belong to the upright picture, or to the stored one if ``width`` and ``height`` say
    so. Pictures are looked for beside the file, in its ``images/``, in the root and its ``images/``, and in the folder
    that the file is named after (``annotations/instances_val2017.json``: ``val2017/``).
    Raises DatasetError for a file without COCO's three lists, unknown or missing pictures, objects without outline.
    """

    def __init__(self, root: str | os.PathLike[str], name: str = "", *, report: Report | None = None) -> None:
        place = Path(root)
        super().__init__(place.parent if place.is_file() else place, name or place.stem, report)
        self._images: list[tuple[Path, dict[str, Any], list[dict[str, Any]]]] = []
        self._files: list[Path] = []
        files = [place] if place.is_file() else annotation_files(place)
        if not files:
            raise DatasetError(f"{self.name}: {place} holds no COCO JSON; expected one with images and annotations")
        for file in files:
            self._take(file)
        if not self._images:
            raise DatasetError(f"{self.name}: {files[0]} lists no picture that is there; put the pictures beside it")
        names = [_name_of(entry) for _, entry, _ in self._images]
        alone = max(Counter(names).values()) == 1
        self.sample_ids: Sequence[str] = [
            one if alone else f"{file.relative_to(self.root).parent.as_posix()}/{one}#{entry['id']}"
            for one, file, (_, entry, _) in zip(names, self._files, self._images, strict=True)
        ]

    def _take(self, file: Path) -> None:
        """Match pictures and annotations of one file."""
        content = read_json(file, self.name)
        if not (isinstance(content, dict) and all(isinstance(content.get(k), list) for k in ("images", "annotations"))):
            raise DatasetError(f"{self.name}: {file} is no COCO JSON; expected an object with images and annotations")
        folders = _picture_folders(file, self.root)
        by_id: dict[Any, list[dict[str, Any]]] = {}
        for number, entry in enumerate(content["images"]):
            place = f"{file} image {number}"
            if not (isinstance(entry, dict) and "id" in entry and isinstance(entry.get("file_name"), str)):
                self.wrong(place, "image without id or file_name", "has no id or no file_name; both are needed")
            elif not isinstance(entry["id"], (int, str)) or entry["id"] in by_id:
                self.wrong(place, "image id", f"has the id {entry['id']!r}, which is not unique; give each its own")
            elif (picture := find_file(entry["file_name"], folders)) is None:
                by_id[entry["id"]] = []
                self.wrong(
                    place, "picture missing", f"names {entry['file_name']}, which is not in {file.parent} or images/"
                )
            else:
                by_id[entry["id"]] = []
                self._images.append((picture, entry, by_id[entry["id"]]))
                self._files.append(file)
        for number, annotation in enumerate(content["annotations"]):
            self._assign(f"{file} annotation {number}", annotation, by_id)

    def _assign(self, place: str, annotation: Any, by_id: dict[Any, list[dict[str, Any]]]) -> None:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("image_id"), (int, str)):
            self.wrong(place, "annotation without image", "has no image_id; expected the id of its picture")
        elif annotation["image_id"] not in by_id:
            self.wrong(
                place, "annotation without image", f"names image {annotation['image_id']!r}, which is not listed"
            )
        elif trouble := _shape_trouble(annotation.get("segmentation")):
            self.wrong(place, "outline", f"{trouble}; rule: polygons of at least 3 points x, y, or run lengths")
        else:
            by_id[annotation["image_id"]].append({**annotation, "_place": place})

    def __len__(self) -> int:
        return len(self._images)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        objects = [a for a in self._images[index][2] if not _is_ignored(a) and "_left_out" not in a]
        return str(objects[object_id]["_place"])

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self._images[index][0]

    def load(self, index: int) -> Sample:
        """Read a picture, fill its outlines; DatasetError naming file and rule when one of them is malformed."""
        path, entry, annotations = self._images[index]
        image = load_picture(path, self.name)
        size = self._annotated_size(index, entry, image)
        objects = (self._mask(a, size, image) for a in annotations if not _is_ignored(a))
        ignored = (self._mask(a, size, image) for a in annotations if _is_ignored(a))
        return layered_sample(
            self.sample_ids[index],
            image.rgb,
            (mask for mask in objects if mask is not None),
            (mask for mask in ignored if mask is not None),
        )

    def _annotated_size(self, index: int, entry: dict[str, Any], image: LoadedImage) -> Size:
        """(height, width) of the raster that the coordinates belong to."""
        told = entry.get("height", image.height), entry.get("width", image.width)
        if told == image.size or told == image.stored_size:
            return told
        self.wrong(
            self.picture_path(index),
            "size",
            f"is {image.width} x {image.height} pixels, {self._files[index].name} says {told[1]} x {told[0]} "
            "(width x height); they must agree",
        )
        return image.size

    def _mask(self, annotation: dict[str, Any], size: Size, image: LoadedImage) -> MaskArray | None:
        """(H, W) on the upright picture; None when it was malformed and the report wants to go on."""
        place, outline = annotation["_place"], annotation["segmentation"]
        try:
            mask = _run_length_mask(outline, size) if isinstance(outline, dict) else _polygon_mask(outline, size)
        except ValueError as error:
            self.wrong(place, "outline", f"cannot be read: {error}")
            annotation["_left_out"] = True
            return None
        return mask if size == image.size else to_upright(mask, image.orientation)


def _run_length_mask(outline: dict[str, Any], size: Size) -> MaskArray:
    if tuple(outline["size"]) != size:
        raise ValueError(f"its run lengths have the size {outline['size']}, the picture {list(size)} (height, width)")
    return decode_counts(outline["counts"], size)


def _polygon_mask(outline: list[list[float]], size: Size) -> MaskArray:
    mask = np.zeros(size, dtype=bool)
    for polygon in outline:
        if not all(is_number(value) for value in polygon):
            raise ValueError("a corner is not a finite number")
        mask |= fill_polygon(polygon, size)
    return mask


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


def _is_ignored(annotation: dict[str, Any]) -> bool:
    return bool(annotation.get("iscrowd")) or bool(annotation.get("ignore"))


def _name_of(entry: dict[str, Any]) -> str:
    return str(Path(entry["file_name"].replace("\\", "/")).with_suffix(""))


def _picture_folders(file: Path, root: Path) -> list[Path]:
    """Where the pictures of an annotation file may lie."""
    split = file.stem.removeprefix("instances_")
    near = [base / below for base in (file.parent, root) for below in ("", "images", split, f"images/{split}")]
    return list(dict.fromkeys([*near, file.parent.parent, file.parent.parent / split]))


def annotation_files(root: Path) -> list[Path]:
    """COCO files of a folder: directly in it, in ``annotations/``, or one per sub-folder (``train/_annotations...``).

    Where ``instances_*.json`` exist, they alone count.
    """
    for found in (_jsons(root), _jsons(root / "annotations"), [f for d in _folders(root) for f in _jsons(d)]):
        files = [f for f in found if not f.name.startswith(_OTHER_TASKS) and _looks_like_coco(f)]
        if files:
            return [f for f in files if f.name.startswith("instances_")] or files
    return []


def recognises(place: Path) -> bool:
    """Whether a folder holds COCO JSON; a single JSON file is taken for one, the reader says if it is not."""
    return place.suffix.lower() == ".json" if place.is_file() else bool(annotation_files(place))


def _folders(root: Path) -> Iterator[Path]:
    return iter(sorted(p for p in root.iterdir() if p.is_dir())) if root.is_dir() else iter(())


def _jsons(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json")) if folder.is_dir() else []


def _looks_like_coco(file: Path) -> bool:
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
