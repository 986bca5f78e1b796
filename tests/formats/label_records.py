"""Labels to write and read back: hand-made ones and those that hypothesis draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from clickwise.formats.records import LabelClass, LabelledImage, LabelledObject, Labels, RunLengths


def thing(mask: np.ndarray, name: str = "cup", **more) -> LabelledObject:
    return LabelledObject(name, RunLengths.of(np.asarray(mask, dtype=bool)), **more)


def box(size, x0, y0, x1, y1) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def labels(*images: LabelledImage, classes: tuple[str, ...] = ("cup", "tasse à café", "猫")) -> Labels:
    return Labels(tuple(LabelClass(name) for name in classes), images)


def image(name: str, size, *objects: LabelledObject, **more) -> LabelledImage:
    return LabelledImage(name, *size, objects, **more)


def put_pictures(folder: Path, content: Labels) -> Path:
    """Pictures of the right sizes, as stored, under their names."""
    for one in content.images:
        height, width = one.size if (one.orientation or 1) < 5 else one.size[::-1]
        picture, exif = Image.new("RGB", (width, height)), Image.Exif()
        exif[0x0112] = one.orientation or 1
        file = folder / one.file_name
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file, exif=exif)
    return folder


def tricky() -> Labels:
    """One of each that people have seen exports break on."""
    size = (40, 60)
    ring = box(size, 5, 5, 20, 20) & ~box(size, 9, 9, 13, 13)
    parts = box(size, 25, 2, 30, 6) | box(size, 40, 30, 44, 40) | box(size, 50, 0, 60, 3)
    touching = box(size, 30, 6, 36, 12) | box(size, 36, 12, 40, 16)
    island = ring | box(size, 10, 10, 12, 12)
    lattice = np.indices((20, 20)).sum(axis=0) % 2 == 0
    return labels(
        image("ring.jpg", size, thing(ring), thing(box(size, 9, 9, 13, 13), "猫")),
        image("parts.jpg", size, thing(parts, "tasse à café"), thing(touching)),
        image("dot.jpg", size, thing(box(size, 59, 39, 60, 40)), thing(box(size, 0, 0, 1, 1), "猫")),
        image("all of it.jpg", size, thing(np.ones(size))),
        image("empty.jpg", (1, 7)),
        image("Größe/日本.v2.jpg", (20, 20), thing(lattice, "猫")),
        image("island.png", size, thing(island), thing(box(size, 30, 30, 35, 35)), orientation=1),
    )


def without(content: Labels, *names: str) -> Labels:
    return Labels(content.classes, tuple(one for one in content.images if one.file_name not in names))


masks = arrays.arrays(bool, st.shared(st.tuples(st.integers(1, 14), st.integers(1, 14)), key="size"))


@st.composite
def drawn(draw, overlapping: bool) -> Labels:
    size = draw(st.tuples(st.integers(1, 14), st.integers(1, 14)))
    found, taken = [], np.zeros(size, dtype=bool)
    for name in draw(st.lists(st.sampled_from(["cup", "tasse à café", "猫"]), max_size=4)):
        mask = draw(arrays.arrays(bool, size))
        if not overlapping:
            mask &= ~taken
            taken |= mask
        if mask.any():
            found.append(thing(mask, name))
    return labels(image("a.jpg", size, *found))
