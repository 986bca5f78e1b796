"""Windows for a second, local look in training: where they lie and what they show (reference page iglr, section 4.1).

Masks are (H, W) bool over the whole view, boxes half-open (x0, y0, x1, y1) in its pixels. The windows follow from the
truth, unlike those of `clickwise.inference.focus`, which follow from the change of a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clickwise.clicks.encoding import is_valid
from clickwise.errors import OptionError
from clickwise.types import Box, ImageArray, MaskArray, ProbsArray, Size

_TENTHS = 10
"""Factors are whole tenths."""
_BAND = np.ones((5, 5), dtype=np.uint8)
_HALF = 128


@dataclass(frozen=True, slots=True)
class FocusWindowRule:
    """Around the object, or somewhere on its outline; each value is the release's.

    around_object_prob: chance of the first kind; certain for a mask of less than ``small_area`` pixels. That window is
    the box of the largest component, grown by a factor in ``growth``, of at least ``least_side`` pixels, and moved on
    each axis by up to ``shift`` of its side. The second kind is the view's size over two factors in ``shrink``.
    """

    around_object_prob: float = 0.6
    small_area: int = 3600
    growth: tuple[float, float] = (1.1, 1.6)
    least_side: int = 32
    shift: float = 0.3
    shrink: tuple[float, float] = (1.5, 3.9)

    def __post_init__(self) -> None:
        if not 0 <= self.around_object_prob <= 1:
            raise OptionError(f"around_object_prob is {self.around_object_prob}; expected a share between 0 and 1")
        for name in ("growth", "shrink"):
            low, high = getattr(self, name)
            if not 1 <= low <= high:
                raise OptionError(f"{name} is {(low, high)}; expected two factors of at least 1, the smaller first")

    def draw(self, mask: MaskArray, rng: np.random.Generator) -> Box:
        """A window for a mask with at least one pixel. Inside the view, never empty."""
        if mask.sum() < self.small_area or rng.random() < self.around_object_prob:
            return self._around_object(mask, rng)
        return self._on_outline(mask, rng)

    def _around_object(self, mask: MaskArray, rng: np.random.Generator) -> Box:
        x0, y0, x1, y1 = component_box(mask)
        factor = _drawn_factor(self.growth, rng)
        left, right = self._side(x0, x1, mask.shape[1], factor, rng)
        top, bottom = self._side(y0, y1, mask.shape[0], factor, rng)
        return left, top, right, bottom

    def _side(self, low: int, high: int, frame: int, factor: float, rng: np.random.Generator) -> tuple[int, int]:
        """One axis: what sticks out is cut off, but never below the least side."""
        length = max(self.least_side, round(factor * (high - low)))
        start = round((low + high - length) / 2 + length * rng.uniform(-self.shift, self.shift))
        low, high = max(0, start), min(frame, start + length)
        least = min(self.least_side, frame)
        if high - low < least:
            low = min(low, frame - least)
            high = max(high, low + least)
        return low, high

    def _on_outline(self, mask: MaskArray, rng: np.random.Generator) -> Box:
        """Centred on a pixel just outside; one where the window fits into the view, if there is any."""
        frame_height, frame_width = mask.shape
        height = max(1, int(frame_height / _drawn_factor(self.shrink, rng)))
        width = max(1, int(frame_width / _drawn_factor(self.shrink, rng)))
        ys, xs = np.nonzero(cv2.dilate(mask.view(np.uint8), _BAND).view(np.bool_) & ~mask)
        if not len(ys):  # the mask fills the view
            ys, xs = np.nonzero(mask)
        tops, lefts = ys - height // 2, xs - width // 2
        fits = (tops >= 0) & (tops + height <= frame_height) & (lefts >= 0) & (lefts + width <= frame_width)
        if fits.any():
            tops, lefts = tops[fits], lefts[fits]
        chosen = int(rng.integers(len(tops)))
        top = min(max(int(tops[chosen]), 0), frame_height - height)
        left = min(max(int(lefts[chosen]), 0), frame_width - width)
        return left, top, left + width, top + height


def component_box(mask: MaskArray) -> Box:
    """The box of the largest 8-connected component of a mask with at least one pixel."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    largest = stats[1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))]
    x, y, width, height = (int(value) for value in largest[:4])
    return x, y, x + width, y + height


def without_small_components(mask: MaskArray, least: int) -> MaskArray:
    """The mask without its 8-connected components of fewer than ``least`` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    stays = stats[:, cv2.CC_STAT_AREA] >= least
    stays[0] = False
    kept: MaskArray = stays[labels]
    return kept


def image_in_window(image: ImageArray, window: Box, size: Size) -> ImageArray:
    """The window of a picture (H, W, 3) at ``size`` (height, width), linearly interpolated."""
    return np.asarray(_resized(image, window, size), dtype=np.uint8)


def mask_in_window(mask: MaskArray, window: Box, size: Size) -> MaskArray:
    """The window of a mask: true where its linear interpolation exceeds 128 of 255."""
    inside: MaskArray = _resized(mask.astype(np.uint8) * 255, window, size) > _HALF
    return inside


def touched_in_window(mask: MaskArray, window: Box, size: Size) -> MaskArray:
    """The window of a mask: true wherever a true pixel has any part in the interpolation."""
    touched: MaskArray = _resized(mask.astype(np.float32), window, size) > 0
    return touched


def weights_in_window(mask: MaskArray, window: Box, size: Size) -> ProbsArray:
    """The window of a mask, linearly interpolated, in [0, 1]."""
    return np.asarray(_resized(mask.astype(np.float32), window, size), dtype=np.float32)


def points_in_windows(points: Tensor, roi: Tensor, size: Size) -> Tensor:
    """Points (B, 2N, 3), rows (y, x, order), in pixels of each item's window enlarged to ``size``.

    roi (B, 4): windows (x1, y1, x2, y2) in pixels of the view. Also points outside the window are mapped; unused rows
    stay as they are. The published map is (p - start) * size / side, without regard to pixel centres, as in inference.
    """
    x1, y1, x2, y2 = (edge[:, None] for edge in roi.to(points.dtype).unbind(dim=1))
    y, x, order = points.unbind(dim=2)
    mapped = torch.stack([(y - y1) * size[0] / (y2 - y1), (x - x1) * size[1] / (x2 - x1), order], dim=2)
    return torch.where(is_valid(points)[..., None], mapped, points)


def _resized(array: NDArray[Any], window: Box, size: Size) -> NDArray[Any]:
    x0, y0, x1, y1 = window
    part = np.ascontiguousarray(array[y0:y1, x0:x1])
    return np.asarray(cv2.resize(part, size[::-1], interpolation=cv2.INTER_LINEAR))


def _drawn_factor(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """One of the whole tenths within the limits, all equally likely."""
    low, high = (round(limit * _TENTHS) for limit in limits)
    return int(rng.integers(low, high + 1)) / _TENTHS
