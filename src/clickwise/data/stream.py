"""Endless training items: item i depends on the seed and i alone, in whatever process it is made."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from clickwise.data.augment import Colour, ObjectView, view_image, view_target
from clickwise.data.composite import Composites, View
from clickwise.data.sample import Sample
from clickwise.data.start import Start, VariedStart
from clickwise.data.targets import Target, WholeOrPart
from clickwise.errors import ClickwiseError, DatasetError
from clickwise.nearest import nearest
from clickwise.types import Size

_TRIES = 8
_OUTLIVE_S = 60
"""Longer than a step and its checkpoint may take: torchrun ends its processes 30 s after a signal."""


@dataclass(slots=True)
class FocusItem:
    """A window of a view for a second look: roi (4,) float, (x1, y1, x2, y2) in pixels of the view.

    image (3, h, w) uint8; object_mask, ignore_mask (1, h, w) bool; trimap (1, h, w) float, 1 near the object's border.
    """

    roi: torch.Tensor
    image: torch.Tensor
    object_mask: torch.Tensor
    ignore_mask: torch.Tensor
    trimap: torch.Tensor


@dataclass(slots=True)
class TrainingItem:
    """One view: image (3, H, W) uint8; object_mask, ignore_mask (1, H, W) bool; points (2N, 3); prev_mask (1, H, W).

    focus: a window of it, for models with a second stage.
    """

    image: torch.Tensor
    object_mask: torch.Tensor
    ignore_mask: torch.Tensor
    points: torch.Tensor
    prev_mask: torch.Tensor
    focus: FocusItem | None = None


class Samples(Protocol):
    """What can be read by number."""

    def __len__(self) -> int: ...

    def load(self, index: int) -> Sample:
        """Decode one sample."""
        ...


class SourcedDataset(Samples, Protocol):
    """A data set that knows which source each sample comes from."""

    def indices_by_source(self) -> dict[str, list[int]]:
        """Sample numbers grouped by source."""
        ...


class SampleSource(Protocol):
    """Where samples come from."""

    @property
    def datasets(self) -> Sequence[Samples]:
        """What is drawn from."""
        ...

    def draw(self, rng: np.random.Generator) -> Sample:
        """One sample."""
        ...


class ItemMaker(Protocol):
    """Turns a random generator into one item of a given size."""

    @property
    def sources(self) -> SampleSource:
        """Where its samples come from."""
        ...

    def make(self, rng: np.random.Generator, size: Size) -> TrainingItem:
        """The item; reads at least one sample."""
        ...


@dataclass(frozen=True)
class WeightedSources:
    """Draws a source by weight, then one of its samples uniformly. Sources that are not named have weight 0.

    Raises DatasetError for a source that the data has not, and where nothing is left to draw.
    """

    dataset: SourcedDataset
    weights: Mapping[str, float]
    _names: list[str] = field(init=False)
    _shares: list[float] = field(init=False)
    _indices: dict[str, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        indices = self.dataset.indices_by_source()
        for name in self.weights:
            if name not in indices:
                near = nearest(name, sorted(indices))
                raise DatasetError(f"there is no source {name!r} in the data; nearest: {near}")
        names = [name for name in indices if self.weights.get(name, 0) > 0]
        total = sum(self.weights[name] for name in names)
        if not total:
            has = ", ".join(sorted(indices))
            raise DatasetError(f"no source has a weight above 0; the data has {has}")
        object.__setattr__(self, "_names", names)
        object.__setattr__(self, "_shares", [self.weights[name] / total for name in names])
        object.__setattr__(self, "_indices", indices)

    @property
    def datasets(self) -> Sequence[Samples]:
        """What is drawn from."""
        return [self.dataset]

    def draw(self, rng: np.random.Generator) -> Sample:
        """One sample."""
        source = self._names[int(rng.choice(len(self._names), p=self._shares))]
        indices = self._indices[source]
        return self.dataset.load(indices[int(rng.integers(len(indices)))])


@dataclass(frozen=True)
class ObjectItemMaker:
    """Sample -> target -> view -> start, drawn again while too little of the object is in the view.

    composites: pictures made of two views; None = none.
    """

    sources: SampleSource
    choice: WholeOrPart
    view: ObjectView
    colour: Colour
    start: VariedStart
    smallest_area: float = 0.002
    composites: Composites | None = None

    def make(self, rng: np.random.Generator, size: Size) -> TrainingItem:
        """See `ItemMaker`. After some fruitless tries the last view is taken as it is."""
        view = self._view(rng, size)
        if self.composites is not None:
            view = self.composites.apply(view, rng, lambda: self._view(rng, size))
        image, seen = view
        image = self.colour.apply(image, rng)
        return as_item(image, seen, self.start.draw(seen, rng))

    def _view(self, rng: np.random.Generator, size: Size) -> View:
        for _ in range(_TRIES):
            sample = self.sources.draw(rng)
            target = self.choice.choose(sample, rng)
            params = self.view.draw(target.object_mask, size, rng)
            seen = view_target(target, params)
            if seen.object_mask.mean() >= self.smallest_area:
                break
        return view_image(sample.image, params), seen


def as_item(image: np.ndarray, target: Target, start: Start) -> TrainingItem:
    """Arrays to tensors."""
    return TrainingItem(
        image=torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))),
        object_mask=torch.from_numpy(target.object_mask)[None],
        ignore_mask=torch.from_numpy(target.ignore_mask)[None],
        points=torch.from_numpy(start.points),
        prev_mask=torch.from_numpy(start.prev_mask)[None],
    )


class ItemDataset(TorchDataset["TrainingItem | ClickwiseError"]):
    """Item i of a seed, made by ``maker``."""

    def __init__(self, maker: ItemMaker, *, seed: int, size: Size) -> None:
        self.maker, self.seed, self.size = maker, seed, size

    def __getitem__(self, index: int) -> TrainingItem | ClickwiseError:
        """The item, or why there is none: as an exception of a worker it would come out as that worker's traceback."""
        try:
            return self.maker.make(np.random.default_rng([self.seed, index]), self.size)
        except ClickwiseError as error:
            return error


