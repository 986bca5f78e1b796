"""SRAFS's guided encoder: a signal made of masks and click maps enters at the input and again between stages.

Specification: reference page srafs, section 3. The signal has 4 channels: previous mask, modulated mask, positive and
negative disks. At each depth of `Guidance.blocks` the image tokens ask the signal by gated cross-attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.models.backbones.mix_transformer import (
    BLOCK_EPS,
    HEADS,
    REDUCTIONS,
    MixFFN,
    MixTransformer,
    OverlapEmbed,
    to_map,
    to_tokens,
)
from clickwise.models.fusion.attention_weights import AttentionWeights, agreement_bias
from clickwise.models.fusion.interaction_guided import CrossAttention
from clickwise.models.interface import AttentionFields
from clickwise.types import Size

SIGNAL_CHANNELS = 4
SUPERVISED_STAGES = (1, 3)
"""Stages (from 0) with attention weights and attention losses: the second and the fourth."""
_STRIDES = (4, 8, 16, 32)
_FIRST_WIDTH = 64


@dataclass(frozen=True)
class Guidance:
    """blocks: pairs (stage from 0, number of fusion blocks behind it). reweights: the weights change the attention.

    decodes_fused: the decoder gets a stage's tokens after the fusion behind it (else before).
    """

    blocks: tuple[tuple[int, int], ...]
    reweights: bool
    decodes_fused: bool


class GuidanceStep(nn.Module):
    """Convolution with stride 2 and batch norm."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, channels, H / 2, W / 2), rounded up."""
        out: Tensor = self.norm(self.conv(maps))
        return out


