"""Losses as objects with options: what a recipe names. Each only calls its function of `functional`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from clickwise.losses import functional

_KEEP_MULTIPLIER = 0.9
_KEEP_PEAK = 0.8
"""Decay of the two running means that RITM's release logs for the normalised focal loss (``_k`` and ``_m``)."""


@runtime_checkable
class Loss(Protocol):
    """A loss on one output of a network."""

    def __call__(self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """(B,) values for logits and target (B, 1, H, W) and ignore_mask of that shape (True = no truth) or None."""
        ...

    def log_state(self) -> dict[str, float]:
        """Numbers worth logging beside the value, by short name; often none."""
        ...


@runtime_checkable
class BatchWideLoss(Protocol):
    """A loss that is one fraction over the whole batch, so that its parts must be added before they are divided."""

    def sums(self, *inputs: Any) -> tuple[Tensor, Tensor]:
        """Numerator and denominator over the items given, scalars; the denominator has no gradient.

        inputs: as for calling the loss, which returns their quotient.
        """
        ...


@runtime_checkable
class RememberingLoss(Protocol):
    """A loss whose `Loss.log_state` depends on former calls."""

    def state_dict(self) -> dict[str, Any]:
        """Plain data."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        ...


class Stateless:
    """A loss without memory."""

    def log_state(self) -> dict[str, float]:
        """Nothing but the value to log."""
        return {}


@dataclass
class NormalizedFocalLoss:
    """`functional.normalized_focal_loss` with its options, keeping two running means for the log.

    log_state: "k", the mean normalising factor over items without ignored pixels, and "m", the mean over items of the
    largest normalised weight, both smoothed over calls. They take no part in the value.
    """

    alpha: float = functional.NFL_ALPHA
    gamma: float = functional.FOCAL_GAMMA
    max_mult: float = -1.0
    eps: float = functional.NFL_EPS
    detach_normaliser: bool = True
    size_average: bool = True
    _multiplier: Tensor | None = field(default=None, init=False, repr=False, compare=False)
    _peak: Tensor | None = field(default=None, init=False, repr=False, compare=False)

    def __call__(self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """(B,) values."""
        value, report = functional.normalized_focal_loss_parts(
            logits,
            target,
            ignore_mask,
            alpha=self.alpha,
            gamma=self.gamma,
            max_mult=self.max_mult,
            eps=self.eps,
            detach_normaliser=self.detach_normaliser,
            size_average=self.size_average,
        )
        self._remember(report, ignore_mask)
        return value

    def _remember(self, report: functional.FocalNormalisation, ignore_mask: Tensor | None) -> None:
        """Running means as tensors on their device, so that no step waits for a copy to the host."""
        items = report.multiplier
        whole = torch.ones(len(items), dtype=torch.bool, device=items.device)
        if ignore_mask is not None:
            whole = ~ignore_mask.bool().flatten(1).any(dim=1)
        old = items.new_zeros(()) if self._multiplier is None else self._multiplier.to(items)
        mean = (items.mean(dim=1) * whole).sum() / whole.sum().clamp(min=1)
        self._multiplier = torch.where(whole.any(), _KEEP_MULTIPLIER * old + (1 - _KEEP_MULTIPLIER) * mean, old)
        peak = items.new_zeros(()) if self._peak is None else self._peak.to(items)
        self._peak = _KEEP_PEAK * peak + (1 - _KEEP_PEAK) * report.peak_weight.mean()

    def log_state(self) -> dict[str, float]:
        """{"k": ..., "m": ...}; zeros before the first call."""
        return {
            "k": 0.0 if self._multiplier is None else float(self._multiplier),
            "m": 0.0 if self._peak is None else float(self._peak),
        }

    def state_dict(self) -> dict[str, Any]:
        """The two running means; None before the first call."""
        return {"k": _plain(self._multiplier), "m": _plain(self._peak)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        self._multiplier = None if state["k"] is None else torch.tensor(state["k"])
        self._peak = None if state["m"] is None else torch.tensor(state["m"])


def _plain(value: Tensor | None) -> float | None:
    return None if value is None else float(value)


@dataclass(frozen=True)
class WeightedNormalizedFocalLoss(Stateless):
    """`functional.weighted_normalized_focal_loss` with its options, for views that give a map of weights.

    These are "refined_logits+trimap" and "logits+border".
    """

    share: float = functional.BOUNDARY_SHARE
    alpha: float = functional.WEIGHTED_NFL_ALPHA
    gamma: float = functional.FOCAL_GAMMA
    eps: float = functional.NFL_EPS

    def __call__(
        self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None, weight: Tensor | None = None
    ) -> Tensor:
        """(B,) equal values, for the published loss is one value over the whole batch.

        weight: a map of the shape of logits in [0, 1], usually a trimap; None = zero everywhere.
        """
        loss, weights = self.sums(logits, target, ignore_mask, weight)
        return (loss / (weights + self.eps)).expand(len(logits))

    def sums(
        self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None, weight: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """See `BatchWideLoss`."""
        return functional.weighted_normalized_focal_sums(
            logits,
            target,
            torch.zeros_like(logits) if weight is None else weight,
            ignore_mask,
            share=self.share,
            alpha=self.alpha,
            gamma=self.gamma,
            eps=self.eps,
        )


@dataclass(frozen=True)
class FocalLoss(Stateless):
    """`functional.focal_loss` with its options."""

    alpha: float = functional.NFL_ALPHA
    gamma: float = functional.FOCAL_GAMMA
    eps: float = functional.FOCAL_EPS
    scale: float = 1.0
    size_average: bool = True

    def __call__(self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """(B,) values."""
        return functional.focal_loss(
            logits,
            target,
            ignore_mask,
            alpha=self.alpha,
            gamma=self.gamma,
            eps=self.eps,
            scale=self.scale,
            size_average=self.size_average,
        )


@dataclass(frozen=True)
class SoftIoU(Stateless):
    """`functional.soft_iou`."""

    eps: float = functional.SOFT_IOU_EPS

    def __call__(self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """(B,) values."""
        return functional.soft_iou(logits, target, ignore_mask, eps=self.eps)


@dataclass(frozen=True)
class SoftDice(Stateless):
    """`functional.soft_dice`."""

    eps: float = functional.DICE_EPS

    def __call__(self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """(B,) values."""
        return functional.soft_dice(logits, target, ignore_mask, eps=self.eps)


@dataclass(frozen=True)
class SigmoidBCE(Stateless):
    """`functional.sigmoid_bce` from logits."""

    def __call__(self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """(B,) values."""
        return functional.sigmoid_bce(logits, target, ignore_mask)
