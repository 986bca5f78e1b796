"""What methods share that play rounds of clicks for a whole batch: two generators, the batch, one click per picture.

The number of rounds is drawn alike on all processes, so that none waits for another; places are drawn by each alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clickwise.clicks.click import Click
from clickwise.clicks.training_click import draw_training_clicks
from clickwise.data.stream import TrainingItem, stack_items
from clickwise.training.step import Batch

_ROUNDS, _CLICKS = 1, 2
"""Spawn keys of the two generators; unlike a plain list of numbers they never meet the seeds of items."""


class ClickRounds:
    """``rounds_rng`` is the same on every process, ``clicks_rng`` its own.

    batch: items of this process in a step. clicks_on_ignored: pixels without truth count as background for clicks.
    """

    def __init__(self, *, batch: int, seed: int, rank: int, clicks_on_ignored: bool) -> None:
        self.batch = batch
        self.clicks_on_ignored = clicks_on_ignored
        self.rounds_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ROUNDS,)))
        self.clicks_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_CLICKS, rank)))

    def stacked(self, items: Iterator[TrainingItem]) -> TrainingItem:
        """The next items as one batch on the CPU."""
        return stack_items([next(items) for _ in range(self.batch)])

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
        ignored = None if self.clicks_on_ignored else data.ignore_mask[:, 0].numpy()
        return draw_training_clicks(data.object_mask[:, 0].numpy(), probs, self.clicks_rng, ignored)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to go on exactly as if never interrupted."""
        return {
            "rounds_rng": json.dumps(self.rounds_rng.bit_generator.state),
            "clicks_rng": json.dumps(self.clicks_rng.bit_generator.state),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        self.rounds_rng.bit_generator.state = json.loads(state["rounds_rng"])
        self.clicks_rng.bit_generator.state = json.loads(state["clicks_rng"])
