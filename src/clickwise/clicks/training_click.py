"""The simulated user of RITM's training: a random click deep inside the largest error (protocol 2.3). Torch-free."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from clickwise.clicks.click import Click
from clickwise.clicks.depth import ApproximateDepth, DepthMemory, approximate_depth
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

    step = min(usable_cores(), len(probs))

    def places_of(first: int) -> list[_Places | None]:  # a thread's share: handing over single items takes long
        ignored = [None] * len(probs) if ignore_masks is None else ignore_masks
        return [_places(object_masks[i], probs[i], ignored[i], threshold) for i in range(first, len(probs), step)]

    shares = list(_threads().map(places_of, range(step)))
    rngs = [rng] * len(probs) if isinstance(rng, np.random.Generator) else rng
    return [_drawn(shares[i % step][i // step], each) for i, each in zip(range(len(probs)), rngs, strict=True)]


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _threads() -> ThreadPoolExecutor:
    """One thread for each core, kept for the next batch."""
    return ThreadPoolExecutor(max_workers=usable_cores(), thread_name_prefix="clicks")


if hasattr(os, "register_at_fork"):  # threads do not live on in a forked process
    os.register_at_fork(after_in_child=_threads.cache_clear)


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


class _Memory(threading.local):
    """What one thread needs for an item and uses again for the next one."""

    def __init__(self) -> None:
        self.errors = np.empty((2, 0, 0), dtype=np.bool_)
        self.depths = DepthMemory(), DepthMemory()

    def errors_of_size(self, shape: tuple[int, ...]) -> MaskArray:
        """(2, H, W) with anything in it."""
        if self.errors.shape[1:] != shape:
            self.errors = np.empty((2, *shape), dtype=np.bool_)
        return self.errors


_memory = _Memory()


def larger_error(
    object_mask: NDArray[Any], probs: NDArray[np.floating[Any]], ignore_mask: MaskArray | None, threshold: float
) -> tuple[bool, ApproximateDepth] | None:
    """Sign and depths of the error region that reaches deeper, or None where nothing is wrong; a tie is negative.

    Arguments as in `training_click_candidates`. The depths lie in memory that the next call of this thread uses again.
    """
    for name, other in (("probs", probs), ("ignore_mask", ignore_mask)):
        if other is not None and (object_mask.ndim != 2 or other.shape != object_mask.shape):
            raise MaskError(
                f"{name} has shape {other.shape}, object_mask {object_mask.shape}; expected the same (H, W) for both"
            )
    is_object = object_mask if object_mask.dtype == np.bool_ else object_mask > 0.5
    errors = _memory.errors_of_size(probs.shape)
    missed, extra = errors
    np.less(probs, threshold, out=missed)
    np.logical_and(missed, is_object, out=missed)
    np.greater(probs, threshold, out=extra)
    np.greater(extra, is_object, out=extra)  # of two bools: the first and not the second
    if ignore_mask is not None:
        np.greater(errors, ignore_mask, out=errors)
    depth_missed, depth_extra = (approximate_depth(*pair) for pair in zip(errors, _memory.depths, strict=True))
    if depth_missed and (depth_extra is None or depth_missed.greatest > depth_extra.greatest):
        return True, depth_missed
    return None if depth_extra is None else (False, depth_extra)
