"""COCO JSON of any origin: instance outlines or run lengths, crowds ignored (cocodataset.org/#format-data)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.reporting import ReportingReader
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.formats import coco_content as coco
from clickwise.formats.files import find_file
from clickwise.imaging import LoadedImage, to_upright
from clickwise.types import MaskArray, Size


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
        files = [place] if place.is_file() else coco.annotation_files(place)
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
        content = coco.read_content(file, self.name)
        folders = coco.picture_folders(file, self.root)
        images = coco.listed_images(content, file, self.wrong)
        for one in images.values():
            name = one.entry["file_name"]
            picture = find_file(name, folders)
            if picture is None:
                self.wrong(one.place, "picture missing", f"names {name}, which is not in {file.parent} or images/")
                continue
            self._images.append((picture, one.entry, one.annotations))
            self._files.append(file)
        coco.assign_annotations(content, file, images, self.wrong)

    def __len__(self) -> int:
        return len(self._images)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        objects = [a for a in self._images[index][2] if not coco.is_ignored(a) and "_left_out" not in a]
        return str(objects[object_id]["_place"])

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self._images[index][0]

    def load(self, index: int) -> Sample:
        """Read a picture, fill its outlines; DatasetError naming file and rule when one of them is malformed."""
        path, entry, annotations = self._images[index]
        image = load_picture(path, self.name)
        size = self._annotated_size(index, entry, image)
        objects = (self._mask(a, size, image) for a in annotations if not coco.is_ignored(a))
        ignored = (self._mask(a, size, image) for a in annotations if coco.is_ignored(a))
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
        place = annotation["_place"]
        try:
            mask = coco.annotation_mask(annotation, size)
        except ValueError as error:
            self.wrong(place, "outline", f"cannot be read: {error}")
            annotation["_left_out"] = True
            return None
        return mask if size == image.size else to_upright(mask, image.orientation)


def _name_of(entry: dict[str, Any]) -> str:
    return str(Path(entry["file_name"].replace("\\", "/")).with_suffix(""))


def recognises(place: Path) -> bool:
    """Whether a folder holds COCO JSON; a single JSON file is taken for one, the reader says if it is not."""
    return place.suffix.lower() == ".json" if place.is_file() else bool(coco.annotation_files(place))
