"""From outlines to masks by one rule, whatever format the outline came in.

Coordinates are continuous as in COCO, LabelMe and YOLO: pixel (x, y) covers the square from (x, y) to (x + 1, y + 1),
so its centre is (x + 0.5, y + 0.5). **A pixel belongs to an outline when its centre lies inside by the even-odd rule**;
a centre on a left or upper edge counts as inside, on a right or lower one as outside. An outline drawn out and back
along the same line encloses nothing there: "bridges" between the parts of an object leave no trace, and a hole that
hangs on a bridge stays a hole. An outline too thin to hold any centre marks the pixels in which its corners lie, so
that no object is lost.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clickwise.types import MaskArray, Size

_FURTHEST = 1e7
"""Corners further out than this many pixels are brought in: no picture is that large."""


def fill_polygon(corners: ArrayLike, size: Size) -> MaskArray:
    """(H, W) mask of one closed outline. corners: (N, 2) rows (x, y), N >= 3; those outside the picture are cut off."""
    points = np.clip(np.asarray(corners, dtype=np.float64).reshape(-1, 2), -_FURTHEST, _FURTHEST)
    height, width = size
    crossings = _crossings(points, height)
    mask = np.zeros(size, dtype=bool)
    if len(crossings[0]):
        rows, xs = crossings
        top, bottom = int(rows.min()), int(rows.max()) + 1
        columns = np.clip(np.ceil(xs - 0.5), 0, width).astype(np.intp)
        toggles = np.zeros((bottom - top) * (width + 1), dtype=np.uint8)
        flat, counts = np.unique((rows - top) * (width + 1) + columns, return_counts=True)
        toggles[flat] = counts % 2
        inside = np.bitwise_xor.accumulate(toggles.reshape(bottom - top, width + 1), axis=1)
        mask[top:bottom] = inside[:, :width].astype(bool)
    if not mask.any():
        _mark_corners(mask, points)
    return mask


def fill_circle(centre: tuple[float, float], radius: float, size: Size) -> MaskArray:
    """(H, W) mask of a disc: pixels whose centre lies within ``radius`` of ``centre`` (x, y)."""
    ys, xs = np.ogrid[: size[0], : size[1]]
    mask = np.asarray((xs + 0.5 - centre[0]) ** 2 + (ys + 0.5 - centre[1]) ** 2 <= radius**2)
    if not mask.any():
        _mark_corners(mask, np.array([centre]))
    return mask


def rectangle(corner: tuple[float, float], opposite: tuple[float, float]) -> list[tuple[float, float]]:
    """The four corners of an upright rectangle given by two opposite ones."""
    (x0, y0), (x1, y1) = corner, opposite
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def _crossings(points: NDArray[np.float64], height: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Rows inside the picture and the x where an edge crosses the line through the pixel centres of that row."""
    here, there = points, np.roll(points, -1, axis=0)
    # Every edge is walked downwards, so that one drawn out and back crosses twice at exactly the same places.
    is_up = (here[:, 1] > there[:, 1])[:, None]
    (x0, y0), (x1, y1) = np.where(is_up, there, here).T, np.where(is_up, here, there).T
    low, high = y0, y1
    # A row counts from its lower end on: where two edges meet, one of them has it.
    first = np.clip(np.ceil(low - 0.5), 0, height).astype(np.intp)
    last = np.clip(np.ceil(high - 0.5), 0, height).astype(np.intp)
    counts = last - first
    edges = np.repeat(np.arange(len(points)), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.repeat(first, counts) + np.arange(int(counts.sum())) - starts
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = (x1 - x0) / (y1 - y0)
    xs = x0[edges] + (rows + 0.5 - y0[edges]) * slopes[edges]
    return rows, xs


def _mark_corners(mask: MaskArray, points: NDArray[np.float64]) -> None:
    height, width = mask.shape
    xs, ys = np.floor(points[:, 0]).astype(np.int64), np.floor(points[:, 1]).astype(np.int64)
    inside = (xs >= 0) & (xs < width) & (ys >= 0) & (ys < height)
    mask[ys[inside], xs[inside]] = True
