"""A mask as a small immutable value: COCO's compressed run lengths, with set operations that never unfold it.

Pixels are counted down the columns: pixel (x, y) of a picture of height H has the place ``x * H + y``. The text is
what COCO files hold and pycocotools reads (cocodataset.org/#format-data): counts of 0s and 1s in turn, each from the
fourth on as the difference from the last but one, in digits of five bits.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.errors import MaskError
from clickwise.types import Box, MaskArray, Size

Spans = NDArray[np.int64]
"""(S, 2) places [start, end) of the pixels that are set: ascending, disjoint, not touching."""

_DIGIT_BITS = 5
_DIGIT, _SIGN, _MORE, _ZERO = 0x1F, 0x10, 0x20, 48
_MOST_DIGITS = 9
"""45 bits: more than any number of pixels that is read, and safe to shift in 64."""
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
        return cls.from_spans(size, _spans_of(crop, size[0], x0, y0))

    @classmethod
    def empty(cls, size: Size) -> MaskRuns:
        """Nothing set: a normal mask."""
        return cls.from_spans(size, np.zeros((0, 2), np.int64))

    @classmethod
    def read(cls, size: Size, counts: str) -> MaskRuns:
        """Of a text from outside, checked and brought into the one form that equal masks share. Raises MaskError."""
        try:
            runs = _parsed(counts)
        except ValueError as error:
            raise MaskError(f"run lengths of a mask are damaged: {error}; expected COCO's compressed counts") from error
        pixels = size[0] * size[1]
        if (runs < 0).any() or int(runs.sum()) != pixels:
            raise MaskError(
                f"run lengths of a mask cover {int(runs.sum())} pixels; expected {size[1]} x {size[0]} = {pixels}"
            )
        whole = np.zeros((0, 2), np.int64)
        return cls.from_spans(size, _combined(_spans_between(runs), whole, lambda a, _b: a))

    @classmethod
    def from_spans(cls, size: Size, spans: Spans) -> MaskRuns:
        """Of spans as `spans` gives them (see `Spans`)."""
        edges = np.concatenate(([0], spans.ravel(), [size[0] * size[1]]))
        runs = np.diff(edges)
        return cls(size, _written(runs[:-1] if runs[-1] == 0 and len(spans) else runs))

    @property
    def spans(self) -> Spans:
        """(S, 2) places [start, end) of the pixels that are set."""
        return _spans_between(_parsed(self.counts))

    @property
    def area(self) -> int:
        """Number of pixels that are set."""
        return int(_parsed(self.counts)[1::2].sum())

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
        return MaskRuns.from_spans(self.size, _combined(self.spans, other.spans, rule))


def _spans_of(mask: MaskArray, height: int, left: int, top: int) -> Spans:
    """Spans of an array at a place of a picture of ``height`` rows; looks closely only at the box of what is set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros((0, 2), np.int64)
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    padded = np.zeros((x1 - x0, y1 - y0 + 2), np.int8)
    padded[:, 1:-1] = mask[y0:y1, x0:x1].T
    steps = np.diff(padded.ravel())
    spans = np.stack([_places(np.flatnonzero(steps == sign), padded.shape[1], height) for sign in (1, -1)], 1)
    spans += (left + x0) * height + top + y0
    # A column set down to its end and the next one set from its start are one span.
    apart = np.flatnonzero(spans[1:, 0] != spans[:-1, 1])
    return np.stack(
        (spans[np.concatenate(([0], apart + 1)), 0], spans[np.concatenate((apart, [len(spans) - 1])), 1]), 1
    )


def _places(steps: NDArray[np.int64], stride: int, height: int) -> NDArray[np.int64]:
    return (steps // stride) * height + steps % stride


def _spans_between(runs: NDArray[np.int64]) -> Spans:
    edges = np.cumsum(runs)
    ends = edges[1::2]
    return np.stack((edges[0::2][: len(ends)], ends), 1)


def _combined(ours: Spans, theirs: Spans, rule: Any) -> Spans:
    """Spans where ``rule(in ours, in theirs)`` holds; both are constant between neighbouring edges."""
    edges = np.unique(np.concatenate((ours.ravel(), theirs.ravel())))
    inside = rule(_covers(ours, edges), _covers(theirs, edges)).astype(np.int8)
    changes = np.flatnonzero(np.diff(inside, prepend=0))
    return np.asarray(edges[changes].reshape(-1, 2), np.int64)


def _covers(spans: Spans, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    begun = np.searchsorted(spans[:, 0], places, "right")
    return np.asarray(begun > np.searchsorted(spans[:, 1], places, "right"))


def _written(runs: NDArray[np.int64]) -> str:
    """COCO's text of counts."""
    rest = runs.astype(np.int64)
    rest[3:] -= runs[1:-2]
    digits, live = [], np.ones(len(rest), bool)
    while live.any():
        digit = rest & _DIGIT
        rest = rest >> _DIGIT_BITS
        more = live & np.where(digit & _SIGN, rest != -1, rest != 0)
        digits.append(np.where(live, digit + more * _MORE + _ZERO, 0))
        live = more
    table = np.stack(digits, 1).astype(np.uint8)
    return table[table > 0].tobytes().decode("ascii")


def _parsed(counts: str) -> NDArray[np.int64]:
    """The counts of COCO's text. ValueError when it breaks off or holds other characters."""
    data = np.frombuffer(counts.encode("latin-1", "replace"), np.uint8).astype(np.int64) - _ZERO
    if not len(data):
        raise ValueError("there are none")
    if ((data < 0) | (data >= 2 * _MORE)).any():
        raise ValueError("they hold a character without meaning")
    ends = np.flatnonzero((data & _MORE) == 0)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise ValueError("they break off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if int(lengths.max()) > _MOST_DIGITS:
        raise ValueError("one of them is too large")
    shifts = _DIGIT_BITS * (np.arange(len(data)) - np.repeat(starts, lengths))
    values = np.add.reduceat((data & _DIGIT) << shifts, starts)
    values -= np.where(data[ends] & _SIGN, np.int64(1) << (_DIGIT_BITS * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
