"""SegFormer's decoder (Xie et al. 2021, section 3.2): all levels to one width, joined at stride 4, fused."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DROPOUT = 0.1


class SegFormerHead(nn.Module):
    """dims: channels of the levels from stride 4 to 32; width: of the joined feature."""

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
        size = maps[0].shape[2:]
        joined = []
        for level, x in zip(self.levels, maps, strict=True):
            assert isinstance(level, nn.Linear)
            # A Linear over channels, as a 1x1 convolution: the same numbers without turning maps into tokens.
            x = F.conv2d(x, level.weight[:, :, None, None], level.bias)
            joined.append(F.interpolate(x, size=size, mode="bilinear", align_corners=False))
        # Published order of the fusing weights: coarsest level first.
        fused = F.relu(self.fuse_norm(self.fuse(torch.cat(joined[::-1], dim=1))))
        feature: Tensor = self.dropout(fused)
        logits: Tensor = self.classify(feature)
        return logits, feature
