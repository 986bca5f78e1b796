"""The random views of RITM's and IGLR's releases: chains that draw the parameters of `published_steps`.

Sources: protocol 3.4; for the chain "aligned" reference page iglr, section 4.1.

A chain ends in a crop of one size; what a crop shows beyond the picture is black background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from clickwise.data.published_steps import Cropped, Drawn, Framed, Padded, Resized, Shifted, Toned, Turned, Warped
from clickwise.types import ImageArray, LabelArray, ProbsArray, Size


class Step(Protocol):
    """Draws one `Drawn`, or None where chance leaves the picture as it is."""

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """For a picture of ``size`` (height, width)."""
        ...


@dataclass(frozen=True, slots=True)
class Rescale:
    """Both sides times one factor, rounded."""

    factors: tuple[float, float] = (0.75, 1.40)

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn:
        """See `Step`."""
        factor = rng.uniform(*self.factors)
        return Resized((max(1, round(size[0] * factor)), max(1, round(size[1] * factor))))


@dataclass(frozen=True, slots=True)
class Mirror:
    """Left-right; with ``vertical_too`` one of upside down, left-right and both, equally likely."""

    prob: float = 0.5
    vertical_too: bool = False

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`."""
        if rng.random() >= self.prob:
            return None
        mirror_y, mirror_x = ((True, False), (False, True), (True, True))[rng.integers(3) if self.vertical_too else 1]
        return Turned(size, mirror_x=mirror_x, mirror_y=mirror_y)


