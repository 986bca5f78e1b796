"""Frames, and maps that are known only inside a window of a frame: crop, resize and paste without full-frame copies.

All resizing is bilinear with aligned corners (protocol 4.3): grid corner pixels lie on the corner pixels of the box.
Taking a piece of a map that was itself resized (`WindowMap.sample`) composes both resizes exactly, as if the map had
been pasted into a full frame first. Boxes are half-open (x0, y0, x1, y1), sizes (height, width).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from clickwise.types import Box, ImageArray, MaskArray, ProbsArray, Size

_PIXELS_AT_ONCE = 4_000_000
"""Larger boxes are thresholded in bands of rows."""
_LARGEST_CACHED_CROP = 2_000_000


def whole(size: Size) -> Box:
    """The box of a full frame."""
    return 0, 0, size[1], size[0]


def box_size(box: Box) -> Size:
    """(height, width) of a box."""
    return box[3] - box[1], box[2] - box[0]


def _positions(length_in: int, length_out: int) -> NDArray[np.float64]:
    """Where ``length_out`` samples lie on an axis of ``length_in`` pixels when the end pixels coincide."""
    step = (length_in - 1) / (length_out - 1) if length_out > 1 else 0.0
    return np.arange(length_out, dtype=np.float64) * step


@dataclass(frozen=True, slots=True)
class _Taps:
    """Linear interpolation along one axis: value[k] = (1 - frac[k]) * source[low[k]] + frac[k] * source[high[k]]."""

    low: NDArray[np.intp]
    high: NDArray[np.intp]
    frac: NDArray[np.float32]

    @classmethod
    def at(cls, positions: NDArray[np.float64], length: int) -> _Taps:
        low = np.minimum(positions.astype(np.intp), length - 1)
        return cls(low, np.minimum(low + 1, length - 1), (positions - low).astype(np.float32))


class Frame:
    """A picture that is cropped again and again; the latest small crop is kept, since windows seldom move.

    rgb: (H, W, 3) uint8, not copied: do not change it while the frame is in use.
    """

    def __init__(self, rgb: ImageArray) -> None:
        self.rgb = np.ascontiguousarray(rgb)
        self._latest: tuple[tuple[Box, Size], Tensor] | None = None

    @property
    def size(self) -> Size:
        """(height, width)."""
        return int(self.rgb.shape[0]), int(self.rgb.shape[1])

    def crop(self, box: Box, size: Size) -> Tensor:
        """(3, h, w) float32 in [0, 1]: the box, resized. Costs what the result costs, however large the box is."""
        latest = self._latest
        if latest is not None and latest[0] == (box, size):
            return latest[1]
        result = _crop_rgb(self.rgb, box, size)
        if size[0] * size[1] <= _LARGEST_CACHED_CROP:
            self._latest = ((box, size), result)
        return result


def _crop_rgb(rgb: ImageArray, box: Box, size: Size) -> Tensor:
    x0, y0, x1, y1 = box
    height, width = size
    if box_size(box) == size:
        piece = torch.from_numpy(np.ascontiguousarray(rgb[y0:y1, x0:x1].transpose(2, 0, 1)))
        return piece.float().div_(255.0)
    ys = _Taps.at(_positions(y1 - y0, height), y1 - y0)
    xs = _Taps.at(_positions(x1 - x0, width), x1 - x0)
    rows, columns = np.concatenate([ys.low, ys.high]) + y0, np.concatenate([xs.low, xs.high]) + x0
    places = (rows[:, None] * rgb.shape[1] + columns).ravel()
    # The four neighbours of every sample, straight from the bytes: (2h, 2w, 3).
    corners = np.take(rgb.reshape(-1, 3), places, axis=0).reshape(2 * height, 2 * width, 3).astype(np.float32)
    lines, below = corners[:height], corners[height:]
    lines += (below - lines) * ys.frac[:, None, None]
    result, right = lines[:, :width], lines[:, width:]
    result += (right - result) * xs.frac[:, None]
    result *= np.float32(1 / 255)
    return torch.from_numpy(np.ascontiguousarray(result.transpose(2, 0, 1)))


@dataclass(frozen=True, slots=True, eq=False)
class WindowMap:
    """A map over a frame that is zero outside a box and known on a grid inside it.

    frame: (height, width) of the frame; box: where the grid lies; values: (h, w) float32 or bool grid, never changed.
    """

    frame: Size
    box: Box
    values: NDArray[Any] = field(repr=False)

    @classmethod
    def from_full(cls, full: NDArray[Any]) -> WindowMap:
        """A full (H, W) map, cut down to the box of its non-zero pixels (copied)."""
        size = (int(full.shape[0]), int(full.shape[1]))
        rows, columns = np.flatnonzero(full.any(axis=1)), np.flatnonzero(full.any(axis=0))
        if len(rows) == 0:
            return cls.empty(size)
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return cls(size, box, full[box[1] : box[3], box[0] : box[2]].copy())

    @classmethod
    def empty(cls, size: Size) -> WindowMap:
        """Zero everywhere."""
        return cls(size, (0, 0, 1, 1), np.zeros((1, 1), dtype=np.float32))

    @property
    def _on_pixels(self) -> bool:
        """Whether grid points are pixels of the frame, so that nothing needs resizing."""
        return bool(self.values.shape == box_size(self.box))

    def in_box(self) -> NDArray[Any]:
        """The values on every pixel of the box."""
        if self._on_pixels:
            return self.values
        grid = torch.from_numpy(np.ascontiguousarray(self.values, dtype=np.float32))
        return _resize(grid[None, None], box_size(self.box))[0, 0].numpy()

    def full(self) -> ProbsArray:
        """(H, W) float32 over the whole frame."""
        x0, y0, x1, y1 = self.box
        result = np.zeros(self.frame, dtype=np.float32)
        result[y0:y1, x0:x1] = self.in_box()
        return result

    def mask(self, threshold: float) -> MaskArray:
        """(H, W) bool over the whole frame: value > threshold. Makes no full-frame float copy."""
        x0, y0, x1, y1 = self.box
        result = np.zeros(self.frame, dtype=bool)
        height, width = box_size(self.box)
        if self._on_pixels or height * width <= _PIXELS_AT_ONCE:
            result[y0:y1, x0:x1] = self.in_box() > threshold
            return result
        step = max(1, _PIXELS_AT_ONCE // width)
        for top in range(0, height, step):
            rows = np.arange(top, min(height, top + step))
            result[y0 + top : y0 + top + len(rows), x0:x1] = self._rows(rows) > threshold
        return result

    def above(self, threshold: float) -> tuple[Box, MaskArray] | None:
        """The tight box of the pixels above the threshold, and (h, w) bool which of its pixels are; None without any.

        The same pixels as those of `mask`, but nothing is made outside the box.
        """
        box = self.bounding_box(threshold)
        if box is None:
            return None
        x0, y0, x1, y1 = (edge - self.box[axis % 2] for axis, edge in enumerate(box))
        height, width = box_size(self.box)
        if self._on_pixels or height * width <= _PIXELS_AT_ONCE:
            return box, np.ascontiguousarray(self.in_box()[y0:y1, x0:x1] > threshold)
        result = np.zeros(box_size(box), dtype=bool)
        step = max(1, _PIXELS_AT_ONCE // width)
        for top in range(y0, y1, step):
            rows = np.arange(top, min(y1, top + step))
            result[rows[0] - y0 : rows[-1] + 1 - y0] = self._rows(rows)[:, x0:x1] > threshold
        return box, result

    def _rows(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """(len(rows), box width): some pixel rows of the box."""
        height, width = box_size(self.box)
        lines = _sample_rows(self.values, _Taps.at(_grid_positions(rows, height, len(self.values)), len(self.values)))
        return _resize(torch.from_numpy(lines)[None, None], (len(rows), width))[0, 0].numpy()

    def sample(self, box: Box, size: Size) -> NDArray[np.float32]:
        """(h, w) float32: ``box`` of the full frame, resized. Equals cropping and resizing `full`."""
        x0, y0, x1, y1 = box
        rows = _composed_taps((y0, y1, size[0]), (self.box[1], self.box[3], self.values.shape[0]))
        columns = _composed_taps((x0, x1, size[1]), (self.box[0], self.box[2], self.values.shape[1]))
        lines = _weighted_rows(self.values, *rows)
        return np.ascontiguousarray(_weighted_rows(np.ascontiguousarray(lines.T), *columns).T)

    def bounding_box(self, threshold: float) -> Box | None:
        """Smallest box with every pixel of the frame above ``threshold``; None if there is none."""
        height, width = box_size(self.box)
        rows = _rows_above(self.values, height, width, threshold)
        columns = _rows_above(self.values.T, width, height, threshold)
        if rows is None or columns is None:
            return None
        x0, y0 = self.box[:2]
        return x0 + columns[0], y0 + rows[0], x0 + columns[1] + 1, y0 + rows[1] + 1


def _resize(maps: Tensor, size: Size) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def _grid_positions(pixels: NDArray[np.intp], length: int, grid: int) -> NDArray[np.float64]:
    """Where pixels of a box of ``length`` pixels lie on its grid of ``grid`` points."""
    return pixels.astype(np.float64) * ((grid - 1) / (length - 1) if length > 1 else 0.0)


def _sample_rows(values: NDArray[Any], taps: _Taps) -> NDArray[np.float32]:
    low = values[taps.low].astype(np.float32)
    low += (values[taps.high] - low) * taps.frac[:, None]
    return low


def _composed_taps(
    wanted: tuple[int, int, int], known: tuple[int, int, int]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Along one axis: samples of the frame's pixels, each of which is a sample of the grid or zero.

    wanted: (start, end, number of samples); known: (start, end, number of grid points).
    Returns (n, 4) grid indices and their weights.
    """
    start, end, count = wanted
    outer = _Taps.at(_positions(end - start, count), end - start)
    known_start, known_end, grid = known
    indices, weights = [], []
    for pixel, weight in ((outer.low, 1 - outer.frac), (outer.high, outer.frac)):
        inside = pixel + start - known_start
        weight = np.where((inside >= 0) & (inside < known_end - known_start), weight, np.float32(0))
        inside = np.clip(inside, 0, known_end - known_start - 1)
        inner = _Taps.at(_grid_positions(inside, known_end - known_start, grid), grid)
        indices += [inner.low, inner.high]
        weights += [weight * (1 - inner.frac), weight * inner.frac]
    return np.stack(indices, axis=1), np.stack(weights, axis=1).astype(np.float32)


