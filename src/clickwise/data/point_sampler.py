"""The first clicks of a training item, as RITM's release draws them (protocol 2.1 and 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np

from clickwise.clicks.human import HumanClicks
from clickwise.clicks.sampling import Place, empty_points
from clickwise.data.published_targets import ChosenTarget, NegativeRegions, SoftMask, TargetRule, check_shares
from clickwise.data.sample import Sample
from clickwise.errors import OptionError
from clickwise.types import MaskArray, PointsArray

UNORDERED = 100.0
"""Order value of a point that no click rule placed."""

_Row = tuple[int, int, float]


class _Source(Protocol):
    def draw(self, rng: np.random.Generator) -> Place | None: ...


class _Pixels:
    """A uniformly drawn pixel of a mask (H, W), or None if it is empty."""

    def __init__(self, mask: MaskArray) -> None:
        self.places, self.width = np.flatnonzero(mask), mask.shape[1]

    def draw(self, rng: np.random.Generator) -> Place | None:
        if not len(self.places):
            return None
        y, x = divmod(int(self.places[rng.integers(len(self.places))]), self.width)
        return y, x


class _Mixture:
    """A pixel of one of several masks, the mask drawn by its share; None if that one is empty."""

    def __init__(self, masks: Sequence[MaskArray], shares: Sequence[float]) -> None:
        self.sources, self.shares = [_Pixels(mask) for mask in masks], shares

    def draw(self, rng: np.random.Generator) -> Place | None:
        return self.sources[int(rng.choice(len(self.sources), p=self.shares))].draw(rng)


@dataclass(frozen=True, slots=True)
class PointRule:
    """How many points there are and where. Defaults are those of the release's constructor; recipes use gamma 0.80.

    max_num_points: rows per sign, N. prob_gamma: each further point is this much less likely.
    negative_*_prob: shares of the three kinds of negative regions (sum 1).
    first_click_center: the first positive point has order ``first_click_order`` and lies deeper than the greatest depth
    over ``sfc_inner_k`` (0 or less: anywhere, in proportion to depth); with ``sfc_full_inner_prob`` anywhere at all.
    only_one_first_click: of several merged objects only the first is sure of a point.
    human_clicks: the first positive point of each object lies where a person would click; its order stays. None = as
    published.
    """

    max_num_points: int = 24
    prob_gamma: float = 0.7
    negative_bg_prob: float = 0.1
    negative_other_prob: float = 0.4
    negative_border_prob: float = 0.5
    first_click_center: bool = False
    first_click_order: float = 0.0
    only_one_first_click: bool = False
    sfc_inner_k: float = 1.7
    sfc_full_inner_prob: float = 0.0
    human_clicks: HumanClicks | None = None

    def __post_init__(self) -> None:
        check_shares(self, "prob_gamma", "negative_bg_prob", "negative_other_prob", "negative_border_prob")
        check_shares(self, "sfc_full_inner_prob")
        if self.max_num_points < 1:
            raise OptionError(f"max_num_points is {self.max_num_points}; expected at least 1")
        if abs(sum(self._shares) - 1) > 1e-6:
            raise OptionError(f"negative_*_prob are {self._shares}, together {sum(self._shares):g}; expected 1 in all")
        if 0 < self.sfc_inner_k <= 1:
            raise OptionError(
                f"sfc_inner_k is {self.sfc_inner_k}, so no pixel is deep enough; expected above 1, or 0 for by depth"
            )

    def draw(self, chosen: ChosenTarget, rng: np.random.Generator) -> PointsArray:
        """(2N, 3) rows (y, x, order): positive points first, negative points from row N; unused rows are -1."""
        points = empty_points(self.max_num_points)
        for first_row, rows in (
            (0, self._positive_rows(chosen.positives, rng)),
            (self.max_num_points, self._negative_rows(chosen.required_negatives, chosen.negatives, rng)),
        ):
            kept = self._cut(rows, rng)
            if kept:
                points[first_row : first_row + len(kept)] = kept
        return points

    @property
    def _shares(self) -> tuple[float, float, float]:
        return self.negative_bg_prob, self.negative_other_prob, self.negative_border_prob

    def count(self, least: int, rng: np.random.Generator) -> int:
        """A number of points in least..N (least 0 or 1), each ``prob_gamma`` times as likely as the one before."""
        weights = self.prob_gamma ** np.arange(self.max_num_points + 1 - least, dtype=np.float64)
        return least + int(rng.choice(len(weights), p=weights / weights.sum()))

    def _positive_rows(self, masks: Sequence[MaskArray], rng: np.random.Generator) -> list[_Row]:
        if not masks:
            return []
        sources = [_Pixels(mask) for mask in masks]
        if len(masks) == 1:
            rest = _places(sources, self.count(1, rng) - 1, rng)
        else:
            rest = _places(sources, self.count(0, rng), rng)
        sure = masks[:1] if self.only_one_first_click else masks
        return [*(self._first_row(mask, rng) for mask in sure), *rest]

    def _first_row(self, mask: MaskArray, rng: np.random.Generator) -> _Row:
        if self.human_clicks is not None and (place := self.human_clicks.draw(mask, rng)) is not None:
            return (*place, self.first_click_order if self.first_click_center else UNORDERED)
        if not self.first_click_center:
            return (*_pixel(mask, rng), UNORDERED)
        if rng.random() < self.sfc_full_inner_prob:
            return (*_pixel(mask, rng), self.first_click_order)
        return (*_deep_pixel(mask, self.sfc_inner_k, rng), self.first_click_order)

    def _negative_rows(
        self, required: Sequence[MaskArray], regions: NegativeRegions, rng: np.random.Generator
    ) -> list[_Row]:
        mixture = _Mixture((regions.background, regions.other, regions.border), self._shares)
        of_mixture = self.count(0, rng)
        if not required:
            return _places([mixture], of_mixture, rng)
        sources: list[_Source] = [*(_Pixels(mask) for mask in required), mixture]
        firsts = [row for source in sources[:-1] for row in _places([source], 1, rng)]
        firsts += _places([mixture], min(of_mixture, 1), rng)
        return [*firsts, *_places(sources, self.count(0, rng), rng)]

    def _cut(self, rows: list[_Row], rng: np.random.Generator) -> list[_Row]:
        """At most N of the rows, chosen at random."""
        if len(rows) <= self.max_num_points:
            return rows
        return [rows[i] for i in sorted(rng.choice(len(rows), size=self.max_num_points, replace=False))]


@dataclass(frozen=True, slots=True)
class MultiPointSampler:
    """Target and first points together: what the release calls its point sampler."""

    target: TargetRule = field(default_factory=TargetRule)
    points: PointRule = field(default_factory=PointRule)

    def sample(
        self, sample: Sample, rng: np.random.Generator, soft_mask: SoftMask | None = None
    ) -> tuple[ChosenTarget, PointsArray]:
        """The target of an item and its points (2N, 3); see `TargetRule.choose` and `PointRule.draw`."""
        chosen = self.target.choose(sample, rng, soft_mask)
        return chosen, self.points.draw(chosen, rng)


def _places(sources: Sequence[_Source], count: int, rng: np.random.Generator) -> list[_Row]:
    """``count`` points, each from an equally likely source; those from an empty one are left out."""
    rows: list[_Row] = []
    for _ in range(count):
        source = sources[int(rng.integers(len(sources)))] if len(sources) > 1 else sources[0]
        if (place := source.draw(rng)) is not None:
            rows.append((*place, UNORDERED))
    return rows


def _pixel(mask: MaskArray, rng: np.random.Generator) -> Place:
    place = _Pixels(mask).draw(rng)
    assert place is not None, "positive regions are never empty"
    return place


def _deep_pixel(mask: MaskArray, inner_k: float, rng: np.random.Generator) -> Place:
    """A pixel deeper than the greatest depth / inner_k, or, for inner_k <= 0, drawn in proportion to depth."""
    padded = np.pad(mask, 1).view(np.uint8)
    depth = np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), dtype=np.float32)[1:-1, 1:-1]
    if inner_k > 0:
        return _pixel(depth > depth.max() / inner_k, rng)
    weights = depth.ravel().astype(np.float64)
    y, x = divmod(int(rng.choice(weights.size, p=weights / weights.sum())), depth.shape[1])
    return y, x
