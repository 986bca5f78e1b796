"""Mix Transformer (MiT; SegFormer, Xie et al. 2021, arXiv 2105.15203), written from the paper and our specification.

image (B, 3, H, W) -> four maps at strides 4, 8, 16, 32. Tokens are (B, N, C) in row-major order with their grid (h, w).
The backbone knows nothing of clicks. Whoever wants to inject something drives ``stages`` itself: `MixStage.embed` makes
tokens, `MixStage.encode` runs the blocks; between the two, and between stages, tokens may be changed at will.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.models.backbones.imagenet import BackboneReport, fill_matching
from clickwise.types import Size

BLOCK_EPS = 1e-6
"""LayerNorm inside blocks and after stages; embeddings and key / value reductions use PyTorch's 1e-5."""
HEADS = (1, 2, 5, 8)
REDUCTIONS = (8, 4, 2, 1)
_PATCHES = ((7, 4), (3, 2), (3, 2), (3, 2))
_MLP_RATIO = 4
_INIT_STD = 0.02
_STAGE_NAME = re.compile(r"^(patch_embed|block|norm)([1-4])\.")
_OURS = {"patch_embed": "embed", "block": "blocks", "norm": "norm"}


@dataclass(frozen=True)
class MixSize:
    """dims: channels of the four stages; depths: their numbers of blocks."""

    dims: tuple[int, int, int, int]
    depths: tuple[int, int, int, int]


SIZES: Mapping[str, MixSize] = {
    "b0": MixSize((32, 64, 160, 256), (2, 2, 2, 2)),
    "b3": MixSize((64, 128, 320, 512), (3, 4, 18, 3)),
}


