"""SegFormer's decoder (Xie et al. 2021, section 3.2): all levels to one width, joined at stride 4, fused."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.models.heads.fused_levels import fuse_levels

_DROPOUT = 0.1


class SegFormerHead(nn.Module):
    """dims: channels of the levels from stride 4 to 32; width: of the joined feature.

    A level's own matrix and its part of the fusing one have nothing between them, so they are multiplied first.
    """

    def __init__(self, dims: Sequence[int], *, width: int) -> None:
        super().__init__()
        self.width = width
        self.levels = nn.ModuleList(nn.Linear(dim, width) for dim in dims)
        self.fuse = nn.Conv2d(len(dims) * width, width, 1, bias=False)
        self.fuse_norm = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.classify = nn.Conv2d(width, 1, 1)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Maps at strides 4 to 32 -> logits (B, 1, h, w) and feature (B, width, h, w), both at stride 4."""
        weights, bias = self._whole_levels()
        joined = fuse_levels(maps, weights, bias)
        feature: Tensor = self.dropout(F.relu(self.fuse_norm(joined)))
        logits: Tensor = self.classify(feature)
        return logits, feature

    def _whole_levels(self) -> tuple[list[Tensor], Tensor]:
        """The 1x1 convolution (width, dim, 1, 1) from each level straight to the joined feature; the bias of all."""
        # Published order of the fusing weights: coarsest level first.
        parts = self.fuse.weight[:, :, 0, 0].chunk(len(self.levels), dim=1)[::-1]
        weights, bias = [], self.fuse.weight.new_zeros(self.width)
        for part, level in zip(parts, self.levels, strict=True):
            assert isinstance(level, nn.Linear)
            weights.append((part @ level.weight)[:, :, None, None])
            bias = bias + part @ level.bias
        return weights, bias
