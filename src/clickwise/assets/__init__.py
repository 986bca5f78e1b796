"""The bundled sample: a freely licensed photo, the truth drawn by us, and a few clicks that ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from clickwise.clicks.click import Click, ClickList
from clickwise.types import ImageArray, MaskArray

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class SampleObject:
    """A photo with one object in it.

    photo_path: JPEG, 600 x 400 pixels. truth_path: PNG 0/255 of the same size.
    clicks: hints that ask for the object, in order; pixels of the photo.
    licence, source: of the photo; the truth is ours, under the licence of the code.
    """

    photo_path: Path
    truth_path: Path
    clicks: ClickList
    title: str
    licence: str
    source: str

    @property
    def image(self) -> ImageArray:
        """(H, W, 3) uint8 RGB, read anew at each access."""
        with Image.open(self.photo_path) as photo:
            return np.asarray(photo.convert("RGB"))

    @property
    def truth(self) -> MaskArray:
        """(H, W) bool, True on the object, read anew at each access."""
        with Image.open(self.truth_path) as mask:
            return np.asarray(mask.convert("L")) > 127


@cache
def sample() -> SampleObject:
    """The bundled photo: a cup of coffee; the object is cup, saucer and spoon together.

    >>> sample().image.shape, sample().truth.shape, len(sample().clicks)
    ((400, 600, 3), (400, 600), 3)
    """
    return SampleObject(
        photo_path=FOLDER / "sample.jpg",
        truth_path=FOLDER / "sample_truth.png",
        clicks=ClickList([Click(290, 150), Click(130, 230), Click(430, 250)]),
        title="a cup of coffee on its saucer",
        licence="CC0-1.0",
        source="scikit-image 0.26.0, skimage/data/coffee.png; photo by Rachel Michetti (Pikolo Espresso Bar)",
    )
