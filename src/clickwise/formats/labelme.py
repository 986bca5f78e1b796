"""LabelMe: one JSON file per picture with polygons, rectangles, circles and masks (labelme 3 and later).

Coordinates belong to the upright picture, as LabelMe shows it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
from PIL import Image

from clickwise.errors import DatasetError
from clickwise.formats.files import (
    Level,
    Wrong,
    bright,
    find_file,
    is_number,
    json_text,
    picture_facts,
    read_json,
    refuse,
    told_size,
)
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.outlines import fill_circle, fill_polygon, rectangle
from clickwise.formats.records import NO_TRUTH_CLASS, LabelledImage, LabelledObject, Labels, RunLengths, labels_of
from clickwise.formats.tracing import trace
from clickwise.types import MaskArray, Size

IGNORE_LABEL, BACKGROUND_LABEL = NO_TRUTH_CLASS, "_background_"
"""LabelMe's own names for regions without truth and for no object."""
_VERSION = "5.5.0"
"""Of the file layout that is written: the first with masks, plus what followed without changing it."""
_WITHOUT_AREA = ("point", "points", "line", "linestrip")
_CORNERS = {"polygon": (3, None), "rectangle": (2, 4), "circle": (2, 2), "mask": (2, 2)}
"""Shape type -> least and most points."""


def read_content(file: Path, name: str = "") -> dict[str, Any]:
    """A LabelMe file. Raises DatasetError when it is none."""
    content = read_json(file, name)
    if not (isinstance(content, dict) and isinstance(content.get("shapes"), list)):
        start = f"{name}: " if name else ""
        raise DatasetError(f"{start}{file} is no LabelMe file; expected an object with shapes and imagePath")
    return content


def objects_of(
    content: dict[str, Any], file: Path, size: Size, wrong: Wrong
) -> Iterator[tuple[MaskArray, bool, dict[str, Any]]]:
    """(mask (H, W), whether it is a region without truth, its first shape) of every object.

    Shapes of the same label and ``group_id`` are parts of one object; malformed ones are told to ``wrong``.
    """
    found: dict[object, tuple[MaskArray, bool, dict[str, Any]]] = {}
    for number, shape in enumerate(content["shapes"]):
        mask = _mask(file, number, shape, size, wrong)
        if mask is None or shape.get("label") == BACKGROUND_LABEL:
            continue
        ignored = shape.get("label") == IGNORE_LABEL or bool((shape.get("flags") or {}).get("ignore"))
        group = shape.get("group_id")
        key: object = number if group is None else (str(shape.get("label")), str(group), ignored)
        if key in found:
            mask = found[key][0] | mask
            shape = found[key][2]
        found[key] = mask, ignored, shape
    yield from found.values()


def annotation_files(root: Path) -> list[Path]:
    """The JSON files of a folder and of those in it, without hidden ones."""
    found = (p for p in root.rglob("*.json") if not any(part.startswith(".") for part in p.relative_to(root).parts))
    return sorted(p for p in found if p.is_file())


def recognises(place: Path) -> bool:
    """Whether a file, or the first JSON file of a folder, is LabelMe's."""
    files = [place] if place.is_file() else annotation_files(place) if place.is_dir() else []
    if not files or files[0].suffix.lower() != ".json":
        return False
    try:
        content = read_json(files[0])
    except DatasetError:
        return len(files) > 1 and any(files[0].with_suffix(s).is_file() for s in (".jpg", ".jpeg", ".png", ".JPG"))
    return isinstance(content, dict) and "shapes" in content


def read(place: Path, options: ReadOptions) -> Labels:
    """All JSON files of a folder, or the one given. Raises DatasetError naming file and rule."""
    files = [place] if place.is_file() else annotation_files(place)
    root = place.parent if place.is_file() else place
    if not files:
        raise DatasetError(f"{place} holds no JSON file; expected LabelMe's STEM.json beside STEM.jpg")
    return labels_of(tuple(_image(file, root, options) for file in files))


