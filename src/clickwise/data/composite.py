"""Composites for items of our own: the object before another background, or something foreign before the object.

Pasted edges are softened by a pixel, so that a hard seam is no hint. Both views have one size. Masks stay sharp.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from clickwise.data.targets import Target
from clickwise.types import ImageArray, MaskArray

View = tuple[ImageArray, Target]
"""A picture (H, W, 3) and its target, as large."""
_SEAM_SIGMA = 0.7
"""Pixels; blur of the paste mask."""
_MOST_COVERED = 0.6
"""A foreign object may hide at most this share of the object; one that hides more is not pasted."""


@dataclass(frozen=True, slots=True)
class Composites:
    """background_prob: the object goes before another picture. occluder_prob: a foreign object comes before it."""

    background_prob: float = 0.0
    occluder_prob: float = 0.0

    def apply(self, view: View, rng: np.random.Generator, other: Callable[[], View]) -> View:
        """The view, or one composed with another; ``other`` makes one. Draws two numbers besides what it calls."""
        swaps, covers = rng.random(2) < (self.background_prob, self.occluder_prob)
        if swaps:
            view = before_background(view, other())
        if covers:
            view = behind_occluder(view, other())
        return view


def before_background(view: View, other: View) -> View:
    """The view's object on the other picture, whose objects it covers where it lies.

    What had no truth there has none still, except under the object. An empty object leaves the view as it is.
    """
    image, target = view
    background, behind = other
    mask = target.object_mask
    if not mask.any():
        return view
    strangers = (behind.object_mask | behind.other_mask) & ~mask
    return pasted(background, image, mask), Target(mask, behind.ignore_mask & ~mask, strangers)


def behind_occluder(view: View, other: View) -> View:
    """The other's object before the view; the view as it is when too little of its object would be left."""
    image, target = view
    front, stranger = other
    mask = stranger.object_mask
    covered = target.object_mask & mask
    if not mask.any() or covered.sum() > _MOST_COVERED * target.object_mask.sum():
        return view
    left = Target(target.object_mask & ~mask, target.ignore_mask & ~mask, target.other_mask | mask)
    return pasted(image, front, mask), left


def pasted(image: ImageArray, front: ImageArray, mask: MaskArray) -> ImageArray:
    """``front`` over ``image`` where ``mask``, with a soft seam."""
    alpha = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SEAM_SIGMA)[:, :, None]
    mixed = alpha * front.astype(np.float32) + (1 - alpha) * image.astype(np.float32)
    return np.asarray(np.rint(mixed), dtype=np.uint8)