def _weighted_rows(
    values: NDArray[Any], indices: NDArray[np.intp], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(n, m): row k is the sum of weights[k, t] * values[indices[k, t]]."""
    result = np.zeros((len(indices), values.shape[1]), dtype=np.float32)
    for tap in range(indices.shape[1]):
        if weights[:, tap].any():
            result += values[indices[:, tap]] * weights[:, tap, None]
    return result


def _rows_above(values: NDArray[Any], height: int, width: int, threshold: float) -> tuple[int, int] | None:
    """First and last of ``height`` pixel rows (``width`` pixels each) above the threshold; ``values`` is their grid.

    Only the pixel rows around the outermost grid rows above the threshold are computed, since a bilinear value never
    exceeds its neighbours; further ones follow in the rare case that no pixel hits what the grid shows.
    """
    above = values > threshold
    grid_rows = np.flatnonzero(above.any(axis=1))
    if len(grid_rows) == 0:
        return None
    if values.shape == (height, width):
        return int(grid_rows[0]), int(grid_rows[-1])
    grid_columns = np.flatnonzero(above.any(axis=0))
    columns = _pixels_between(grid_columns[0] - 1, grid_columns[-1] + 1, width, values.shape[1])
    column_taps = _Taps.at(_grid_positions(columns, width, values.shape[1]), values.shape[1])
    rows = _pixels_between(grid_rows[0] - 1, grid_rows[-1] + 1, height, values.shape[0])

    def first_of(ordered: NDArray[np.intp]) -> int | None:
        step = max(16, -(-height // values.shape[0]) + 1)
        for start in range(0, len(ordered), step):
            band = ordered[start : start + step]
            lines = _sample_rows(values, _Taps.at(_grid_positions(band, height, values.shape[0]), values.shape[0]))
            pixels = _sample_rows(np.ascontiguousarray(lines.T), column_taps)
            hits = np.flatnonzero((pixels > threshold).any(axis=0))
            if len(hits):
                return int(band[hits[0]])
        return None

    first, last = first_of(rows), first_of(rows[::-1])
    return None if first is None or last is None else (first, last)


def _pixels_between(first: int, last: int, length: int, grid: int) -> NDArray[np.intp]:
    """Pixels whose place on the grid lies within [first, last]."""
    if grid < 2:
        return np.arange(length)
    scale = (length - 1) / (grid - 1)
    return np.arange(max(0, int(np.floor(first * scale))), min(length, int(np.ceil(last * scale)) + 1))
