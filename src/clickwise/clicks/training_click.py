"""The simulated user of RITM's training: a random click deep inside the largest error (protocol 2.3). Torch-free."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clickwise.clicks.click import Click
from clickwise.clicks.depth import ApproximateDepth, approximate_depth
from clickwise.errors import MaskError
from clickwise.types import Box, MaskArray

TRAINING_THRESHOLD = 0.49
"""Probability between object and background when errors are looked for (RITM release)."""
CORE_SHARE = 0.5
"""Only pixels deeper than this share of the greatest depth are clicked (RITM section 3.3, an "erosion" there)."""


class ClickCandidates(NamedTuple):
    """Which pixels may be clicked next. is_positive is None where nothing is wrong; mask is (H, W) bool."""

    is_positive: bool | None
    mask: MaskArray


def training_click_candidates(
    object_mask: NDArray[Any],
    probs: NDArray[np.floating[Any]],
    ignore_mask: MaskArray | None = None,
    *,
    threshold: float = TRAINING_THRESHOLD,
) -> ClickCandidates:
    """Sign and all candidates of the next click in training.

    object_mask: (H, W) bool or soft truth in [0, 1] (object where > 0.5). probs: (H, W) probabilities.
    ignore_mask: pixels without truth, never clicked. None is the published rule: they count as background.
    The sign is that of the deeper error region, a tie is negative.
    """
    mask = np.zeros(probs.shape, dtype=bool)
    core = larger_error(object_mask, probs, ignore_mask, threshold)
    if core is None:
        return ClickCandidates(None, mask)
    is_positive, region = core
    x0, y0, x1, y1 = region.box
    mask[y0:y1, x0:x1] = _core_of(region)
    return ClickCandidates(is_positive, mask)


def draw_training_click(
    object_mask: NDArray[Any],
    probs: NDArray[np.floating[Any]],
    rng: np.random.Generator,
    ignore_mask: MaskArray | None = None,
    *,
    threshold: float = TRAINING_THRESHOLD,
) -> Click | None:
    """One of `training_click_candidates`, each equally likely, or None where nothing is wrong.

    Works in the box of the error; draws exactly one number from ``rng`` when there is an error.
    """
    return _drawn(_places(object_mask, probs, ignore_mask, threshold), rng)


def draw_training_clicks(
    object_masks: NDArray[Any],
    probs: NDArray[np.floating[Any]],
    rng: np.random.Generator | Sequence[np.random.Generator],
    ignore_masks: NDArray[np.bool_] | None = None,
    *,
    threshold: float = TRAINING_THRESHOLD,
) -> list[Click | None]:
    """`draw_training_click` of every item of a batch (B, H, W), in order: the same clicks from the same ``rng``.

    rng: one for all items, or one of each.
    Candidates are found on all processor cores at once; NumPy and OpenCV let threads run side by side.
    """

    def places_of(item: int) -> _Places | None:
        return _places(object_masks[item], probs[item], None if ignore_masks is None else ignore_masks[item], threshold)

    with ThreadPoolExecutor(max_workers=min(len(probs), usable_cores())) as threads:
        rngs = [rng] * len(probs) if isinstance(rng, np.random.Generator) else rng
        return [_drawn(*pair) for pair in zip(threads.map(places_of, range(len(probs))), rngs, strict=True)]


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Places(NamedTuple):
    """Candidates of a click: numbers of pixels, row by row, within a box."""

    is_positive: bool
    box: Box
    numbers: NDArray[np.intp]


def _places(
    object_mask: NDArray[Any], probs: NDArray[np.floating[Any]], ignore_mask: MaskArray | None, threshold: float
) -> _Places | None:
    core = larger_error(object_mask, probs, ignore_mask, threshold)
    if core is None:
        return None
    is_positive, region = core
    return _Places(is_positive, region.box, np.flatnonzero(_core_of(region)))


def _drawn(places: _Places | None, rng: np.random.Generator) -> Click | None:
    if places is None:
        return None
    x0, y0, x1, _ = places.box
    y, x = divmod(int(places.numbers[rng.integers(len(places.numbers))]), x1 - x0)
    return Click(x + x0, y + y0, is_positive=places.is_positive)


def _core_of(region: ApproximateDepth) -> MaskArray:
    core: MaskArray = region.depth > np.float32(region.greatest * CORE_SHARE)
    return core


def larger_error(
    object_mask: NDArray[Any], probs: NDArray[np.floating[Any]], ignore_mask: MaskArray | None, threshold: float
) -> tuple[bool, ApproximateDepth] | None:
    """Sign and depths of the error region that reaches deeper, or None where nothing is wrong; a tie is negative.

    Arguments as in `training_click_candidates`.
    """
    for name, other in (("probs", probs), ("ignore_mask", ignore_mask)):
        if other is not None and (object_mask.ndim != 2 or other.shape != object_mask.shape):
            raise MaskError(
                f"{name} has shape {other.shape}, object_mask {object_mask.shape}; expected the same (H, W) for both"
            )
    is_object = object_mask if object_mask.dtype == np.bool_ else object_mask > 0.5
    missed, extra = is_object & (probs < threshold), ~is_object & (probs > threshold)
    if ignore_mask is not None:
        missed &= ~ignore_mask
        extra &= ~ignore_mask
    depth_missed, depth_extra = approximate_depth(missed), approximate_depth(extra)
    if depth_missed and (depth_extra is None or depth_missed.greatest > depth_extra.greatest):
        return True, depth_missed
    return None if depth_extra is None else (False, depth_extra)
