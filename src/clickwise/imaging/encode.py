"""Pictures for pages: halves, thumbnails and JPEG bytes. No torch."""

from __future__ import annotations

import io
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from clickwise.imaging.orientation import EXIF_ORIENTATION_TAG, UPRIGHT, to_upright, valid_orientation
from clickwise.imaging.read import read_header, read_image
from clickwise.types import ImageArray

_NO_SUBSAMPLING = 0
"""4:4:4: colour at full resolution, so that borders lie where the network sees them."""
_LARGEST_DRAFT = 4
"""A draft is at least this many times as large as the thumbnail, so that scaling it down hides its coarseness."""


def jpeg_bytes(rgb: ImageArray, quality: int = 95) -> bytes:
    """JPEG of an (H, W, 3) uint8 picture, colour not subsampled."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(rgb)).save(buffer, "JPEG", quality=quality, subsampling=_NO_SUBSAMPLING)
    return buffer.getvalue()


def halved(rgb: ImageArray) -> ImageArray:
    """(ceil(H / 2), ceil(W / 2), 3): every pixel the mean of those that it covers."""
    height, width = rgb.shape[:2]
    size = ((width + 1) // 2, (height + 1) // 2)
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def thumbnail(path: str | os.PathLike[str], longest: int) -> ImageArray:
    """(h, w, 3) uint8, upright, longer side at most ``longest``. Raises ImageError as `read_image`.

    JPEG files are decoded at a fraction of their size, which is many times faster.
    """
    file = Path(path)
    read_header(file)  # one clear error for everything that is no picture
    rgb = _jpeg_draft(file, longest)
    if rgb is None:
        rgb = read_image(file).rgb
    height, width = rgb.shape[:2]
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg_draft(file: Path, longest: int) -> ImageArray | None:
    """A JPEG photo decoded small, upright; None for all other files."""
    try:
        with Image.open(file) as image:
            if image.format != "JPEG" or image.mode not in ("RGB", "L"):
                return None
            orientation = valid_orientation(image.getexif().get(EXIF_ORIENTATION_TAG, UPRIGHT))
            image.draft("RGB", (longest * _LARGEST_DRAFT // 2, longest * _LARGEST_DRAFT // 2))
            return np.asarray(to_upright(np.asarray(image.convert("RGB")), orientation), np.uint8)
    except Exception:  # the careful way will say what is wrong
        return None
