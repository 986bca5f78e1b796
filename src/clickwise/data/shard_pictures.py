"""The picture file that goes into a shard: the original where it serves, else encoded as the options say."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image

from clickwise.data.shard_format import decode_picture
from clickwise.errors import OptionError
from clickwise.types import ImageArray

PictureKind = Literal["webp", "jpeg"]
_STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")
"""First bytes of JPEG and PNG."""
_WEBP_LONGEST = 16383
_WEBP_EFFORT = 4
"""WebP's own default (0..6): 6 takes three times as long for about 3 % fewer bytes."""


@dataclass(frozen=True, slots=True)
class PictureOptions:
    """max_side: longest side, larger pictures are scaled down; None keeps all sizes.

    quality: 1..100 of the lossy ``kind``; None keeps every pixel as it is. Raises OptionError.
    """

    max_side: int | None = None
    quality: int | None = None
    kind: PictureKind = "webp"

    def __post_init__(self) -> None:
        if self.max_side is not None and self.max_side < 16:
            raise OptionError(f"max side is {self.max_side}; expected at least 16 pixels")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise OptionError(f"quality is {self.quality}; expected 1 to 100, or none for lossless")
        if self.kind not in ("webp", "jpeg"):
            raise OptionError(f"format is {self.kind!r}; expected webp or jpeg")


def picture_file(image: ImageArray, original: bytes | None, options: PictureOptions) -> bytes:
    """A file that decodes to (H, W, 3) ``image``, exactly or within ``quality``.

    ``original`` is taken as it is where it decodes to the very same pixels and, with a quality, is no larger.
    """
    kept = _same(image, original)
    if options.quality is None:
        return kept if kept is not None else encode(image, "lossless")
    made = encode(image, options.kind, options.quality)
    return kept if kept is not None and len(kept) <= len(made) else made


def encode(image: ImageArray, kind: str, quality: int = 0) -> bytes:
    """A picture file of the kind "webp", "jpeg" or "lossless"."""
    buffer = io.BytesIO()
    fits = max(image.shape[:2]) <= _WEBP_LONGEST
    form, settings = _settings(kind, quality, fits)
    Image.fromarray(image).save(buffer, form, **settings)
    return buffer.getvalue()


def _settings(kind: str, quality: int, webp_fits: bool) -> tuple[str, dict[str, Any]]:
    if kind == "lossless":
        return ("WEBP", {"lossless": True, "exact": True, "method": _WEBP_EFFORT}) if webp_fits else ("PNG", {})
    if kind == "webp" and webp_fits:
        return "WEBP", {"quality": quality, "method": _WEBP_EFFORT}
    return "JPEG", {"quality": quality, "optimize": True}


def _same(image: ImageArray, original: bytes | None) -> bytes | None:
    """The original if a reader of shards gets this picture from it."""
    if original is None or not (original.startswith(_STARTS) or original[8:12] == b"WEBP"):
        return None
    try:
        decoded = decode_picture(original)
    except ValueError:
        return None
    return original if decoded.shape == image.shape and (decoded == image).all() else None
