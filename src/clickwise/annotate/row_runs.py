"""Runs row by row of a part of a mask, without unfolding it: what goes over the wire."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clickwise.annotate.mask_runs import MaskRuns, combined
from clickwise.formats.run_lengths import Spans, format_counts, runs_of
from clickwise.types import Box


def row_counts(mask: MaskRuns, rect: Box) -> str:
    """COCO's compressed text of the runs of the (h, w) piece inside a half-open rectangle, counted along the rows.

    Costs what the outline in the rectangle costs, not what its pixels cost: along a row the mask changes exactly where
    a pixel differs from its left neighbour, and those pixels are the mask combined with itself one column further.
    """
    x0, y0, x1, y1 = rect
    height, width, rows = mask.size[0], x1 - x0, y1 - y0
    inside = _inside(mask.spans, rect, height)
    # Where a pixel differs from its left neighbour; column ``width`` closes rows that are set to their end.
    steps = combined(inside, inside + height, np.logical_xor)
    places = _pixels(steps)
    column, row = places // height, places % height - y0
    edges, times = np.unique(row * width + column, return_counts=True)
    edges = edges[times == 1]  # a row set to its end and the next one set from its start are one run
    return format_counts(runs_of(edges.reshape(-1, 2), rows * width))


def _inside(spans: Spans, rect: Box, height: int) -> Spans:
    """The spans inside a rectangle, with places that count columns from its left edge."""
    x0, y0, x1, y1 = rect
    first, last = np.searchsorted(spans[:, 1], x0 * height, "right"), np.searchsorted(spans[:, 0], x1 * height)
    near = np.clip(spans[first:last], x0 * height, x1 * height) - x0 * height
    if y0 == 0 and y1 == height:
        return near
    starts = np.arange(x1 - x0, dtype=np.int64) * height
    band = np.stack((starts + y0, starts + y1), 1)
    return combined(near, band, np.logical_and)


def _pixels(spans: Spans) -> NDArray[np.int64]:
    """Every place in the spans."""
    lengths = spans[:, 1] - spans[:, 0]
    ends = np.cumsum(lengths)
    if not len(ends):
        return np.zeros(0, np.int64)
    offsets: NDArray[np.int64] = np.repeat(ends - lengths - spans[:, 0], lengths)
    return np.arange(ends[-1], dtype=np.int64) - offsets
