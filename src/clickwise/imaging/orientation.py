"""The eight EXIF orientations: from the raster as stored to the upright picture that every viewer shows, and back.

Orientation numbers are those of the EXIF tag 0x0112 (CIPA DC-008): 1 means that the stored raster is upright.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

UPRIGHT = 1
EXIF_ORIENTATION_TAG = 0x0112

_Turn = Callable[[NDArray[Any]], NDArray[Any]]


def _transpose(array: NDArray[Any]) -> NDArray[Any]:
    return np.swapaxes(array, 0, 1)


_TO_UPRIGHT: dict[int, _Turn] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: _transpose,
    6: lambda a: _transpose(a)[:, ::-1],
    7: lambda a: _transpose(a)[::-1, ::-1],
    8: lambda a: _transpose(a)[::-1],
}
# Mirrorings, the half turn and both transpositions are their own inverse; the two quarter turns undo each other.
_INVERSE = {6: 8, 8: 6}


def valid_orientation(value: object) -> int:
    """The tag's value if it is one of 1..8, else 1: a nonsensical tag is ignored, as viewers do."""
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def to_upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(H, W, ...) raster as stored -> the upright picture (contiguous; 5..8 swap height and width)."""
    turn = _TO_UPRIGHT.get(orientation)
    return np.ascontiguousarray(turn(stored)) if turn else stored


def to_stored(upright: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Exact inverse of `to_upright`."""
    return to_upright(upright, _INVERSE.get(orientation, orientation))


def swaps_sides(orientation: int) -> bool:
    """Whether upright height and width are the stored width and height."""
    return orientation >= 5