@dataclass(frozen=True, slots=True)
class QuarterTurns:
    """By 0, 90, 180 or 270 degrees, equally likely."""

    prob: float = 0.5

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`."""
        if rng.random() >= self.prob:
            return None
        quarters = int(rng.integers(4))
        return Turned(size[::-1] if quarters % 2 else size, quarters=quarters)


@dataclass(frozen=True, slots=True)
class ShiftRotate:
    """About the centre by up to ``degrees``, moved by up to ``shift`` of each side; scale stays."""

    shift: float = 0.03
    degrees: float = 3.0
    prob: float = 0.75

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`."""
        if rng.random() >= self.prob:
            return None
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees))
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        middle_y, middle_x = (size[0] - 1) / 2, (size[1] - 1) / 2
        to_x = middle_x + float(rng.uniform(-self.shift, self.shift)) * size[1]
        to_y = middle_y + float(rng.uniform(-self.shift, self.shift)) * size[0]
        return Warped(
            size,
            (
                (cos, sin, to_x - cos * middle_x - sin * middle_y),
                (-sin, cos, to_y + sin * middle_x - cos * middle_y),
            ),
        )


@dataclass(frozen=True, slots=True)
class PadTo:
    """Zeros on all sides where the picture is smaller than ``least``, the picture in the middle."""

    least: Size

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`; nothing is drawn."""
        height, width = max(size[0], self.least[0]), max(size[1], self.least[1])
        if (height, width) == size:
            return None
        return Padded((height, width), (height - size[0]) // 2, (width - size[1]) // 2)


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """A window of that size anywhere in the picture, all places equally likely."""

    window: Size

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn:
        """See `Step`."""
        top, left = (int(rng.integers(size[axis] - self.window[axis] + 1)) for axis in (0, 1))
        return Cropped(self.window, top, left)


@dataclass(frozen=True, slots=True)
class BrightnessContrast:
    """Brightness by a share of the greatest value, contrast by a factor."""

    brightness: tuple[float, float] = (-0.25, 0.25)
    contrast: tuple[float, float] = (-0.15, 0.40)
    prob: float = 0.75

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`."""
        if rng.random() >= self.prob:
            return None
        return Toned(size, brightness=float(rng.uniform(*self.brightness)), contrast=float(rng.uniform(*self.contrast)))


@dataclass(frozen=True, slots=True)
class RgbShift:
    """Each channel by up to ``limit`` of 255."""

    limit: float = 10.0
    prob: float = 0.75

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`."""
        if rng.random() >= self.prob:
            return None
        red, green, blue = (float(value) for value in rng.uniform(-self.limit, self.limit, size=3))
        return Shifted(size, (red, green, blue))


@dataclass(frozen=True, slots=True)
class View:
    """Everything drawn for one view of one picture; equal parameters are equal views."""

    drawn: tuple[Drawn, ...]

    def image(self, image: ImageArray) -> ImageArray:
        """The view of a picture (h, w, 3)."""
        for step in self.drawn:
            image = step.image(image)
        return image

    def labels(self, layers: LabelArray) -> LabelArray:
        """The view of label layers (h, w, L)."""
        for step in self.drawn:
            layers = step.labels(layers)
        return layers

    def soft(self, mask: ProbsArray) -> ProbsArray:
        """The view of a mask (h, w), linearly interpolated."""
        for step in self.drawn:
            mask = step.soft(mask)
        return mask


@dataclass(frozen=True, slots=True)
class Chain:
    """Steps in order."""

    steps: tuple[Step, ...]

    def draw(self, size: Size, rng: np.random.Generator) -> View:
        """A view of a picture of ``size`` (height, width)."""
        drawn: list[Drawn] = []
        for step in self.steps:
            if (one := step.draw(size, rng)) is not None:
                drawn.append(one)
                size = one.size
        return View(tuple(drawn))


@dataclass(frozen=True, slots=True)
class StretchedFrame:
    """A window whose height and width are shares of the picture's, drawn independently and anywhere in it.

    Shares are normal (``mean``, ``deviation``) within ``limits``. A side above 1 shows the whole picture somewhere
    within it, with zeros around. (The release forgets to add the left edge to the width; here it is added.)
    """

    mean: float = 0.8
    deviation: float = 0.4
    limits: tuple[float, float] = (0.3, 1.3)

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn:
        """See `Step`."""
        (height, top), (width, left) = (self._span(side, rng) for side in size)
        return Framed((height, width), top, left)

    def _span(self, side: int, rng: np.random.Generator) -> tuple[int, int]:
        """Length of one side and where it begins, negative when it begins before the picture."""
        share = self._share(rng)
        length = max(1, int(side * share))
        if share <= 1:
            return length, int(rng.integers(side - length + 1))
        # The release pads to one pixel more than it then cuts out.
        padded = length + 1
        before = int(rng.integers(padded - side + 1))
        return length, int(rng.integers(padded - length + 1)) - before

    def _share(self, rng: np.random.Generator) -> float:
        while True:
            share = float(rng.normal(self.mean, self.deviation))
            if self.limits[0] <= share <= self.limits[1]:
                return share


@dataclass(frozen=True, slots=True)
class ResizeTo:
    """Both sides to one size, whatever the shape was."""

    size: Size

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`; nothing is drawn."""
        return None if size == self.size else Resized(self.size)


@dataclass(frozen=True, slots=True)
class Flips:
    """Upside down and left-right, each with ``prob``."""

    prob: float = 0.3

    def draw(self, size: Size, rng: np.random.Generator) -> Drawn | None:
        """See `Step`."""
        mirror_y, mirror_x = (rng.random(2) < self.prob).tolist()
        return Turned(size, mirror_x=mirror_x, mirror_y=mirror_y) if mirror_x or mirror_y else None


_COLOUR: tuple[Step, ...] = (BrightnessContrast(), RgbShift())


def _crop(size: Size) -> tuple[Step, ...]:
    return PadTo(size), RandomCrop(size)


def _coco_lvis(size: Size) -> Chain:
    return Chain((Rescale((0.75, 1.40)), Mirror(), *_crop(size), *_COLOUR))


def _coco_lvis_narrow(size: Size) -> Chain:
    """iCMFormer's Swin recipes."""
    return Chain((Rescale((0.75, 1.25)), Mirror(), *_crop(size), *_COLOUR))


def _sbd(size: Size) -> Chain:
    moves = (Rescale((0.75, 1.25)), Mirror(vertical_too=True), QuarterTurns(), ShiftRotate())
    return Chain((*moves, *_crop(size), *_COLOUR))


def _coco_lvis_validation(size: Size) -> Chain:
    return Chain(_crop(size))


def _sbd_validation(size: Size) -> Chain:
    return Chain((Rescale((0.75, 1.25)), *_crop(size)))


def _aligned(size: Size) -> Chain:
    return Chain((StretchedFrame(), ResizeTo(size), Flips(), *_COLOUR))


CHAINS: Mapping[str, Callable[[Size], Chain]] = MappingProxyType(
    {
        "aligned": _aligned,
        "coco_lvis": _coco_lvis,
        "coco_lvis_narrow": _coco_lvis_narrow,
        "sbd": _sbd,
        "coco_lvis_validation": _coco_lvis_validation,
        "sbd_validation": _sbd_validation,
    }
)
"""Name in a recipe -> chain for a crop size (height, width)."""
