"""LabelMe: one JSON file per picture with polygons, rectangles, circles and masks (labelme 3 and later)."""

from __future__ import annotations

import base64
import binascii
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from PIL import Image

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.reporting import ReportingReader, bright, find_file, is_number, read_json
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.formats.outlines import fill_circle, fill_polygon, rectangle
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError, ImageError
from clickwise.imaging import LoadedImage, image_from
from clickwise.types import MaskArray, Size

IGNORE_LABEL, BACKGROUND_LABEL = "__ignore__", "_background_"
"""LabelMe's own names for regions without truth and for no object."""
_WITHOUT_AREA = ("point", "points", "line", "linestrip")
_CORNERS = {"polygon": (3, None), "rectangle": (2, 4), "circle": (2, 2), "mask": (2, 2)}
"""Shape type -> least and most points."""


class LabelMe(ReportingReader):
    """One sample per ``*.json`` in a folder or one level below; pictures without one are not annotated yet.

    Shapes of the same label and ``group_id`` are parts of one object. Shapes labelled ``__ignore__``, or with a flag
    ``ignore`` set, are regions without truth. Points and lines have no area and are left out. Outlines are filled as
    `outlines` says; shapes of type mask keep their holes. The picture is ``imagePath``, else the one inside the file.
    Raises DatasetError when there is no annotation file.
    """

    def __init__(self, root: str | os.PathLike[str], name: str = "", *, report: Report | None = None) -> None:
        super().__init__(Path(root), name, report)
        self._files = _annotation_files(self.root)
        if not self._files:
            raise DatasetError(f"{self.name}: {root} holds no JSON file; expected LabelMe's STEM.json beside STEM.jpg")
        self.sample_ids: Sequence[str] = [f.relative_to(self.root).with_suffix("").as_posix() for f in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return f"{self._files[index]} object {object_id}"

    def load(self, index: int) -> Sample:
        """Read annotations and picture; DatasetError naming file and rule when one of them is malformed."""
        file = self._files[index]
        content = read_json(file, self.name)
        if not (isinstance(content, dict) and isinstance(content.get("shapes"), list)):
            raise DatasetError(f"{self.name}: {file} is no LabelMe file; expected an object with shapes and imagePath")
        image = self._picture(file, content)
        objects: dict[Any, MaskArray] = {}
        ignored: list[MaskArray] = []
        for number, shape in enumerate(content["shapes"]):
            mask = self._mask(file, number, shape, image.size)
            if mask is None or shape.get("label") == BACKGROUND_LABEL:
                continue
            if shape.get("label") == IGNORE_LABEL or (shape.get("flags") or {}).get("ignore"):
                ignored.append(mask)
                continue
            group = shape.get("group_id")
            key = number if group is None else (str(shape.get("label")), str(group))
            objects[key] = objects[key] | mask if key in objects else mask
        return layered_sample(self.sample_ids[index], image.rgb, objects.values(), ignored)

    def _picture(self, file: Path, content: dict[str, Any]) -> LoadedImage:
        name, data = content.get("imagePath"), content.get("imageData")
        found = find_file(name, [file.parent, self.root, self.root / "images"]) if isinstance(name, str) else None
        if found is not None:
            image = load_picture(found, self.name)
        elif isinstance(data, str):
            try:
                with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as opened:
                    image = image_from(opened)
            except (ImageError, OSError, binascii.Error) as error:
                raise DatasetError(f"{self.name}: the picture inside {file} is damaged ({error})") from None
        else:
            raise DatasetError(f"{self.name}: {file} names the picture {name!r}, which is not there; put it beside")
        told = content.get("imageHeight") or image.height, content.get("imageWidth") or image.width
        if told != image.size:
            self.wrong(
                file,
                "size",
                f"says {told[1]} x {told[0]} pixels, its picture has {image.width} x {image.height} (width x height); "
                "they must agree",
            )
        return image

    def _mask(self, file: Path, number: int, shape: Any, size: Size) -> MaskArray | None:
        """(H, W) of a shape; None without area, or when it was malformed and the report wants to go on."""
        place = f"{file} shape {number}"
        if not isinstance(shape, dict):
            self.wrong(place, "shape", "is no object with label, points and shape_type")
            return None
        kind = shape.get("shape_type") or "polygon"
        if kind in _WITHOUT_AREA:
            self.wrong(place, "shape without area", f"is a {kind}, which encloses nothing; left out", "warning")
            return None
        if kind not in _CORNERS:
            self.wrong(place, "shape type", f"has the type {kind!r}; known: {', '.join((*_CORNERS, *_WITHOUT_AREA))}")
            return None
        points = shape.get("points")
        least, most = _CORNERS[kind]
        if not _are_points(points) or len(points) < least or (most is not None and len(points) > most):
            many = f"{least}" if most == least else f"at least {least}" if most is None else f"{least} to {most}"
            self.wrong(place, "outline", f"is a {kind} without proper points; rule: {many} points [x, y]")
            return None
        try:
            return _filled(kind, points, shape, size)
        except ValueError as error:
            self.wrong(place, "mask", f"holds a mask that cannot be used: {error}")
            return None


def _filled(kind: str, points: list[list[float]], shape: dict[str, Any], size: Size) -> MaskArray:
    if kind == "circle":
        (x, y), (rim_x, rim_y) = points
        return fill_circle((x, y), float(np.hypot(rim_x - x, rim_y - y)), size)
    if kind == "rectangle" and len(points) == 2:
        return fill_polygon(rectangle((points[0][0], points[0][1]), (points[1][0], points[1][1])), size)
    if kind == "mask":
        return _pasted(points, shape.get("mask"), size)
    return fill_polygon(points, size)


def _pasted(points: list[list[float]], data: Any, size: Size) -> MaskArray:
    """A base64 PNG whose first pixel lies at the first point."""
    try:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as opened:
            values = np.asarray(opened if opened.mode == "1" else opened.convert("L"))
    except (TypeError, ValueError, OSError, SyntaxError) as error:
        raise ValueError(f"it is no base64 PNG ({type(error).__name__})") from None
    inside = bright(values) if values.max(initial=0) > 1 else values.astype(bool)
    left, top = int(points[0][0]), int(points[0][1])
    height, width = inside.shape
    if left < 0 or top < 0 or left + width > size[1] or top + height > size[0]:
        raise ValueError(f"{width} x {height} pixels at ({left}, {top}) reach beyond the picture")
    mask = np.zeros(size, dtype=bool)
    mask[top : top + height, left : left + width] = inside
    return mask


def _are_points(points: Any) -> TypeGuard[list[list[float]]]:
    return isinstance(points, list) and all(
        isinstance(point, list) and len(point) == 2 and all(is_number(value) for value in point) for point in points
    )


def _annotation_files(root: Path) -> list[Path]:
    found = (p for pattern in ("*.json", "*/*.json") for p in root.glob(pattern) if not p.name.startswith("."))
    return sorted(p for p in found if p.is_file())


def recognises(root: Path) -> bool:
    """Whether a folder holds LabelMe files: judged by the first JSON file."""
    files = _annotation_files(root) if root.is_dir() else []
    if not files:
        return False
    try:
        content = read_json(files[0], "")
    except DatasetError:
        return len(files) > 1 and any(files[0].with_suffix(s).is_file() for s in (".jpg", ".jpeg", ".png", ".JPG"))
    return isinstance(content, dict) and "shapes" in content
