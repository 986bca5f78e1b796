"""COCO's run lengths: a mask as counts of 0s and 1s in turn, column by column, as numbers or a compressed string.

Pixels are counted down the columns: pixel (x, y) of a picture of height H has the place ``x * H + y``. The string is
what COCO files hold and pycocotools reads (cocodataset.org/#format-data): counts from the fourth on as the difference
from the last but one, in digits of five bits. Whole arrays are worked on at once, so that large masks cost little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clickwise.types import MaskArray, Size

Runs: TypeAlias = NDArray[np.int64]
"""(R,) counts of 0s and 1s in turn, beginning with the 0s."""
Spans: TypeAlias = NDArray[np.int64]
"""(S, 2) places [start, end) of the pixels that are set: ascending, disjoint, not touching."""

_DIGIT_BITS = 5
_DIGIT, _SIGN, _MORE, _ZERO = 0x1F, 0x10, 0x20, 48
_MOST_DIGITS = 9
"""45 bits: more than any number of pixels that is read, and safe to shift in 64."""


def decode_counts(counts: Sequence[int] | Runs | str | bytes, size: Size) -> MaskArray:
    """(H, W) mask of run lengths. Raises ValueError saying what is wrong with them."""
    runs = checked_counts(counts, size)
    values = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, runs).reshape(size[::-1]).T)


def encode_counts(mask: MaskArray) -> Runs:
    """The run lengths of an (H, W) mask, beginning with the 0s (0 when the first pixel is 1)."""
    height, width = mask.shape
    return runs_of(spans_in(np.asarray(mask, dtype=bool), height), height * width)


def checked_counts(counts: Sequence[int] | Runs | str | bytes, size: Size) -> Runs:
    """Run lengths as numbers that fit a picture of ``size``. Raises ValueError saying what is wrong with them."""
    pixels = size[0] * size[1]
    if isinstance(counts, (str, bytes)):
        runs = parse_counts(counts)
    elif isinstance(counts, np.ndarray):
        runs = counts
    elif all(isinstance(count, int) and not isinstance(count, bool) for count in counts):
        if any(abs(count) > pixels for count in counts):  # may be beyond 64 bits
            raise ValueError(f"one of its counts is more than {pixels} pixels")
        runs = np.array(counts, np.int64)
    else:
        raise ValueError("its counts are not whole numbers")
    if (runs < 0).any():
        raise ValueError("one of its counts is negative")
    # Each at most all pixels first: the sum of larger ones could wrap round to the right number.
    total = int(runs.sum()) if len(runs) and int(runs.max()) <= pixels else int(runs.max(initial=0))
    if total != pixels:
        raise ValueError(f"its counts add up to {total}, not to {size[1]} x {size[0]} = {pixels} pixels")
    return runs


def parse_counts(text: str | bytes) -> Runs:
    """The numbers of COCO's compressed string; none for an empty one.

    Raises ValueError when the string breaks off, holds other characters or a number that no picture has.
    """
    raw = text.encode("latin-1", "replace") if isinstance(text, str) else text
    data = np.frombuffer(raw, np.uint8).astype(np.int64) - _ZERO
    if not len(data):
        return data
    wrong = np.flatnonzero((data < 0) | (data >= 2 * _MORE))
    if len(wrong):
        raise ValueError(f"its counts hold the character {chr(raw[wrong[0]])!r}, which has no meaning")
    ends = np.flatnonzero((data & _MORE) == 0)
    if not len(ends) or ends[-1] != len(data) - 1:
        raise ValueError("its counts break off")
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if int(lengths.max()) > _MOST_DIGITS:
        raise ValueError("one of its counts is too large")
    shifts = _DIGIT_BITS * (np.arange(len(data)) - np.repeat(starts, lengths))
    values = np.add.reduceat((data & _DIGIT) << shifts, starts)
    values -= np.where(data[ends] & _SIGN, np.int64(1) << (_DIGIT_BITS * lengths), 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def format_counts(runs: Sequence[int] | Runs) -> str:
    """COCO's compressed string of run lengths: the inverse of `parse_counts`.

    >>> format_counts([3, 1, 2]), parse_counts("312").tolist()
    ('312', [3, 1, 2])
    """
    rest = np.array(runs, np.int64)
    rest[3:] -= np.asarray(runs, np.int64)[1:-2]
    digits, live = [np.zeros(len(rest), np.int64)], np.ones(len(rest), bool)
    while live.any():
        digit = rest & _DIGIT
        rest = rest >> _DIGIT_BITS
        more = live & np.where(digit & _SIGN, rest != -1, rest != 0)
        digits.append(np.where(live, digit + more * _MORE + _ZERO, 0))
        live = more
    table = np.stack(digits, 1).astype(np.uint8)
    return table[table > 0].tobytes().decode("ascii")


def spans_in(mask: MaskArray, height: int, left: int = 0, top: int = 0) -> Spans:
    """Spans of an array at a place of a picture of ``height`` rows; looks closely only at the box of what is set."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return np.zeros((0, 2), np.int64)
    y0, y1, x0, x1 = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    padded = np.zeros((x1 - x0, y1 - y0 + 2), np.int8)
    padded[:, 1:-1] = mask[y0:y1, x0:x1].T
    steps = np.diff(padded.ravel())
    spans = np.stack([_places(np.flatnonzero(steps == sign), padded.shape[1], height) for sign in (1, -1)], 1)
    return joined(spans + (left + x0) * height + top + y0)


def _places(steps: NDArray[np.int64], stride: int, height: int) -> NDArray[np.int64]:
    return (steps // stride) * height + steps % stride


def spans_of(runs: Runs) -> Spans:
    """Spans of run lengths, whichever way they are spelt: with counts of 0 in between, too."""
    edges = np.cumsum(runs)
    ends = edges[1::2]
    spans = np.stack((edges[0::2][: len(ends)], ends), 1)
    return spans if (runs[1:] > 0).all() else joined(spans[spans[:, 0] < spans[:, 1]])


def runs_of(spans: Spans, pixels: int) -> Runs:
    """The one spelling of spans as run lengths of a picture of so many pixels."""
    runs = np.diff(np.concatenate(([0], spans.ravel(), [pixels])))
    return runs[:-1] if runs[-1] == 0 and len(spans) else runs


def joined(spans: Spans) -> Spans:
    """Touching ones as one: a column set down to its end and the next one set from its start."""
    if not len(spans):
        return spans
    apart = np.flatnonzero(spans[1:, 0] != spans[:-1, 1])
    return np.stack((spans[np.concatenate(([0], apart + 1)), 0], spans[np.concatenate((apart, [-1])), 1]), 1)
