"""A stretch of training in one process: the method, and the items that are its share."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from clickwise.data.stream import ItemMaker, TrainingItem, item_stream
from clickwise.errors import RecipeError
from clickwise.evaluation.ranks import Ranks
from clickwise.training.methods import make_method
from clickwise.training.recipe import Phase, Recipe
from clickwise.training.step import TrainingMethod


@dataclass
class Position:
    """Where a run stands: samples, steps and stream items so far; index of the phase and samples within it."""

    samples: int = 0
    steps: int = 0
    next_item: int = 0
    phase: int = 0
    phase_samples: int = 0


@dataclass(frozen=True)
class StepTime:
    """Seconds of one step, and how many of them went by waiting for items."""

    seconds: float
    waited: float


def check_shares(recipe: Recipe, phase: Phase, ranks: Ranks) -> None:
    """RecipeError where a batch does not divide: all processes and all accumulated parts get equal shares."""
    parts = ranks.world * recipe.optimizer.accumulate
    if phase.batch % parts:
        raise RecipeError(
            f"batch {phase.batch} does not divide among {ranks.world} processes with {recipe.optimizer.accumulate} "
            f"accumulated parts each; choose a multiple of {parts}"
        )


def open_phase(
    recipe: Recipe,
    phase: Phase,
    items: ItemMaker,
    ranks: Ranks,
    position: Position,
    workers: int,
    state: dict[str, Any] | None,
) -> tuple[TrainingMethod, Generator[TrainingItem, None, None]]:
    """The method and the stream of items of a phase, for one process. state: of the method, to go on from.

    Close the stream when it is no longer needed.
    """
    check_shares(recipe, phase, ranks)
    method = make_method(
        recipe.method,
        batch=phase.batch // ranks.world,
        seed=recipe.seed,
        rank=ranks.rank,
        world=ranks.world,
        accumulate=recipe.optimizer.accumulate,
    )
    if state is not None:
        method.load_state_dict(state)
    stream = item_stream(
        items,
        seed=recipe.seed,
        size=phase.height_width,
        first=position.next_item * ranks.world + ranks.rank,
        step=ranks.world,
        workers=workers,
    )
    return method, stream


class TimedItems:
    """An iterator that counts items, and the seconds spent waiting for them."""

    def __init__(self, items: Iterator[TrainingItem]) -> None:
        self.items, self.seconds, self.count = items, 0.0, 0

    def __iter__(self) -> Iterator[TrainingItem]:
        return self

    def __next__(self) -> TrainingItem:
        began = time.perf_counter()
        item = next(self.items)
        self.seconds += time.perf_counter() - began
        self.count += 1
        return item
