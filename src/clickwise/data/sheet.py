"""A contact sheet: samples of a data set with the outlines of their objects, to see at a glance what it holds."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clickwise.data.sample import Dataset, HasStartMasks, Sample
from clickwise.data.shrink import shrink, shrink_mask, shrunk_size
from clickwise.errors import OptionError
from clickwise.types import ImageArray, MaskArray

_CAPTION = 16
_GAP = 4
_PAPER, _INK = (245, 245, 245), (40, 40, 40)
_START_COLOUR = (255, 255, 255)
_VEIL = (128, 128, 128)


def choose(count: int, wanted: int, seed: int) -> list[int]:
    """So many different sample numbers, drawn by the seed and sorted. Raises OptionError for a count below 1."""
    if wanted < 1:
        raise OptionError(f"count is {wanted}; expected at least 1 sample")
    if wanted >= count:
        return list(range(count))
    return sorted(np.random.default_rng(seed).choice(count, wanted, replace=False).tolist())


def contact_sheet(
    dataset: Dataset, indices: Sequence[int], *, cell: int = 224, tick: Callable[[], None] | None = None
) -> ImageArray:
    """(H, W, 3) sheet of these samples, each at most ``cell`` pixels wide and high.

    Every object has a colour of its own, regions without truth are greyed out, start masks outlined in white.
    Raises DatasetError when a sample cannot be read.
    """
    if cell < 32:
        raise OptionError(f"cell size is {cell}; expected at least 32 pixels")
    columns = max(1, math.ceil(math.sqrt(len(indices) * 1.4)))
    rows = math.ceil(len(indices) / columns)
    pitch_x, pitch_y = cell + _GAP, cell + _CAPTION + _GAP
    sheet = Image.new("RGB", (columns * pitch_x + _GAP, rows * pitch_y + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default()
    for place, index in enumerate(indices):
        left, top = _GAP + place % columns * pitch_x, _GAP + place // columns * pitch_y
        sample = dataset.load(index)
        start = dataset.start_mask(index) if isinstance(dataset, HasStartMasks) else None
        thumb = thumbnail(sample, cell, start)
        height, width = thumb.shape[:2]
        sheet.paste(Image.fromarray(thumb), (left + (cell - width) // 2, top + (cell - height) // 2))
        caption = f"{len(sample.objects)}: {sample.sample_id}".encode("latin-1", "replace").decode("latin-1")
        draw.text((left, top + cell + 1), _fitting(draw, caption, cell, font), fill=_INK, font=font)
        if tick is not None:
            tick()
    return np.asarray(sheet)


def thumbnail(sample: Sample, longest: int, start_mask: MaskArray | None = None) -> ImageArray:
    """The picture with its objects outlined, made smaller if its longer side exceeds ``longest``."""
    size = shrunk_size((sample.image.shape[0], sample.image.shape[1]), longest)
    small = shrink(sample, size) if size != sample.image.shape[:2] else sample
    canvas = small.image.copy()
    canvas[small.ignore_mask()] = canvas[small.ignore_mask()] // 4 + np.array(_VEIL, dtype=np.uint8) // 4 * 3
    masks = [small.object_mask(number) for number in range(len(small.objects))]
    for number in sorted(range(len(masks)), key=lambda number: -int(masks[number].sum())):  # parts over wholes
        canvas[_outline(masks[number])] = _colour(number)
    start = shrink_mask(start_mask, size)
    if start is not None:
        canvas[_outline(start)] = _START_COLOUR
    return canvas


def _colour(number: int) -> tuple[int, int, int]:
    """Bright and unlike its neighbours: hues a golden section apart."""
    red, green, blue = colorsys.hsv_to_rgb((0.33 + number * 0.618034) % 1, 1, 1)
    return round(red * 255), round(green * 255), round(blue * 255)


def _outline(mask: MaskArray) -> MaskArray:
    """The pixels just inside the edge, two wide; at the rim of the picture too."""
    inside = np.pad(mask, 1).astype(np.uint8)
    core = cv2.erode(inside, np.ones((3, 3), np.uint8), iterations=2)[1:-1, 1:-1]
    return np.asarray(mask & (core == 0))


def _fitting(
    draw: ImageDraw.ImageDraw, text: str, width: int, font: ImageFont.ImageFont | ImageFont.FreeTypeFont
) -> str:
    """The text, cut in front where it is too long: the ends of names differ."""
    while len(text) > 4 and draw.textlength(text, font=font) > width:
        head, _, tail = text.partition(": ")
        text = f"{head}: ..{tail.removeprefix('..')[2:]}"
    return text
