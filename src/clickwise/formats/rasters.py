"""Mask files of labels: how values lie on the picture, and PNGs that say so.

**A mask file has the size and orientation of the raster as it is stored**, so that both lie on each other pixel by
pixel, and carries the picture's EXIF tag, so that viewers turn both the same way. A text entry says which it is. Where
the picture's orientation is not known, the mask is written upright.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from clickwise.errors import DatasetError, ImageError
from clickwise.formats.files import PictureFacts
from clickwise.formats.indexed import read_indices
from clickwise.imaging import read_raster, to_stored, to_upright
from clickwise.imaging.masks import ORIENTATION_KEY, STORED, UPRIGHT_NAME
from clickwise.imaging.orientation import EXIF_ORIENTATION_TAG, UPRIGHT, swaps_sides, valid_orientation


def save_raster(
    path: Path, values: NDArray[Any], orientation: int | None, palette: NDArray[np.uint8] | None = None
) -> None:
    """Write upright (H, W) uint8 or uint16 values as a PNG, turned as the picture is stored.

    palette: (256, 3) makes an indexed PNG of 8 bits.
    """
    info = PngInfo()
    info.add_text(ORIENTATION_KEY, UPRIGHT_NAME if orientation is None else STORED)
    options: dict[str, Any] = {"pnginfo": info}
    if orientation not in (None, UPRIGHT):
        values = to_stored(values, orientation)
        exif = Image.Exif()
        exif[EXIF_ORIENTATION_TAG] = orientation
        options["exif"] = exif
    image = Image.fromarray(np.ascontiguousarray(values))
    if palette is not None:
        image.putpalette(palette.ravel().tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, format="PNG", **options)


def load_raster(path: Path, *, also_grey: bool = False) -> NDArray[Any]:
    """Stored values of a mask file: indices where `read_indices` gives them, else what `read_raster` gives.

    Raises DatasetError when it cannot be read.
    """
    indices = read_indices(path, also_grey=also_grey)
    if indices is not None:
        return indices
    try:
        return read_raster(path)[0]
    except ImageError as error:
        raise DatasetError(f"mask {error}") from error


def upright_on(values: NDArray[Any], path: Path, facts: PictureFacts | None) -> NDArray[Any]:
    """Stored values of the file ``path`` as they lie on the upright picture.

    By the file's own tag and text entry; without them, a raster of the stored size is turned with its picture.
    Raises DatasetError when picture and mask differ in size.
    """
    own, declared = _tags(path)
    if declared != UPRIGHT_NAME and own != UPRIGHT:
        values = to_upright(values, own)
    elif declared != UPRIGHT_NAME and facts is not None and facts.orientation is not None:
        stored = facts.size[::-1] if swaps_sides(facts.orientation) else facts.size
        if values.shape[:2] == stored:
            values = to_upright(values, facts.orientation)
    if facts is not None and values.shape[:2] != facts.size:
        raise DatasetError(
            f"mask {path} is {values.shape[1]} x {values.shape[0]} pixels, its picture {facts.size[1]} x "
            f"{facts.size[0]} (width x height); they must agree"
        )
    return values


def values_in(values: NDArray[Any]) -> list[int]:
    """The values that occur, in order."""
    if values.dtype in (np.uint8, np.uint16):  # counting is several times as fast as sorting
        return [int(value) for value in np.flatnonzero(np.bincount(values.ravel()))]
    return list(np.unique(values).tolist())


def own_orientation(path: Path) -> int | None:
    """What a mask file says of its picture's orientation: an EXIF number, or None when it is upright or silent."""
    own, declared = _tags(path)
    return own if declared == STORED or own != UPRIGHT else None


def _tags(path: Path) -> tuple[int, str | None]:
    """(EXIF orientation, our own text entry) of a mask file."""
    try:
        with Image.open(path) as image:
            declared = image.info.get(ORIENTATION_KEY)
            orientation = valid_orientation(image.getexif().get(EXIF_ORIENTATION_TAG, UPRIGHT))
    except Exception:  # decoders raise whatever they like; whoever reads the pixels says what is wrong
        return UPRIGHT, None
    return orientation, declared if isinstance(declared, str) else None
