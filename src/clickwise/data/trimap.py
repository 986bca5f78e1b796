"""Trimaps: bands along the outline of a mask in which a boundary loss counts (reference page iglr, section 4.1)."""

from __future__ import annotations

import cv2
import numpy as np

from clickwise.types import MaskArray

_SHRINK = 8
_DILATIONS = 2
_HALF = 128


def boundary_trimap(mask: MaskArray) -> MaskArray:
    """(H, W) bool: where a mask, made eight times smaller and large again, differs from itself; dilated twice by 3x3.

    Fine structures thus get wide bands, straight edges narrow ones. mask: (H, W) bool; sides below 8 count as 8.
    """
    height, width = mask.shape
    small = cv2.resize(
        mask.astype(np.uint8) * 255,
        (max(1, width // _SHRINK), max(1, height // _SHRINK)),
        interpolation=cv2.INTER_LINEAR,
    )
    small = (small > _HALF).astype(np.uint8) * 255
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR) > _HALF
    changed = (large ^ mask).astype(np.uint8)
    band: MaskArray = cv2.dilate(changed, np.ones((3, 3), np.uint8), iterations=_DILATIONS) > 0
    return band
