"""A network's probabilities as a mask, at the cost of what the network saw and not of the picture's pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clickwise.annotate.mask_runs import MaskRuns
from clickwise.formats.run_lengths import Spans, joined

if TYPE_CHECKING:
    from clickwise.inference.window import WindowMap

PIXELS_UNFOLDED = 1_000_000
"""Windows up to this size are made pixel by pixel, exactly as `Prediction.mask` makes them."""
_COLUMNS_AT_ONCE = 2048


def mask_of(known: WindowMap | None, size: tuple[int, int], threshold: float) -> MaskRuns:
    """The pixels above the threshold.

    A large window that the network saw small is not unfolded: between two rows of the network's grid a column of
    pixels is a straight line, so it is cut by the threshold where that line crosses it. The result is the mask of
    `WindowMap.mask` but for pixels whose value is the threshold up to the last digits of a float.
    """
    if known is None:
        return MaskRuns.empty(size)
    x0, y0, x1, y1 = known.box
    is_small = (x1 - x0) * (y1 - y0) <= PIXELS_UNFOLDED
    if is_small or known.values.shape == (y1 - y0, x1 - x0) or min(known.values.shape) < 2:
        found = known.above(threshold)
        if found is None:
            return MaskRuns.empty(size)
        box, inside = found
        return MaskRuns.of_crop(size, box[0], box[1], inside)
    return MaskRuns.from_spans(size, _spans(known, threshold))


def _spans(known: WindowMap, threshold: float) -> Spans:
    """Places x * H + y of the pixels above the threshold, as spans."""
    x0, y0, x1, y1 = known.box
    height, width = y1 - y0, x1 - x0
    grid = known.values.astype(np.float64) - threshold
    set_columns = np.flatnonzero((grid > 0).any(axis=0))
    if not len(set_columns):
        return np.zeros((0, 2), np.int64)
    scale = (width - 1) / (grid.shape[1] - 1)
    first = max(0, int((set_columns[0] - 1) * scale))
    last = min(width, int((set_columns[-1] + 1) * scale) + 2)
    parts = [
        _columns(grid, np.arange(left, min(last, left + _COLUMNS_AT_ONCE)), (height, width))
        for left in range(first, last, _COLUMNS_AT_ONCE)
    ]
    spans = np.concatenate(parts)
    column, row = np.divmod(spans[:, 0], height + 1)
    start = (column + x0) * known.frame[0] + y0
    return joined(np.stack((start + row, start + spans[:, 1] % (height + 1)), 1))


def _columns(grid: NDArray[np.float64], pixels: NDArray[np.int64], size: tuple[int, int]) -> Spans:
    """Spans of some pixel columns; places count height + 1 for a column, so that an end is not the next one's start."""
    height, width = size
    rows = grid.shape[0]
    place = pixels * ((grid.shape[1] - 1) / (width - 1))
    low = np.minimum(place.astype(np.int64), grid.shape[1] - 2)
    share = place - low
    lines = grid[:, low] * (1 - share) + grid[:, low + 1] * share  # (rows, columns): on the grid's rows
    above = np.zeros((len(pixels), rows + 2), np.int8)
    above[:, 1:-1] = lines.T > 0
    column, step = np.nonzero(np.diff(above, axis=1))  # in order: down the columns, up and down in turn
    rises = above[column, step] == 0
    upper = np.clip(step - 1, 0, rows - 1)
    lower = np.clip(step, 0, rows - 1)
    before, after = lines[upper, column], lines[lower, column]
    with np.errstate(invalid="ignore", divide="ignore"):
        crossing = (upper + np.where(upper == lower, 0.0, before / (before - after))) * ((height - 1) / (rows - 1))
    edge = np.where(rises, np.floor(crossing).astype(np.int64) + 1, np.ceil(crossing).astype(np.int64))
    edge = np.where(step == 0, 0, np.where(step == rows, height, edge))
    spans: Spans = (column + pixels[0]).reshape(-1, 2) * (height + 1) + edge.reshape(-1, 2)
    return np.asarray(spans[spans[:, 0] < spans[:, 1]], np.int64)
