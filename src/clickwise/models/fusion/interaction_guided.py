"""IGLR's interaction-guided fusion: clicks and previous mask run beside the image and ask it by cross-attention.

Specification: reference page iglr, sections 2.2 and 2.3 (primary reading: the image tokens get the self-attention).
"""

from __future__ import annotations

from torch import Tensor, nn

from clickwise.models.backbones.mix_transformer import (
    BLOCK_EPS,
    HEADS,
    REDUCTIONS,
    KeyValueReduction,
    MixFFN,
    MixTransformer,
    OverlapEmbed,
    attend,
    to_map,
)
from clickwise.types import Size

_BLOCKS = 4
_STAGE = 1
"""Fusion works on the grid of the second stage (stride 8), with its heads and reduction."""


class CrossAttention(nn.Module):
    """Attention from one set of tokens to another of the same grid, with separate linears and reduced keys, values."""

    def __init__(self, dim: int, *, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.k = nn.Linear(dim, dim)
        self.v = nn.Linear(dim, dim)
        self.proj = nn.Linear(dim, dim)
        self.reduce = KeyValueReduction(dim, reduction)

    def forward(self, query: Tensor, source: Tensor, size: Size) -> Tensor:
        """(B, N, C), (B, N, C) -> (B, N, C)."""
        reduced = self.reduce(source, size)
        out: Tensor = self.proj(attend(self.q(query), self.k(reduced), self.v(reduced), self.heads))
        return out


class InteractionBlock(nn.Module):
    """One fusion block: image asks itself, interaction asks the image and carries the result on."""

    def __init__(self, dim: int, *, heads: int, reduction: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.image_attn = CrossAttention(dim, heads=heads, reduction=reduction)
        self.norm_side = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.norm2 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.side_attn = CrossAttention(dim, heads=heads, reduction=reduction)
        self.norm3 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.mlp = MixFFN(dim)

    def forward(self, tokens: Tensor, side: Tensor, size: Size) -> Tensor:
        """tokens (B, N, C) running, side (B, N, C) the same for all blocks -> (B, N, C)."""
        normed = self.norm1(tokens)
        image = tokens + self.image_attn(normed, normed, size)
        out: Tensor = side + self.side_attn(self.norm_side(side), self.norm2(image), size)
        out = out + self.mlp(self.norm3(out), size)
        return out


class InteractionGuidedFusion(nn.Module):
    """Side stream through the first two stages of a `MixTransformer` (shared weights), then fusion at stride 8."""

    def __init__(self, backbone: MixTransformer) -> None:
        super().__init__()
        first, second = backbone.dims[:2]
        self.embed_clicks = OverlapEmbed(2, first, patch=7, stride=4)
        self.embed_mask = OverlapEmbed(1, first, patch=7, stride=4)
        self.embed_second = OverlapEmbed(first, second, patch=3, stride=2)
        self.blocks = nn.ModuleList(
            InteractionBlock(second, heads=HEADS[_STAGE], reduction=REDUCTIONS[_STAGE]) for _ in range(_BLOCKS)
        )
        self.norm = nn.LayerNorm(second, eps=BLOCK_EPS)

    def forward(
        self, backbone: MixTransformer, image: Tensor, click_maps: Tensor, prev_mask: Tensor, gate: Tensor
    ) -> list[Tensor]:
        """The four maps of the backbone with interaction in them.

        image (B, 3, H, W) normalised, click_maps (B, 2, H, W), prev_mask (B, 1, H, W) in [0, 1]; gate (B,) is the
        strength of the previous mask: at 0 its embedding, bias included, is absent.
        """
        stage1, stage2 = backbone.stage(0), backbone.stage(1)
        x, size = stage1.embed(image)
        side = self.embed_clicks(click_maps)[0] + gate[:, None, None].to(x.dtype) * self.embed_mask(prev_mask)[0]
        x, side = stage1.encode(x, size), stage1.encode(side, size)
        maps = [to_map(x + side, size)]

        side = self.embed_second(to_map(side, size))[0]
        x, size = stage2.embed(to_map(x, size))
        x, side = stage2.encode(x, size), stage2.encode(side, size)
        maps.append(to_map(x + side, size))

        tokens = x
        for block in self.blocks:
            tokens = block(tokens, side, size)
        fused = to_map(self.norm(tokens) + x, size)
        for i in (2, 3):
            fused = backbone.stage(i)(fused)
            maps.append(fused)
        return maps
