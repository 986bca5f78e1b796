"""Rough masks to correct, made from the truth: (object mask, ignored pixels, generator) -> start mask.

Every rule ranks pixels by a score and moves the outline to the rank at which the IoU with the truth is a number drawn
from `ROUGH_IOU`, the range that DAVIS-585's start masks have; so the damage is of one size, and only its kind differs.
Equal scores are told apart by chance, so that no side is preferred. Pixels without truth follow their scores and count
for nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.types import MaskArray

ROUGH_IOU = (0.75, 0.85)
SMALLEST_AREA = 20
"""Objects of fewer pixels have no mask whose IoU lies in the range for certain; they are left out."""
NOISE_CELLS = 6
"""Bumps of a wobbly outline across the object's box."""
_HALVINGS = 30

RoughStart = Callable[[MaskArray, MaskArray, np.random.Generator], MaskArray]


def grown(object_mask: MaskArray, ignore_mask: MaskArray, rng: np.random.Generator) -> MaskArray:
    """The truth and the background nearest to it; `shrunk` where there is too little background."""
    area, room = _count(object_mask), _count(~object_mask & ~ignore_mask)
    wanted = _drawn_iou(rng)
    added = round(area / wanted - area)
    if added > room:
        return shrunk(object_mask, ignore_mask, rng)
    return object_mask | _lowest(_squared_distance(~object_mask), ~object_mask, ignore_mask, added, rng)


def shrunk(object_mask: MaskArray, ignore_mask: MaskArray, rng: np.random.Generator) -> MaskArray:
    """The truth without the pixels nearest to the background; the picture's rim is no background.

    `part_missing` where there is no background at all.
    """
    if object_mask.all():
        return part_missing(object_mask, ignore_mask, rng)
    removed = round(_count(object_mask) * (1 - _drawn_iou(rng)))
    return object_mask & ~_lowest(_squared_distance(object_mask), object_mask, ignore_mask, removed, rng)


def part_missing(object_mask: MaskArray, ignore_mask: MaskArray, rng: np.random.Generator) -> MaskArray:
    """The truth without what lies beyond a straight line of random direction."""
    removed = round(_count(object_mask) * (1 - _drawn_iou(rng)))
    angle = rng.uniform(0, 2 * np.pi)
    ys, xs = np.indices(object_mask.shape)
    return object_mask & ~_lowest(xs * np.cos(angle) + ys * np.sin(angle), object_mask, ignore_mask, removed, rng)


def wobbly(object_mask: MaskArray, ignore_mask: MaskArray, rng: np.random.Generator) -> MaskArray:
    """The outline moved in and out by smooth noise, so far that the IoU is as drawn.

    `part_missing` where no strength of the noise gives it.
    """
    if object_mask.all():
        return part_missing(object_mask, ignore_mask, rng)
    wanted, height, width = _drawn_iou(rng), *object_mask.shape
    inner, outer = np.sqrt(_squared_distance(object_mask)), np.sqrt(_squared_distance(~object_mask))
    signed = np.where(object_mask, inner - 0.5, 0.5 - outer)
    ys, xs = np.nonzero(object_mask)
    extent = max(np.ptp(ys), np.ptp(xs)) + 1
    cells = [max(2, round(NOISE_CELLS * side / extent)) for side in (height, width)]
    coarse = rng.standard_normal([min(count, side) for count, side in zip(cells, (height, width), strict=True)])
    bumps = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    low, high = 0.0, float(extent)
    best, best_gap = object_mask, 1.0
    for _ in range(_HALVINGS):
        strength = (low + high) / 2
        mask = np.asarray(signed + strength * bumps > 0)
        found = _iou(mask, object_mask, ignore_mask)
        if abs(found - wanted) < best_gap:
            best, best_gap = mask, abs(found - wanted)
        low, high = (strength, high) if found > wanted else (low, strength)
    if not ROUGH_IOU[0] <= _iou(best, object_mask, ignore_mask) <= ROUGH_IOU[1]:
        return part_missing(object_mask, ignore_mask, rng)
    return best


def _drawn_iou(rng: np.random.Generator) -> float:
    """Well inside the range, since whole pixels round it."""
    low, high = ROUGH_IOU
    return float(rng.uniform(low + 0.2 * (high - low), high - 0.2 * (high - low)))


def _lowest(
    score: NDArray[np.float64],
    region: MaskArray,
    ignore_mask: MaskArray,
    count: int,
    rng: np.random.Generator,
) -> MaskArray:
    """The ``count`` pixels of a region with the lowest scores, ignored pixels with a score as low in addition."""
    chance = rng.permutation(score.size).reshape(score.shape)
    candidates = np.flatnonzero(region & ~ignore_mask)
    order = candidates[np.lexsort((chance.flat[candidates], score.flat[candidates]))]
    chosen = np.zeros(score.shape, dtype=bool)
    chosen.flat[order[:count]] = True
    if count and ignore_mask.any():
        chosen |= ignore_mask & (score <= score.flat[order[count - 1]])
    return chosen


def _squared_distance(region: MaskArray) -> NDArray[np.float64]:
    """Squared distance in pixels, a whole number, to the nearest pixel outside; the picture's rim is no outside."""
    distance = cv2.distanceTransform(region.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.rint(np.square(distance, dtype=np.float64))


def _count(mask: MaskArray) -> int:
    return int(np.count_nonzero(mask))


def _iou(mask: MaskArray, object_mask: MaskArray, ignore_mask: MaskArray) -> float:
    valid = ~ignore_mask
    return _count(mask & object_mask & valid) / max(1, _count((mask | object_mask) & valid))
