"""The simulated user of the evaluation: one click in the middle of the largest error (protocol 5.1). Torch-free.

Where the published rule compares float32 distances, whose last bit differs between OpenCV builds, we compare exact
integer squared distances; ties go to the first pixel row by row, as published.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from clickwise.clicks.click import Click, ClickList
from clickwise.clicks.depth import deepest_pixel
from clickwise.errors import MaskError
from clickwise.types import MaskArray


def error_regions(
    object_mask: MaskArray, pred_mask: MaskArray, ignore_mask: MaskArray | None = None
) -> tuple[MaskArray, MaskArray]:
    """(missed object pixels, falsely marked pixels), ignored pixels in neither. All (H, W) bool.

    Raises MaskError when sizes differ or a mask is no 2-D bool array.
    """
    _check_masks(object_mask, pred_mask, ignore_mask)
    wrong = object_mask ^ pred_mask
    if ignore_mask is not None:
        wrong &= ~ignore_mask
    return wrong & object_mask, wrong & pred_mask


def next_click(
    object_mask: MaskArray,
    pred_mask: MaskArray,
    *,
    ignore_mask: MaskArray | None = None,
    history: Iterable[Click] = (),
) -> Click:
    """Where the simulated user clicks next, given the truth and the present answer, all (H, W) bool.

    The click lies at the pixel farthest from the outside of the missed pixels (positive) or of the falsely marked ones
    (negative), whichever is deeper; a tie is negative. Pixels of ``history`` (rounded) are never chosen again, their
    neighbours may be.

    Quirk kept for parity: where no error is left to click on, the answer is a negative click at (0, 0).
    """
    missed, extra = error_regions(object_mask, pred_mask, ignore_mask)
    barred = {(round(click.y), round(click.x)) for click in history}
    deepest_missed, deepest_extra = deepest_pixel(missed, barred), deepest_pixel(extra, barred)
    depth_missed = deepest_missed.squared_depth if deepest_missed else 0
    depth_extra = deepest_extra.squared_depth if deepest_extra else 0
    if deepest_missed and depth_missed > depth_extra:
        return Click(deepest_missed.x, deepest_missed.y, is_positive=True)
    if deepest_extra:
        return Click(deepest_extra.x, deepest_extra.y, is_positive=False)
    return Click(0, 0, is_positive=False)


class ClickSimulator:
    """One object's simulated user: remembers its clicks, so that none is given twice.

    object_mask, ignore_mask: (H, W) bool; ignored pixels are never clicked. ``clicks`` is the immutable list so far;
    a simulator may start from an earlier one.

    >>> user = ClickSimulator(np.ones((5, 5), dtype=bool))
    >>> user.next_click(np.zeros((5, 5), dtype=bool))
    Click(x=2, y=2, is_positive=True)
    """

    def __init__(
        self, object_mask: MaskArray, ignore_mask: MaskArray | None = None, clicks: Iterable[Click] = ()
    ) -> None:
        _check_masks(object_mask, object_mask, ignore_mask)
        self.object_mask = object_mask
        self.ignore_mask = ignore_mask
        self.clicks = ClickList(clicks)

    def next_click(self, pred_mask: MaskArray) -> Click:
        """The next click for a prediction (H, W) bool; it is appended to ``clicks``. See the function `next_click`."""
        click = next_click(self.object_mask, pred_mask, ignore_mask=self.ignore_mask, history=self.clicks)
        self.clicks = self.clicks.add(click)
        return click

    def reset(self) -> None:
        """Forget all clicks."""
        self.clicks = ClickList()


def _check_masks(object_mask: MaskArray, pred_mask: MaskArray, ignore_mask: MaskArray | None) -> None:
    for name, mask in (("object_mask", object_mask), ("pred_mask", pred_mask), ("ignore_mask", ignore_mask)):
        if mask is None:
            continue
        if mask.ndim != 2 or mask.dtype != np.bool_:
            raise MaskError(
                f"{name} is a {mask.ndim}-D array of {mask.dtype}; expected (H, W) bool, e.g. probs > threshold"
            )
        if mask.shape != object_mask.shape:
            raise MaskError(
                f"{name} is {mask.shape[0]} x {mask.shape[1]}, object_mask {object_mask.shape[0]} x "
                f"{object_mask.shape[1]} (height x width); give both the same size"
            )
