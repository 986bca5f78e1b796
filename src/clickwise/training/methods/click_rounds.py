"""What methods share that play rounds of clicks for a whole batch: generators, the batch, one click per picture.

The number of rounds is drawn alike on all processes, so that none waits for another. Places of clicks are drawn from
a generator of each item and step, so that they do not depend on how a batch is shared out among processes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from clickwise.clicks.click import Click
from clickwise.clicks.human import draw_human_click
from clickwise.clicks.training_click import draw_training_clicks
from clickwise.data.stream import TrainingItem, stack_items
from clickwise.training.parts.clicks import HumanClicksPart, human_rule
from clickwise.training.step import Batch

_ROUNDS, _CLICKS = 1, 2
"""Spawn keys of generators; unlike a plain list of numbers they never meet the seeds of items."""


def item_rngs(seed: int, step: int, numbers: Sequence[int]) -> list[np.random.Generator]:
    """A generator for each item of a step, by its number in the whole batch of all processes."""
    return [np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_CLICKS, step, n))) for n in numbers]


class RoundOptions(Protocol):
    """What a recipe says about the clicks of rounds."""

    @property
    def clicks_on_ignored(self) -> bool:
        """Pixels without truth count as background for clicks."""
        ...

    @property
    def human_clicks(self) -> HumanClicksPart | None:
        """Where clicks lie; None = deep inside the error, as published."""
        ...


Options = TypeVar("Options", bound=RoundOptions)


class ClickRounds(Generic[Options]):
    """``rounds_rng`` is the same on every process; ``rngs`` are of the items of the present step.

    batch: items of this process in a step; item i is number rank + i * world of the whole batch.
    """

    def __init__(self, options: Options, *, batch: int, seed: int, rank: int, world: int = 1) -> None:
        self.options = options
        self.batch, self.seed, self.step = batch, seed, 0
        self.numbers = range(rank, rank + batch * world, world)
        self.human_clicks = human_rule(options.human_clicks)
        self.rounds_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ROUNDS,)))
        self.rngs: list[np.random.Generator] = []

    def stacked(self, items: Iterator[TrainingItem]) -> TrainingItem:
        """A new step: the next items as one batch on the CPU."""
        self.rngs = item_rngs(self.seed, self.step, self.numbers)
        self.step += 1
        return stack_items([self.next_item(items) for _ in range(self.batch)])

    def next_item(self, items: Iterator[TrainingItem]) -> TrainingItem:
        """One item that fits the method."""
        return next(items)

    def as_batch(self, data: TrainingItem, device: torch.device, *, click_round: int = 0) -> Batch:
        """``data`` on the device, with an empty previous mask."""
        return Batch(
            image=data.image.to(device).float().div_(255),
            prev_mask=torch.zeros((self.batch, 1, *data.image.shape[2:]), device=device),
            points=data.points.to(device, copy=True),
            target=data.object_mask.to(device).float(),
            ignore_mask=data.ignore_mask.to(device),
            click_round=torch.full((self.batch,), click_round),
        )

    def next_clicks(self, data: TrainingItem, probs: NDArray[np.float32]) -> list[Click | None]:
        """A click on the larger error of each picture, None where there is none; probs (B, H, W)."""
        ignored = None if self.options.clicks_on_ignored else data.ignore_mask[:, 0].numpy()
        truths = data.object_mask[:, 0].numpy()
        if self.human_clicks is None:
            return draw_training_clicks(truths, probs, self.rngs, ignored)
        ignores = [None] * self.batch if ignored is None else list(ignored)
        return [
            draw_human_click(truth, prob, self.human_clicks, rng, ignore)
            for truth, prob, rng, ignore in zip(truths, probs, self.rngs, ignores, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on exactly as if never interrupted."""
        return {
            "rounds_rng": json.dumps(self.rounds_rng.bit_generator.state),
            "seed": self.seed,
            "step": self.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`. States of former versions have one generator for all items; it is not needed."""
        self.rounds_rng.bit_generator.state = json.loads(state["rounds_rng"])
        self.seed, self.step = state.get("seed", self.seed), state.get("step", 0)
