"""Plain vision transformer (Dosovitskiy et al. 2021) with attention in windows (ViTDet, Li et al. 2022).

Legend of axes: B pictures, H W pixels, h w tokens (the grid), N tokens in a row, E width of a token.
Entry names are those of public MAE files, so that they fill this module directly. Parts for other assemblies:
`PatchEmbedding`, `Block`, `Windows`, `resized_positions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.errors import CheckpointError, OptionError
from clickwise.models.backbones.imagenet import BackboneReport, fill_matching
from clickwise.types import Size

NORM_EPS = 1e-6
"""Of every LayerNorm (MAE)."""
MLP_RATIO = 4
_POSITION_STD = 0.02
_WINDOW_PIXELS = 224
"""A window covers about this many pixels, the size at which MAE's weights were trained."""


class PatchEmbedding(nn.Module):
    """Maps (B, C, H, W) -> tokens (B, h, w, E), one per square of ``patch`` pixels."""

    def __init__(self, *, channels: int, width: int, patch: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, maps: Tensor) -> Tensor:
        """H and W must be multiples of the patch."""
        tokens: Tensor = self.proj(maps)
        return tokens.permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Multi-head self-attention over tokens (B, N, E) by PyTorch's fused kernel: the N x N maps are never stored."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise OptionError(f"width {width} is no multiple of {heads} heads; choose another number of heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Same shape."""
        batch, count, width = tokens.shape
        query, key, value = self.qkv(tokens).view(batch, count, 3, self.heads, width // self.heads).unbind(2)
        mixed = F.scaled_dot_product_attention(query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2))
        out: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return out


class Mlp(nn.Module):
    """Linear - exact GELU - linear."""

    def __init__(self, *, width: int, ratio: int = MLP_RATIO) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Same shape."""
        out: Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return out


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), over tokens (B, N, E); knows nothing of windows."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=NORM_EPS)
        self.attn = Attention(width=width, heads=heads)
        self.norm2 = nn.LayerNorm(width, eps=NORM_EPS)
        self.mlp = Mlp(width=width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Same shape."""
        tokens = tokens + self.attn(self.norm1(tokens))
        out: Tensor = tokens + self.mlp(self.norm2(tokens))
        return out


