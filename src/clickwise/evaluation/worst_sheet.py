"""The contact sheet of the worst objects: where each lies, its truth, and the answers as clicks were added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from clickwise.clicks.click import Click
from clickwise.clicks.depth import bounding_box
from clickwise.imaging.draw import draw_click
from clickwise.types import Box, ImageArray, MaskArray

TILE, GAP, CAPTION, LABEL = 168, 4, 30, 13
ONE_COLUMN_UP_TO = 10
ANSWERS = 3
"""Answers that a row has room for; with picture and truth before them."""
CROP_MARGIN, SMALLEST_CROP = 0.3, 48
"""The crop reaches this share of the object's longer side beyond it, and has at least so many pixels each way."""
CLICK_RADIUS = 3
_OUTLINE, _START_OUTLINE, _FRAME = (255, 230, 0), (255, 255, 255), (255, 0, 255)
_RIGHT, _MISSED, _EXTRA, _IGNORED = (0, 220, 80), (255, 40, 40), (40, 110, 255), (128, 128, 128)
_STRENGTH, _FAINTLY = 0.6, 0.25


@dataclass(frozen=True)
class Answer:
    """A mask (H, W), the clicks that led to it, and its IoU."""

    mask: MaskArray
    clicks: tuple[Click, ...]
    iou: float


@dataclass(frozen=True)
class Row:
    """What is shown of one object.

    lines: caption. image (H, W, 3), truth, ignored and start (H, W); start is the mask that the clicks began with.
    answers: the masks as clicks were added.
    """

    lines: tuple[str, ...]
    image: ImageArray
    truth: MaskArray
    ignored: MaskArray
    answers: tuple[Answer, ...]
    start: MaskArray | None = None


