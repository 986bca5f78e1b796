"""Masks come in and go out: upright inside, stored orientation in files unless asked otherwise.

Values of an integer mask: if nothing exceeds 1, every 1 is object; else values above 127 are object.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from clickwise.errors import ClickwiseError, MaskError
from clickwise.imaging.atomic import atomic_write
from clickwise.imaging.orientation import EXIF_ORIENTATION_TAG, UPRIGHT, to_stored, to_upright
from clickwise.imaging.read import LoadedImage, read_raster
from clickwise.types import MaskArray, ProbsArray, Size

ORIENTATION_KEY = "clickwise:orientation"
"""PNG text entry of our masks: "stored" or "upright"."""
STORED, UPRIGHT_NAME = "stored", "upright"
_OBJECT_ABOVE = 127
"""Published demo: mask files are thresholded at > 127 (protocol section 8)."""


def mask_from(mask: object, size: Size) -> MaskArray | ProbsArray:
    """A mask handed over as an array: (H, W) or (1, H, W) bool, integer or float in [0, 1] -> (H, W) bool or float32.

    size: (height, width) expected. Raises MaskError naming both sizes, or the type or range that does not fit.
    """
    given = np.asarray(mask)
    array = given[0] if given.ndim == 3 and given.shape[0] == 1 else given
    if array.ndim != 2 or array.shape != tuple(size):
        raise MaskError(f"mask has shape {given.shape}; expected {tuple(size)} (height, width) like the image")
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind in "ui":
        return _binary(array)
    if array.dtype.kind != "f":
        raise MaskError(f"mask has values of type {array.dtype}; expected booleans, integers or floats in [0, 1]")
    if array.size and not (float(array.min()) >= 0.0 and float(array.max()) <= 1.0):
        raise MaskError(
            f"mask has values from {array.min():g} to {array.max():g}; floats must be probabilities in [0, 1]"
        )
    return array.astype(np.float32)


def _binary(array: NDArray[Any]) -> MaskArray:
    result: MaskArray = array > 0 if array.size == 0 or int(array.max()) <= 1 else array > _OBJECT_ABOVE
    return result


def read_mask(source: str | os.PathLike[str] | NDArray[Any], image: LoadedImage) -> MaskArray | ProbsArray:
    """A mask for ``image``, upright, (H, W) bool (or float32 when a float array was given).

    A raster of the stored size is turned with the image; one of the upright size is taken as it is; when both sizes
    are equal it counts as stored, unless the file says otherwise (our own masks do). Colour masks count by their first
    channel.
    Raises MaskError when the size fits neither way or the file cannot be read.
    """
    declared = None
    if isinstance(source, (str, os.PathLike)):
        name, declared, array = str(source), _declared(Path(source)), _first_channel(Path(source))
    else:
        name, array = "mask", np.asarray(source)
        if array.ndim == 3 and array.shape[0] == 1:
            array = array[0]
    fits_stored, fits_upright = array.shape == image.stored_size, array.shape == image.size
    if not (fits_stored or fits_upright):
        raise MaskError(
            f"{name} is {_size_text(array.shape)}; expected {_size_text(image.size)} (upright)"
            + (f" or {_size_text(image.stored_size)} (as stored)" if image.stored_size != image.size else "")
            + ", the size of the image"
        )
    is_upright = not fits_stored or (fits_upright and declared == UPRIGHT_NAME)
    return mask_from(array if is_upright else to_upright(array, image.orientation), image.size)


def write_mask(
    path: str | os.PathLike[str], mask: MaskArray, orientation: int = UPRIGHT, *, upright: bool = False
) -> None:
    """Write an upright (H, W) bool mask as an 8-bit grey PNG, 0 background and 255 object, in one atomic step.

    orientation: EXIF number of the picture it belongs to. The file gets the raster of the stored picture, so that both
    lie on each other pixel by pixel, and carries the same EXIF tag, so that viewers turn both the same way; with
    ``upright`` it is written as seen and carries no tag. A text entry says which it is. Raises OutputError.
    """
    raster = np.asarray(mask, dtype=bool)
    info = PngInfo()
    info.add_text(ORIENTATION_KEY, UPRIGHT_NAME if upright else STORED)
    options: dict[str, Any] = {"pnginfo": info}
    if not upright and orientation != UPRIGHT:
        raster = to_stored(raster, orientation)
        exif = Image.Exif()
        exif[EXIF_ORIENTATION_TAG] = orientation
        options["exif"] = exif
    with atomic_write(path) as file:
        Image.fromarray(raster.astype(np.uint8) * np.uint8(255)).save(file, format="PNG", **options)


def _declared(path: Path) -> str | None:
    """What our own text entry says about the raster; None for masks of other tools."""
    try:
        with Image.open(path) as image:
            value = image.info.get(ORIENTATION_KEY)
    except Exception:
        return None  # read_raster says what is wrong with the file
    return value if isinstance(value, str) else None


def _first_channel(path: Path) -> NDArray[Any]:
    try:
        raster, _ = read_raster(path)
    except ClickwiseError as error:
        raise MaskError(f"mask {error}") from error
    return raster if raster.ndim == 2 else raster[:, :, 0]


def _size_text(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]} pixels" if len(shape) == 2 else f"an array of shape {shape}"
