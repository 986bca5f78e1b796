"""Changes of a picture by stated, fixed amounts: (sample, generator) -> changed sample. Truth stays the same pixels.

Amounts are our own choice: each is strong enough that a person notices at once and still recognises every object.
Pictures are (H, W, 3) uint8 RGB. Only `noise` draws from the generator.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.data.sample import Sample
from clickwise.data.shrink import shrink_labels
from clickwise.types import ImageArray

DARK_LIGHT = 0.1
"""Share of the light that is left in a dark picture."""
CONTRAST = 0.25
"""Share of the distance to middle grey that is left of each value."""
MIDDLE_GREY = 128
NOISE = 25.0
"""Standard deviation of the noise in levels of 255, on each channel of each pixel."""
JPEG_QUALITY = 8
BLUR_SHARE = 0.006
"""Standard deviation of the blur as a share of the longer side, at least one pixel."""
SMALLER = 4
"""Sides of a small picture are divided by this."""

Generator = np.random.Generator


def gray(sample: Sample, rng: Generator) -> Sample:
    """Luma (BT.601) in all three channels."""
    luma = cv2.cvtColor(sample.image, cv2.COLOR_RGB2GRAY)
    return _with(sample, np.repeat(luma[:, :, None], 3, axis=2))


def dark(sample: Sample, rng: Generator) -> Sample:
    """A tenth of the light: sRGB to linear light, times `DARK_LIGHT`, back, rounded to 8 bits."""
    light = _linear(np.arange(256) / 255) * DARK_LIGHT
    levels = np.rint(255 * _srgb(light)).astype(np.uint8)
    return _with(sample, levels[sample.image])


def low_contrast(sample: Sample, rng: Generator) -> Sample:
    """Every value moved towards middle grey, a quarter of the distance is left: haze."""
    levels = np.rint(MIDDLE_GREY + CONTRAST * (np.arange(256.0) - MIDDLE_GREY)).astype(np.uint8)
    return _with(sample, levels[sample.image])


def noise(sample: Sample, rng: Generator) -> Sample:
    """Independent Gaussian noise, rounded and clipped: a phone at night."""
    grain = rng.standard_normal(sample.image.shape, dtype=np.float32) * np.float32(NOISE)
    return _with(sample, np.clip(np.rint(sample.image + grain), 0, 255).astype(np.uint8))


def jpeg(sample: Sample, rng: Generator) -> Sample:
    """Packed as JPEG of quality `JPEG_QUALITY` and unpacked again: blocks and smeared colours."""
    _, packed = cv2.imencode(".jpg", sample.image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return _with(sample, np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), dtype=np.uint8)[:, :, ::-1])


def blur(sample: Sample, rng: Generator) -> Sample:
    """Out of focus: a Gaussian whose width follows the picture's longer side."""
    sigma = max(1.0, BLUR_SHARE * max(sample.image.shape[:2]))
    return _with(sample, np.asarray(cv2.GaussianBlur(sample.image, (0, 0), sigma), dtype=np.uint8))


def small(sample: Sample, rng: Generator) -> Sample:
    """A thumbnail: sides divided by `SMALLER`, colours averaged, labels taken from under the centre of each new pixel.

    Here the truth becomes smaller too. An object may lose all its pixels.
    """
    height, width = (max(1, round(side / SMALLER)) for side in sample.image.shape[:2])
    image = cv2.resize(sample.image, (width, height), interpolation=cv2.INTER_AREA)
    layers = shrink_labels(sample.layers, (height, width))
    return replace(sample, image=np.asarray(image, dtype=np.uint8), layers=layers)


def rotated(sample: Sample, rng: Generator) -> Sample:
    """A quarter turn to the left, truth included: things lie on their side."""
    turned = replace(sample, layers=np.ascontiguousarray(np.rot90(sample.layers)))
    return _with(turned, np.rot90(sample.image))


def _with(sample: Sample, image: ImageArray) -> Sample:
    return replace(sample, image=np.ascontiguousarray(image, dtype=np.uint8))


def _linear(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB values in [0, 1] -> linear light (IEC 61966-2-1)."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _srgb(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Linear light in [0, 1] -> sRGB values."""
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
