"""Many masks into few layers: each in the first layer where it overlaps nothing (protocol 1.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from clickwise.data.sample import ObjectRef, Sample
from clickwise.types import ImageArray, LabelArray, MaskArray, Size

_MOST_IN_A_LAYER = 254
"""So that the labels of a layer fit into a byte beside 0 and 255, which many tools take for "no truth"."""


@dataclass
class LayerStack:
    """Collects the masks of one picture of ``size``; each keeps all of its pixels, also under others.

    >>> stack = LayerStack((2, 2))
    >>> [stack.add(mask).layer for mask in (np.eye(2, dtype=bool), np.ones((2, 2), dtype=bool))]
    [0, 1]
    """

    size: Size
    _layers: list[LabelArray] = field(default_factory=list)
    _counts: list[int] = field(default_factory=list)

    def add(self, mask: MaskArray) -> ObjectRef:
        """Where this (H, W) mask now lies."""
        rows = np.flatnonzero(mask.any(axis=1))
        band = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0, 0)
        inside = mask[band]
        for number, layer in enumerate(self._layers):
            if self._counts[number] < _MOST_IN_A_LAYER and not layer[band][inside].any():
                return self._put(number, band, inside)
        self._layers.append(np.zeros(self.size, dtype=np.int32))
        self._counts.append(0)
        return self._put(len(self._layers) - 1, band, inside)

    def _put(self, number: int, band: slice, inside: MaskArray) -> ObjectRef:
        self._counts[number] += 1
        self._layers[number][band][inside] = self._counts[number]
        return ObjectRef(number, (self._counts[number],))

    def layers(self) -> LabelArray:
        """(H, W, L) int32 with L >= 1."""
        return np.stack(self._layers or [np.zeros(self.size, dtype=np.int32)], axis=-1)


def layered_sample(
    sample_id: str, image: ImageArray, objects: Iterable[MaskArray], ignored: Iterable[MaskArray] = ()
) -> Sample:
    """A sample without hierarchy from whole masks, taken one at a time."""
    stack = LayerStack((image.shape[0], image.shape[1]))
    found = tuple(stack.add(mask) for mask in objects)
    unknown = tuple(stack.add(mask) for mask in ignored)
    return Sample(sample_id, image, stack.layers(), found, unknown)
