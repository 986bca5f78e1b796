"""The random views of RITM's release (protocol 3.4): chains that draw the parameters of `published_steps`.

A chain ends in a crop of one size; what a crop shows beyond the picture is black background.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

import numpy as np

from clickwise.data.published_steps import Cropped, Drawn, Padded, Resized, Shifted, Toned, Turned, Warped
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


_COLOUR: tuple[Step, ...] = (BrightnessContrast(), RgbShift())


def _crop(size: Size) -> tuple[Step, ...]:
    return PadTo(size), RandomCrop(size)


def _coco_lvis(size: Size) -> Chain:
    return Chain((Rescale((0.75, 1.40)), Mirror(), *_crop(size), *_COLOUR))


def _sbd(size: Size) -> Chain:
    moves = (Rescale((0.75, 1.25)), Mirror(vertical_too=True), QuarterTurns(), ShiftRotate())
    return Chain((*moves, *_crop(size), *_COLOUR))


def _coco_lvis_validation(size: Size) -> Chain:
    return Chain(_crop(size))


def _sbd_validation(size: Size) -> Chain:
    return Chain((Rescale((0.75, 1.25)), *_crop(size)))


CHAINS: Mapping[str, Callable[[Size], Chain]] = MappingProxyType(
    {
        "coco_lvis": _coco_lvis,
        "sbd": _sbd,
        "coco_lvis_validation": _coco_lvis_validation,
        "sbd_validation": _sbd_validation,
    }
)
"""Name in a recipe -> chain for a crop size (height, width)."""
