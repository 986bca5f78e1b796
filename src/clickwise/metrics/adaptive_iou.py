"""RITM's training metric: IoU at a threshold that follows the model (protocol 5.4)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

FIRST_THRESHOLD = 0.4
THRESHOLD_STEP = 0.025
KEEP_THRESHOLD = 0.99
KEEP_EMA = 0.9
"""Constants of the RITM release."""


@dataclass(frozen=True, slots=True)
class AdaptiveState:
    """threshold: at which probabilities become a mask. ema: running IoU.

    epoch_sum, epoch_batches: sum and number of the batches' IoU in this epoch.
    """

    threshold: float = FIRST_THRESHOLD
    ema: float = 0.0
    epoch_sum: float = 0.0
    epoch_batches: int = 0

    @property
    def epoch_value(self) -> float:
        """Mean of the batches' best IoU; 0 before the first."""
        return self.epoch_sum / self.epoch_batches if self.epoch_batches else 0.0


@torch.no_grad()
def batch_mean_iou(pred: Tensor, truth: Tensor) -> Tensor:
    """Mean IoU (a 0-D tensor) over the items whose union is not empty; nan when there is none. Both (B, ...) bool."""
    intersection = (pred & truth).flatten(1).sum(dim=1)
    union = (pred | truth).flatten(1).sum(dim=1)
    counted = union > 0
    return (intersection / union.clamp(min=1) * counted).sum() / counted.sum()


@torch.no_grad()
def adaptive_iou_step(
    state: AdaptiveState, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None
) -> AdaptiveState:
    """The state after one batch of logits and target (B, 1, H, W), ignore_mask (True = no truth) or None.

    The best of three thresholds (the present one wins ties) gives the batch's IoU and draws the threshold towards it.
    A batch without any object pixel changes nothing.
    """
    truth = target > 0.5
    valid = torch.ones_like(truth) if ignore_mask is None else ~ignore_mask
    truth = truth & valid
    probs = torch.sigmoid(logits.float())
    candidates = [state.threshold, state.threshold - THRESHOLD_STEP, state.threshold + THRESHOLD_STEP]
    values = [batch_mean_iou((probs > threshold) & valid, truth) for threshold in candidates]
    has_object, *scores = torch.stack([truth.any().float(), *values]).tolist()  # one copy to the host
    if not has_object:
        return state
    best = max(range(len(scores)), key=scores.__getitem__)
    return AdaptiveState(
        threshold=KEEP_THRESHOLD * state.threshold + (1 - KEEP_THRESHOLD) * candidates[best],
        ema=KEEP_EMA * state.ema + (1 - KEEP_EMA) * scores[best],
        epoch_sum=state.epoch_sum + scores[best],
        epoch_batches=state.epoch_batches + 1,
    )


class AdaptiveIoU:
    """`adaptive_iou_step` with its state kept."""

    def __init__(self) -> None:
        self.state = AdaptiveState()

    def update(self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> None:
        """Count one batch."""
        self.state = adaptive_iou_step(self.state, logits, target, ignore_mask)

    def start_epoch(self) -> None:
        """Forget the epoch's mean; threshold and running IoU go on."""
        self.state = replace(self.state, epoch_sum=0.0, epoch_batches=0)

    def log_state(self) -> dict[str, float]:
        """The numbers that the field logs, by short name."""
        return {
            "ema_iou": self.state.ema,
            "iou_thresh": self.state.threshold,
            "epoch_iou": self.state.epoch_value,
        }

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        self.state = AdaptiveState(**state)
