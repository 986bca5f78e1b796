"""What one step leaves for the logs: its loss and parts, and the IoU of every answer of its click rounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from clickwise.evaluation.ranks import Ranks
from clickwise.training.step import Round, WeightedLoss, batch_iou

MOST_ROUNDS_LOGGED = 6


class StepRecord:
    """Filled pass by pass. ``keeps_answers``: only then is the IoU of click rounds known afterwards."""

    def __init__(self, *, keeps_answers: bool) -> None:
        self.keeps_answers = keeps_answers
        self.loss: Tensor | float = 0.0
        self._parts: list[Mapping[str, Tensor]] = []
        self._answers: list[Tensor] = []
        self._iou_sums = torch.zeros(MOST_ROUNDS_LOGGED, 2, dtype=torch.float64)

    def saw(self, logits: Tensor) -> None:
        """An answer (B, 1, H, W) on the way, with gradient or without."""
        if self.keeps_answers:
            self._answers.append(logits.detach())

    def add(self, found: Round, loss: Tensor, parts: Mapping[str, Tensor]) -> None:
        """A pass with gradient: its weighted loss, and the unweighted mean of each term."""
        self.loss = self.loss + loss.detach()
        if not found.is_final:
            return
        self._parts.append(parts)
        self._count_answers(found)

    def _count_answers(self, found: Round) -> None:
        """Answers on the way were given one click each before the final one, on the same items."""
        for before, logits in enumerate(reversed(self._answers)):
            rounds = found.batch.click_round - before
            iou = batch_iou(logits, found.batch).cpu().double()
            for click_round in range(MOST_ROUNDS_LOGGED):
                chosen = rounds == click_round
                self._iou_sums[click_round] += torch.stack([iou[chosen].sum(), chosen.sum()])
        self._answers.clear()

    def numbers(self, terms: Sequence[WeightedLoss], metric: Mapping[str, float], ranks: Ranks) -> dict[str, float]:
        """Everything by name, as the mean over all processes; each must ask. ``iou/roundK``: after K clicks on errors.

        terms: whose running state is told too. metric: numbers of this process, averaged as well.
        """
        values = {"loss": float(self.loss)}
        for name in self._parts[-1]:
            values[f"loss/{name}"] = float(torch.stack([part[name] for part in self._parts]).mean())
        for term in terms:
            values |= {f"loss/{term.name}/{key}": value for key, value in term.loss.log_state().items()}
        values |= {f"metric/{key}": value for key, value in metric.items()}
        means = ranks.summed(torch.tensor(list(values.values()), dtype=torch.float64)) / ranks.world
        iou = ranks.summed(self._iou_sums)
        rounds = {f"iou/round{k}": float(total / count) for k, (total, count) in enumerate(iou.tolist()) if count}
        return dict(zip(values, means.tolist(), strict=True)) | rounds
