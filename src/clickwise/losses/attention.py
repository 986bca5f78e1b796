"""Losses on where a network looks (SRAFS): pure functions, one value per item out, and their classes.

Common arguments
    fields: what the network says about its attention, see `Fields`.
    logits, target: (B, 1, H, W), ignore_mask: the same, bool, or None; as in `clickwise.losses.functional`.
All return (B,) values, means over the stages. A token counts by its share of pixels with truth, and ignored pixels get
no gradient. Source: reference page srafs, section 4; `attention_overlap_loss` is ours, after the paper's abstract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from clickwise.errors import OptionError

FEW_CLICKS_FACTOR = 0.01
"""For items with at most one positive click, whose attention weights are 1 everywhere (release)."""
_FEW_CLICKS = 1
_EPS = 1e-6
"""Least share of the tokens that an object or a background must have for fields to be compared."""


class Fields(Protocol):
    """Attention of some stages, an entry per stage; `clickwise.models.interface.AttentionFields` fits."""

    @property
    def maps(self) -> Sequence[Tensor]:
        """(B, N, M) attention of N query tokens to M key tokens; every row sums to 1."""
        ...

    @property
    def weights(self) -> Sequence[Tensor]:
        """(B, 1, h, w) in [0, 1] on the query grid, N = h * w, rows first."""
        ...

    @property
    def key_sizes(self) -> Sequence[tuple[int, int]]:
        """(h_k, w_k) of the key grid, M = h_k * w_k."""
        ...

    @property
    def positive_clicks(self) -> Tensor:
        """(B,) number of positive clicks."""
        ...


def affinity_loss(logits: Tensor, fields: Fields, ignore_mask: Tensor | None = None) -> Tensor:
    """Attention, read as diffusion, shall reproduce the answer: the object by the w part, background by the rest.

    With S = sigmoid(logits), F and F' = S on query and key grid, A the attention and w the weights (no gradient):

        mean over queries of |(w A) F' - F| + |((1 - w) A) (1 - F') - (1 - F)|

    Items with few positive clicks count `FEW_CLICKS_FACTOR`. This is the release's loss; it knows no truth.
    """
    probs = torch.sigmoid(logits.float())
    if ignore_mask is not None:
        probs = torch.where(ignore_mask.bool(), probs.detach(), probs)
    total = probs.new_zeros(len(probs))
    for attention, weight, key_size in zip(fields.maps, fields.weights, fields.key_sizes, strict=True):
        answer, keys = _on_grid(probs, _grid(weight)), _on_grid(probs, key_size)
        like = weight.detach().float().flatten(1)[..., None]
        object_part = like * (attention.float() @ keys)
        other_part = (1 - like) * (attention.float() @ (1 - keys))
        error = (object_part - answer).abs() + (other_part - (1 - answer)).abs()
        total = total + _token_mean(error[..., 0], _truth_share(probs, weight, ignore_mask))
    return total / len(fields.maps) * _click_factor(fields)


def attention_weight_loss(fields: Fields, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
    """Mean squared error between the weights and the truth on their grid (nearest pixel, as published).

    Items with few positive clicks count `FEW_CLICKS_FACTOR`.
    """
    truth = target.float()
    total = truth.new_zeros(len(truth))
    for weight in fields.weights:
        wanted = F.interpolate(truth, size=_grid(weight), mode="nearest")
        valid = torch.ones_like(wanted)
        if ignore_mask is not None:
            valid -= F.interpolate(ignore_mask.float(), size=_grid(weight), mode="nearest")
        total = total + _token_mean((weight.float() - wanted).square().flatten(1), valid.flatten(1))
    return total / len(fields.weights) * _click_factor(fields)


def attention_overlap_loss(fields: Fields, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
    """How much of what the object's tokens look at the background's tokens look at as well, in [0, 1].

    With A the attention and t the truth on the query grid (share of object in a token), the attention fields of object
    and background are distributions over the keys:

        a_j = sum_i t_i A_ij / sum_i t_i        b_j = sum_i (1 - t_i) A_ij / sum_i (1 - t_i)

    and the loss is their overlap, sum_j min(a_j, b_j) = 1 - |a - b| / 2: 1 when both sides look alike, 0 when they look
    at different places. An item without object, or without background, gives 0.
    """
    truth = target.float().clamp(0, 1)
    known = torch.ones_like(truth) if ignore_mask is None else 1 - ignore_mask.float()
    sides = torch.cat([truth * known, (1 - truth) * known], dim=1)
    total = truth.new_zeros(len(truth))
    for attention, weight in zip(fields.maps, fields.weights, strict=True):
        share = F.adaptive_avg_pool2d(sides, _grid(weight)).flatten(2)
        mass = share.sum(dim=2, keepdim=True)
        looked = (share / mass.clamp(min=_EPS)) @ attention.float()
        overlap = torch.minimum(looked[:, 0], looked[:, 1]).sum(dim=1)
        total = total + overlap * (mass[..., 0] > _EPS).all(dim=1)
    return total / len(fields.maps)


class _OnFields:
    """What the classes below share; they are used on the view "logits+attention"."""

    def log_state(self) -> dict[str, float]:
        """Nothing but the value to log."""
        return {}


@dataclass(frozen=True)
class AffinityLoss(_OnFields):
    """`affinity_loss`."""

    def __call__(
        self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None, fields: Fields | None = None
    ) -> Tensor:
        """(B,) values; fields must be given, target is not used."""
        return affinity_loss(logits, _given(fields), ignore_mask)


@dataclass(frozen=True)
class AttentionWeightLoss(_OnFields):
    """`attention_weight_loss`."""

    def __call__(
        self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None, fields: Fields | None = None
    ) -> Tensor:
        """(B,) values; fields must be given, logits are not used."""
        return attention_weight_loss(_given(fields), target, ignore_mask)


@dataclass(frozen=True)
class AttentionOverlapLoss(_OnFields):
    """`attention_overlap_loss`."""

    def __call__(
        self, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None, fields: Fields | None = None
    ) -> Tensor:
        """(B,) values; fields must be given, logits are not used."""
        return attention_overlap_loss(_given(fields), target, ignore_mask)


def _given(fields: Fields | None) -> Fields:
    if fields is None:
        raise OptionError("a loss on attention got no attention fields; use it on the view 'logits+attention'")
    return fields


def _grid(weight: Tensor) -> tuple[int, int]:
    return int(weight.shape[2]), int(weight.shape[3])


def _on_grid(probs: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, 1, H, W) -> (B, h * w, 1), bilinear with aligned corners as published."""
    resized = F.interpolate(probs, size=size, mode="bilinear", align_corners=True)
    return resized.flatten(1)[..., None]


def _truth_share(probs: Tensor, weight: Tensor, ignore_mask: Tensor | None) -> Tensor:
    """(B, N) share of each token's pixels that have truth."""
    if ignore_mask is None:
        return probs.new_ones((len(weight), weight[0].numel()))
    return F.adaptive_avg_pool2d(1 - ignore_mask.float(), _grid(weight)).flatten(1)


def _token_mean(values: Tensor, share: Tensor) -> Tensor:
    """(B,) weighted mean of (B, N); 0 where nothing has weight."""
    return (values * share).sum(dim=1) / share.sum(dim=1).clamp(min=_EPS)


def _click_factor(fields: Fields) -> Tensor:
    """(B,) 1, or `FEW_CLICKS_FACTOR` for items with few positive clicks."""
    few = fields.positive_clicks.flatten() <= _FEW_CLICKS
    return torch.where(few, fields.weights[0].new_full((), FEW_CLICKS_FACTOR), 1.0).float()
