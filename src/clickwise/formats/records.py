"""What every format is translated from and to: pictures, their objects, the classes. Masks are kept as run lengths.

**Masks belong to the upright picture**, as everything inside clickwise does; a format whose files lie on the stored
raster turns them on the way in and out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np

from clickwise.errors import DatasetError, MaskError
from clickwise.formats.run_lengths import (
    checked_counts,
    decode_counts,
    encode_counts,
    format_counts,
    parse_counts,
    runs_of,
    spans_of,
)
from clickwise.types import Box, MaskArray, Size

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, each 0..255."""

UNNAMED = "object"
"""Class of objects whose file names none."""
NO_TRUTH_CLASS = "__ignore__"
"""Class of regions without truth whose file names none; LabelMe's own name for them."""


@dataclass(frozen=True, slots=True)
class RunLengths:
    """A mask as COCO's compressed run lengths.

    size: (height, width). counts: the compressed string; see `run_lengths`.

    >>> RunLengths.of(np.eye(2, dtype=bool)).area
    2
    """

    size: Size
    counts: str

    @classmethod
    def of(cls, mask: MaskArray) -> RunLengths:
        """The run lengths of an (H, W) bool mask. Raises MaskError for arrays of another kind."""
        array = np.asarray(mask)
        if array.ndim != 2 or array.dtype != np.bool_:
            raise MaskError(
                f"mask has shape {array.shape} and type {array.dtype}; expected (height, width) of booleans"
            )
        return cls((int(array.shape[0]), int(array.shape[1])), format_counts(encode_counts(array)))

    @classmethod
    def of_counts(cls, counts: Sequence[int] | str, size: Size) -> RunLengths:
        """Run lengths from a file, in the one spelling. Raises ValueError saying what is wrong with them."""
        return cls(size, format_counts(runs_of(spans_of(checked_counts(counts, size)), size[0] * size[1])))

    def mask(self) -> MaskArray:
        """(H, W) bool."""
        return decode_counts(self.counts, self.size)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(parse_counts(self.counts)[1::2].sum())

    def box(self) -> Box | None:
        """Half-open (x0, y0, x1, y1); None when the mask is empty."""
        mask = self.mask()
        xs, ys = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
        return (int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1) if len(xs) else None


@dataclass(frozen=True, slots=True)
class LabelClass:
    """A class of objects. name: any text that is not empty. colour: None leaves it to the format."""

    name: str
    colour: Colour | None = None


@dataclass(frozen=True, slots=True)
class LabelledObject:
    """One object of a picture.

    class_name: one of the classes of its `Labels`. object_id: a number of its own over all pictures, or None.
    is_ignored: a region without truth (COCO's crowds, the void of Pascal VOC) rather than an object.
    attributes: what else is known; values that JSON can hold.
    """

    class_name: str
    mask: RunLengths
    object_id: int | None = None
    is_ignored: bool = False
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One picture and its objects, the hindmost first.

    file_name: relative, with ``/``. height, width: of the upright picture. orientation: EXIF number 1..8 of the file;
    None where it is not known, as when the picture itself was not there. path: where the picture lies, if it is known.
    Raises DatasetError for a mask of another size, an absolute name, or one that leads out of its folder.
    """

    file_name: str
    height: int
    width: int
    objects: tuple[LabelledObject, ...] = ()
    orientation: int | None = None
    path: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        parts = self.file_name.split("/")
        if not self.file_name or "\0" in self.file_name or "\\" in self.file_name or {"", ".", ".."} & set(parts):
            raise DatasetError(
                f"picture name {self.file_name!r} cannot be used; expected a relative name with / between folders, "
                "without . and .."
            )
        for number, one in enumerate(self.objects):
            if one.mask.size != self.size:
                raise DatasetError(
                    f"{self.file_name} object {number + 1} has a mask of {one.mask.size[1]} x {one.mask.size[0]} "
                    f"pixels, the picture {self.width} x {self.height} (width x height); they must agree"
                )

    @property
    def size(self) -> Size:
        """(height, width) of the upright picture."""
        return self.height, self.width

    @property
    def stem(self) -> str:
        """The name without its last ending, folders included: ``day1/a.jpg`` -> ``day1/a``."""
        folder, slash, name = self.file_name.rpartition("/")
        stem, dot, _ = name.rpartition(".")
        return folder + slash + (stem if dot and stem else name)


@dataclass(frozen=True, slots=True)
class Labels:
    """Pictures with their objects, and all classes in their order (also those that no object has).

    Raises DatasetError for a class that is empty, given twice or missing, and for a picture given twice.
    """

    classes: tuple[LabelClass, ...] = ()
    images: tuple[LabelledImage, ...] = ()

    def __post_init__(self) -> None:
        names = [one.name for one in self.classes]
        if not all(names):
            raise DatasetError("a class has no name; expected one that is not empty")
        if twice := _first_twice(names):
            raise DatasetError(f"the class {twice!r} is given twice; names of classes must differ")
        if twice := _first_twice([image.file_name for image in self.images]):
            raise DatasetError(f"the picture {twice} is given twice; put its objects together")
        known = set(names)
        for image in self.images:
            for number, one in enumerate(image.objects):
                if one.class_name not in known:
                    raise DatasetError(
                        f"{image.file_name} object {number + 1} has the class {one.class_name!r}, which is not among "
                        f"the classes: {', '.join(names) or 'none'}"
                    )

    @property
    def object_count(self) -> int:
        """Objects of all pictures."""
        return sum(len(image.objects) for image in self.images)


def labels_of(images: tuple[LabelledImage, ...], classes: tuple[LabelClass, ...] = ()) -> Labels:
    """Labels with ``classes`` first and then those that only objects name, in the order of their first one."""
    found = {one.name: one for one in classes}
    for image in images:
        for one in image.objects:
            found.setdefault(one.class_name, LabelClass(one.class_name))
    return Labels(tuple(found.values()), images)


def _first_twice(names: list[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None
