"""A mask as a small immutable value: COCO's compressed run lengths, with set operations that never unfold it.

`clickwise.formats.run_lengths` says how pixels are counted and what the text means.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.errors import MaskError
from clickwise.formats.run_lengths import (
    Spans,
    checked_counts,
    format_counts,
    parse_counts,
    runs_of,
    spans_in,
    spans_of,
)
from clickwise.types import Box, MaskArray, Size

_DIGEST_LETTERS = 32


@dataclass(frozen=True, slots=True)
class MaskRuns:
    """(H, W) mask. Equal masks are equal values. Make it with `of`, `empty`, `read` or the set operations.

    size: (height, width) of the picture.
    counts: COCO's compressed run lengths.

    >>> square = np.zeros((4, 5), bool)
    >>> square[1:3, 1:4] = True
    >>> runs = MaskRuns.of(square)
    >>> runs.counts, runs.area, runs.box
    ('5220003', 6, (1, 1, 4, 3))
    >>> (runs - runs).area, (runs | runs) == runs
    (0, True)
    """

    size: Size
    counts: str

    @classmethod
    def of(cls, mask: MaskArray) -> MaskRuns:
        """Of an (H, W) boolean array. MaskError for anything else."""
        if mask.ndim != 2 or mask.dtype != np.bool_ or 0 in mask.shape:
            raise MaskError(f"mask is {mask.dtype} of shape {mask.shape}; expected a boolean (H, W) array")
        return cls.of_crop((int(mask.shape[0]), int(mask.shape[1])), 0, 0, mask)

    @classmethod
    def of_crop(cls, size: Size, x0: int, y0: int, crop: MaskArray) -> MaskRuns:
        """Of an (h, w) boolean array whose corner lies at (x0, y0); nothing is set outside it."""
        if not (0 <= x0 <= size[1] - crop.shape[1] and 0 <= y0 <= size[0] - crop.shape[0]):
            raise MaskError(f"crop of {crop.shape} at ({x0}, {y0}) leaves the mask of {size}; give one inside")
        return cls.from_spans(size, spans_in(crop, size[0], x0, y0))

    @classmethod
    def empty(cls, size: Size) -> MaskRuns:
        """Nothing set: a normal mask."""
        return cls.from_spans(size, np.zeros((0, 2), np.int64))

    @classmethod
    def read(cls, size: Size, counts: str) -> MaskRuns:
        """Of a text from outside, checked and brought into the one form that equal masks share. Raises MaskError."""
        try:
            runs = checked_counts(counts, size)
        except ValueError as error:
            raise MaskError(f"run lengths of a mask are damaged: {error}; expected COCO's compressed counts") from error
        return cls.from_spans(size, spans_of(runs))

    @classmethod
    def from_spans(cls, size: Size, spans: Spans) -> MaskRuns:
        """Of spans as `spans` gives them (see `Spans`)."""
        return cls(size, format_counts(runs_of(spans, size[0] * size[1])))

    @property
    def spans(self) -> Spans:
        """(S, 2) places [start, end) of the pixels that are set."""
        return spans_of(parse_counts(self.counts))

    @property
    def area(self) -> int:
        """Number of pixels that are set."""
        return int(parse_counts(self.counts)[1::2].sum())

    @property
    def box(self) -> Box | None:
        """Tight half-open (x0, y0, x1, y1), None when nothing is set."""
        spans = self.spans
        if not len(spans):
            return None
        height = self.size[0]
        first, last = spans[:, 0], spans[:, 1] - 1
        x0, x1 = int(first[0] // height), int(last[-1] // height) + 1
        if (first // height != last // height).any():  # a span that goes on in the next column touches both borders
            return x0, 0, x1, height
        return x0, int((first % height).min()), x1, int((last % height).max()) + 1

    @property
    def digest(self) -> str:
        """32 letters that name this mask: equal masks, equal letters."""
        text = f"{self.size[0]}x{self.size[1]}:{self.counts}"
        return hashlib.sha256(text.encode("ascii")).hexdigest()[:_DIGEST_LETTERS]

    def array(self) -> MaskArray:
        """(H, W) boolean array."""
        return self.crop((0, 0, self.size[1], self.size[0]))

    def crop(self, box: Box) -> MaskArray:
        """(h, w) boolean array of the part inside a half-open box; costs what the box's columns cost."""
        x0, y0, x1, y1 = box
        height, width = self.size
        if not (0 <= x0 <= x1 <= width and 0 <= y0 <= y1 <= height):
            raise MaskError(f"box {box} leaves the mask of {width} x {height} pixels; give one inside")
        spans = np.clip(self.spans, x0 * height, x1 * height) - x0 * height
        edges = np.concatenate(([0], spans.ravel(), [(x1 - x0) * height]))
        values = np.arange(len(edges) - 1) % 2 == 1
        columns = np.repeat(values, np.diff(edges)).reshape(x1 - x0, height)
        return np.ascontiguousarray(columns[:, y0:y1].T)

    def __or__(self, other: MaskRuns) -> MaskRuns:
        return self._with(other, np.logical_or)

    def __and__(self, other: MaskRuns) -> MaskRuns:
        return self._with(other, np.logical_and)

    def __sub__(self, other: MaskRuns) -> MaskRuns:
        return self._with(other, np.greater)

    def __xor__(self, other: MaskRuns) -> MaskRuns:
        return self._with(other, np.logical_xor)

    def _with(self, other: MaskRuns, rule: Any) -> MaskRuns:
        if self.size != other.size:
            raise MaskError(f"masks have the sizes {self.size} and {other.size}; expected masks of one picture")
        return MaskRuns.from_spans(self.size, combined(self.spans, other.spans, rule))


def combined(ours: Spans, theirs: Spans, rule: Any) -> Spans:
    """Spans where ``rule(in ours, in theirs)`` holds; both are constant between neighbouring edges."""
    edges = np.unique(np.concatenate((ours.ravel(), theirs.ravel())))
    inside = rule(_covers(ours, edges), _covers(theirs, edges)).astype(np.int8)
    changes = np.flatnonzero(np.diff(inside, prepend=0))
    return np.asarray(edges[changes].reshape(-1, 2), np.int64)


def _covers(spans: Spans, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    begun = np.searchsorted(spans[:, 0], places, "right")
    return np.asarray(begun > np.searchsorted(spans[:, 1], places, "right"))
