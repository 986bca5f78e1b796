"""Small label scenes for tests of the published items, and slow, obvious counterparts of the published rules."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickwise.data.sample import ObjectRef, Sample
from clickwise.types import MaskArray


def rectangle(shape: tuple[int, int], y0: int, x0: int, y1: int, x1: int) -> MaskArray:
    mask = np.zeros(shape, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def scene(
    masks: list[MaskArray],
    parents: list[int | None] | None = None,
    *,
    ignored: MaskArray | None = None,
    image: NDArray[np.uint8] | None = None,
) -> Sample:
    """One layer per object, each with the value 1; ignored pixels in a layer of their own."""
    parents = parents or [None] * len(masks)
    layers = [mask.astype(np.int32) for mask in masks] + ([] if ignored is None else [ignored.astype(np.int32)])
    shape = masks[0].shape if masks else ignored.shape if ignored is not None else image.shape[:2]  # type: ignore[union-attr]
    stacked = np.stack(layers, axis=2) if layers else np.zeros((*shape, 1), dtype=np.int32)
    objects = tuple(
        ObjectRef(
            layer=number,
            values=(1,),
            parent=parents[number],
            children=tuple(child for child, parent in enumerate(parents) if parent == number),
        )
        for number in range(len(masks))
    )
    if image is None:
        image = np.zeros((*shape, 3), dtype=np.uint8)
    refs = () if ignored is None else (ObjectRef(layer=len(masks), values=(1,)),)
    return Sample("scene", image, stacked, objects, refs)


@dataclass
class OneSample:
    """A source that always gives the same sample."""

    sample: Sample

    def draw(self, rng: np.random.Generator) -> Sample:
        return self.sample


def slow_dilated(mask: MaskArray, reach: int) -> MaskArray:
    """True where some pixel of the mask is within ``reach`` rows and columns."""
    out = np.zeros_like(mask)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            out[y, x] = mask[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].any()
    return out


def slow_eroded(mask: MaskArray, reach: int) -> MaskArray:
    """True where every pixel within ``reach`` rows and columns is in the mask; beyond the picture counts as inside."""
    out = np.zeros_like(mask)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            out[y, x] = mask[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].all()
    return out


def within(share: float, expected: float, draws: int) -> bool:
    """Whether an observed share is within 4.5 standard errors of the expected one."""
    return abs(share - expected) <= 4.5 * np.sqrt(max(expected * (1 - expected), 1e-9) / draws) + 1e-12
