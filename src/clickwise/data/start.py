"""How a training item begins: first clicks of both signs, or a rough mask to correct."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from clickwise.clicks.sampling import (
    DepthRule,
    draw_error_click,
    draw_place,
    empty_points,
    put_click,
    region_depth,
)
from clickwise.data.targets import Target
from clickwise.types import MaskArray, PointsArray, ProbsArray

_FIRST_CLICK = DepthRule(centre_prob=0.45, floor=0.4)
_LOOSE_CLICK = DepthRule(centre_prob=0.0, floor=0.1)


@dataclass(frozen=True, slots=True)
class Start:
    """points (2N, 3) with at least one click where there is anything to click; prev_mask (H, W) float32 in [0, 1]."""

    points: PointsArray
    prev_mask: ProbsArray


@dataclass(frozen=True, slots=True)
class VariedStart:
    """One click deep inside the object; or several random ones; or a rough mask with one click on its error.

    several_prob, rough_prob: shares of the latter two. first: where the single first click falls.
    """

    clicks_per_sign: int = 12
    several_prob: float = 0.35
    rough_prob: float = 0.12
    first: DepthRule = _FIRST_CLICK
    loose: DepthRule = _LOOSE_CLICK
    most_several: int = 4

    def draw(self, target: Target, rng: np.random.Generator) -> Start:
        """The start of one item."""
        points = empty_points(self.clicks_per_sign)
        prev_mask = np.zeros(target.object_mask.shape, dtype=np.float32)
        kind = rng.random()
        if kind < self.rough_prob and target.object_mask.any():
            prev_mask = rough_mask(target.object_mask, rng)
            guess = prev_mask > 0.5
            valid = ~target.ignore_mask
            click = draw_error_click(
                target.object_mask & ~guess & valid, guess & ~target.object_mask & valid, self.first, rng
            )
            if click is not None:
                put_click(points, click.place, is_positive=click.is_positive)
        elif kind < self.rough_prob + self.several_prob:
            self._put_several(points, target, rng)
        elif (place := self.first.draw(target.object_mask, rng)) is not None:
            put_click(points, place, is_positive=True)
        return Start(points, prev_mask)

    def _put_several(self, points: PointsArray, target: Target, rng: np.random.Generator) -> None:
        for _ in range(int(rng.integers(1, self.most_several + 1))):
            if (place := self.loose.draw(target.object_mask, rng)) is not None:
                put_click(points, place, is_positive=True)
        outside = ~target.object_mask & ~target.ignore_mask
        for _ in range(int(rng.integers(0, self.most_several))):
            region = _negative_region(target, outside, rng)
            if (place := draw_place(region, rng)) is not None:
                put_click(points, place, is_positive=False)


def _negative_region(target: Target, outside: MaskArray, rng: np.random.Generator) -> MaskArray:
    """A band around the object, other objects, or any background (shares of the published sampler: .5, .4, .1)."""
    kind = rng.random()
    if kind < 0.5 and target.object_mask.any():
        reach = int(np.ceil(0.1 * np.sqrt(target.object_mask.sum())))
        square = np.ones((2 * reach + 1, 2 * reach + 1), dtype=np.uint8)
        return np.asarray(cv2.dilate(target.object_mask.astype(np.uint8), square) > 0) & outside
    if kind < 0.9 and target.other_mask.any():
        return target.other_mask
    return outside


def rough_mask(object_mask: MaskArray, rng: np.random.Generator) -> ProbsArray:
    """A plausible wrong answer: the object's outline moved by smooth noise, sometimes with one side cut off.

    Returns soft probabilities (H, W); the outline moves by up to about a tenth of the object's diameter.
    """
    signed = region_depth(object_mask) - region_depth(~object_mask)
    height, width = object_mask.shape
    diameter = float(np.sqrt(object_mask.sum()))
    reach = rng.uniform(0.02, 0.15) * diameter
    cells = int(rng.integers(3, 9))
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    noise = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    signed = signed + reach * noise + rng.uniform(-0.5, 0.5) * reach
    if rng.random() < 0.3:
        ys, xs = np.nonzero(object_mask)
        angle = rng.uniform(0, 2 * np.pi)
        direction = np.array([np.cos(angle), np.sin(angle)])
        along = np.arange(width)[None, :] * direction[0] + np.arange(height)[:, None] * direction[1]
        cut = np.quantile(xs * direction[0] + ys * direction[1], rng.uniform(0.4, 0.85))
        signed = np.minimum(signed, cut - along)
    return (1 / (1 + np.exp(-np.clip(signed / 1.5, -30, 30)))).astype(np.float32)
