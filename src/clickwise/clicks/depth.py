"""How deep pixels lie inside a region: exactly (evaluation) or by the published approximation (training).

Depth = distance in pixels to the nearest pixel outside the region; everything beyond the image counts as outside. Work
is done in the bounding box of the region with one ring of outside pixels around it. That loses nothing: for a pixel in
the box, moving an outside pixel from beyond the ring onto the ring (clamping its coordinates) only brings it nearer.
Torch-free: NumPy and OpenCV.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.types import Box, MaskArray

_EXACT_BY_ROUNDING = 2**20
"""Boxes with H^2 + W^2 up to this: OpenCV's float32 distance d gives the integer d^2 exactly by rounding.

All sums of squares stay below 2^24, so they are exact in float32; the crossing of two parabolas (at most 1024) is wrong
by at most 2^-23 of itself, so a wrongly chosen parabola differs by less than 2 * 1024 * 1024 * 2^-23 = 0.25, and since
squared distances are integers, by nothing; the root and the square add less than 2^20 * 2^-22 = 0.25.
"""
_ERROR_SHARE = 2.0**-19
"""For larger boxes: bound of the error of d^2 as a share of H^2 + W^2, 32 times the rounding step of float32."""
_TILE = 720
"""Side of a window that is exact by rounding: 2 * 720^2 < 2^20."""
_TILED_DEPTH = 150
"""Large regions no deeper than this are worked in windows; deeper ones have few pixels near the maximum."""
_CHUNK = 2**22
"""Values held at once while candidates are measured exactly."""


class Peak(NamedTuple):
    """The deepest pixel of a region: the square of its depth (exact integer) and where it lies."""

    squared_depth: int
    y: int
    x: int


def bounding_box(region: MaskArray) -> Box | None:
    """Half-open (x0, y0, x1, y1) around the True pixels, or None if there are none."""
    x, y, width, height = cv2.boundingRect(np.ascontiguousarray(region).view(np.uint8))
    return (x, y, x + width, y + height) if width else None


def deepest_pixel(region: MaskArray, barred: Iterable[tuple[int, int]] = ()) -> Peak | None:
    """The first pixel, row by row, of greatest depth; None for an empty region or one that is wholly barred.

    region: (H, W) bool. barred: (y, x) of pixels that cannot be chosen but still belong to the region.
    """
    box = bounding_box(region)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    inside = np.pad(region[y0:y1, x0:x1], 1).view(np.uint8)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    squared = np.square(depth, dtype=np.float64)
    for y, x in barred:
        if y0 <= y < y1 and x0 <= x < x1:
            squared[y - y0, x - x0] = 0.0
    greatest = float(squared.max())
    if greatest < 0.5:
        return None
    span = squared.shape[0] ** 2 + squared.shape[1] ** 2
    if span <= _EXACT_BY_ROUNDING:
        best = round(greatest)
        y, x = divmod(int((squared > best - 0.5).argmax()), squared.shape[1])
    elif greatest < _TILED_DEPTH**2:
        best, y, x = _tiled_peak(inside, squared, halo=int(np.ceil(np.sqrt(greatest + _error(span)))))
    else:
        best, y, x = _measured_peak(inside, squared, error=_error(span))
    return Peak(best, y + y0, x + x0)


def _error(span: int) -> float:
    """Bound of the error of a squared depth in a box with H^2 + W^2 = span."""
    return 0.5 + span * _ERROR_SHARE


def _tiled_peak(inside: NDArray[np.uint8], squared: NDArray[np.float64], halo: int) -> tuple[int, int, int]:
    """First deepest pixel of a large shallow region: the transform again, in windows small enough to be exact.

    inside: the region with a ring of zeros. squared: approximate squared depths without the ring; 0 where a pixel is
    barred. halo: no pixel is deeper, so each window is wider by so much than the tile that it decides.
    """
    core = _TILE - 2 * halo
    best, best_y, best_x = 0, 0, 0
    for y0 in range(0, squared.shape[0], core):
        for x0 in range(0, squared.shape[1], core):
            tile = squared[y0 : y0 + core, x0 : x0 + core]
            if not tile.any():
                continue
            top, left = max(0, y0 + 1 - halo), max(0, x0 + 1 - halo)
            window = inside[top : y0 + 1 + core + halo, left : x0 + 1 + core + halo]
            depth = cv2.distanceTransform(np.ascontiguousarray(window), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            depth = depth[y0 + 1 - top :, x0 + 1 - left :][: tile.shape[0], : tile.shape[1]]
            exact = np.rint(np.square(depth, dtype=np.float64)) * (tile > 0)
            y, x = divmod(int(exact.argmax()), tile.shape[1])
            if (-exact[y, x], y + y0, x + x0) < (-best, best_y, best_x):
                best, best_y, best_x = int(exact[y, x]), y + y0, x + x0
    return best, best_y, best_x


def _measured_peak(inside: NDArray[np.uint8], squared: NDArray[np.float64], error: float) -> tuple[int, int, int]:
    """First deepest pixel of a large deep region: measures anew, in integers, every pixel that could be it.

    inside: the region with a ring of zeros. squared: approximate squared depths without the ring, wrong by at most
    ``error``; 0 where a pixel is barred. Deep pixels are few: next to one, squared depth changes quickly.
    """
    greatest = float(squared.max())
    reach = int(np.ceil(np.sqrt(greatest + error)))
    ys, xs = np.nonzero(squared >= greatest - 2 * error)
    top, left = max(0, int(ys.min()) + 1 - reach), max(0, int(xs.min()) + 1 - reach)
    window = inside[top : int(ys.max()) + 2 + reach, left : int(xs.max()) + 2 + reach]
    exact = _exact_squared_depth(window, ys + 1 - top, xs + 1 - left, reach)
    first = int(exact.argmax())  # np.nonzero goes row by row, argmax takes the first
    return int(exact[first]), int(ys[first]), int(xs[first])


def _exact_squared_depth(
    inside: NDArray[np.uint8], ys: NDArray[np.intp], xs: NDArray[np.intp], reach: int
) -> NDArray[np.int64]:
    """Squared depth of some pixels, at most ``reach`` deep: for each column near, the nearest zero above or below."""
    far = len(inside) + reach  # where a column has no zero in the window
    rows = np.arange(len(inside), dtype=np.int32)[:, None]
    above = np.maximum.accumulate(np.where(inside, np.int32(-far), rows), axis=0)
    below = np.minimum.accumulate(np.where(inside, np.int32(2 * far), rows)[::-1], axis=0)[::-1]
    exact = np.empty(len(ys), dtype=np.int64)
    columns = np.arange(-reach, reach + 1)
    step = max(1, _CHUNK // len(columns))
    for start in range(0, len(ys), step):
        row, column = ys[start : start + step, None], xs[start : start + step, None]
        other = np.clip(column + columns, 0, inside.shape[1] - 1)
        vertical = np.minimum(row - above[row, other], below[row, other] - row).astype(np.int64)
        exact[start : start + step] = (vertical**2 + (other - column) ** 2).min(axis=1)
    return exact


class ApproximateDepth(NamedTuple):
    """Depths by OpenCV's 5x5 chamfer transform (up to about 0.55 px off on large blobs) in the box of the region."""

    greatest: float
    box: Box
    depth: NDArray[np.float32]


def approximate_depth(region: MaskArray, memory: DepthMemory | None = None) -> ApproximateDepth | None:
    """Depths of a region (H, W) as the published training uses them, or None if it is empty.

    memory: where the depths then lie, until it is used again; None = memory of their own.
    """
    box = bounding_box(region)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    inside, depth = (memory or DepthMemory()).of_size(y1 - y0 + 2, x1 - x0 + 2)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    inside[1:-1, 1:-1] = region[y0:y1, x0:x1]
    cv2.distanceTransform(inside, cv2.DIST_L2, 5, dst=depth)
    return ApproximateDepth(float(depth.max()), box, depth[1:-1, 1:-1])


class DepthMemory:
    """Arrays of `approximate_depth` for one region after the other: new ones each time cost more than filling them."""

    def __init__(self) -> None:
        self.inside = np.empty(0, dtype=np.uint8)
        self.depth = np.empty(0, dtype=np.float32)

    def of_size(self, height: int, width: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Two arrays (height, width) with anything in them."""
        size = height * width
        if len(self.inside) < size:
            self.inside, self.depth = np.empty(size, dtype=np.uint8), np.empty(size, dtype=np.float32)
        return self.inside[:size].reshape(height, width), self.depth[:size].reshape(height, width)
