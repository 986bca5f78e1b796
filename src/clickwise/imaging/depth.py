"""Pixel values of any depth become 8 bits per channel, and any number of channels becomes RGB.

The rule for depth, the same for files and arrays (one rule for all channels of a picture, so colours keep their ratio):

* 8 bits: unchanged. Bilevel: 0 and 255.
* Deeper integers without negative values: divided so that the smallest range of 8, 10, 12, 14 or 16 bits that holds the
  largest value of the picture fills 0..255. A 16-bit photo is divided by 257, a 12-bit scan stored in 16 bits by 16.06:
  neither comes out black, and nothing is clipped. Beyond 16 bits the largest value becomes 255.
* Integers with negative values (CT numbers): the darkest value becomes 0, the brightest 255.
* Floats within [0, 1]: times 255. Floats within [0, 255]: rounded. Other floats: darkest 0, brightest 255. NaN and
  infinities are left out of the range; NaN and -infinity become 0, +infinity 255.

Alpha is composed over white, as a page shows it; colour under fully transparent pixels is never seen by a network.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.errors import ImageError
from clickwise.types import ImageArray

_INTEGER_DEPTHS = (8, 10, 12, 14, 16)
_ROWS_AT_ONCE = 512
"""Deep pictures are converted in bands of rows, so that no full-frame float copy is made."""


def to_8_bits(array: NDArray[Any]) -> NDArray[np.uint8]:
    """Any (H, W) or (H, W, C) array of numbers -> uint8 of the same shape, by the rule in the module's text."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind not in "uif":
        raise ImageError(f"picture has values of type {array.dtype}; expected integers, floats or booleans")
    low, high = _value_range(array)
    result = np.empty(array.shape, dtype=np.uint8)
    for top in range(0, array.shape[0], _ROWS_AT_ONCE):
        band = array[top : top + _ROWS_AT_ONCE].astype(np.float64)
        scaled = (band - low) * (255.0 / (high - low))
        scaled = np.nan_to_num(scaled, nan=0.0, posinf=255.0, neginf=0.0)
        result[top : top + _ROWS_AT_ONCE] = np.clip(np.rint(scaled), 0, 255)
    return result


def _value_range(array: NDArray[Any]) -> tuple[float, float]:
    """The values that become 0 and 255."""
    if array.dtype.kind == "f":
        finite = array[np.isfinite(array)] if not np.isfinite(array).all() else array
        if finite.size == 0:
            return 0.0, 1.0
        low, high = float(finite.min()), float(finite.max())
        if low >= 0.0 and high <= 1.0:
            return 0.0, 1.0
        if low >= 0.0 and high <= 255.0:
            return 0.0, 255.0
    else:
        low, high = float(array.min()), float(array.max())
        if low >= 0:
            return 0.0, float(next((2**bits - 1 for bits in _INTEGER_DEPTHS if high <= 2**bits - 1), high))
    return (low, high) if high > low else (low, low + 1.0)


def to_rgb(array: NDArray[Any]) -> ImageArray:
    """(H, W) grey, or (H, W, C) with C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha -> (H, W, 3) uint8, contiguous.

    Raises ImageError for other shapes and for a picture without pixels.
    """
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise ImageError(f"picture has shape {array.shape}; expected (H, W), or (H, W, C) with 1 to 4 channels")
    if 0 in array.shape:
        raise ImageError(f"picture has shape {array.shape}: it has no pixels")
    channels = array.shape[2]
    if channels in (2, 4):
        colour = to_rgb(array[:, :, :-1])
        return _over_white(colour, to_8_bits(np.ascontiguousarray(array[:, :, -1])))
    values = to_8_bits(array)
    if channels == 1:
        values = np.broadcast_to(values, (*values.shape[:2], 3))
    return np.ascontiguousarray(values)


def _over_white(colour: ImageArray, alpha: NDArray[np.uint8]) -> ImageArray:
    if (alpha == 255).all():
        return colour
    result = colour.copy()
    for top in range(0, len(colour), _ROWS_AT_ONCE):
        band = slice(top, top + _ROWS_AT_ONCE)
        weight = alpha[band, :, None].astype(np.uint16)
        result[band] = (colour[band] * weight + 255 * (255 - weight) + 127) // 255
    return result
