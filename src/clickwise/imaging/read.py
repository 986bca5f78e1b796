"""Pictures come in: files, PIL images and arrays of every kind become upright 8-bit RGB, or one clear ImageError."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from clickwise.errors import ClickwiseError, ImageError, MissingExtraError, OptionError
from clickwise.imaging.depth import to_rgb
from clickwise.imaging.orientation import (
    EXIF_ORIENTATION_TAG,
    UPRIGHT,
    swaps_sides,
    to_stored,
    to_upright,
    valid_orientation,
)
from clickwise.types import ImageArray, Size

DEFAULT_MAX_PIXELS = 250_000_000
MAX_PIXELS_VARIABLE = "CLICKWISE_MAX_PIXELS"
_REFUSED_FORMATS = ("EPS", "WMF")
"""Pillow hands these to an interpreter outside, which nobody wants for a file of unknown origin."""
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True, slots=True, eq=False)
class LoadedImage:
    """A picture ready for clicks.

    rgb: (H, W, 3) uint8, upright; clicks are pixels of this array.
    orientation: EXIF number 1..8 of the file; 1 = stored upright.
    stored_size: (height, width) of the raster in the file, before it was turned upright.
    path: where it came from; None for arrays and PIL images.
    """

    rgb: ImageArray
    orientation: int = UPRIGHT
    stored_size: Size = (0, 0)
    path: Path | None = None

    @property
    def height(self) -> int:
        """Rows of the upright picture."""
        return int(self.rgb.shape[0])

    @property
    def width(self) -> int:
        """Columns of the upright picture."""
        return int(self.rgb.shape[1])

    @property
    def size(self) -> Size:
        """(height, width) of the upright picture."""
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What the beginning of a picture file says, without its pixels.

    stored_size: (height, width) of the raster in the file. orientation: EXIF number 1..8; 1 = stored upright.
    """

    stored_size: Size
    orientation: int = UPRIGHT

    @property
    def size(self) -> Size:
        """(height, width) of the upright picture."""
        height, width = self.stored_size
        return (width, height) if swaps_sides(self.orientation) else (height, width)


def max_pixels() -> int:
    """Largest number of pixels that a header may announce: $CLICKWISE_MAX_PIXELS, or 250 million."""
    text = os.environ.get(MAX_PIXELS_VARIABLE, "").strip()
    if not text:
        return DEFAULT_MAX_PIXELS
    try:
        value = int(float(text))
    except (ValueError, OverflowError):
        value = 0
    if value < 1:
        raise OptionError(f"{MAX_PIXELS_VARIABLE} is {text!r}; expected a number of pixels, for example 250000000")
    return value


def read_image(path: str | os.PathLike[str]) -> LoadedImage:
    """The picture in a file, upright, as 8-bit RGB (first frame of an animation; depth and alpha: see `depth`).

    Raises ImageError when the file is missing, a folder, empty, truncated, no picture or larger than `max_pixels`, and
    MissingExtraError for the TIFF kinds that only the package tifffile reads.
    """
    file = Path(path)
    raster, orientation = read_raster(file)
    rgb = to_upright(raster, orientation)
    return LoadedImage(to_rgb(rgb), orientation, _size(raster), file)


def read_header(path: str | os.PathLike[str]) -> ImageHeader:
    """Size and orientation of a picture file; its pixels are not decoded. Errors as `read_image`."""
    file = Path(path)
    _check_file(file)
    limit = max_pixels()
    try:
        with _pillow_without_own_limit(), Image.open(file) as image:
            _check_pixels(file, image.size, limit)
            orientation = valid_orientation(image.getexif().get(EXIF_ORIENTATION_TAG, UPRIGHT))
            return ImageHeader((image.height, image.width), orientation)
    except ClickwiseError:
        raise
    except UnidentifiedImageError:
        raster, orientation = read_raster(file)  # a TIFF of the rarer kinds, or it says what is wrong
        return ImageHeader(_size(raster), orientation)
    except Exception as error:
        raise ImageError(f"{file} is damaged or truncated: {_one_line(error)}; get a fresh copy") from error


def image_from(source: LoadedImage | Image.Image | NDArray[Any] | str | os.PathLike[str]) -> LoadedImage:
    """A picture from whatever a caller holds: path, PIL image (its EXIF orientation is applied) or array.

    Arrays are upright: (H, W, 3) uint8 RGB is taken as it is, without a copy; grey, alpha, 16-bit and float arrays are
    converted as files are. Raises ImageError for anything else.
    """
    if isinstance(source, LoadedImage):
        return source
    if isinstance(source, (str, os.PathLike)):
        return read_image(source)
    if isinstance(source, Image.Image):
        try:
            raster, orientation = _decode(source)
        except ClickwiseError:
            raise
        except Exception as error:
            raise ImageError(f"PIL image cannot be decoded: {_one_line(error)}") from error
        return LoadedImage(to_rgb(to_upright(raster, orientation)), orientation, _size(raster))
    try:
        array = np.asarray(source)
    except Exception as error:
        raise ImageError(f"picture is a {type(source).__name__}; expected an array, a PIL image or a path") from error
    if array.dtype == object or array.ndim < 2:
        raise ImageError(
            f"picture is a {type(source).__name__} of shape {array.shape}; expected an (H, W, 3) uint8 RGB array, "
            "a PIL image or a path"
        )
    rgb = to_rgb(array)
    return LoadedImage(rgb, UPRIGHT, _size(rgb))


