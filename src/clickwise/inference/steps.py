"""The steps between a picture and a network: each is a value with explicit parameters and an exact inverse.

`View` is one applied crop and resize; `ZoomIn` and `ResizeLongest` decide which view the network gets; `Flip` is the
averaged mirror pair; `FixedCrops` are overlapping tiles. Boxes are half-open here; the papers' inclusive regions
(rmin, rmax, cmin, cmax) exist only in `inclusive` and `half_open`. Published numbers: protocol 4.2 to 4.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clickwise.clicks.click import Click, ClickList
from clickwise.clicks.encoding import mirrored
from clickwise.inference.options import InferenceOptions
from clickwise.inference.window import Frame, WindowMap, box_size, whole
from clickwise.types import Box, Size


def inclusive(box: Box) -> tuple[int, int, int, int]:
    """Half-open (x0, y0, x1, y1) -> the papers' (rmin, rmax, cmin, cmax), ends included."""
    return box[1], box[3] - 1, box[0], box[2] - 1


def half_open(region: Sequence[int]) -> Box:
    """The papers' (rmin, rmax, cmin, cmax), ends included -> half-open (x0, y0, x1, y1)."""
    rmin, rmax, cmin, cmax = region
    return cmin, rmin, cmax + 1, rmax + 1


def box_iou(a: Box, b: Box) -> float:
    """IoU of the row intervals times IoU of the column intervals (the published measure, not the IoU of the areas)."""
    iou = 1.0
    for axis in (0, 1):
        common = min(a[axis + 2], b[axis + 2]) - max(a[axis], b[axis])
        hull = max(a[axis + 2], b[axis + 2]) - min(a[axis], b[axis])
        iou *= max(0, common) / hull
    return iou


def expanded(box: Box, ratio: float, min_size: int, frame: Size) -> Box:
    """``box`` grown about its centre to ``ratio`` times its sides, at least ``min_size``, and cut to the frame.

    Published rounding, on inclusive ends: centre c = (min + max) / 2, extent e = max(ratio * length, min_size); the new
    ends are round(c - e / 2) and round(c + e / 2), half to even, both inclusive.
    """
    rmin, rmax, cmin, cmax = inclusive(box)
    ends = []
    for low, high, length in ((rmin, rmax, frame[0]), (cmin, cmax, frame[1])):
        centre, extent = (low + high) / 2, max(ratio * (high - low + 1), min_size)
        ends += [max(0, round(centre - extent / 2)), min(length - 1, round(centre + extent / 2))]
    return half_open(ends)


def longest_side_size(size: Size, longest: int) -> Size:
    """(height, width) scaled so that the longer side is ``longest``; rounded half to even, never below one pixel."""
    scale = longest / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@dataclass(frozen=True, slots=True)
class View:
    """``box`` of a frame, resized to ``size``: what a network sees.

    paste_box: where the result belongs; differs from ``box`` only under `InferenceOptions.keep_stale_window`.
    """

    frame: Size
    box: Box
    size: Size
    paste_box: Box | None = None

    @property
    def is_identity(self) -> bool:
        """Whether nothing is cropped or resized."""
        return self.box == whole(self.frame) and self.size == self.frame

    def image(self, frame: Frame) -> Tensor:
        """(3, h, w) float32 in [0, 1]."""
        return frame.crop(self.box, self.size)

    def map(self, known: WindowMap | None) -> NDArray[np.float32]:
        """(h, w) float32 piece of a map over the frame, resized like the image; zeros for None."""
        return np.zeros(self.size, dtype=np.float32) if known is None else known.sample(self.box, self.size)

    def clicks(self, clicks: ClickList) -> ClickList:
        """Clicks of the frame in pixels of the view: x' = w (x - x0) / (x1 - x0).

        This published rule is not the aligned-corners one of the pixels. Clicks outside the box stay outside the view.
        """
        if self.is_identity:
            return clicks
        height, width = box_size(self.box)
        return ClickList(
            c.moved_to(self.size[1] * (c.x - self.box[0]) / width, self.size[0] * (c.y - self.box[1]) / height)
            for c in clicks
        )

    def unmap_clicks(self, clicks: ClickList) -> ClickList:
        """Exact inverse of `clicks`."""
        if self.is_identity:
            return clicks
        height, width = box_size(self.box)
        return ClickList(
            c.moved_to(c.x * width / self.size[1] + self.box[0], c.y * height / self.size[0] + self.box[1])
            for c in clicks
        )

    def inverse(self, values: NDArray[np.float32]) -> WindowMap:
        """A result (h, w) of the network back in the frame; zero outside the box."""
        return WindowMap(self.frame, self.paste_box or self.box, values)


