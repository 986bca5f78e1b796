"""Masks of other programs: a folder ``masks/`` that nothing describes, read by the rules of the data readers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.errors import DatasetError
from clickwise.formats.files import PictureFacts, by_plain_stem, picture_facts, pictures_below, plain
from clickwise.formats.indexed import read_indices
from clickwise.formats.options import ReadOptions
from clickwise.formats.rasters import load_raster, own_orientation, upright_on, values_in
from clickwise.formats.records import (
    NO_TRUTH_CLASS,
    UNNAMED,
    LabelledImage,
    LabelledObject,
    Labels,
    RunLengths,
    labels_of,
)
from clickwise.types import Size

OBJECT, NO_TRUTH = 255, 128
"""Values of grey masks."""
_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>\d+)")


def read_plain(root: Path, options: ReadOptions) -> Labels:
    """Masks matched with pictures by their names. Raises DatasetError naming file and rule."""
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
    return (values.dtype == np.uint8 and read_indices(path) is None) or values.dtype.kind == "f"
