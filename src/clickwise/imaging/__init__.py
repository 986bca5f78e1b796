"""Every picture enters and leaves through here: orientation, depth, alpha, limits, atomic writes. No torch.

`read_image` and `image_from` give upright RGB; `read_mask` and `write_mask` translate between the upright frame that
clicks live in and the raster as it is stored in the file; `atomic_write` is how every file of clickwise is written.
"""

from clickwise.imaging.atomic import atomic_write, write_bytes, write_text
from clickwise.imaging.draw import PUBLISHED_CLICK_RADIUS, overlay, voc_palette
from clickwise.imaging.masks import mask_from, read_mask, write_mask
from clickwise.imaging.orientation import to_stored, to_upright
from clickwise.imaging.read import (
    ImageHeader,
    LoadedImage,
    image_from,
    max_pixels,
    read_header,
    read_image,
    read_raster,
)
from clickwise.imaging.write import check_image_suffix, write_image

__all__ = [
    "PUBLISHED_CLICK_RADIUS",
    "ImageHeader",
    "LoadedImage",
    "atomic_write",
    "check_image_suffix",
    "image_from",
    "mask_from",
    "max_pixels",
    "overlay",
    "read_header",
    "read_image",
    "read_mask",
    "read_raster",
    "to_stored",
    "to_upright",
    "voc_palette",
    "write_bytes",
    "write_image",
    "write_mask",
    "write_text",
]
