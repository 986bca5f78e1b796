"""Random views of a sample: parameters are drawn first, then applied, so that a view can be stored and replayed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.data.targets import Target
from clickwise.types import ImageArray, MaskArray, Size

_HALF = 127


@dataclass(frozen=True, slots=True)
class ViewParams:
    """matrix (2, 3): pixel (x, y) of the picture -> pixel of the view; size: (height, width) of the view."""

    matrix: NDArray[np.float64]
    size: Size


@dataclass(frozen=True, slots=True)
class ObjectView:
    """Crops: with ``tight_prob`` around the object, else a large part of the picture that holds some of it.

    tight_range: longer side of the crop as a multiple of the object's; wide_range: of the picture's shorter side.
    Rotation in degrees; ``aspect`` is the largest log ratio by which one axis is stretched. turn_prob: share of views
    turned by 90, 180 or 270 degrees besides.
    """

    tight_prob: float = 0.5
    tight_range: tuple[float, float] = (1.1, 2.2)
    wide_range: tuple[float, float] = (0.6, 1.05)
    smallest_side: float = 64.0
    rotation: float = 15.0
    rotation_prob: float = 0.3
    aspect: float = 0.2
    turn_prob: float = 0.0

    def draw(self, object_mask: MaskArray, size: Size, rng: np.random.Generator) -> ViewParams:
        """Parameters of one view of a picture with this object (H, W)."""
        height, width = object_mask.shape
        ys, xs = np.nonzero(object_mask)
        if len(ys) == 0:
            side = min(height, width) * rng.uniform(*self.wide_range)
            centre_x, centre_y = rng.uniform(0, width), rng.uniform(0, height)
        elif rng.random() < self.tight_prob:
            extent = max(int(np.ptp(xs)), int(np.ptp(ys))) + 1
            side = max(extent * rng.uniform(*self.tight_range), self.smallest_side)
            shift = 0.25 * max(side - extent, 0.0)
            centre_x = (xs.min() + xs.max()) / 2 + rng.uniform(-shift, shift)
            centre_y = (ys.min() + ys.max()) / 2 + rng.uniform(-shift, shift)
        else:
            side = max(min(height, width) * rng.uniform(*self.wide_range), self.smallest_side)
            anchor = int(rng.integers(len(ys)))
            centre_x = xs[anchor] + rng.uniform(-0.5, 0.5) * side
            centre_y = ys[anchor] + rng.uniform(-0.5, 0.5) * side
        side = min(side, 1.02 * max(height, width))
        centre_x, centre_y = _inside(centre_x, side, width), _inside(centre_y, side, height)
        angle = np.deg2rad(rng.uniform(-self.rotation, self.rotation)) if rng.random() < self.rotation_prob else 0.0
        if self.turn_prob and rng.random() < self.turn_prob:
            angle += np.pi / 2 * rng.integers(1, 4)
        stretch = np.exp(rng.uniform(-self.aspect, self.aspect) / 2)
        scale = max(size) / side
        mirror = -1.0 if rng.random() < 0.5 else 1.0
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        linear = np.array([[mirror * cos * stretch, -mirror * sin * stretch], [sin / stretch, cos / stretch]])
        middle = np.array([size[1] - 1, size[0] - 1]) / 2
        offset = middle - linear @ np.array([centre_x, centre_y])
        return ViewParams(matrix=np.column_stack([linear, offset]), size=size)


def _inside(centre: float, side: float, length: int) -> float:
    """The centre moved so that a window of that side stays inside, or centred when it does not fit."""
    if side >= length:
        return (length - 1) / 2
    return float(np.clip(centre, side / 2, length - side / 2))


def view_image(image: ImageArray, params: ViewParams) -> ImageArray:
    """The view of a picture (H, W, 3); what lies outside repeats the border."""
    width_height = params.size[::-1]
    view = cv2.warpAffine(image, params.matrix, width_height, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view, dtype=np.uint8)


def view_mask(mask: MaskArray, params: ViewParams, *, outside: bool = False) -> MaskArray:
    """The view of a mask (H, W); what lies outside the picture is ``outside``."""
    view = cv2.warpAffine(
        mask.astype(np.uint8) * 255,
        params.matrix,
        params.size[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=255 if outside else 0,
    )
    return np.asarray(view > _HALF)


def view_target(target: Target, params: ViewParams) -> Target:
    """The view of a target; pixels outside the picture have no truth."""
    ignore = view_mask(target.ignore_mask, params, outside=True)
    object_mask = view_mask(target.object_mask, params) & ~ignore
    return Target(object_mask, ignore, view_mask(target.other_mask, params) & ~ignore & ~object_mask)


@dataclass(frozen=True, slots=True)
class Colour:
    """Photometric variety: each part is drawn anew for every view.

    worst_jpeg: lowest quality. noise_prob, noise: share of views with Gaussian noise, and its greatest deviation in
    grey levels. shrink_prob, shrink: share of views that were smaller once, and by what factor at most.
    """

    brightness: float = 0.25
    contrast: tuple[float, float] = (0.7, 1.4)
    gamma: tuple[float, float] = (0.75, 1.3)
    shift: float = 12.0
    saturation: tuple[float, float] = (0.5, 1.4)
    gray_prob: float = 0.05
    blur_prob: float = 0.1
    jpeg_prob: float = 0.1
    prob: float = 0.8
    worst_jpeg: int = 35
    noise_prob: float = 0.0
    noise: float = 25.0
    shrink_prob: float = 0.0
    shrink: float = 4.0

    def apply(self, image: ImageArray, rng: np.random.Generator) -> ImageArray:
        """A recoloured copy of a picture (H, W, 3)."""
        picture: Any = image
        if rng.random() < self.gray_prob:
            picture = np.repeat(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2)
        elif rng.random() < self.prob:
            gray = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
            saturation = rng.uniform(*self.saturation)
            picture = cv2.addWeighted(picture, saturation, gray, 1 - saturation, 0)
        if rng.random() < self.prob:
            picture = cv2.LUT(picture, self._tone_curves(rng))
        if rng.random() < self.blur_prob:
            picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.2))
        if self.shrink_prob and rng.random() < self.shrink_prob:
            picture = _once_smaller(picture, rng.uniform(1.2, self.shrink))
        if self.noise_prob and rng.random() < self.noise_prob:
            noise = rng.standard_normal(picture.shape, dtype=np.float32) * rng.uniform(2.0, self.noise)
            picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
        if rng.random() < self.jpeg_prob:
            quality = int(rng.integers(self.worst_jpeg, 90))
            _, packed = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
            picture = cv2.imdecode(packed, cv2.IMREAD_COLOR)
        return np.ascontiguousarray(picture, dtype=np.uint8)

    def _tone_curves(self, rng: np.random.Generator) -> ImageArray:
        """(1, 256, 3) look-up table: gamma, contrast about the middle, brightness, one shift per channel."""
        levels = (np.arange(256) / 255.0) ** rng.uniform(*self.gamma)
        levels = (levels - 0.5) * rng.uniform(*self.contrast) + 0.5 + rng.uniform(-self.brightness, self.brightness)
        curves = levels[:, None] * 255 + rng.uniform(-self.shift, self.shift, size=3)
        return np.clip(np.rint(curves), 0, 255).astype(np.uint8)[None]


def _once_smaller(image: ImageArray, factor: float) -> ImageArray:
    height, width = image.shape[:2]
    small = cv2.resize(
        image, (max(1, round(width / factor)), max(1, round(height / factor))), None, 0, 0, cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), None, 0, 0, cv2.INTER_LINEAR), dtype=np.uint8)
