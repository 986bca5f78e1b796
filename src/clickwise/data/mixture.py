"""Several data sets as one source of samples: drawn by weight, each with what may be drawn of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clickwise.data.held_out import held_out_indices
from clickwise.data.published_items import without_objects
from clickwise.data.sample import Dataset, RandomizedDataset, Sample, WeightedDataset
from clickwise.errors import DatasetError
from clickwise.metrics import iou


@dataclass(frozen=True)
class Share:
    """A data set in a mixture.

    weight: how often it is drawn, relative to the others; None = as many times as it has samples (a plain
    concatenation). hold_out: leave out the samples that `held_out_indices` names. is_weighted: draw by the set's own
    sample weights where it has some, else uniformly.
    """

    dataset: Dataset
    weight: float | None = None
    hold_out: bool = True
    is_weighted: bool = True


@dataclass(frozen=True)
class Mixture:
    """Draws a set by weight, then one of its samples. Raises DatasetError when a set has nothing to draw.

    duplicate_iou: of two objects in a picture whose masks overlap by more than this IoU only one is kept, whatever they
    are called; None keeps all. Sets that were merged from several annotations hold such pairs.
    """

    shares: Sequence[Share]
    duplicate_iou: float | None = None
    _members: list[tuple[Dataset, NDArray[np.int64], NDArray[np.float64] | None]] = field(init=False)
    _chances: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        if not self.shares:
            raise DatasetError("a mixture has no data set; name at least one")
        members = [_member(share) for share in self.shares]
        weights = np.array(
            [len(m[1]) if share.weight is None else share.weight for share, m in zip(self.shares, members, strict=True)]
        )
        object.__setattr__(self, "_members", members)
        object.__setattr__(self, "_chances", weights / weights.sum())

    @property
    def datasets(self) -> Sequence[Dataset]:
        """What is drawn from."""
        return [share.dataset for share in self.shares]

    def draw(self, rng: np.random.Generator) -> Sample:
        """One sample; sets that draw at each access (`RandomizedDataset`) do so from ``rng``."""
        dataset, indices, chances = self._members[int(rng.choice(len(self._members), p=self._chances))]
        place = int(rng.integers(len(indices))) if chances is None else int(rng.choice(len(indices), p=chances))
        index = int(indices[place])
        sample = dataset.load_random(index, rng) if isinstance(dataset, RandomizedDataset) else dataset.load(index)
        return sample if self.duplicate_iou is None else without_duplicates(sample, self.duplicate_iou)


def _member(share: Share) -> tuple[Dataset, NDArray[np.int64], NDArray[np.float64] | None]:
    dataset = share.dataset
    kept = np.arange(len(dataset))
    if share.hold_out:
        kept = np.setdiff1d(kept, held_out_indices(dataset))
    if len(kept) == 0:
        raise DatasetError(f"{dataset.name}: no sample is left to train on; it has {len(dataset)}")
    chances: NDArray[np.float64] | None = None
    if share.is_weighted and isinstance(dataset, WeightedDataset):
        chances = dataset.sample_weights()[kept]
        chances = chances / chances.sum()
    return dataset, kept, chances


def without_duplicates(sample: Sample, most_iou: float) -> Sample:
    """The sample without objects whose mask is nearly that of an earlier object (IoU above ``most_iou``).

    A part that covers its whole is a duplicate too: its children go to the object above it.
    """
    masks = [sample.object_mask(i) for i in range(len(sample.objects))]
    areas = [int(mask.sum()) for mask in masks]
    kept: list[int] = []
    for number, mask in enumerate(masks):
        # The IoU is at most the ratio of the areas, which spares most comparisons.
        alike = (i for i in kept if min(areas[i], areas[number]) > most_iou * max(areas[i], areas[number]))
        if not any(iou(masks[i], mask) > most_iou for i in alike):
            kept.append(number)
    return sample if len(kept) == len(masks) else without_objects(sample, set(range(len(masks))) - set(kept))[0]
