"""One picture with its objects: what every reader returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from clickwise.types import ImageArray, LabelArray, MaskArray


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Where one object lies: its pixels are those where ``layers[:, :, layer]`` is one of ``values``.

    parent, children: object numbers within the sample (hierarchies such as COCO+LVIS); flat data has none.
    """

    layer: int
    values: tuple[int, ...]
    parent: int | None = None
    children: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A picture, its label layers and the objects in them (protocol 1.1).

    image: (H, W, 3) uint8 RGB. layers: (H, W, L) int32, 0 = background in every layer.
    objects: numbered 0..n-1. ignored: regions without truth; they win over objects.
    """

    sample_id: str
    image: ImageArray
    layers: LabelArray
    objects: tuple[ObjectRef, ...]
    ignored: tuple[ObjectRef, ...] = ()

    def region(self, ref: ObjectRef) -> MaskArray:
        """(H, W) True on the pixels of an object or ignored region."""
        layer = self.layers[:, :, ref.layer]
        if len(ref.values) == 1:
            return np.asarray(layer == ref.values[0])
        return np.isin(layer, ref.values)

    def ignore_mask(self) -> MaskArray:
        """(H, W) True where there is no truth."""
        mask = np.zeros(self.layers.shape[:2], dtype=bool)
        for ref in self.ignored:
            mask |= self.region(ref)
        return mask

    def object_mask(self, object_id: int) -> MaskArray:
        """(H, W) True on the object, ignored pixels excluded."""
        mask = self.region(self.objects[object_id])
        return mask & ~self.ignore_mask() if self.ignored else mask

    @property
    def root_ids(self) -> tuple[int, ...]:
        """Objects without a parent."""
        return tuple(i for i, ref in enumerate(self.objects) if ref.parent is None)


@runtime_checkable
class Dataset(Protocol):
    """An indexed set of samples. ``load`` reads from disk each time; nothing is kept.

    name: as in ``--datasets``. sample_ids: one unique name per sample, in the protocol's order.
    """

    name: str
    sample_ids: Sequence[str]

    def __len__(self) -> int: ...

    def load(self, index: int) -> Sample:
        """The sample of that index; DatasetError naming file and rule when it is malformed."""
        ...


@runtime_checkable
class HasStartMasks(Protocol):
    """What a data set may offer besides `Dataset`: a mask from which the clicks of a sample start (mask correction)."""

    def start_mask(self, index: int) -> MaskArray | None:
        """(H, W) mask to correct, as large as the picture; None where the sample starts from nothing.

        DatasetError naming file and rule when it is malformed.
        """
        ...


@runtime_checkable
class RandomizedDataset(Dataset, Protocol):
    """A set whose published rule draws something at each access: stuff or none, one of several layers, a fill order.

    ``load`` holds everything and is always the same; training calls ``load_random`` where there is one.
    """

    def load_random(self, index: int, rng: np.random.Generator) -> Sample:
        """One draw of the sample of that index; the same for the same state of ``rng``. Errors as ``load``."""
        ...


@runtime_checkable
class WeightedDataset(Dataset, Protocol):
    """A set whose training draws some samples more often than others."""

    def sample_weights(self) -> NDArray[np.float64]:
        """(len,) probabilities of the samples; they sum to 1."""
        ...
