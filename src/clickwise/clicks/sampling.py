"""Random clicks for training: places inside a region. Arrays in, places out; randomness comes in as a generator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.clicks.depth import ApproximateDepth, approximate_depth
from clickwise.types import MaskArray

Place = tuple[int, int]
"""(y, x) of a pixel."""


def region_depth(region: MaskArray) -> NDArray[np.float32]:
    """Distance of each pixel of the region to its outside in pixels (approximate 5x5 chamfer, the image border counts
    as outside); 0 elsewhere."""
    padded = np.pad(region.astype(np.uint8), 1)
    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1], dtype=np.float32)


def draw_place(weights: MaskArray, rng: np.random.Generator) -> Place | None:
    """A uniformly drawn True pixel, or None if there is none."""
    candidates = np.flatnonzero(weights)
    if len(candidates) == 0:
        return None
    y, x = divmod(int(candidates[rng.integers(len(candidates))]), weights.shape[1])
    return y, x


class PlaceRule(Protocol):
    """Where in a region a simulated user clicks; `clickwise.clicks.human.HumanClicks` is another one."""

    def draw_from(self, found: ApproximateDepth, rng: np.random.Generator) -> Place:
        """One place in a region whose depths are known."""
        ...


@dataclass(frozen=True, slots=True)
class DepthRule:
    """Where in a region a simulated user clicks.

    centre_prob: share of clicks at the very deepest pixel; the others lie anywhere deeper than ``floor`` times the
    greatest depth (RITM section 3.3 uses centre_prob 0 and floor 0.5).
    """

    centre_prob: float = 0.0
    floor: float = 0.5

    def draw(self, region: MaskArray, rng: np.random.Generator) -> Place | None:
        """One place in a region (H, W), or None if it is empty."""
        found = approximate_depth(region)
        return None if found is None else self.draw_from(found, rng)

    def draw_from(self, found: ApproximateDepth, rng: np.random.Generator) -> Place:
        """One place in a region whose depths are known."""
        x0, y0, _, _ = found.box
        if rng.random() < self.centre_prob:
            y, x = divmod(int(found.depth.argmax()), found.depth.shape[1])
        else:
            candidates = np.flatnonzero(found.depth > self.floor * found.greatest)
            y, x = divmod(int(candidates[rng.integers(len(candidates))]), found.depth.shape[1])
        return y + y0, x + x0


@dataclass(frozen=True, slots=True)
class NextClick:
    """A place and its sign."""

    place: Place
    is_positive: bool


def draw_error_click(
    false_negative: MaskArray, false_positive: MaskArray, rule: PlaceRule, rng: np.random.Generator
) -> NextClick | None:
    """A click on the deeper of two error regions, or None where there is no error; ties are negative."""
    missed, extra = approximate_depth(false_negative), approximate_depth(false_positive)
    if missed is not None and (extra is None or missed.greatest > extra.greatest):
        return NextClick(rule.draw_from(missed, rng), is_positive=True)
    return None if extra is None else NextClick(rule.draw_from(extra, rng), is_positive=False)


def put_click(points: NDArray[np.float32], place: Place, *, is_positive: bool) -> None:
    """Write a click into the first free row of its half of ``points`` (2N, 3); into the last row when all are used.

    Its order is the number of clicks so far.
    """
    half = len(points) // 2
    rows = slice(0, half) if is_positive else slice(half, 2 * half)
    used = points[:, 0] >= 0
    free = np.flatnonzero(~used[rows])
    row = rows.start + (int(free[0]) if len(free) else half - 1)
    points[row] = (*place, int(used.sum()))


def empty_points(per_sign: int) -> NDArray[np.float32]:
    """(2N, 3) of -1: no click yet."""
    return np.full((2 * per_sign, 3), -1.0, dtype=np.float32)
