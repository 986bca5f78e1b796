"""Swin transformer (Liu et al. 2021, arXiv 2103.14030) for maps of any size: attention in shifted windows.

Entry names are those of the public classification files. Legend of axes: B pictures, h w tokens, E width, n windows,
N tokens of a window. Maps of tokens are (B, h, w, E).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.errors import OptionError
from clickwise.models.backbones.imagenet import BackboneReport, fill_matching
from clickwise.models.backbones.vit import Mlp

PATCH = 4
_BARRED = -100.0
"""Added to attention between tokens that only the shift has made neighbours."""
_INIT_STD = 0.02
_TABLE = "relative_position_bias_table"


class DropPath(nn.Module):
    """Stochastic depth: while training, drops a residual branch of whole items with a probability."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, branch: Tensor) -> Tensor:
        """Same shape; what stays is scaled so that the mean does not change."""
        if not self.training or self.probability == 0:
            return branch
        stays = 1.0 - self.probability
        kept = branch.new_empty((branch.shape[0],) + (1,) * (branch.ndim - 1)).bernoulli_(stays)
        return branch * kept / stays


class WindowAttention(nn.Module):
    """Self-attention of the tokens of each window, with a learned bias per relative position and head."""

    def __init__(self, *, width: int, heads: int, window: int) -> None:
        super().__init__()
        if width % heads:
            raise OptionError(f"width {width} is no multiple of {heads} heads; choose another number of heads")
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", _relative_index(window), persistent=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=_INIT_STD)

    def forward(self, tokens: Tensor, barred: Tensor | None) -> Tensor:
        """tokens (B * n, N, E); barred (n, N, N): added to the attention's logits, or None."""
        count, length, width = tokens.shape
        query, key, value = self.qkv(tokens).view(count, length, 3, self.heads, width // self.heads).unbind(2)
        assert isinstance(self.relative_position_index, Tensor)
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.view(1, length, length, self.heads).permute(0, 3, 1, 2)
        if barred is not None:
            bias = (bias + barred[:, None]).repeat(count // len(barred), 1, 1, 1)
        mixed = F.scaled_dot_product_attention(
            query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=bias.to(query.dtype)
        )
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(count, length, width))
        return out


class Block(nn.Module):
    """Attention in windows, moved by half a window if ``shifted``, then an MLP; both pre-norm with residuals."""

    def __init__(self, *, width: int, heads: int, window: int, shifted: bool, drop_path: float) -> None:
        super().__init__()
        self.window, self.shift = window, window // 2 if shifted else 0
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width=width, heads=heads, window=window)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width=width)

    def forward(self, tokens: Tensor, barred: Tensor) -> Tensor:
        """tokens (B, h, w, E); barred: `_barred_pairs` of this size, used by shifted blocks."""
        height, width = tokens.shape[1:3]
        maps = F.pad(self.norm1(tokens), (0, 0, 0, -width % self.window, 0, -height % self.window))
        if self.shift:
            maps = maps.roll((-self.shift, -self.shift), dims=(1, 2))
        mixed = self.attn(_split(maps, self.window), barred if self.shift else None)
        maps = _join(mixed, self.window, (int(maps.shape[1]), int(maps.shape[2])))
        if self.shift:
            maps = maps.roll((self.shift, self.shift), dims=(1, 2))
        tokens = tokens + self.drop_path(maps[:, :height, :width])
        out: Tensor = tokens + self.drop_path(self.mlp(self.norm2(tokens)))
        return out


class PatchMerging(nn.Module):
    """2 x 2 neighbours -> one token of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, h, w, E) -> (B, ceil(h / 2), ceil(w / 2), 2 E)."""
        tokens = F.pad(tokens, (0, 0, 0, tokens.shape[2] % 2, 0, tokens.shape[1] % 2))
        upper, lower = tokens[:, 0::2], tokens[:, 1::2]
        joined = torch.cat([upper[:, :, 0::2], lower[:, :, 0::2], upper[:, :, 1::2], lower[:, :, 1::2]], dim=3)
        out: Tensor = self.reduction(self.norm(joined))
        return out


class Stage(nn.Module):
    """Blocks, every second one shifted, then (except in the last stage) merging."""

    def __init__(self, *, width: int, heads: int, window: int, drop_paths: Sequence[float], merges: bool) -> None:
        super().__init__()
        self.window = window
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, window=window, shifted=bool(i % 2), drop_path=rate)
            for i, rate in enumerate(drop_paths)
        )
        self.downsample = PatchMerging(width) if merges else nn.Identity()

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """(B, h, w, E) -> the stage's output, and what the next stage begins with."""
        barred = _barred_pairs((int(tokens.shape[1]), int(tokens.shape[2])), self.window, tokens.device)
        for block in self.blocks:
            tokens = block(tokens, barred)
        return tokens, self.downsample(tokens)


