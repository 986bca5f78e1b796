"""Pictures for the tests: the bundled photo, and made-up ones of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from clickwise.assets import sample

CUP, SAUCER, SPOON = ((click.x, click.y) for click in sample().clicks)
TABLE = (30.0, 380.0)
"""Places on the bundled photo: three of the object, one of the background."""


def photo(folder: Path, name: str = "coffee.jpg") -> Path:
    """The bundled photo under a name."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(sample().photo_path.read_bytes())
    return path


def prelabel() -> np.ndarray:
    """A mask of the bundled photo as another tool might give it: the left third is missing, a piece of table is in."""
    mask = sample().truth.copy()
    mask[:, :200] = False
    mask[330:, :120] = True
    return mask


def disc(folder: Path, name: str, size: tuple[int, int] = (160, 120), seed: int = 0) -> Path:
    """A bright disc on a dark ground; size is (width, height). Quick to make and to look at."""
    folder.mkdir(parents=True, exist_ok=True)
    colour = np.random.default_rng(seed).integers(90, 255, 3)
    picture = Image.new("RGB", size, (40, 46, 52))
    width, height = size
    radius = min(size) // 3
    box = (width // 2 - radius, height // 2 - radius, width // 2 + radius, height // 2 + radius)
    ImageDraw.Draw(picture).ellipse(box, fill=tuple(int(value) for value in colour))
    path = folder / name
    picture.save(path, quality=88)
    return path