def read_raster(path: str | os.PathLike[str]) -> tuple[NDArray[Any], int]:
    """Values of a file as stored, (H, W) or (H, W, C) of any number type, and the EXIF orientation.

    Palettes are resolved and other colour spaces converted to RGB; depth and alpha are left as they are.
    Errors as `read_image`.
    """
    file = Path(path)
    _check_file(file)
    limit = max_pixels()
    try:
        with _pillow_without_own_limit(), Image.open(file) as image:
            if image.format in _REFUSED_FORMATS:
                raise ImageError(f"{file} is {image.format}, a program rather than a picture; convert it to PNG first")
            _check_pixels(file, image.size, limit)
            return _decode(image)
    except ClickwiseError:
        raise
    except UnidentifiedImageError as error:
        if _is_tiff(file):
            return _read_tiff(file, limit), UPRIGHT
        raise ImageError(
            f"{file} is not a picture that can be read; expected PNG, JPEG, TIFF, WebP, BMP, ..."
        ) from error
    except MemoryError as error:
        raise ImageError(f"{file} does not fit into memory; scale it down first") from error
    except Exception as error:
        # Decoders raise whatever they like on damaged files (OSError, SyntaxError, struct.error, ...).
        raise ImageError(f"{file} is damaged or truncated: {_one_line(error)}; get a fresh copy") from error


def _check_file(file: Path) -> None:
    try:
        if file.is_dir():
            raise ImageError(f"{file} is a folder; expected a picture file")
        if not file.exists():
            raise ImageError(f"{file} does not exist; expected a picture file")
        if not file.is_file():
            raise ImageError(f"{file} is not a regular file; expected a picture file")
        with file.open("rb") as handle:
            if not handle.read(1):
                raise ImageError(f"{file} is empty; expected a picture file")
    except (OSError, ValueError) as error:
        raise ImageError(f"{file} cannot be opened: {getattr(error, 'strerror', None) or _one_line(error)}") from error


def _check_pixels(file: Path, size: tuple[int, int], limit: int) -> None:
    width, height = size
    if width * height > limit:
        raise ImageError(
            f"{file} has {width} x {height} = {width * height / 1e6:.1f} megapixels; at most {limit / 1e6:g} are read; "
            f"scale it down or raise {MAX_PIXELS_VARIABLE}"
        )


def _decode(image: Image.Image) -> tuple[NDArray[Any], int]:
    """Values as stored and orientation of an opened PIL image (its current frame)."""
    orientation = valid_orientation(image.getexif().get(EXIF_ORIENTATION_TAG, UPRIGHT))
    image.load()
    # Pillow turns some formats (TIFF) upright while loading and drops the tag; then there is nothing left to do.
    if orientation != UPRIGHT and EXIF_ORIENTATION_TAG not in image.getexif():
        return to_stored(_values(image), orientation), orientation
    return _values(image), orientation


def _values(image: Image.Image) -> NDArray[Any]:
    """Pixel values by PIL mode; see https://pillow.readthedocs.io, Concepts, Modes."""
    if image.mode == "1":
        return np.asarray(image, dtype=bool)
    if image.mode in ("L", "LA", "RGB", "RGBA", "F", "I") or image.mode.startswith("I;16"):
        if "transparency" in image.info and image.mode in ("L", "RGB"):
            return np.asarray(image.convert("RGBA"))
        return np.asarray(image)
    if image.mode in ("P", "PA", "La", "RGBa"):
        transparent = image.mode != "P" or "transparency" in image.info
        return np.asarray(image.convert("RGBA" if transparent else "RGB"))
    return np.asarray(image.convert("RGB"))


def _is_tiff(file: Path) -> bool:
    with file.open("rb") as handle:
        return handle.read(4) in _TIFF_STARTS


def _read_tiff(file: Path, limit: int) -> NDArray[Any]:
    """First page of a TIFF that Pillow does not know (float or 16-bit colour, unusual compression)."""
    try:
        tifffile = import_module("tifffile")
    except ImportError as error:
        raise MissingExtraError("tifffile", "formats", f"reading the TIFF kind of {file}") from error
    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages[0]
            _check_pixels(file, (int(page.imagewidth), int(page.imagelength)), limit)
            values = np.asarray(page.asarray())
            planar = values.ndim == 3 and page.axes.startswith("S")
    except ClickwiseError:
        raise
    except Exception as error:
        raise ImageError(f"{file} is damaged or truncated: {_one_line(error)}; get a fresh copy") from error
    return np.moveaxis(values, 0, -1) if planar else values


def _size(raster: NDArray[Any]) -> Size:
    return int(raster.shape[0]), int(raster.shape[1])


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


class _PillowLimit:
    """Switches Pillow's process-wide size check off while at least one of our reads is running.

    Ours is checked instead, on the header. Pillow has no argument for it, and its own stops at 179 megapixels.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._readers = 0
        self._saved: int | None = None

    def enter(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._saved, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._readers += 1

    def leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                Image.MAX_IMAGE_PIXELS = self._saved


_PILLOW_LIMIT = _PillowLimit()


@contextmanager
def _pillow_without_own_limit() -> Iterator[None]:
    _PILLOW_LIMIT.enter()
    try:
        yield
    finally:
        _PILLOW_LIMIT.leave()
