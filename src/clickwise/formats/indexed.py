"""Indexed pictures (PNG, GIF, BMP of mode P) read as what they store: numbers, not colours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clickwise.imaging import max_pixels


def read_indices(path: Path, *, also_grey: bool = False) -> NDArray[np.uint8] | None:
    """(H, W) palette indices as stored; None for pictures of another kind and those that `read_raster` would refuse.

    A palette of greys says that the picture is meant as a grey one, so that is None too, unless ``also_grey``.
    """
    try:
        with Image.open(path) as image:
            if image.mode != "P" or image.width * image.height > max_pixels():
                return None
            indices = np.asarray(image)
            palette = np.asarray(image.getpalette("RGB") or [], dtype=np.uint8).reshape(-1, 3)
    except Exception:  # decoders raise whatever they like; whoever reads it next says what is wrong
        return None
    if also_grey:
        return indices
    used = np.unique(indices)
    colours = palette[used[used < len(palette)]]
    return None if (colours == colours[:, :1]).all() else indices
