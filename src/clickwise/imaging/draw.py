"""Masks and clicks drawn onto a picture (protocol 5.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.clicks.click import Click
from clickwise.types import ImageArray

PUBLISHED_ALPHA = 0.6
PUBLISHED_CLICK_RADIUS = 4
_POSITIVE_COLOUR = (0, 255, 0)
_NEGATIVE_COLOUR = (255, 0, 0)
_RIM_COLOUR = (255, 255, 255)
_ROWS_AT_ONCE = 512


def voc_palette(count: int = 256) -> NDArray[np.uint8]:
    """(count, 3) bit-interleaved colour map of Pascal VOC: label 0 black, label 1 (128, 0, 0)."""
    labels = np.arange(count)
    palette = np.zeros((count, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((labels >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def overlay(
    rgb: ImageArray,
    mask: NDArray[Any],
    clicks: Iterable[Click] = (),
    *,
    alpha: float = PUBLISHED_ALPHA,
    radius: int = PUBLISHED_CLICK_RADIUS,
) -> ImageArray:
    """A copy of (H, W, 3) ``rgb`` with a mask or label map in colour and the clicks as discs.

    mask: (H, W) bool, or integers: label k gets colour k of `voc_palette` (modulo 256), 0 stays as it is.
    alpha: 0 leaves the picture, 1 paints it over. Clicks: positive green, negative red; radius 0 draws none.
    """
    palette = voc_palette()
    result = rgb.copy()
    for top in range(0, len(rgb), _ROWS_AT_ONCE):
        band = slice(top, top + _ROWS_AT_ONCE)
        labels = mask[band].astype(np.int64) % 256
        inside = labels > 0
        blend = rgb[band][inside] * (1 - alpha) + alpha * palette[labels[inside]]
        result[band][inside] = np.rint(blend).astype(np.uint8)
    if radius > 0:
        for click in clicks:
            draw_click(result, click.x, click.y, radius, is_positive=click.is_positive)
    return result


def draw_click(rgb: ImageArray, x: float, y: float, radius: int, *, is_positive: bool) -> None:
    """Paint a click into ``rgb`` in place: a green or red disc with a white rim."""
    draw_disc(rgb, x, y, radius + max(1, radius // 4), _RIM_COLOUR)
    draw_disc(rgb, x, y, radius, _POSITIVE_COLOUR if is_positive else _NEGATIVE_COLOUR)


def draw_disc(rgb: ImageArray, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
    """Paint a filled circle into ``rgb`` in place; parts outside the picture are left out."""
    height, width = rgb.shape[:2]
    x0, x1 = max(0, int(x - radius)), min(width, int(x + radius) + 2)
    y0, y1 = max(0, int(y - radius)), min(height, int(y + radius) + 2)
    ys, xs = np.ogrid[y0:y1, x0:x1]
    rgb[y0:y1, x0:x1][(ys - y) ** 2 + (xs - x) ** 2 <= radius**2] = colour