class OverlapEmbed(nn.Module):
    """Overlapping patches: convolution with half a patch of padding, then LayerNorm."""

    def __init__(self, in_channels: int, dim: int, *, patch: int, stride: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(in_channels, dim, patch, stride=stride, padding=patch // 2)
        self.norm = nn.LayerNorm(dim)

    def forward(self, maps: Tensor) -> tuple[Tensor, Size]:
        """(B, C, H, W) -> tokens (B, h * w, dim) and (h, w) = (H, W) / stride, rounded up."""
        x = self.proj(maps)
        return self.norm(to_tokens(x)), (int(x.shape[2]), int(x.shape[3]))


class KeyValueReduction(nn.Module):
    """The source of keys and values on a coarser grid: convolution with kernel = stride = ratio, then LayerNorm."""

    def __init__(self, dim: int, ratio: int) -> None:
        super().__init__()
        self.sr = nn.Conv2d(dim, dim, ratio, stride=ratio)
        self.norm = nn.LayerNorm(dim)

    def forward(self, tokens: Tensor, size: Size) -> Tensor:
        """(B, h * w, C) -> (B, (h // ratio) * (w // ratio), C)."""
        reduced: Tensor = self.norm(to_tokens(self.sr(to_map(tokens, size))))
        return reduced


class MixAttention(nn.Module):
    """Self-attention whose keys and values lie on a reduced grid."""

    def __init__(self, dim: int, *, heads: int, reduction: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.reduce = KeyValueReduction(dim, reduction) if reduction > 1 else None

    def forward(self, x: Tensor, size: Size, *, maps: list[Tensor] | None = None, bias: Tensor | None = None) -> Tensor:
        """(B, N, C) -> (B, N, C); see `attend` for maps and bias."""
        source = x if self.reduce is None else self.reduce(x, size)
        key, value = self.kv(source).chunk(2, dim=-1)
        out: Tensor = self.proj(attend(self.q(x), key, value, self.heads, maps=maps, bias=bias))
        return out


def attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    heads: int,
    *,
    maps: list[Tensor] | None = None,
    bias: Tensor | None = None,
) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v with ``heads`` heads: (B, N, C), (B, M, C), (B, M, C) -> (B, N, C).

    maps: if given, the softmaxed attention (B, heads, N, M) is appended to it; else PyTorch's fused kernel runs and the
    attention is never held. bias: (B, 1, N, M), alike for all heads; None = 0.
    """
    q, k, v = (x.reshape(*x.shape[:2], heads, -1).transpose(1, 2) for x in (query, key, value))
    if maps is None:
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=None if bias is None else bias.to(q.dtype))
    else:
        scores = (q @ k.transpose(2, 3)) / math.sqrt(q.shape[-1])
        weights = torch.softmax(scores if bias is None else scores + bias, dim=-1)
        maps.append(weights)
        out = weights.to(v.dtype) @ v
    return out.transpose(1, 2).flatten(2)


class MixFFN(nn.Module):
    """Linear - depth-wise 3x3 - GELU - Linear; the convolution tells tokens where they are."""

    def __init__(self, dim: int, *, ratio: int = _MLP_RATIO) -> None:
        super().__init__()
        hidden = ratio * dim
        self.fc1 = nn.Linear(dim, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x: Tensor, size: Size) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        hidden = to_tokens(self.dwconv(to_map(self.fc1(x), size)))
        out: Tensor = self.fc2(F.gelu(hidden))
        return out


class MixBlock(nn.Module):
    """Attention and Mix-FFN, each behind a LayerNorm and beside a residual connection. drop_path: stochastic depth."""

    def __init__(self, dim: int, *, heads: int, reduction: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.attn = MixAttention(dim, heads=heads, reduction=reduction)
        self.norm2 = nn.LayerNorm(dim, eps=BLOCK_EPS)
        self.mlp = MixFFN(dim)
        self.drop_path = drop_path

    def forward(self, x: Tensor, size: Size, *, maps: list[Tensor] | None = None, bias: Tensor | None = None) -> Tensor:
        """(B, N, C) -> (B, N, C); see `attend` for maps and bias."""
        x = x + self._dropped(self.attn(self.norm1(x), size, maps=maps, bias=bias))
        return x + self._dropped(self.mlp(self.norm2(x), size))

    def _dropped(self, branch: Tensor) -> Tensor:
        """In training a whole item's branch is left out with probability ``drop_path``; the others make up for it."""
        if not self.training or self.drop_path == 0.0:
            return branch
        keep = 1.0 - self.drop_path
        return branch * (branch.new_empty((len(branch), 1, 1)).bernoulli_(keep) / keep)


class MixStage(nn.Module):
    """Embedding, blocks and the LayerNorm behind them."""

    def __init__(
        self, in_channels: int, dim: int, *, patch: int, stride: int, heads: int, reduction: int, drops: list[float]
    ) -> None:
        super().__init__()
        self.embed = OverlapEmbed(in_channels, dim, patch=patch, stride=stride)
        self.blocks = nn.ModuleList(MixBlock(dim, heads=heads, reduction=reduction, drop_path=drop) for drop in drops)
        self.norm = nn.LayerNorm(dim, eps=BLOCK_EPS)

    def encode(
        self, tokens: Tensor, size: Size, *, maps: list[Tensor] | None = None, bias: Tensor | None = None
    ) -> Tensor:
        """Tokens (B, N, C) through all blocks and the norm; see `attend` for maps (one per block) and bias."""
        for block in self.blocks:
            tokens = block(tokens, size, maps=maps, bias=bias)
        normed: Tensor = self.norm(tokens)
        return normed

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, dim, h, w)."""
        tokens, size = self.embed(maps)
        return to_map(self.encode(tokens, size), size)


class MixTransformer(nn.Module):
    """The four stages of one of `SIZES`. drop_path: of the last block; it grows linearly from 0 over all blocks."""

    def __init__(self, size: MixSize, *, drop_path: float = 0.1) -> None:
        super().__init__()
        self.dims = size.dims
        drops = [float(rate) for rate in torch.linspace(0, drop_path, sum(size.depths), device="cpu")]
        inputs = (3, *size.dims[:3])
        stages = []
        for i, depth in enumerate(size.depths):
            patch, stride = _PATCHES[i]
            first = sum(size.depths[:i])
            stages.append(
                MixStage(
                    inputs[i],
                    size.dims[i],
                    patch=patch,
                    stride=stride,
                    heads=HEADS[i],
                    reduction=REDUCTIONS[i],
                    drops=drops[first : first + depth],
                )
            )
        self.stages = nn.ModuleList(stages)

    def stage(self, index: int) -> MixStage:
        """Stage 0 to 3, typed."""
        stage = self.stages[index]
        assert isinstance(stage, MixStage)
        return stage

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 3, H, W) normalised image -> the four maps."""
        maps, x = [], image
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def load_imagenet(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from a public MiT classification file (names patch_embed1, block1.0, norm1, ...)."""
        return fill_matching(self, {our_entry(name.removeprefix("backbone.")): v for name, v in entries.items()})


def our_entry(public: str) -> str:
    """Our name of an entry of a public MiT file; other names are returned as they are.

    >>> our_entry("block3.0.attn.sr.weight")
    'stages.2.blocks.0.attn.reduce.sr.weight'
    """
    match = _STAGE_NAME.match(public)
    if match is None:
        return public
    inner = public[match.end() :].replace("attn.sr.", "attn.reduce.sr.").replace("attn.norm.", "attn.reduce.norm.")
    return f"stages.{int(match[2]) - 1}.{_OURS[match[1]]}.{inner.replace('dwconv.dwconv.', 'dwconv.')}"


def to_tokens(maps: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h * w, C)."""
    return maps.flatten(2).transpose(1, 2)


def to_map(tokens: Tensor, size: Size) -> Tensor:
    """(B, h * w, C) -> (B, C, h, w)."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], *size)


def initialise(module: nn.Module) -> None:
    """Linear weights ~ truncated N(0, 0.02), convolutions ~ N(0, 2 / fan-out), biases 0, norm weights 1."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.trunc_normal_(part.weight, std=_INIT_STD)
            nn.init.zeros_(part.bias)
        elif isinstance(part, nn.Conv2d):
            fan_out = math.prod(part.kernel_size) * part.out_channels // part.groups
            nn.init.normal_(part.weight, std=math.sqrt(2.0 / fan_out))
            if part.bias is not None:
                nn.init.zeros_(part.bias)