@dataclass(frozen=True, slots=True)
class Windows:
    """How a grid of tokens is cut into equal windows. grid: (h, w) tokens; count: (down, across) windows."""

    grid: Size
    count: Size

    @classmethod
    def of(cls, grid: Size, patch: int) -> Windows:
        """The published number, floor(grid / (224 // patch)) per axis, where it divides the grid.

        Elsewhere (where the release fails) the next smaller number that does, so that windows stay equal.
        """
        side = max(1, _WINDOW_PIXELS // patch)
        return cls(grid, (_divisor(grid[0], grid[0] // side), _divisor(grid[1], grid[1] // side)))

    def split(self, tokens: Tensor) -> Tensor:
        """(B, h, w, E) -> (B * windows, N, E)."""
        batch, (down, across), width = tokens.shape[0], self.count, tokens.shape[3]
        high, wide = self.grid[0] // down, self.grid[1] // across
        cut = tokens.reshape(batch, down, high, across, wide, width).permute(0, 1, 3, 2, 4, 5)
        return cut.reshape(batch * down * across, high * wide, width)

    def join(self, tokens: Tensor) -> Tensor:
        """The inverse of `split`."""
        (down, across), width = self.count, tokens.shape[2]
        high, wide = self.grid[0] // down, self.grid[1] // across
        cut = tokens.reshape(-1, down, across, high, wide, width).permute(0, 1, 3, 2, 4, 5)
        return cut.reshape(-1, *self.grid, width)


def resized_positions(embedding: Tensor, known: Size, wanted: Size) -> Tensor:
    """Position embedding (1, h * w, E) of the grid ``known`` -> (1, h, w, E) of the grid ``wanted``: bicubic."""
    rows = embedding.reshape(1, *known, embedding.shape[-1])
    if known == wanted:
        return rows
    maps = rows.permute(0, 3, 1, 2)
    return F.interpolate(maps, size=wanted, mode="bicubic", align_corners=False).permute(0, 2, 3, 1)


class VisionTransformer(nn.Module):
    """Picture -> one map (B, E, H / patch, W / patch); no class token, no norm at the end.

    image_size: (H, W) of the grid for which position embeddings are stored; other sizes are resized from these on
        every call, so that the module has no state that depends on what it saw before.
    group: every group-th block attends to all tokens, the others inside windows; None = the published number (6 for
        depth 12, else a quarter of the depth), 1 = all tokens everywhere.
    """

    def __init__(
        self, *, image_size: Size, patch: int, width: int, depth: int, heads: int, group: int | None = None
    ) -> None:
        super().__init__()
        if any(side % patch or side < patch for side in image_size):
            raise OptionError(f"image_size is {image_size}; expected positive multiples of the patch, {patch}")
        self.patch, self.width = patch, width
        self.grid = (image_size[0] // patch, image_size[1] // patch)
        self.group = group or _published_group(depth)
        self.patch_embed = PatchEmbedding(channels=3, width=width, patch=patch)
        # Row 0 belongs to a class token, which nothing here uses; public files have it.
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + self.grid[0] * self.grid[1], width))
        self.blocks = nn.ModuleList(Block(width=width, heads=heads) for _ in range(depth))
        self._initialise()

    def _initialise(self) -> None:
        nn.init.normal_(self.pos_embed, std=_POSITION_STD)
        nn.init.xavier_uniform_(self.patch_embed.proj.weight.flatten(1))
        for module in self.blocks.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

    def parameter_layers(self, prefix: str) -> list[tuple[str, ...]]:
        """Names of parameters by layer, first to last, behind ``prefix``: the embeddings, then block by block."""
        blocks = [(f"{prefix}blocks.{number}",) for number in range(len(self.blocks))]
        return [(f"{prefix}patch_embed", f"{prefix}pos_embed"), *blocks]

    def positions(self, grid: Size) -> Tensor:
        """(1, h, w, E) for a grid of (h, w) tokens."""
        return resized_positions(self.pos_embed[:, 1:], self.grid, grid)

    def forward(self, image: Tensor, added: Tensor | None = None) -> Tensor:
        """image: (B, 3, H, W) normalised; added: tokens (B, h, w, E) of clicks and the like, or None."""
        tokens = self.patch_embed(image)
        grid = (int(tokens.shape[1]), int(tokens.shape[2]))
        tokens = tokens + self.positions(grid)
        if added is not None:
            tokens = tokens + added
        return self.transformed(tokens, Windows.of(grid, self.patch)).permute(0, 3, 1, 2)

    def transformed(self, tokens: Tensor, windows: Windows) -> Tensor:
        """Tokens (B, h, w, E) after all blocks, same shape."""
        everywhere = Windows((int(tokens.shape[1]), int(tokens.shape[2])), (1, 1))
        cut = everywhere
        tokens = cut.split(tokens)
        for number, block in enumerate(self.blocks, start=1):
            needed = everywhere if number % self.group == 0 else windows
            if needed != cut:
                tokens, cut = needed.split(cut.join(tokens)), needed
            tokens = block(tokens)
        return cut.join(tokens)

    def load_imagenet(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from a public MAE file (names without prefix); its square position grid is resized to ours.

        Raises CheckpointError when the file is of another size.
        """
        given = dict(entries)
        positions = given.get("pos_embed")
        if positions is not None and positions.shape != self.pos_embed.shape:
            given["pos_embed"] = self._fitted_positions(positions)
        return fill_matching(self, given)

    def _fitted_positions(self, positions: Tensor) -> Tensor:
        side = round((positions.shape[1] - 1) ** 0.5) if positions.ndim == 3 else 0
        if positions.ndim != 3 or side < 1 or 1 + side * side != positions.shape[1] or positions.shape[2] != self.width:
            raise CheckpointError(
                f"pos_embed has shape {tuple(positions.shape)}; expected (1, 1 + a square number, {self.width}); "
                "use the file of the same backbone size"
            )
        grid = resized_positions(positions[:, 1:].float(), (side, side), self.grid)
        return torch.cat([positions[:, :1].float(), grid.flatten(1, 2)], dim=1)


def _published_group(depth: int) -> int:
    if depth == 12:
        return 6
    if depth % 4:
        raise OptionError(f"depth is {depth}; expected 12 or a multiple of 4, or give group")
    return depth // 4


def _divisor(length: int, most: int) -> int:
    """The largest divisor of ``length`` that is at most ``most``; 1 if there is none."""
    return next((count for count in range(max(1, most), 1, -1) if length % count == 0), 1)