def item_stream(
    maker: ItemMaker, *, seed: int, size: Size, first: int, step: int = 1, workers: int = 0
) -> Generator[TrainingItem, None, None]:
    """Items first, first + step, first + 2 step, ... in order. ``step`` > 1 shares a stream among processes.

    ``close`` ends the workers.
    What a reader refuses is raised here as the reader said it.
    """
    loader: DataLoader[TrainingItem | ClickwiseError] = DataLoader(
        ItemDataset(maker, seed=seed, size=size),
        batch_size=None,
        sampler=_Counting(first, step),
        num_workers=workers,
        prefetch_factor=16 if workers else None,
        worker_init_fn=_begin_worker if workers else None,
        # Else each new iterator draws a number from torch's own generator, and a resumed run drops out other units.
        generator=torch.Generator(),
    )
    return _items_of(iter(loader))


def _items_of(made: Iterator[TrainingItem | ClickwiseError]) -> Generator[TrainingItem, None, None]:
    try:
        for item in made:
            if isinstance(item, ClickwiseError):
                raise item
            yield item
    finally:
        del made  # ends the workers; when Python leaves they would get a signal, which they outlive for a while


class _Counting:
    """An endless sampler: first, first + step, ..."""

    def __init__(self, first: int, step: int) -> None:
        self.first, self.step = first, step

    def __iter__(self) -> Iterator[int]:
        index = self.first
        while True:
            yield index
            index += self.step


def _begin_worker(_worker: int) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _outlive)


def _outlive(_signum: int, _frame: FrameType | None) -> None:
    """Signals to a job reach its workers too, but the step that is finished then still needs their items.

    The main process ends them when it leaves; should it not, they end by themselves.
    """
    if hasattr(signal, "alarm"):
        signal.alarm(_OUTLIVE_S)


def stack_items(items: Sequence[TrainingItem]) -> TrainingItem:
    """Items of one size as one batch: every field gains a leading axis. focus: None unless all items have one."""
    windows = [item.focus for item in items if item.focus is not None]
    return TrainingItem(
        **_stacked(items, "image", "object_mask", "ignore_mask", "points", "prev_mask"),
        focus=FocusItem(**_stacked(windows, *FocusItem.__slots__)) if len(windows) == len(items) else None,
    )


def _stacked(items: Sequence[object], *names: str) -> dict[str, Any]:
    return {name: torch.stack([getattr(item, name) for item in items]) for name in names}