def sheet(rows: Sequence[Row]) -> ImageArray:
    """(H, W, 3) sheet, a row of tiles per object, in two columns where there are many.

    The tiles: the picture with the crop's frame and all clicks; the crop with the truth outlined in yellow (a start
    mask in white); the answers, in which right pixels are faintly green, missed ones red, wrongly added ones blue,
    pixels without truth grey, clicks green or red discs, with the number of clicks and the IoU.
    """
    answers = max((len(row.answers) for row in rows), default=0)
    strips = [_strip(row, 2 + min(ANSWERS, answers)) for row in rows]
    columns = 1 if len(strips) <= ONE_COLUMN_UP_TO else 2
    per_column = -(-len(strips) // columns)
    blank = np.full_like(strips[0], 255) if strips else np.full((1, 1, 3), 255, dtype=np.uint8)
    strips += [blank] * (columns * per_column - len(strips))
    stacks = [np.concatenate(strips[i * per_column : (i + 1) * per_column] or [blank]) for i in range(columns)]
    return np.concatenate(stacks, axis=1)


def crop_box(truth: MaskArray) -> Box:
    """The window around an object that its tiles show, inside the picture."""
    box = bounding_box(truth)
    assert box is not None
    x0, y0, x1, y1 = box
    margin = CROP_MARGIN * max(x1 - x0, y1 - y0)
    spans = []
    for low, high, length in ((x0, x1, truth.shape[1]), (y0, y1, truth.shape[0])):
        missing = max(0.0, SMALLEST_CROP - (high - low) - 2 * margin) / 2
        spans.append((max(0, round(low - margin - missing)), min(length, round(high + margin + missing))))
    return spans[0][0], spans[1][0], spans[0][1], spans[1][1]


def _strip(row: Row, places: int) -> ImageArray:
    """Caption and tiles of one object, with room for so many tiles."""
    box = crop_box(row.truth)
    everything = (0, 0, row.image.shape[1], row.image.shape[0])
    clicks = row.answers[-1].clicks if row.answers else ()
    tiles = [_whole(row.image, everything, box, clicks), _tile(row, box)]
    tiles += [_tile(row, box, answer) for answer in row.answers[:ANSWERS]]
    strip = np.full((CAPTION + TILE + GAP, places * (TILE + GAP) + GAP, 3), 255, dtype=np.uint8)
    strip[:CAPTION] = _caption(row.lines, strip.shape[1])
    for number, tile in enumerate(tiles):
        left = GAP + number * (TILE + GAP)
        strip[CAPTION : CAPTION + tile.shape[0], left : left + tile.shape[1]] = tile
    return strip


def _whole(image: ImageArray, everything: Box, box: Box, clicks: Sequence[Click]) -> ImageArray:
    tile, scale = _scaled(image, everything), _scale(everything)
    x0, y0, x1, y1 = (round(value * scale) for value in box)
    cv2.rectangle(tile, (x0, y0), (x1 - 1, y1 - 1), _FRAME, 1)
    _draw_clicks(tile, clicks, everything, radius=2)
    return tile


def _tile(row: Row, box: Box, answer: Answer | None = None) -> ImageArray:
    """The crop with the truth's outline, and with an answer's errors where there is one."""
    tile = _scaled(row.image, box)
    truth, ignored = _scaled_mask(row.truth, box), _scaled_mask(row.ignored, box)
    if answer is not None:
        # No outline here: on thin parts it would cover what it surrounds.
        mask = _scaled_mask(answer.mask, box)
        _tint(tile, mask & truth, _RIGHT, _FAINTLY)
        _tint(tile, truth & ~mask, _MISSED)
        _tint(tile, mask & ~truth & ~ignored, _EXTRA)
    _tint(tile, ignored, _IGNORED)
    if answer is None:
        if row.start is not None:
            tile[_outline(_scaled_mask(row.start, box))] = _START_OUTLINE
        tile[_outline(truth)] = _OUTLINE
        return tile
    _draw_clicks(tile, answer.clicks, box, radius=CLICK_RADIUS)
    count = len(answer.clicks)
    return _labelled(tile, f"{count} click{'s' if count > 1 else ''}: {100 * answer.iou:.0f} %")


def _labelled(tile: ImageArray, text: str) -> ImageArray:
    """White text on black in the lower left corner."""
    picture, font = Image.fromarray(tile), ImageFont.load_default()
    draw = ImageDraw.Draw(picture)
    left, top = 0, tile.shape[0] - LABEL
    draw.rectangle((left, top, left + draw.textlength(text, font=font) + 5, tile.shape[0]), fill="black")
    draw.text((left + 3, top), text, fill="white", font=font)
    return np.asarray(picture)


def _outline(mask: MaskArray) -> MaskArray:
    """The outermost pixels of a mask, not those at the tile's rim."""
    inner = cv2.erode(np.pad(mask, 1, mode="edge").astype(np.uint8), np.ones((3, 3), np.uint8))[1:-1, 1:-1]
    return np.asarray(mask & (inner == 0))


def _scale(box: Box) -> float:
    return min(TILE / (box[2] - box[0]), TILE / (box[3] - box[1]))


def _tile_size(box: Box) -> tuple[int, int]:
    """(width, height) in the sheet."""
    scale = _scale(box)
    return max(1, round((box[2] - box[0]) * scale)), max(1, round((box[3] - box[1]) * scale))


def _scaled(image: ImageArray, box: Box) -> ImageArray:
    x0, y0, x1, y1 = box
    how = cv2.INTER_AREA if _scale(box) < 1 else cv2.INTER_LINEAR
    return np.ascontiguousarray(cv2.resize(image[y0:y1, x0:x1], _tile_size(box), interpolation=how), dtype=np.uint8)


def _scaled_mask(mask: MaskArray, box: Box) -> MaskArray:
    x0, y0, x1, y1 = box
    part = mask[y0:y1, x0:x1].astype(np.uint8)
    return np.asarray(cv2.resize(part, _tile_size(box), interpolation=cv2.INTER_NEAREST) > 0)


def _tint(tile: ImageArray, region: MaskArray, colour: tuple[int, int, int], strength: float = _STRENGTH) -> None:
    tile[region] = np.rint(tile[region] * (1 - strength) + np.array(colour) * strength).astype(np.uint8)


def _draw_clicks(tile: ImageArray, clicks: Sequence[Click], box: Box, *, radius: int) -> None:
    scale = _scale(box)
    for click in clicks:
        if not (box[0] <= click.x < box[2] and box[1] <= click.y < box[3]):
            continue
        x, y = (click.x + 0.5 - box[0]) * scale - 0.5, (click.y + 0.5 - box[1]) * scale - 0.5
        draw_click(tile, x, y, radius, is_positive=click.is_positive)


def _caption(lines: Sequence[str], width: int) -> ImageArray:
    """White with black text; letters that Pillow's own font may lack become question marks."""
    strip = Image.new("RGB", (width, CAPTION), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default()
    for number, line in enumerate(lines):
        draw.text((GAP, 2 + number * CAPTION // 2), line.encode("ascii", "replace").decode(), fill="black", font=font)
    return np.asarray(strip)
