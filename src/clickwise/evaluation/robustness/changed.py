"""A data set under a condition: its objects one by one, changed as the condition says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clickwise.data.sample import Dataset, HasStartMasks, Sample
from clickwise.evaluation.progress import Progress
from clickwise.evaluation.robustness.conditions import Condition, condition_rng
from clickwise.types import MaskArray

Unit = tuple[int, int]


class ChangedDataset:
    """One sample for each object of ``units`` (sample index, object number) of a data set, in their order.

    condition: None changes nothing. A sample keeps its name and all its objects, so that whoever draws by names draws
    the same under all conditions; a mask to start from is made for the object of the unit. The last sample is kept.
    """

    def __init__(self, dataset: Dataset, units: Sequence[Unit], condition: Condition | None = None, seed: int = 0):
        self.name = dataset.name
        self.dataset, self.units, self.condition, self.seed = dataset, tuple(units), condition, seed
        self.sample_ids: Sequence[str] = [f"{dataset.sample_ids[i]}#{object_id}" for i, object_id in self.units]
        self._latest: tuple[int, Sample, MaskArray | None] | None = None

    def __len__(self) -> int:
        return len(self.units)

    def load(self, index: int) -> Sample:
        """The changed sample; objects may have lost all their pixels in a smaller picture."""
        return self._changed(index)[0]

    def start_mask(self, index: int) -> MaskArray | None:
        """See `HasStartMasks`: the condition's, else the data set's own, changed with the picture."""
        return self._changed(index)[1]

    def _changed(self, index: int) -> tuple[Sample, MaskArray | None]:
        if self._latest is None or self._latest[0] != index:
            number, object_id = self.units[index]
            sample = self.dataset.load(number)
            start = self.dataset.start_mask(number) if isinstance(self.dataset, HasStartMasks) else None
            if self.condition is not None:
                rng = condition_rng(self.seed, self.condition.name, sample.sample_id, object_id)
                sample, start = changed(sample, start, object_id, self.condition, rng)
            self._latest = (index, sample, start)
        return self._latest[1:]


def changed(
    sample: Sample, start: MaskArray | None, object_id: int, condition: Condition, rng: np.random.Generator
) -> tuple[Sample, MaskArray | None]:
    """A sample and the mask (H, W) that the clicks on one of its objects start from, as a condition makes them."""
    if condition.picture is not None:
        if start is None:
            return condition.picture(sample, rng), None
        # The start mask goes along as one more layer, so that it is turned and shrunk as the truth is.
        layers = np.concatenate([sample.layers, start[:, :, None].astype(sample.layers.dtype)], axis=2)
        sample = condition.picture(replace(sample, layers=layers), rng)
        start = sample.layers[:, :, -1] > 0
        return replace(sample, layers=sample.layers[:, :, :-1]), start
    if condition.start is not None:
        truth = sample.object_mask(object_id)
        start = condition.start(truth, sample.ignore_mask(), rng) if truth.any() else None
    return sample, start


def usable_units(data: ChangedDataset, smallest_area: int, *, progress: bool = False) -> list[Unit]:
    """(index, object number) of the objects that have so many pixels with truth under the condition."""
    units: list[Unit] = []
    with Progress(f"changing {data.name}", len(data), shown=progress) as bar:
        for index, (_, object_id) in enumerate(data.units):
            if np.count_nonzero(data.load(index).object_mask(object_id)) >= smallest_area:
                units.append((index, object_id))
            bar.advance()
    return units
