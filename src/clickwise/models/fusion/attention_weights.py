"""Likeness of every token to the clicked ones, and attention that follows it (SRAFS's "semantic reweighting").

Specification: reference page srafs, section 3.2, for `AttentionWeights`. `agreement_bias` is ours: the release
computes the weights and does not use them (docs/decisions, "SRAFS as its paper describes it").
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.models.backbones.mix_transformer import to_map, to_tokens
from clickwise.types import Size

MIN_POSITIVE_CLICKS = 2
"""With fewer positive clicks all weights are 1 (release)."""
_RATIO, _WIDENING = 4, 2
_DROPOUT = 0.5
_LEAST_AGREEMENT = 1e-4
"""Keeps the logarithm finite; weights of a normalised map stay far above it."""


class LikenessFFN(nn.Module):
    """Mix-FFN to twice the width: Linear - depth-wise 3x3 - GELU - dropout - Linear - dropout."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden = _RATIO * dim
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, _WIDENING * dim)
        self.dropout = nn.Dropout(_DROPOUT)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """(B, N, C) -> (B, N, 2 C)."""
        hidden = F.gelu(to_tokens(self.dwconv(to_map(self.fc1(x), size))))
        out: Tensor = self.dropout(self.fc2(self.dropout(hidden)))
        return out


class AttentionWeights(nn.Module):
    """How much each token resembles the mean of the positively clicked ones."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.tokens_ffn = LikenessFFN(dim)
        self.click_ffn = LikenessFFN(dim)

    def forward(self, tokens: Tensor, size: Size, clicks: Tensor, stride: int) -> Tensor:
        """Weights (B, 1, h, w) in [0, 1], float32; 1 everywhere in items with less than two positive clicks.

        tokens: (B, h * w, C) behind the stage's embedding. clicks: (B, 1, H, W) number of positive clicks per pixel;
        stride: H / h rounded up.
        """
        counts = pooled_counts(clicks, size, stride)
        total = counts.sum(dim=(1, 2, 3)).view(-1, 1, 1)
        mean = (tokens * counts.flatten(2).transpose(1, 2)).sum(dim=1, keepdim=True) / total.clamp(min=1)
        likeness = (self.tokens_ffn(tokens, size) * self.click_ffn(mean, (1, 1))).float().sum(dim=-1)
        weights = torch.sigmoid(F.layer_norm(likeness, likeness.shape[1:]))
        weights = torch.where(total[..., 0] >= MIN_POSITIVE_CLICKS, weights, 1.0)
        return weights.view(-1, 1, *size)


def pooled_counts(clicks: Tensor, size: Size, stride: int) -> Tensor:
    """Clicks per token (B, 1, h, w) from clicks per pixel (B, 1, H, W); the last row and column may be cut short."""
    missing = size[0] * stride - clicks.shape[2], size[1] * stride - clicks.shape[3]
    padded = F.pad(clicks, (0, missing[1], 0, missing[0]))
    return F.avg_pool2d(padded, stride) * stride**2


def agreement_bias(weights: Tensor, reduction: int) -> Tensor:
    """Bias (B, 1, N, M) of attention scores by which like tokens look at like ones.

    weights: (B, 1, h, w) of the N = h * w queries; those of the M keys are their means over reduction x reduction
    tokens. With u, v the weights of a query and a key the bias is log(u v + (1 - u)(1 - v)): the softmaxed attention is
    multiplied by the chance that both belong to the same side, and normalised again. A query of weight 0.5, and every
    query where all weights are 1, attends as without it.
    """
    keys = F.avg_pool2d(weights, reduction) if reduction > 1 else weights
    query, key = weights.flatten(2).transpose(1, 2)[:, None], keys.flatten(2)[:, None]
    return (query * key + (1 - query) * (1 - key)).clamp(min=_LEAST_AGREEMENT).log()