class GuidanceEmbed(nn.Module):
    """The signal at ever coarser grids. widths: channels at strides 2, 4, 8, ..."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        inputs = (SIGNAL_CHANNELS, *widths[:-1])
        self.steps = nn.ModuleList(GuidanceStep(i, o) for i, o in zip(inputs, widths, strict=True))

    def forward(self, signal: Tensor) -> dict[int, Tensor]:
        """(B, 4, H, W) -> stride -> (B, width, H / stride, W / stride), before the activation that leads further."""
        found: dict[int, Tensor] = {}
        x = signal
        for number, step in enumerate(self.steps, start=1):
            x = step(x if number == 1 else F.gelu(x))
            found[2**number] = x
        return found


class GuidedBlock(nn.Module):
    """One fusion block: the signal asks itself, the image asks the signal, a gate per token and channel weighs it."""

    def __init__(self, dim: int, *, heads: int, reduction: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.signal_attn = CrossAttention(dim, heads=heads, reduction=reduction)
        self.norm_side = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.norm2 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.image_attn = CrossAttention(dim, heads=heads, reduction=reduction)
        self.gate = nn.Sequential(
            nn.Linear(2 * dim, dim // 2), nn.LayerNorm(dim // 2), nn.GELU(), nn.Linear(dim // 2, dim)
        )
        self.norm3 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.mlp = MixFFN(dim)

    def forward(self, tokens: Tensor, signal: Tensor, size: Size) -> Tensor:
        """tokens (B, N, C) of the image, signal (B, N, C) the same for all blocks of a depth -> (B, N, C)."""
        normed = self.norm1(signal)
        asked = signal + self.signal_attn(normed, normed, size)
        answer = self.image_attn(self.norm_side(tokens), self.norm2(asked), size)
        strength = 2 * torch.sigmoid(self.gate(torch.cat([tokens, asked], dim=-1)))
        tokens = tokens + strength * answer
        tokens = tokens + self.mlp(self.norm3(tokens), size)
        return tokens


class GuidedDepth(nn.Module):
    """The fusion blocks behind one stage (from 0) and the norm that ends them."""

    def __init__(self, stage: int, dim: int, count: int) -> None:
        super().__init__()
        self.stage = stage
        self.blocks = nn.ModuleList(
            GuidedBlock(dim, heads=HEADS[stage], reduction=REDUCTIONS[stage]) for _ in range(count)
        )
        self.norm = nn.LayerNorm(dim, eps=BLOCK_EPS)

    def forward(self, tokens: Tensor, signal: Tensor, size: Size, gate: Tensor | None) -> Tensor:
        """(B, N, C) tokens and signal -> tokens plus gate (B,) times the fused ones, normed. gate None = closed."""
        if gate is None:
            closed: Tensor = self.norm(tokens)
            return closed
        fused = tokens
        for block in self.blocks:
            fused = block(fused, signal, size)
        normed: Tensor = self.norm(tokens + gate[:, None, None].to(fused.dtype) * fused)
        return normed


class GuidedEncoder(nn.Module):
    """Everything that SRAFS adds to a `MixTransformer`."""

    def __init__(self, backbone: MixTransformer, guidance: Guidance) -> None:
        super().__init__()
        self.guidance = guidance
        dims = backbone.dims
        self.inject = OverlapEmbed(SIGNAL_CHANNELS, dims[0], patch=7, stride=4)
        self.embed = GuidanceEmbed(_signal_widths(dims, [stage for stage, _ in guidance.blocks]))
        self.depths = nn.ModuleList(GuidedDepth(i, dims[i], count) for i, count in guidance.blocks)
        self.weights = nn.ModuleList(AttentionWeights(dims[i]) for i in SUPERVISED_STAGES)

    def forward(
        self,
        backbone: MixTransformer,
        image: Tensor,
        signal: Tensor,
        clicks: Tensor,
        gate: Tensor | None,
        *,
        keep_attention: bool = False,
    ) -> tuple[list[Tensor], AttentionFields | None]:
        """The four maps for the decoder, and where the supervised stages look if ``keep_attention``.

        image (B, 3, H, W) normalised; signal (B, 4, H, W); clicks (B, 1, H, W) number of positive clicks per pixel;
        gate (B,) strength of the fusion between stages, None = closed for the whole batch.
        """
        depths = {depth.stage: depth for depth in self.depths if isinstance(depth, GuidedDepth)}
        signals = {} if gate is None else self.embed(signal)
        decoded: list[Tensor] = []
        attention: list[Tensor] = []
        weights: list[Tensor] = []
        key_sizes: list[Size] = []
        x = image
        for index in range(4):
            stage = backbone.stage(index)
            tokens, size = stage.embed(x)
            if index == 0:
                tokens = tokens + self.inject(signal)[0]
            maps: list[Tensor] | None = None
            bias: Tensor | None = None
            if index in SUPERVISED_STAGES and (keep_attention or self.guidance.reweights):
                weigh = self.weights[SUPERVISED_STAGES.index(index)]
                weights.append(weigh(tokens, size, clicks, _STRIDES[index]))
                bias = agreement_bias(weights[-1], REDUCTIONS[index]) if self.guidance.reweights else None
                maps = [] if keep_attention else None
            tokens = stage.encode(tokens, size, maps=maps, bias=bias)
            if maps is not None:
                attention.append(torch.stack([each.mean(dim=1) for each in maps]).mean(dim=0))
                key_sizes.append((size[0] // REDUCTIONS[index], size[1] // REDUCTIONS[index]))
            fused = tokens
            if index in depths:
                at = signals.get(_STRIDES[index])
                fused = depths[index](tokens, tokens if at is None else to_tokens(at), size, gate)
            x = to_map(fused, size)
            decoded.append(x if self.guidance.decodes_fused else to_map(tokens, size))
        if not keep_attention:
            return decoded, None
        count = clicks.sum(dim=(1, 2, 3))
        return decoded, AttentionFields(tuple(attention), tuple(weights), tuple(key_sizes), count)


def _signal_widths(dims: tuple[int, int, int, int], stages: Sequence[int]) -> tuple[int, ...]:
    """Channels of the signal at strides 2, 4, ...: a stage's own where it is fused, below that the next fused one's."""
    last = max(stages)
    inner = tuple(dims[min(s for s in stages if s >= i)] for i in range(last + 1))
    return _FIRST_WIDTH, *inner
