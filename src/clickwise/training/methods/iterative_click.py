"""Training by the iterative click loss (CFR-ICL, arXiv 2303.05620): every answer of a series of clicks counts.

Each pass has gradient and runs in train mode. Its soft answer becomes the next previous mask, detached, and places the
next click; so the gradients of the sum are the sum of the gradients, and one graph at a time is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from clickwise.clicks.sampling import put_click
from clickwise.data.stream import TrainingItem
from clickwise.models.interface import InteractiveModel
from clickwise.training.methods.click_rounds import ClickRounds
from clickwise.training.parts.methods import IterativeClickMethod
from clickwise.training.step import Forward, Round


class IterativeClick(ClickRounds[IterativeClickMethod]):
    """A `TrainingMethod`. The weights of its rounds are those of `clickwise.losses.iterative_click`."""

    def rounds(
        self, model: InteractiveModel, forward: Forward, items: Iterator[TrainingItem], device: torch.device
    ) -> Iterator[Round]:
        """1..len(weights) passes, their number uniform; backward runs on each before the next one is asked for."""
        data = self.stacked(items)
        weights = self.options.weights[: 1 + int(self.rounds_rng.integers(len(self.options.weights)))]
        if not self.options.use_random_clicks:
            data.points.fill_(-1)
            self._click(data, np.zeros(data.object_mask[:, 0].shape, dtype=np.float32))
        batch = self.as_batch(data, device)
        for number, weight in enumerate(weights):
            is_last = number == len(weights) - 1
            output = forward(batch.image, batch.prev_mask, batch.points, is_last=is_last)
            probs = torch.sigmoid(output.logits.detach().float())
            yield Round(batch, output, weight=weight, is_last=is_last)
            if not is_last:
                self._click(data, probs[:, 0].cpu().numpy())
                points = data.points.to(device, copy=True)  # so that rounds already given out stay what they were
                batch = replace(batch, prev_mask=probs, points=points, click_round=batch.click_round + 1)

    def _click(self, data: TrainingItem, probs: NDArray[np.float32]) -> None:
        """One click per picture (probs (B, H, W)) into ``data.points`` (B, 2N, 3); none where nothing is wrong.

        It takes the first unused row of its half, or the last one, as in CFR's release. (The order values differ; no
        network of it reads them.)
        """
        for points, click in zip(data.points.numpy(), self.next_clicks(data, probs), strict=True):
            if click is not None:
                put_click(points, (int(click.y), int(click.x)), is_positive=click.is_positive)
