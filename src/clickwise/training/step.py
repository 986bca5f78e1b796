"""What a training method gives the loop, and how losses are summed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from clickwise.data.stream import TrainingItem
from clickwise.evaluation.ranks import Ranks
from clickwise.losses import Loss
from clickwise.losses.functional import NFL_EPS
from clickwise.losses.pixel import BatchWideLoss
from clickwise.models.interface import Gate, InteractiveModel, ModelOutput, RefiningModel


@dataclass(slots=True)
class FocusBatch:
    """A window of each item, for models with a second stage; h, w need not be H, W.

    image (B, 3, h, w) in [0, 1]; points (B, 2N, 3) in pixels of the window; roi (B, 5) rows (item, x1, y1, x2, y2) in
    pixels of the whole view; target, trimap (B, 1, h, w) float (trimap: 1 near the object's border); ignore_mask bool.
    """

    image: Tensor
    points: Tensor
    roi: Tensor
    target: Tensor
    trimap: Tensor
    ignore_mask: Tensor


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
    focus: FocusBatch | None = None


@dataclass(slots=True)
class Round:
    """One forward pass with gradient: its loss counts ``weight`` times. is_last: as given to `Forward`.

    is_last_of_part: the last pass on these items, while the step goes on with others.
    """

    batch: Batch
    output: ModelOutput
    weight: float = 1.0
    is_last: bool = True
    is_last_of_part: bool = False

    @property
    def is_final(self) -> bool:
        """Whether these items are not looked at again in this step."""
        return self.is_last or self.is_last_of_part


class Forward(Protocol):
    """The network as the loop wraps it (precision, memory format, distribution)."""

    def __call__(
        self,
        image: Tensor,
        prev_mask: Tensor,
        points: Tensor,
        *,
        gate: Gate = None,
        focus: FocusBatch | None = None,
        is_last: bool = True,
    ) -> ModelOutput:
        """Logits for image (B, 3, H, W), prev_mask (B, 1, H, W) and points (B, 2N, 3).

        focus: windows that the model's second stage refines too. is_last: False when the same step runs another pass
        with gradient afterwards; processes then exchange gradients only once.
        """
        ...


class TrainingMethod(Protocol):
    """How items become steps. One instance per phase and process."""

    def rounds(
        self, model: InteractiveModel, forward: Forward, items: Iterator[TrainingItem], device: torch.device
    ) -> Iterator[Round]:
        """The passes with gradient of one step; the loop runs backward on each before it asks for the next one."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Plain data and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        ...


class TwoStages(nn.Module):
    """Both stages of a network as one module, so that whatever wraps modules (precision, DDP) sees one forward pass."""

    def __init__(self, network: InteractiveModel) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate, focus: FocusBatch | None
    ) -> ModelOutput:
        """The network's answer; with ``focus`` its windows are refined as well."""
        output: ModelOutput = self.network(image, prev_mask, points, gate=gate)
        if focus is not None:
            assert isinstance(self.network, RefiningModel)
            assert output.feature is not None
            refined, boundary, _ = self.network.refine(
                focus.image, focus.points, output.feature, output.logits, focus.roi
            )
            output.refined_logits, output.boundary_logits = refined, boundary
        return output


class View(Protocol):
    """What a loss is called with: see `clickwise.training.views`."""

    def __call__(self, output: ModelOutput, batch: Batch) -> tuple[Any, ...]:
        """Arguments of the loss."""
        ...


@dataclass(frozen=True)
class WeightedLoss:
    """A loss on a view of the model's answer."""

    name: str
    loss: Loss
    weight: float
    view: View


def total_loss(
    terms: Sequence[WeightedLoss], output: ModelOutput, batch: Batch, ranks: Ranks | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Weighted sum of the batch means, and each unweighted mean by name.

    ranks: processes with shares of one batch, equal ones. The mean over them of gradients, and of values, is then that
    of the whole batch, also for a loss that is one fraction over all of it.
    """
    parts: dict[str, Tensor] = {}
    total = torch.zeros((), device=batch.target.device)
    for term in terms:
        value = _mean(term.loss, term.view(output, batch), ranks or Ranks())
        parts[term.name] = value.detach()
        total = total + term.weight * value
    return total, parts


def _mean(loss: Loss, inputs: tuple[Any, ...], ranks: Ranks) -> Tensor:
    if ranks.world > 1 and isinstance(loss, BatchWideLoss):
        numerator, denominator = loss.sums(*inputs)
        return ranks.world * numerator / ranks.summed(denominator).clamp(min=NFL_EPS)
    return loss(*inputs).mean()


@torch.no_grad()
def batch_iou(logits: Tensor, batch: Batch, threshold: float = 0.5) -> Tensor:
    """(B,) IoU of thresholded probabilities on pixels with truth; 1 where both are empty."""
    valid = ~batch.ignore_mask
    guess = (torch.sigmoid(logits.float()) > threshold) & valid
    truth = (batch.target > 0.5) & valid
    intersection = (guess & truth).sum(dim=(1, 2, 3)).float()
    union = (guess | truth).sum(dim=(1, 2, 3)).float()
    return torch.where(union > 0, intersection / union.clamp(min=1), torch.ones_like(union))
