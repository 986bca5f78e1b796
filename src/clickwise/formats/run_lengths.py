"""COCO's run lengths: a mask as counts of 0s and 1s in turn, column by column, as a list or a compressed string."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from clickwise.types import MaskArray, Size


def decode_counts(counts: Sequence[int] | str | bytes, size: Size) -> MaskArray:
    """(H, W) mask of run lengths. Raises ValueError saying what is wrong with them."""
    runs = checked_counts(counts, size)
    values = np.arange(len(runs)) % 2 == 1
    return np.ascontiguousarray(np.repeat(values, runs).reshape(size[::-1]).T)


def checked_counts(counts: Sequence[int] | str | bytes, size: Size) -> list[int]:
    """Run lengths as a list that fits a picture of ``size``. Raises ValueError saying what is wrong with them."""
    if isinstance(counts, (str, bytes)):
        runs = parse_counts(counts)
    else:
        if not all(isinstance(count, int) and not isinstance(count, bool) for count in counts):
            raise ValueError("its counts are not whole numbers")
        runs = list(counts)
    if any(run < 0 for run in runs):
        raise ValueError("one of its counts is negative")
    if sum(runs) != size[0] * size[1]:
        raise ValueError(f"its counts add up to {sum(runs)}, not to {size[1]} x {size[0]} = {size[0] * size[1]} pixels")
    return runs


def parse_counts(text: str | bytes) -> list[int]:
    """The numbers of COCO's compressed string: five bits a character, the differences from the last but one count.

    Raises ValueError when the string breaks off or holds other characters.
    """
    data = text.encode("latin-1", "replace") if isinstance(text, str) else text
    runs: list[int] = []
    value = shift = 0
    for byte in data:
        digit = byte - 48
        if not 0 <= digit < 64:
            raise ValueError(f"its counts hold the character {chr(byte)!r}, which has no meaning")
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("its counts break off")
    return runs


def encode_counts(mask: MaskArray) -> list[int]:
    """The run lengths of an (H, W) mask, column by column, beginning with the 0s (0 when the first pixel is 1)."""
    flat = np.asarray(mask, dtype=bool).T.ravel()
    if not len(flat):
        return []
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    ends = np.concatenate(([0] if flat[0] else [], changes, [len(flat)]))
    runs: list[int] = np.diff(ends, prepend=0).astype(int).tolist()
    return runs


def format_counts(runs: Sequence[int]) -> str:
    """COCO's compressed string of run lengths: the inverse of `parse_counts`.

    >>> format_counts([3, 1, 2]), parse_counts("312")
    ('312', [3, 1, 2])
    """
    text = bytearray()
    for number, run in enumerate(runs):
        value = run - runs[number - 2] if number > 2 else run
        more = True
        while more:
            digit, value = value & 0x1F, value >> 5
            more = value != (-1 if digit & 0x10 else 0)
            text.append((digit | 0x20 if more else digit) + 48)
    return text.decode("ascii")
