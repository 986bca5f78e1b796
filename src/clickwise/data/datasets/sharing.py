"""What readers of different layouts have in common once their files are found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clickwise.data.sample import Sample


class OneSource(ABC):
    """A data set that `clickwise.data.stream` draws from as a whole."""

    name: str

    @abstractmethod
    def __len__(self) -> int:
        """Number of samples."""

    def indices_by_source(self) -> dict[str, list[int]]:
        """One source: the data set itself."""
        return {self.name: list(range(len(self)))}


class WithStuff(OneSource):
    """A data set whose pictures also have stuff (sky, grass), which is added to the objects at times.

    stuff_prob: with this probability `load_random` adds all stuff of the picture; else it is background.
    """

    stuff_prob: float

    def load(self, index: int) -> Sample:
        """Picture and all objects; the stuff too, unless stuff_prob is 0. Raises DatasetError."""
        return self._load(index, with_stuff=self.stuff_prob > 0)

    def load_random(self, index: int, rng: np.random.Generator) -> Sample:
        """As `load`, the stuff with probability stuff_prob."""
        return self._load(index, with_stuff=bool(rng.random() < self.stuff_prob))

    @abstractmethod
    def _load(self, index: int, *, with_stuff: bool) -> Sample: ...


class FilePairs:
    """A data set of (picture, mask) files, one pair a sample, in the order of ``sample_ids``."""

    sample_ids: Sequence[str]
    _files: list[tuple[Path, Path]]

    def __len__(self) -> int:
        return len(self._files)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of a sample comes from, for messages."""
        return str(self._files[index][1])

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self._files[index][0]


def grouped(sources: Sequence[str]) -> dict[str, list[int]]:
    """Sample numbers by source, sources sorted; sources: that of each sample."""
    groups: dict[str, list[int]] = {}
    for index, source in enumerate(sources):
        groups.setdefault(source, []).append(index)
    return dict(sorted(groups.items()))
