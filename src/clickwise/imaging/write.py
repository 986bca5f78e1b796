"""Pictures go out: one atomic file in the format that its name asks for."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from clickwise.errors import OptionError, OutputError
from clickwise.imaging.atomic import atomic_write
from clickwise.types import ImageArray

_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
_JPEG_QUALITY = 92


def check_image_suffix(path: str | os.PathLike[str]) -> str:
    """Pillow's format name for a file name, or OptionError naming the known endings."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise OptionError(
            f"{path} ends in {suffix or 'nothing'!r}; a picture's name must end in one of {', '.join(_FORMATS)}"
        )
    return _FORMATS[suffix]


def write_image(path: str | os.PathLike[str], rgb: ImageArray) -> None:
    """Write an (H, W, 3) uint8 RGB picture; the format follows the name. Raises OptionError or OutputError."""
    kind = check_image_suffix(path)
    options = {"quality": _JPEG_QUALITY} if kind in ("JPEG", "WEBP") else {}
    with atomic_write(path) as file:
        try:
            Image.fromarray(rgb).save(file, format=kind, **options)
        except ValueError as error:
            raise OutputError(f"cannot write {path}: {error}") from error
