"""Masks as PNG files: one per picture (``png-binary``, ``png-indexed``) or one per object (``png-objects``).

``labels.json`` beside ``masks/`` says which value of which file is which object, and keeps classes, numbers and
attributes. Folders without it are read too, as `images_masks` of the data readers does: grey masks are one object each
(0 background, 128 no truth, above 128 object), indexed ones hold any number (0 background, 255 no truth).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.errors import DatasetError
from clickwise.formats.files import (
    PictureFacts,
    find_file,
    json_text,
    picture_facts,
    read_json,
)
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.png_plain import NO_TRUTH, OBJECT, read_plain
from clickwise.formats.rasters import load_raster, save_raster, upright_on, values_in
from clickwise.formats.records import (
    LabelClass,
    LabelledImage,
    LabelledObject,
    Labels,
    RunLengths,
)
from clickwise.imaging import voc_palette

SIDECAR = "labels.json"
_VERSION_KEY, _VERSION = "clickwise_labels", 1
MOST_IN_A_BYTE, MOST_IN_TWO = 254, 65534
"""Objects of an indexed mask of 8 and 16 bits; 0 is background, 255 and 65535 are regions without truth."""


def recognises(place: Path) -> bool:
    """Whether a folder holds masks/, or the labels.json of such a one."""
    if place.is_file():
        return place.name == SIDECAR and _is_ours(place)
    return (place / "masks").is_dir() or is_listed(place)


def read(place: Path, options: ReadOptions) -> Labels:
    """A folder of masks, with or without labels.json. Raises DatasetError naming file and rule."""
    root = place.parent if place.is_file() else place
    if (root / SIDECAR).is_file():
        return _read_listed(root, options)
    return read_plain(root, options)


# As labels.json tells


def _read_listed(root: Path, options: ReadOptions) -> Labels:
    content = read_sidecar(root)
    with _speaking_of(root / SIDECAR):
        classes = tuple(
            LabelClass(one["name"], None if one.get("colour") is None else tuple(one["colour"]))
            for one in content["classes"]
        )
        return Labels(classes, tuple(_listed_image(root, entry, options) for entry in content["pictures"]))


def is_listed(root: Path) -> bool:
    """Whether a folder has a labels.json of ours."""
    return (root / SIDECAR).is_file() and _is_ours(root / SIDECAR)


def read_sidecar(root: Path) -> dict[str, Any]:
    """The labels.json of a folder: "classes", and "pictures" for `listed_image`. DatasetError when it is none."""
    file = root / SIDECAR
    content = read_json(file)
    if not isinstance(content, dict) or content.get(_VERSION_KEY) != _VERSION:
        raise DatasetError(f"{file} is no list of masks of version {_VERSION}; expected the file that clickwise wrote")
    if not all(isinstance(content.get(name), list) for name in ("classes", "pictures")):
        raise DatasetError(f"{file} lacks something (its classes or pictures); expected the file that clickwise wrote")
    return content


def listed_image(root: Path, entry: dict[str, Any], options: ReadOptions) -> LabelledImage:
    """A picture of labels.json with its objects in their order. DatasetError naming the file that is wrong."""
    with _speaking_of(root / SIDECAR):
        return _listed_image(root, entry, options)


@contextmanager
def _speaking_of(file: Path) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DatasetError(
            f"{file} lacks something or holds what it must not ({type(error).__name__}: {error})"
        ) from None


def _listed_image(root: Path, entry: dict[str, Any], options: ReadOptions) -> LabelledImage:
    size, name = (int(entry["height"]), int(entry["width"])), str(entry["file_name"])
    path = find_file(name, [*options.images, root / "images"], within=options.within)
    facts = picture_facts(path) if path else PictureFacts(size, entry.get("orientation"))
    named: dict[str, list[int]] = {}
    for one in entry["objects"]:
        named.setdefault(one["file"], []).append(one["value"])
    rasters = {file: _raster_of(root, file, facts, values) for file, values in named.items()}
    objects = tuple(
        LabelledObject(
            one["class"],
            RunLengths.of(np.asarray(rasters[one["file"]] == one["value"])),
            one.get("id"),
            bool(one.get("ignored")),
            dict(one.get("attributes") or {}),
        )
        for one in entry["objects"]
    )
    return LabelledImage(name, *facts.size, objects, facts.orientation, path)


def _raster_of(root: Path, file: str, facts: PictureFacts, named: Sequence[int]) -> NDArray[Any]:
    """Upright values of a mask file; DatasetError when it is missing or holds others than were named."""
    path = root / file
    if Path(file).is_absolute() or ".." in Path(file).parts or not path.is_file():
        raise DatasetError(f"{root / SIDECAR} names the mask {file}, which is not there")
    values = load_raster(path, also_grey=True)
    if values.ndim != 2:
        raise DatasetError(f"mask {path} is in colour; expected one value per pixel")
    values = upright_on(values, path, facts)
    other = [value for value in values_in(values) if value != 0 and value not in named]
    if other:
        raise DatasetError(f"mask {path} holds the value {other[0]}, which {SIDECAR} does not name")
    return values


def _is_ours(file: Path) -> bool:
    try:
        content = read_json(file)
    except DatasetError:
        return True  # it says itself what is wrong
    return isinstance(content, dict) and _VERSION_KEY in content


# Writing


def write_binary(labels: Labels, target: Path, options: WriteOptions) -> None:
    """``masks/STEM.png``, 0 and 255: at most one object and one region without truth per picture."""
    pictures = []
    for image in labels.images:
        file, values = f"masks/{image.stem}.png", np.zeros(image.size, dtype=np.uint8)
        entries = []
        for one in image.objects:
            value = NO_TRUTH if one.is_ignored else OBJECT
            values[one.mask.mask()] = value
            entries.append(_entry(one, file, value))
        save_raster(target / file, values, image.orientation)
        pictures.append(_picture(image, entries))
    _write_sidecar(labels, target, pictures)


def write_indexed(labels: Labels, target: Path, options: WriteOptions) -> None:
    """``masks/STEM.png`` with the number of the object at each pixel: a palette, or 16 bits for more than 254."""
    palette, pictures = voc_palette(), []
    for image in labels.images:
        file, wide = f"masks/{image.stem}.png", sum(not one.is_ignored for one in image.objects) > MOST_IN_A_BYTE
        values = np.zeros(image.size, dtype=np.uint16 if wide else np.uint8)
        entries, number = [], 0
        for one in image.objects:
            number += not one.is_ignored
            value = int(np.iinfo(values.dtype).max) if one.is_ignored else number
            values[one.mask.mask()] = value
            entries.append(_entry(one, file, value))
        save_raster(target / file, values, image.orientation, None if wide else palette)
        pictures.append(_picture(image, entries))
    _write_sidecar(labels, target, pictures)


def write_objects(labels: Labels, target: Path, options: WriteOptions) -> None:
    """``masks/STEM/0001.png``, 0 and 255, one per object; 0 and 128 for a region without truth."""
    (target / "masks").mkdir()
    pictures = []
    for image in labels.images:
        entries = []
        for number, one in enumerate(image.objects, 1):
            file, value = f"masks/{image.stem}/{number:04}.png", NO_TRUTH if one.is_ignored else OBJECT
            save_raster(target / file, one.mask.mask().astype(np.uint8) * np.uint8(value), image.orientation)
            entries.append(_entry(one, file, value))
        pictures.append(_picture(image, entries))
    _write_sidecar(labels, target, pictures)


def _entry(one: LabelledObject, file: str, value: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"class": one.class_name, "file": file, "value": value}
    if one.object_id is not None:
        entry["id"] = one.object_id
    if one.is_ignored:
        entry["ignored"] = True
    if one.attributes:
        entry["attributes"] = dict(one.attributes)
    return entry


def _picture(image: LabelledImage, objects: list[dict[str, Any]]) -> dict[str, Any]:
    entry: dict[str, Any] = {"file_name": image.file_name, "height": image.height, "width": image.width}
    if image.orientation is not None:
        entry["orientation"] = image.orientation
    return {**entry, "objects": objects}


def _write_sidecar(labels: Labels, target: Path, pictures: list[dict[str, Any]]) -> None:
    classes = [
        {"name": one.name} | ({} if one.colour is None else {"colour": list(one.colour)}) for one in labels.classes
    ]
    content = {_VERSION_KEY: _VERSION, "classes": classes, "pictures": pictures}
    (target / SIDECAR).write_text(json_text(content, indent=1), "utf-8")
