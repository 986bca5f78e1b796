"""Where people click: off the centre, near the border now and then, with a hand that shakes. Torch-free.

The published rules click the middle of the largest error. People do not: real clicks cost models trained with such
rules 6 to 30 % more clicks (RClicks, NeurIPS 2024, arXiv 2410.11722, which also has the clicks and a network that
predicts them). This rule is a small stand-in that needs neither: its shares and widths are our own choice, made so that
about a third of the clicks is central and none leaves the error. They are options, not measurements.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.clicks.click import Click, ClickList
from clickwise.clicks.depth import ApproximateDepth, approximate_depth
from clickwise.clicks.next_click import ClickSimulator, error_regions, next_click
from clickwise.clicks.training_click import CORE_SHARE, TRAINING_THRESHOLD, larger_error
from clickwise.errors import OptionError
from clickwise.types import MaskArray

CORE_PROB = 0.35
"""Share of clicks in the core, where the published training clicks: deeper than half the greatest depth."""
BORDER_PROB = 0.2
"""Share of clicks near the border; the others fall anywhere."""
BORDER_SHARE = 0.25
"""Near the border: no deeper than this share of the greatest depth."""
JITTER = 0.04
"""Standard deviation of the hand, on each axis, as a share of the root of the area."""
_STEADY_TRIES = 4
"""Shakes tried until one stays on the error; then the hand is steady."""


@dataclass(frozen=True, slots=True)
class HumanClicks:
    """A place in the part of an error that reaches deepest. Has the methods of `clickwise.clicks.sampling.DepthRule`.

    core_prob, border_prob: shares of clicks in the core and near the border (together at most 1); the others fall
    anywhere in the part, each pixel equally likely. border_share: how deep "near the border" reaches. jitter: of the
    hand, see `JITTER`; a shaken click stays on the part.

    >>> HumanClicks().draw(np.ones((5, 7), dtype=bool), np.random.default_rng(0))
    (2, 3)
    """

    core_prob: float = CORE_PROB
    border_prob: float = BORDER_PROB
    border_share: float = BORDER_SHARE
    jitter: float = JITTER

    def __post_init__(self) -> None:
        for name in ("core_prob", "border_prob", "border_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} is {getattr(self, name)}; expected 0 to 1")
        if self.core_prob + self.border_prob > 1 + 1e-9:
            raise OptionError(
                f"core_prob {self.core_prob} and border_prob {self.border_prob} are above 1 together; lower one"
            )
        if not 0 <= self.jitter < np.inf:
            raise OptionError(f"jitter is {self.jitter}; expected 0 or more")

    def draw(self, region: MaskArray, rng: np.random.Generator) -> tuple[int, int] | None:
        """(y, x) in a region (H, W), or None if it is empty."""
        found = approximate_depth(region)
        return None if found is None else self.draw_from(found, rng)

    def draw_from(self, found: ApproximateDepth, rng: np.random.Generator) -> tuple[int, int]:
        """(y, x) in a region whose depths are known."""
        depth = deepest_part(found.depth)
        kind = rng.random()
        if kind < self.core_prob:
            fitting = depth > np.float32(found.greatest * CORE_SHARE)
        elif kind < self.core_prob + self.border_prob:
            # The outermost pixels are always near the border, however thin the part.
            most = max(np.float32(found.greatest * self.border_share), depth[depth > 0].min())
            fitting = (depth > 0) & (depth <= most)
        else:
            fitting = depth > 0
        places = np.flatnonzero(fitting)
        y, x = divmod(int(places[rng.integers(len(places))]), depth.shape[1])
        y, x = self._shaken(y, x, depth, rng)
        return y + found.box[1], x + found.box[0]

    def _shaken(self, y: int, x: int, depth: NDArray[np.float32], rng: np.random.Generator) -> tuple[int, int]:
        """The place moved by the hand; always draws as many numbers, so that later clicks do not depend on luck."""
        moves = rng.normal(0, 1, (_STEADY_TRIES, 2)) * self.jitter * np.sqrt(np.count_nonzero(depth))
        for down, right in np.rint(moves).astype(int).tolist():
            inside = 0 <= y + down < depth.shape[0] and 0 <= x + right < depth.shape[1]
            if inside and depth[y + down, x + right] > 0:
                return y + down, x + right
        return y, x


def deepest_part(depth: NDArray[np.float32]) -> NDArray[np.float32]:
    """Depths (h, w) of the piece (8-connected) that holds the first greatest one; 0 elsewhere."""
    count, numbers = cv2.connectedComponents((depth > 0).view(np.uint8), connectivity=8)
    if count <= 2:
        return depth
    return np.where(numbers == numbers.flat[int(depth.argmax())], depth, np.float32(0))


def draw_human_click(
    object_mask: NDArray[Any],
    probs: NDArray[np.floating[Any]],
    rule: HumanClicks,
    rng: np.random.Generator,
    ignore_mask: MaskArray | None = None,
    *,
    threshold: float = TRAINING_THRESHOLD,
) -> Click | None:
    """`draw_training_click` with a place by ``rule``: the same sign, or None where nothing is wrong."""
    found = larger_error(object_mask, probs, ignore_mask, threshold)
    if found is None:
        return None
    y, x = rule.draw_from(found[1], rng)
    return Click(x, y, is_positive=found[0])


class HumanSimulator(ClickSimulator):
    """A simulated user with a human's places: signs as in the published evaluation, places by ``rule``.

    The sign is that of `next_click`. Pixels clicked before are never chosen again. Equal generators give equal clicks.
    """

    def __init__(
        self,
        object_mask: MaskArray,
        ignore_mask: MaskArray | None = None,
        *,
        rule: HumanClicks,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(object_mask, ignore_mask)
        self.rule, self.rng = rule, rng

    def next_click(self, pred_mask: MaskArray) -> Click:
        """The next click for a prediction (H, W) bool; it is appended to ``clicks``."""
        click = next_click(self.object_mask, pred_mask, ignore_mask=self.ignore_mask, history=self.clicks)
        missed, extra = error_regions(self.object_mask, pred_mask, self.ignore_mask)
        region = missed if click.is_positive else extra
        for earlier in self.clicks:
            region[int(earlier.y), int(earlier.x)] = False
        place = self.rule.draw(region, self.rng)
        if place is not None:
            click = Click(place[1], place[0], is_positive=click.is_positive)
        self.clicks = self.clicks.add(click)
        return click

    def reset(self) -> None:
        """Forget all clicks; the generator goes on."""
        self.clicks = ClickList()


def click_rng(seed: int, sample_id: str, object_id: int) -> np.random.Generator:
    """The generator of one object's clicks: it depends on names alone, not on order or number of processes."""
    return np.random.default_rng(np.random.SeedSequence([seed, zlib.crc32(sample_id.encode()), object_id]))
