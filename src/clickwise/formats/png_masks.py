"""Masks as PNG files: one per picture (``png-binary``, ``png-indexed``) or one per object (``png-objects``).

``labels.json`` beside ``masks/`` says which value of which file is which object, and keeps classes, numbers and
attributes. Folders without it are read too, as `images_masks` of the data readers does: grey masks are one object each
(0 background, 128 no truth, above 128 object), indexed ones hold any number (0 background, 255 no truth).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.errors import DatasetError
from clickwise.formats.files import (
    PictureFacts,
    by_plain_stem,
    find_file,
    json_text,
    picture_facts,
    pictures_below,
    plain,
    read_json,
)
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.rasters import load_raster, own_orientation, save_raster, upright_on, values_in
from clickwise.formats.records import (
    NO_TRUTH_CLASS,
    UNNAMED,
    LabelClass,
    LabelledImage,
    LabelledObject,
    Labels,
    RunLengths,
    labels_of,
)
from clickwise.imaging import voc_palette
from clickwise.types import Size

SIDECAR = "labels.json"
_VERSION_KEY, _VERSION = "clickwise_labels", 1
OBJECT, NO_TRUTH = 255, 128
"""Values of grey masks."""
MOST_IN_A_BYTE, MOST_IN_TWO = 254, 65534
"""Objects of an indexed mask of 8 and 16 bits; 0 is background, 255 and 65535 are regions without truth."""
_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>\d+)")


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
    return _read_plain(root, options)


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


# Without labels.json


def _read_plain(root: Path, options: ReadOptions) -> Labels:
    folder = root / "masks"
    places = [place for place in (*options.images, root / "images") if place.is_dir()]
    pictures = {k: (p, at) for at in reversed(places) for k, p in by_plain_stem(pictures_below(at), at).items()}
    masks = pictures_below(folder)
    if not masks:
        raise DatasetError(f"{folder} holds no mask; expected PNG files named as their pictures are")
    grouped: dict[str, list[tuple[int, Path]]] = {}
    for path in masks:
        stem = plain(path.relative_to(folder).with_suffix("").as_posix())
        above, numbered = plain(path.relative_to(folder).parent.as_posix()), _NUMBERED.fullmatch(stem)
        if stem in pictures:
            grouped.setdefault(stem, []).append((-1, path))
        elif numbered and numbered["stem"] in pictures:
            grouped.setdefault(numbered["stem"], []).append((int(numbered["number"]), path))
        elif above in pictures:
            grouped.setdefault(above, []).append((0, path))
        elif pictures:
            raise DatasetError(
                f"{path} has no picture; rule: the mask of images/STEM.* is masks/STEM.*, masks/STEM_1.*, ... or the "
                "files in masks/STEM/"
            )
        else:
            grouped.setdefault(stem, []).append((-1, path))
    images = []
    for stem, files in sorted(grouped.items()):
        picture, at = pictures.get(stem, (None, folder))
        facts = picture_facts(picture) if picture else None
        objects = tuple(one for _, path in sorted(files) for one in _objects_in(path, facts))
        orientation = facts.orientation if facts else own_orientation(files[0][1])
        name = (picture or files[0][1]).relative_to(at).as_posix()
        size: Size = facts.size if facts else objects[0].mask.size if objects else _size_of(files[0][1])
        images.append(LabelledImage(name, *size, objects, orientation, picture))
    return labels_of(tuple(images))


def _size_of(path: Path) -> Size:
    height, width = upright_on(load_raster(path), path, None).shape[:2]
    return int(height), int(width)


def _objects_in(path: Path, facts: PictureFacts | None) -> Iterator[LabelledObject]:
    """Objects of a mask file that nobody describes."""
    stored = load_raster(path)
    values = upright_on(stored, path, facts)
    if values.ndim == 3:
        if (values[:, :, :3] != values[:, :, :1]).any():
            raise DatasetError(f"mask {path} is coloured; rule: grey or indexed masks")
        values = values[:, :, 0]
    if values.dtype == np.bool_:
        values = values.astype(np.uint8) * np.uint8(OBJECT)
    present = [value for value in values_in(values) if value]
    if _is_grey_mask(path, values):
        wrong = [value for value in present if not NO_TRUTH <= value <= 255]
        if wrong:
            raise DatasetError(
                f"mask {path} holds the value {wrong[0]:g}, which has no meaning; rule: 0 background, 128 ignored, "
                "above 128 (at most 255) object"
            )
        if any(value > NO_TRUTH for value in present):
            yield LabelledObject(UNNAMED, RunLengths.of(np.asarray(values > NO_TRUTH)))
        if NO_TRUTH in present:
            yield LabelledObject(NO_TRUTH_CLASS, RunLengths.of(np.asarray(values == NO_TRUTH)), is_ignored=True)
        return
    void = no_truth_of(values.dtype, present)
    for value in present:
        ignored = value == void
        yield LabelledObject(
            NO_TRUTH_CLASS if ignored else UNNAMED, RunLengths.of(np.asarray(values == value)), is_ignored=ignored
        )


def no_truth_of(kind: np.dtype[Any], present: Sequence[int]) -> int | None:
    """The value of an indexed mask that means "no truth": the largest one of its type, 255 or 65535.

    None where a mask of 16 bits holds nothing else besides 0: that is an object, as programs write it that know black
    and white only.
    """
    largest = int(np.iinfo(kind).max)
    return None if kind != np.uint8 and list(present) == [largest] else largest


def _is_grey_mask(path: Path, values: NDArray[Any]) -> bool:
    """Grey levels rather than numbers of objects: 8 bits without a coloured palette; floats have no numbers."""
    from clickwise.formats.indexed import read_indices

    return (values.dtype == np.uint8 and read_indices(path) is None) or values.dtype.kind == "f"


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
