"""RITM's iterative training (section 3.3; protocol 3.1): a few rounds of clicks without gradient, then one step.

Each round predicts in eval mode, feeds the soft prediction back as the previous mask and clicks once per picture on
the larger error. The number of rounds is drawn for the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clickwise.data.stream import TrainingItem
from clickwise.errors import RecipeError
from clickwise.models.interface import InteractiveModel, ModelOutput
from clickwise.training.methods.click_rounds import ClickRounds
from clickwise.training.parts.methods import IterativeMethod
from clickwise.training.step import Batch, Forward, Round


class Iterative(ClickRounds[IterativeMethod]):
    """A `TrainingMethod`."""

    def rounds(
        self, model: InteractiveModel, forward: Forward, items: Iterator[TrainingItem], device: torch.device
    ) -> Iterator[Round]:
        """Passes without gradient, then one with it."""
        data = self.stacked(items)
        self._check_rows(data.points)
        rounds = int(self.rounds_rng.integers(self.options.min_next_clicks, self.options.max_next_clicks + 1))
        batch = self.as_batch(data, device, click_round=rounds)
        if rounds:
            self._play(rounds, data, batch, model, forward)
        yield Round(batch, self.look(forward, batch, rounds, is_final=True))

    def look(self, forward: Forward, batch: Batch, clicked: int, *, is_final: bool) -> ModelOutput:
        """One pass after ``clicked`` clicks on the model's errors; is_final: the one with gradient."""
        return forward(batch.image, batch.prev_mask, batch.points)

    @torch.no_grad()
    def _play(self, rounds: int, data: TrainingItem, batch: Batch, model: InteractiveModel, forward: Forward) -> None:
        """Predict and click ``rounds`` times; leaves points and previous mask in the batch, and the model's mode."""
        was_training = model.training
        model.eval()
        try:
            for number in range(1, rounds + 1):
                logits = self.look(forward, batch, number - 1, is_final=False).logits
                batch.prev_mask = torch.sigmoid(logits.float())
                self._click(data, batch.prev_mask[:, 0].cpu().numpy(), number)
                batch.points = data.points.to(batch.image.device)
        finally:
            model.train(was_training)
        if self.options.prev_mask_drop_prob > 0:
            dropped = [rng.random() < self.options.prev_mask_drop_prob for rng in self.rngs]
            batch.prev_mask[torch.tensor(dropped, device=batch.prev_mask.device)] = 0

    def _click(self, data: TrainingItem, probs: NDArray[np.float32], number: int) -> None:
        """One click per picture (probs (B, H, W)), written from the end of its half of ``data.points`` (B, 2N, 3).

        A picture without error gets none. A random point is overwritten only where all rows are used.
        """
        last_rows = {True: data.points.shape[1] // 2, False: data.points.shape[1]}
        for item, click in enumerate(self.next_clicks(data, probs)):
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
