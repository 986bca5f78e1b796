"""From masks to outlines: exactly along the edges of pixels, so that `outlines` fills them back to the same mask.

Pixels belong together when they share a side (4-neighbours); two that touch at a corner only are two parts. So an
outline never has to cross itself, and what a diagonal chain of pixels encloses is open, not a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clickwise.types import MaskArray

Ring: TypeAlias = list[tuple[int, int]]
"""Corners (x, y) of a closed outline along pixel edges, the last joined to the first."""


@dataclass(frozen=True, slots=True)
class Rings:
    """The outlines of a mask, in the order of their topmost, then leftmost corners.

    parts: outer ones, clockwise as seen. holes: inner ones, anticlockwise.
    """

    parts: tuple[Ring, ...]
    holes: tuple[Ring, ...]


def trace(mask: MaskArray) -> Rings:
    """All outlines of an (H, W) mask; none when it is empty.

    Corners are found all at once; in each row and each column of corners, every other one is joined to the next.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return Rings((), ())
    top, left = int(rows[0]), int(columns[0])
    corners = _corners(mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1])
    corners[:, :2] += (left, top)
    xs, ys = corners[:, 0], corners[:, 1]
    along_row = _partners(np.lexsort((corners[:, 2], xs, ys)))
    along_column = _partners(np.lexsort((corners[:, 3], ys, xs)))
    places: Ring = list(zip(xs.tolist(), ys.tolist(), strict=True))
    is_outer: list[bool] = corners[:, 4].astype(bool).tolist()
    used = [False] * len(places)
    parts: list[Ring] = []
    holes: list[Ring] = []
    for start in np.lexsort((corners[:, 2], xs, ys)).tolist():
        if used[start]:
            continue
        # The first corner of a ring is its topmost, leftmost one: the pixel inside it is the object's, or the hole's.
        first, second = (along_row, along_column) if is_outer[start] else (along_column, along_row)
        ring: Ring = []
        corner = start
        while not used[corner]:
            other = first[corner]
            used[corner] = used[other] = True
            ring += (places[corner], places[other])
            corner = second[other]
        (parts if is_outer[start] else holes).append(ring)
    return Rings(tuple(parts), tuple(holes))


def bridged(rings: Sequence[Ring]) -> Ring:
    """All rings as one closed outline: each is drawn round, joined to the next by a line drawn out and back.

    By the even-odd rule the lines leave no trace, so `fill_polygon` gives parts and holes back exactly.
    """
    if len(rings) == 1:
        return list(rings[0])
    starts = [ring[0] for ring in rings]
    way_out = [corner for ring in rings for corner in (*ring, ring[0])]
    return way_out + starts[-2:0:-1]


def _corners(mask: MaskArray) -> NDArray[np.int64]:
    """(N, 5) rows x, y, arm to the right, arm downwards, whether the single pixel at the corner is the object's.

    Where two pixels touch at a corner only, there are two rows, one for each of them.
    """
    bits = np.pad(np.asarray(mask, dtype=bool), 1)
    quarters = np.stack((bits[:-1, :-1], bits[:-1, 1:], bits[1:, :-1], bits[1:, 1:]))
    count = quarters.sum(axis=0, dtype=np.uint8)
    crossing = (count == 2) & (quarters[0] == quarters[3])
    found = []
    for quarter, (right, down) in zip(quarters, ((0, 0), (1, 0), (0, 1), (1, 1)), strict=True):
        alone = quarter & ((count == 1) | crossing)
        missing = ~quarter & (count == 3)
        ys, xs = np.nonzero(alone | missing)
        values = (xs, ys, np.full(len(xs), right), np.full(len(xs), down), alone[ys, xs])
        found.append(np.stack(values, axis=1).astype(np.int64))
    return np.concatenate(found)


def _partners(order: NDArray[np.intp]) -> list[int]:
    """For each corner the one it is joined to: neighbours in this order, two by two."""
    partner = np.empty(len(order), dtype=np.intp)
    partner[order[0::2]], partner[order[1::2]] = order[1::2], order[0::2]
    found: list[int] = partner.tolist()
    return found
