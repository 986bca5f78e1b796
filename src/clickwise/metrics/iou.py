"""How well two masks agree: IoU and boundary IoU, with pixels that have no truth left out.

Masks are (H, W) bool. Edge cases, by definition here:
    * both masks empty (after leaving out ignored pixels): 1.0, since the answer is right; likewise where every pixel is
      ignored. (The published evaluation divides 0 by 0 there.)
    * one of them empty: 0.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from clickwise.errors import MaskError
from clickwise.types import MaskArray

BOUNDARY_SHARE = 0.02
"""Width of the boundary band as a share of the image diagonal (Cheng et al. 2021, "Boundary IoU", section 4)."""


def iou(pred_mask: MaskArray, object_mask: MaskArray, ignore_mask: MaskArray | None = None) -> float:
    """|pred and truth| / |pred or truth| over the pixels that are not ignored, in [0, 1] (protocol 5.2).

    Raises MaskError when shapes or types do not fit.
    """
    intersection, union = iou_counts(pred_mask, object_mask, ignore_mask)
    return intersection / union if union else 1.0


def iou_counts(pred_mask: MaskArray, object_mask: MaskArray, ignore_mask: MaskArray | None = None) -> tuple[int, int]:
    """(pixels in both, pixels in any) of the two masks, ignored pixels left out."""
    _check(pred_mask, object_mask, ignore_mask)
    both, either = pred_mask & object_mask, pred_mask | object_mask
    if ignore_mask is not None:
        valid = ~ignore_mask
        both &= valid
        either &= valid
    return int(np.count_nonzero(both)), int(np.count_nonzero(either))


def boundary_band(mask: MaskArray, width: int) -> MaskArray:
    """The pixels of the mask at most ``width`` pixels (steps of a 3x3 square) from its outside.

    What lies beyond the image counts as outside.
    """
    eroded = cv2.erode(
        np.pad(mask, 1).astype(np.uint8), np.ones((3, 3), np.uint8), iterations=width, borderType=cv2.BORDER_CONSTANT
    )
    band: MaskArray = mask & (eroded[1:-1, 1:-1] == 0)
    return band


def boundary_width(height: int, width: int, share: float = BOUNDARY_SHARE) -> int:
    """Pixels of the boundary band in an image of that size: ``share`` of its diagonal, at least 1."""
    return max(1, round(share * math.hypot(height, width)))


def boundary_iou(
    pred_mask: MaskArray,
    object_mask: MaskArray,
    ignore_mask: MaskArray | None = None,
    *,
    share: float = BOUNDARY_SHARE,
) -> float:
    """IoU of the two masks' boundary bands, in [0, 1] (Cheng et al. 2021): looks at outlines, whatever the size.

    Bands are taken from the masks as given; ignored pixels are left out afterwards.
    """
    _check(pred_mask, object_mask, ignore_mask)
    height, width = object_mask.shape
    band = boundary_width(height, width, share)
    return iou(boundary_band(pred_mask, band), boundary_band(object_mask, band), ignore_mask)


@dataclass
class MeanIoU:
    """Mean IoU over objects, as sums, so that several processes can be merged exactly."""

    total: float = 0.0
    objects: int = 0

    def update(self, pred_mask: MaskArray, object_mask: MaskArray, ignore_mask: MaskArray | None = None) -> float:
        """Count one object and return its IoU."""
        value = iou(pred_mask, object_mask, ignore_mask)
        self.total += value
        self.objects += 1
        return value

    def merge(self, other: MeanIoU) -> MeanIoU:
        """The same as if all objects of both had been counted by one."""
        return MeanIoU(self.total + other.total, self.objects + other.objects)

    def compute(self) -> float:
        """Mean over the objects so far; nan before the first."""
        return self.total / self.objects if self.objects else math.nan


def _check(pred_mask: MaskArray, object_mask: MaskArray, ignore_mask: MaskArray | None) -> None:
    for name, mask in (("object_mask", object_mask), ("pred_mask", pred_mask), ("ignore_mask", ignore_mask)):
        if mask is not None and (mask.dtype != np.bool_ or mask.ndim != 2 or mask.shape != object_mask.shape):
            raise MaskError(
                f"{name} is {mask.dtype} of shape {mask.shape}; expected bool of shape (H, W) = {object_mask.shape}"
            )