def _image(file: Path, root: Path, options: ReadOptions) -> LabelledImage:
    content = read_content(file)
    told = content.get("imageHeight"), content.get("imageWidth")
    name = content.get("imagePath")
    if not isinstance(name, str) or not name:
        raise DatasetError(f"{file} names no picture; expected imagePath")
    folder = file.parent.relative_to(root).as_posix()
    places = [file.parent, *(place / folder for place in options.images), *options.images, root, root / "images"]
    path = find_file(name, places, within=options.within)
    facts = picture_facts(path) if path else None
    height, width = facts.size if facts else told_size(f"{file} (imageHeight, imageWidth)", *told)
    if any(told) and told != (height, width):
        raise DatasetError(
            f"{file} says {told[1]} x {told[0]} pixels, {path} has {width} x {height} (width x height); they must agree"
        )
    objects = []

    def tell(place: Path | str, rule: str, message: str, level: Level = "error") -> None:
        refuse(place, rule, message, level)
        options.warn(f"{place} {message}")

    for mask, ignored, shape in objects_of(content, file, (height, width), tell):
        number, more = shape.get("object_id"), shape.get("attributes")
        objects.append(
            LabelledObject(
                _label(shape, file),
                RunLengths.of(mask),
                number if isinstance(number, int) and not isinstance(number, bool) else None,
                ignored,
                dict(more) if isinstance(more, dict) else {},
            )
        )
    own = name.replace("\\", "/").rpartition("/")[2]
    try:
        return LabelledImage(
            own if folder == "." else f"{folder}/{own}",
            height,
            width,
            tuple(objects),
            facts.orientation if facts else None,
            path,
        )
    except DatasetError as error:
        raise DatasetError(f"{file}: {error}") from None


def _label(shape: dict[str, Any], file: Path) -> str:
    label = shape.get("label")
    if not isinstance(label, str) or not label:
        raise DatasetError(f"{file} has a shape with the label {label!r}; expected a name")
    return label


def _mask(file: Path, number: int, shape: Any, size: Size, wrong: Wrong) -> MaskArray | None:
    """(H, W) of a shape; None without area, or when it was malformed and ``wrong`` wants to go on."""
    place = f"{file} shape {number}"
    if not isinstance(shape, dict):
        wrong(place, "shape", "is no object with label, points and shape_type")
        return None
    kind = shape.get("shape_type") or "polygon"
    if kind in _WITHOUT_AREA:
        wrong(place, "shape without area", f"is a {kind}, which encloses nothing; left out", "warning")
        return None
    if kind not in _CORNERS:
        wrong(place, "shape type", f"has the type {kind!r}; known: {', '.join((*_CORNERS, *_WITHOUT_AREA))}")
        return None
    points = shape.get("points")
    least, most = _CORNERS[kind]
    if not _are_points(points) or len(points) < least or (most is not None and len(points) > most):
        many = f"{least}" if most == least else f"at least {least}" if most is None else f"{least} to {most}"
        wrong(place, "outline", f"is a {kind} without proper points; rule: {many} points [x, y]")
        return None
    try:
        return _filled(kind, points, shape, size)
    except ValueError as error:
        wrong(place, "mask", f"holds a mask that cannot be used: {error}")
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
    except (TypeError, ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"it is no base64 PNG that fits ({type(error).__name__})") from None
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


def write(labels: Labels, target: Path, options: WriteOptions) -> None:
    """``STEM.json`` for every picture. Polygons; several parts share a group_id; objects with holes become masks."""
    for image in labels.images:
        content: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": [shape for number, one in enumerate(image.objects, 1) for shape in _shapes(one, number)],
            "imagePath": image.file_name.rpartition("/")[2],
            "imageData": None,
            "imageHeight": image.height,
            "imageWidth": image.width,
        }
        file = target / f"{image.stem}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json_text(content, indent=2), "utf-8")


def _shapes(one: LabelledObject, number: int) -> list[dict[str, Any]]:
    mask = one.mask.mask()
    rings = trace(mask)
    common: dict[str, Any] = {"label": one.class_name}
    rest: dict[str, Any] = {"description": "", "flags": {"ignore": True} if one.is_ignored else {}}
    if one.object_id is not None:
        rest["object_id"] = one.object_id
    if one.attributes:
        rest["attributes"] = dict(one.attributes)
    if rings.holes:
        x0, y0, x1, y1 = one.mask.box() or (0, 0, 0, 0)
        # LabelMe's box is inclusive: the second point is the last pixel.
        where: dict[str, Any] = {"points": [[x0, y0], [x1 - 1, y1 - 1]], "group_id": None, "shape_type": "mask"}
        return [{**common, **where, **rest, "mask": _png(mask[y0:y1, x0:x1])}]
    group = number if len(rings.parts) > 1 else None
    return [
        {**common, "points": [list(corner) for corner in ring], "group_id": group, "shape_type": "polygon", **rest}
        for ring in rings.parts
    ]


def _png(mask: MaskArray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
