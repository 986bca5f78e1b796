"""Head of 1x1 convolutions over a pyramid (SegFormer's all-MLP head as SimpleClick has it: biases and no norms)."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.errors import OptionError
from clickwise.models.heads.fused_levels import fuse_levels
from clickwise.models.heads.simple_fpn import layer_norm

_DROPOUT = 0.1
UPSAMPLING = (1, 2, 4)
"""Legal values of ``upsample``."""


class AllMlpHead(nn.Module):
    """Maps of any strides, finest first -> logits (B, 1, h, w) at the finest one's size times ``upsample``.

    channels: just before the last convolution; levels have channels * upsample.
    """

    def __init__(self, *, in_channels: Sequence[int], channels: int, upsample: int = 1) -> None:
        super().__init__()
        if upsample not in UPSAMPLING:
            raise OptionError(f"upsample is {upsample!r}; expected one of {', '.join(map(str, UPSAMPLING))}")
        width = channels * upsample
        self.levels = nn.ModuleList(nn.Conv2d(each, width, 1) for each in in_channels)
        self.fuse = nn.Conv2d(width * len(in_channels), width, 1)
        self.up = nn.Sequential(*(_doubling(width >> step) for step in range(UPSAMPLING.index(upsample))))
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.classify = nn.Conv2d(channels, 1, 1)
        for conv in (*self.levels, self.fuse):
            assert isinstance(conv, nn.Conv2d)
            assert conv.bias is not None
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """See the class."""
        levels = [F.relu(conv(level)) for conv, level in zip(self.levels, maps, strict=True)]
        fused = F.relu(fuse_levels(levels, self.fuse.weight.chunk(len(levels), dim=1), self.fuse.bias))
        logits: Tensor = self.classify(self.dropout(self.up(fused)))
        return logits


def _doubling(channels: int) -> nn.Sequential:
    """Twice the size, half the channels."""
    half = channels // 2
    return nn.Sequential(
        nn.ConvTranspose2d(channels, half, 2, stride=2),
        layer_norm(half),
        nn.Conv2d(half, half, 1),
        layer_norm(half),
        nn.GELU(),
    )