@dataclass(frozen=True, slots=True)
class ZoomDecision:
    """What `ZoomIn.decide` found.

    window: the region to remember (None: none yet); active: whether the network gets it now (else the whole frame);
    changed: whether it is a new region.
    """

    window: Box | None
    active: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class ZoomIn:
    """Crop around the object found so far (protocol 4.3). Parameters: see `InferenceOptions`."""

    target_size: int | tuple[int, int] = 400
    skip_clicks: int = 1
    expansion_ratio: float = 1.4
    min_crop_size: int = 200
    recompute_thresh_iou: float = 0.5
    prob_thresh: float = 0.5
    repeat_thresh_iou: float = 0.5
    exclusive_edge: bool = True

    @classmethod
    def from_options(cls, options: InferenceOptions) -> ZoomIn:
        """The step that the options describe."""
        return cls(
            target_size=options.target_size,
            skip_clicks=options.skip_clicks,
            expansion_ratio=options.expansion_ratio,
            min_crop_size=options.min_crop_size,
            recompute_thresh_iou=options.recompute_thresh_iou,
            prob_thresh=options.zoom_prob_thresh,
            repeat_thresh_iou=options.repeat_thresh_iou,
            exclusive_edge=options.exclusive_edge,
        )

    def decide(
        self, frame: Size, clicks: ClickList, known: WindowMap | None, window: Box | None, *, at_once: bool = False
    ) -> ZoomDecision:
        """Which region the network gets.

        known: probabilities found so far; window: the region remembered; at_once: do not wait for skip_clicks.
        """
        if len(clicks) <= self.skip_clicks and not at_once:
            return ZoomDecision(window, active=False, changed=False)
        candidate = self.candidate(frame, clicks, known)
        if candidate is None:
            if self.skip_clicks >= 0:
                return ZoomDecision(window, active=False, changed=False)
            candidate = whole(frame)
        if (
            window is None
            or not all(self._holds(window, click) for click in clicks.positives)
            or box_iou(candidate, window) < self.recompute_thresh_iou
        ):
            return ZoomDecision(candidate, active=True, changed=True)
        return ZoomDecision(window, active=True, changed=False)

    def candidate(self, frame: Size, clicks: ClickList, known: WindowMap | None) -> Box | None:
        """Expanded box of the object found so far and all positive clicks; None while there is no object."""
        box = None if known is None else known.bounding_box(self.prob_thresh)
        if box is None:
            return None
        x0, y0, x1, y1 = box
        for click in clicks.positives:
            x, y = round(click.x), round(click.y)
            x0, y0, x1, y1 = min(x0, x), min(y0, y), max(x1, x + 1), max(y1, y + 1)
        return expanded((x0, y0, x1, y1), self.expansion_ratio, self.min_crop_size, frame)

    def should_repeat(self, frame: Size, known: WindowMap, window: Box | None) -> bool:
        """After a first pass without a window: whether the object found is small enough to predict again, zoomed.

        Reached with skip_clicks 0 only: above it the next click zooms, below it there is a window from the start.
        """
        if window is not None or self.skip_clicks > 0:
            return False
        candidate = self.candidate(frame, ClickList(), known)
        return candidate is not None and box_iou(candidate, whole(frame)) < self.repeat_thresh_iou

    def view(self, frame: Size, window: Box) -> View:
        """The window, resized to the target."""
        if isinstance(self.target_size, tuple):
            return View(frame, window, self.target_size)
        return View(frame, window, longest_side_size(box_size(window), self.target_size))

    def _holds(self, window: Box, click: Click) -> bool:
        edge = 1 if self.exclusive_edge else 0
        return window[0] <= click.x < window[2] - edge and window[1] <= click.y < window[3] - edge


@dataclass(frozen=True, slots=True)
class ResizeLongest:
    """Scale whole images whose longer side exceeds ``max_size`` (LimitLongestSide, protocol 4.4). Keeps no state."""

    max_size: int | None = 800

    def view(self, frame: Size) -> View:
        """The whole frame, scaled down if it is too large."""
        limited = self.max_size is not None and max(frame) > self.max_size
        size = longest_side_size(frame, self.max_size) if limited and self.max_size is not None else frame
        return View(frame, whole(frame), size)


@dataclass(frozen=True, slots=True)
class Flip:
    """Append the mirror image of every item and average the logits of both (protocol 4.2)."""

    enabled: bool = True

    def maps(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) images or maps -> (2B, C, H, W), mirrored ones last."""
        return torch.cat([maps, maps.flip(3)]) if self.enabled else maps

    def points(self, points: Tensor, width: int) -> Tensor:
        """(B, 2N, 3) points on images of that width -> (2B, 2N, 3), mirrored ones last."""
        return torch.cat([points, mirrored(points, width)]) if self.enabled else points

    def merge(self, logits: Tensor) -> Tensor:
        """(2B, 1, H, W) logits -> (B, 1, H, W): 0.5 * (a + mirrored b)."""
        if not self.enabled:
            return logits
        plain, mirror = logits.chunk(2)
        return 0.5 * (plain + mirror.flip(3))


@dataclass(frozen=True, slots=True)
class FixedCrops:
    """Overlapping tiles of a fixed size whose results are averaged by coverage (protocol 4.4, "Crops")."""

    size: Size = (320, 480)
    min_overlap: float = 0.2

    @staticmethod
    def offsets(length: int, crop: int, min_overlap: float) -> list[int]:
        """Where tiles of ``crop`` pixels start on an axis of ``length`` pixels.

        >>> FixedCrops.offsets(1000, 480, 0.2)
        [0, 261, 520]
        """
        if length == crop:
            return [0]
        share = length / crop
        count = math.ceil((share - min_overlap) / (1 - min_overlap))
        overlap = int(crop * (count - share) / (count - 1))
        return [*(k * (crop - overlap) for k in range(count - 1)), length - crop]

    def views(self, frame: Size) -> list[View]:
        """The tiles in reading order; the whole frame when it is smaller than a tile in either direction."""
        height, width = self.size
        if frame[0] < height or frame[1] < width:
            return [View(frame, whole(frame), frame)]
        rows = self.offsets(frame[0], height, self.min_overlap)
        columns = self.offsets(frame[1], width, self.min_overlap)
        return [View(frame, (x, y, x + width, y + height), self.size) for y in rows for x in columns]

    def merge(self, views: Sequence[View], results: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """(H, W) mean of the results (h, w) of all tiles that cover a pixel."""
        total, count = np.zeros(views[0].frame, dtype=np.float32), np.zeros(views[0].frame, dtype=np.float32)
        for view, result in zip(views, results, strict=True):
            x0, y0, x1, y1 = view.box
            total[y0:y1, x0:x1] += result
            count[y0:y1, x0:x1] += 1
        return total / count
