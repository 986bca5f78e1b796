"""What brush and eraser paint: every pixel whose centre lies within the radius of the stroke's path.

The page paints by the same rule, in the same order of operations and in 64-bit floats, so both get the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from clickwise.annotate.document import Stroke
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.types import Box, MaskArray, Size


def stroke_area(stroke: Stroke, size: Size) -> MaskRuns:
    """The pixels of a (height, width) picture that a stroke covers.

    A pixel (x, y) is covered when its squared distance to a segment (ax, ay)-(bx, by) of the path is at most radius
    squared, the foot being ``t = clip(((x-ax)*dx + (y-ay)*dy) / (dx*dx + dy*dy), 0, 1)`` along the segment.
    """
    height, width = size
    reach = stroke.radius
    frame = _inside(_box(stroke.points, reach), width, height)
    if frame is None:
        return MaskRuns.empty(size)
    left, top, right, bottom = frame
    covered: MaskArray = np.zeros((bottom - top, right - left), bool)
    points = stroke.points if len(stroke.points) > 1 else stroke.points * 2
    for (ax, ay), (bx, by) in pairwise(points):
        box = _inside(_box(((ax, ay), (bx, by)), reach), width, height)
        if box is None:
            continue
        x0, y0, x1, y1 = box
        x, y = np.arange(x0, x1, dtype=np.float64)[None, :], np.arange(y0, y1, dtype=np.float64)[:, None]
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / length, 0.0, 1.0) if length > 0 else np.zeros((1, 1))
        off_x, off_y = x - (ax + t * dx), y - (ay + t * dy)
        covered[y0 - top : y1 - top, x0 - left : x1 - left] |= off_x * off_x + off_y * off_y <= reach * reach
    return MaskRuns.of_crop(size, left, top, covered)


def painted(mask: MaskRuns, stroke: Stroke) -> MaskRuns:
    """The mask after a stroke of brush or eraser."""
    area = stroke_area(stroke, mask.size)
    return mask - area if stroke.erases else mask | area


def _box(points: Sequence[tuple[float, float]], reach: float) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach


def _inside(box: tuple[float, float, float, float], width: int, height: int) -> Box | None:
    """Half-open box of the pixels of the picture in a closed box of coordinates; None when there are none."""
    x0, y0 = max(0, math.ceil(box[0])), max(0, math.ceil(box[1]))
    x1, y1 = min(width, math.floor(box[2]) + 1), min(height, math.floor(box[3]) + 1)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
