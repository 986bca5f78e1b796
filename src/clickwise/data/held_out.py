"""Training pictures kept for validation, and objects of them as a data set. Benchmark sets are never touched."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clickwise.data.sample import Dataset, Sample

_SHARE = 40
"""One picture in this many is held out, decided by its name alone."""


def is_held_out(name: str) -> bool:
    """Whether a picture belongs to validation: by a checksum of its name, so that it holds on every machine."""
    return _checksum(name) % _SHARE == 0


def held_out_indices(dataset: Dataset) -> NDArray[np.int64]:
    """Held-out samples of a set, by the last part of their names."""
    held_out = [i for i, name in enumerate(dataset.sample_ids) if is_held_out(name.rpartition("/")[2])]
    return np.array(held_out, dtype=np.int64)


class HeldOutOf:
    """One object each of some held-out samples of some data sets, as a data set to evaluate on.

    everything: choose among all samples, for sets of which nothing is trained on.

    pictures: so many of all sets together, or as many as there are (None: all); they and their objects are decided by
    checksums of the names, so the choice is the same on every machine. Only objects without a parent count, and only
    those of at least ``smallest_area`` pixels.

    every_object: all these objects of each picture, one sample for each, called ``PICTURE#NUMBER``.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        name: str,
        *,
        pictures: int | None,
        smallest_area: int = 100,
        everything: bool = False,
        every_object: bool = False,
    ) -> None:
        self.name = name
        places = [
            (dataset, int(index))
            for dataset in datasets
            for index in (range(len(dataset)) if everything else held_out_indices(dataset))
        ]
        places.sort(key=lambda place: _checksum(place[0].sample_ids[place[1]][::-1]))
        self.chosen: list[tuple[Dataset, int, int]] = []
        self.every_object, found = every_object, 0
        for dataset, index in places:
            if found == pictures:
                break
            sample = dataset.load(index)
            large = [i for i in sample.root_ids if sample.object_mask(i).sum() >= smallest_area]
            if large:
                chosen = large if every_object else [large[_checksum(sample.sample_id) % len(large)]]
                self.chosen += [(dataset, index, number) for number in chosen]
                found += 1
        self.sample_ids: Sequence[str] = [
            f"{dataset.sample_ids[index]}#{number}" if every_object else dataset.sample_ids[index]
            for dataset, index, number in self.chosen
        ]

    def __len__(self) -> int:
        return len(self.chosen)

    def load(self, index: int) -> Sample:
        """A sample with its one object."""
        dataset, number, object_id = self.chosen[index]
        sample = dataset.load(number)
        ref = sample.objects[object_id]
        name = self.sample_ids[index] if self.every_object else sample.sample_id
        return replace(sample, sample_id=name, objects=(replace(ref, parent=None, children=()),))


def _checksum(name: str) -> int:
    return zlib.crc32(name.encode())