class PatchEmbedding(nn.Module):
    """Maps (B, 3, H, W) -> tokens (B, ceil(H / 4), ceil(W / 4), E), normalised."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, maps: Tensor) -> Tensor:
        """Sizes that 4 does not divide are padded with zeros, right and below."""
        maps = F.pad(maps, (0, -maps.shape[3] % PATCH, 0, -maps.shape[2] % PATCH))
        out: Tensor = self.norm(self.proj(maps).permute(0, 2, 3, 1))
        return out


class Swin(nn.Module):
    """The parts in order: ``patch_embed``, ``layers`` (`Stage`), and a norm per stage (`normed`)."""

    def __init__(
        self, *, width: int, depths: Sequence[int], heads: Sequence[int], window: int, drop_path: float
    ) -> None:
        super().__init__()
        if len(depths) != 4 or len(heads) != 4:
            raise OptionError(f"depths {list(depths)}, heads {list(heads)}; expected four numbers each, one per stage")
        rates = [drop_path * i / max(1, sum(depths) - 1) for i in range(sum(depths))]
        self.channels = tuple(width << stage for stage in range(4))
        self.patch_embed = PatchEmbedding(width)
        self.layers = nn.ModuleList(
            Stage(
                width=self.channels[stage],
                heads=heads[stage],
                window=window,
                drop_paths=rates[sum(depths[:stage]) : sum(depths[: stage + 1])],
                merges=stage < 3,
            )
            for stage in range(4)
        )
        for stage, channels in enumerate(self.channels):
            self.add_module(f"norm{stage}", nn.LayerNorm(channels))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=_INIT_STD)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def normed(self, stage: int, tokens: Tensor) -> Tensor:
        """A stage's output (B, h, w, E) as features (B, E, h, w)."""
        features: Tensor = self.get_submodule(f"norm{stage}")(tokens)
        return features.permute(0, 3, 1, 2)

    def load_imagenet(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from a public classification file; bias tables of another window size are resized bicubically."""
        own = self.state_dict()
        fitted = {
            name: _resized_table(value, own[name].shape[0])
            if name.endswith(_TABLE) and name in own and value.ndim == 2 and value.shape[1] == own[name].shape[1]
            else value
            for name, value in entries.items()
        }
        return fill_matching(self, fitted)


def _relative_index(window: int) -> Tensor:
    """(N, N): row of the bias table for every pair of tokens of a window."""
    places = torch.arange(window)
    rows, columns = places.repeat_interleave(window), places.repeat(window)
    down = rows[:, None] - rows[None] + window - 1
    right = columns[:, None] - columns[None] + window - 1
    return down * (2 * window - 1) + right


def _barred_pairs(size: tuple[int, int], window: int, device: torch.device) -> Tensor:
    """(n, N, N): 0, or -100 for pairs that come from different ends of the picture after the shift."""
    bands = []
    for length in size:
        padded, shift = length + -length % window, window // 2
        place = torch.arange(padded, device=device)
        bands.append((place >= padded - window).long() + (place >= padded - shift).long())
    labels = (3 * bands[0][:, None] + bands[1][None])[None, :, :, None]
    region = _split(labels, window)[..., 0]
    return (region[:, None] != region[:, :, None]).float() * _BARRED


def _split(maps: Tensor, window: int) -> Tensor:
    """(B, h, w, E), multiples of the window -> (B * n, N, E)."""
    batch, height, width, channels = maps.shape
    cut = maps.reshape(batch, height // window, window, width // window, window, channels)
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, window * window, channels)


def _join(windows: Tensor, window: int, size: tuple[int, int]) -> Tensor:
    """The inverse of `_split`."""
    height, width = size
    cut = windows.reshape(-1, height // window, width // window, window, window, windows.shape[2])
    return cut.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, windows.shape[2])


def _resized_table(table: Tensor, rows: int) -> Tensor:
    """Bias table ((2 w - 1)^2, heads) for another window."""
    side, wanted = round(table.shape[0] ** 0.5), round(rows**0.5)
    if table.shape[0] == rows or side * side != table.shape[0]:
        return table
    maps = table.float().T.reshape(1, -1, side, side)
    resized = F.interpolate(maps, size=(wanted, wanted), mode="bicubic", align_corners=False)
    return resized.flatten(2)[0].T.contiguous()
