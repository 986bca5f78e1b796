"""What a training method gives the loop, and how losses are summed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from clickwise.data.stream import TrainingItem
from clickwise.losses import Loss
from clickwise.models.interface import InteractiveModel, ModelOutput


@dataclass(slots=True)
class Batch:
    """Network input and truth of one step on the device.

    image (B, 3, H, W) in [0, 1]; prev_mask, target (B, 1, H, W) float; ignore_mask (B, 1, H, W) bool;
    points (B, 2N, 3); click_round (B,): how many clicks on the model's own errors came before.
    """

    image: Tensor
    prev_mask: Tensor
    points: Tensor
    target: Tensor
    ignore_mask: Tensor
    click_round: Tensor


class Forward(Protocol):
    """The network as the loop wraps it (precision, memory format, distribution)."""

    def __call__(self, image: Tensor, prev_mask: Tensor, points: Tensor) -> ModelOutput:
        """Logits for image (B, 3, H, W), prev_mask (B, 1, H, W) and points (B, 2N, 3)."""
        ...


class TrainingMethod(Protocol):
    """How items become steps. One instance per phase and process."""

    def step(
        self, model: InteractiveModel, forward: Forward, items: Iterator[TrainingItem], device: torch.device
    ) -> tuple[Batch, ModelOutput, int]:
        """One forward pass with gradient: batch, answer, number of items taken from the stream."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Plain data and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        ...


@dataclass(frozen=True)
class WeightedLoss:
    """A loss on one output of the model."""

    name: str
    loss: Loss
    weight: float
    output: str


def total_loss(terms: Sequence[WeightedLoss], output: ModelOutput, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of the batch means, and each unweighted mean by name."""
    parts: dict[str, Tensor] = {}
    total = torch.zeros((), device=batch.target.device)
    for term in terms:
        logits = getattr(output, term.output)
        value = term.loss(logits.float(), batch.target, batch.ignore_mask).mean()
        parts[term.name] = value.detach()
        total = total + term.weight * value
    return total, parts


@torch.no_grad()
def batch_iou(logits: Tensor, batch: Batch, threshold: float = 0.5) -> Tensor:
    """(B,) IoU of thresholded probabilities on pixels with truth; 1 where both are empty."""
    valid = ~batch.ignore_mask
    guess = (torch.sigmoid(logits.float()) > threshold) & valid
    truth = (batch.target > 0.5) & valid
    intersection = (guess & truth).sum(dim=(1, 2, 3)).float()
    union = (guess | truth).sum(dim=(1, 2, 3)).float()
    return torch.where(union > 0, intersection / union.clamp(min=1), torch.ones_like(union))
