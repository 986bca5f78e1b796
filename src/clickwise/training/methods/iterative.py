"""RITM's iterative training (section 3.3; protocol 3.1): a few rounds of clicks without gradient, then one step.

Each round predicts in eval mode, feeds the soft prediction back as the previous mask and clicks once per picture on
the larger error. The number of rounds is drawn for the whole batch, and alike on all processes, so that none waits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clickwise.clicks.training_click import draw_training_click
from clickwise.data.stream import TrainingItem, stack_items
from clickwise.errors import RecipeError
from clickwise.models.interface import InteractiveModel
from clickwise.training.parts.methods import IterativeMethod
from clickwise.training.step import Batch, Forward, Round

_ROUNDS, _CLICKS = 1, 2
"""Spawn keys of the two generators; unlike a plain list of numbers they never meet the seeds of items."""


class Iterative:
    """``rounds_rng`` is the same on every process, ``clicks_rng`` its own."""

    def __init__(self, options: IterativeMethod, *, batch: int, seed: int, rank: int) -> None:
        self.options = options
        self.batch = batch
        self.rounds_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_ROUNDS,)))
        self.clicks_rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_CLICKS, rank)))

    def rounds(
        self, model: InteractiveModel, forward: Forward, items: Iterator[TrainingItem], device: torch.device
    ) -> Iterator[Round]:
        """Passes without gradient, then one with it."""
        data = stack_items([next(items) for _ in range(self.batch)])
        self._check_rows(data.points)
        rounds = int(self.rounds_rng.integers(self.options.max_next_clicks + 1))
        batch = Batch(
            image=data.image.to(device).float().div_(255),
            prev_mask=torch.zeros((self.batch, 1, *data.image.shape[2:]), device=device),
            points=data.points.to(device),
            target=data.object_mask.to(device).float(),
            ignore_mask=data.ignore_mask.to(device),
            click_round=torch.full((self.batch,), rounds),
        )
        if rounds:
            self._play(rounds, data, batch, model, forward)
        yield Round(batch, forward(batch.image, batch.prev_mask, batch.points))

    @torch.no_grad()
    def _play(self, rounds: int, data: TrainingItem, batch: Batch, model: InteractiveModel, forward: Forward) -> None:
        """Predict and click ``rounds`` times; leaves points and previous mask in the batch, and the model's mode."""
        was_training = model.training
        model.eval()
        try:
            for number in range(1, rounds + 1):
                logits = forward(batch.image, batch.prev_mask, batch.points).logits
                batch.prev_mask = torch.sigmoid(logits.float())
                self._click(data, batch.prev_mask[:, 0].cpu().numpy(), number)
                batch.points = data.points.to(batch.image.device)
        finally:
            model.train(was_training)
        if self.options.prev_mask_drop_prob > 0:
            dropped = self.clicks_rng.random(self.batch) < self.options.prev_mask_drop_prob
            batch.prev_mask[torch.from_numpy(dropped).to(batch.prev_mask.device)] = 0

    def _click(self, data: TrainingItem, probs: NDArray[np.float32], number: int) -> None:
        """One click per picture (probs (B, H, W)), written from the end of its half of ``data.points`` (B, 2N, 3).

        A picture without error gets none. A random point is overwritten only where all rows are used.
        """
        last_rows = {True: data.points.shape[1] // 2, False: data.points.shape[1]}
        for item in range(self.batch):
            ignore = None if self.options.clicks_on_ignored else data.ignore_mask[item, 0].numpy()
            truth = data.object_mask[item, 0].numpy()
            click = draw_training_click(truth, probs[item], self.clicks_rng, ignore)
            if click is not None:
                row = last_rows[click.is_positive] - number
                data.points[item, row] = torch.tensor((click.y, click.x, number), dtype=data.points.dtype)

    def _check_rows(self, points: Tensor) -> None:
        per_sign = points.shape[1] // 2
        if self.options.max_next_clicks > per_sign:
            raise RecipeError(
                f"method.max_next_clicks is {self.options.max_next_clicks}, but items have room for {per_sign} clicks "
                f"per sign; lower it or raise the items' number of points"
            )

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
