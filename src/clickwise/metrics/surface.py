"""How far apart the outlines of two masks are, in pixels (reference page iglr, section 5, "evaluation loop")."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.errors import MaskError
from clickwise.types import MaskArray


def surface_distance(pred_mask: MaskArray, object_mask: MaskArray) -> float:
    """Average symmetric surface distance: mean distance of outline pixels to the nearest of the other outline.

    Outlines are outer contours; holes do not count. Both masks (H, W) bool. Two empty masks: 0; one empty: inf.
    Raises MaskError when shapes or types do not fit.
    """
    for name, mask in (("pred_mask", pred_mask), ("object_mask", object_mask)):
        if mask.dtype != np.bool_ or mask.ndim != 2 or mask.shape != object_mask.shape:
            raise MaskError(
                f"{name} is {mask.dtype} of shape {mask.shape}; expected bool of shape (H, W) = {object_mask.shape}"
            )
    if not (pred_mask.any() and object_mask.any()):
        return math.inf if pred_mask.any() or object_mask.any() else 0.0
    first, second = _outline(pred_mask), _outline(object_mask)
    # Exact sums: every process gets the same number, however its memory lies.
    total = math.fsum(_distances(first, second)) + math.fsum(_distances(second, first))
    return total / (np.count_nonzero(first) + np.count_nonzero(second))


def _outline(mask: MaskArray) -> MaskArray:
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = np.zeros(mask.shape, dtype=bool)
    for contour in contours:
        outline[contour[:, 0, 1], contour[:, 0, 0]] = True
    return outline


def _distances(outline: MaskArray, other: MaskArray) -> NDArray[np.float64]:
    """Distance in pixels of each pixel of an outline to the nearest one of the other; squares are integers."""
    distance = cv2.distanceTransform((~other).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[outline]
    return np.sqrt(np.rint(np.square(distance, dtype=np.float64)))
