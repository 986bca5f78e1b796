"""DeepLabV3+ decoder (Chen et al. 2018, arXiv 1802.02611) and the separable head that RITM puts on it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SKIP_CHANNELS = 32
_ASPP_DILATIONS = (12, 24, 36)


def _conv_norm_relu(in_channels: int, out_channels: int, *, kernel: int = 1, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=dilation * (kernel // 2), dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def separable_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Depthwise 3x3 - pointwise - norm - ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels, bias=False),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


class Aspp(nn.Module):
    """Five views of the deepest map (1x1, three dilated 3x3, the global mean), joined by a 1x1 convolution."""

    def __init__(self, *, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.views = nn.ModuleList(
            [
                _conv_norm_relu(in_channels, channels),
                *(_conv_norm_relu(in_channels, channels, kernel=3, dilation=d) for d in _ASPP_DILATIONS),
            ]
        )
        self.mean = _conv_norm_relu(in_channels, channels)
        self.project = _conv_norm_relu((len(_ASPP_DILATIONS) + 2) * channels, channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, channels, h, w)."""
        mean = self.mean(F.adaptive_avg_pool2d(x, 1)).expand(-1, -1, *x.shape[2:])
        out: Tensor = self.dropout(self.project(torch.cat([*(view(x) for view in self.views), mean], dim=1)))
        return out


class DeepLabDecoder(nn.Module):
    """ASPP on the deep map, brought to the fine map's size, joined with it and smoothed."""

    def __init__(self, *, low_channels: int, deep_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.skip = _conv_norm_relu(low_channels, _SKIP_CHANNELS)
        self.aspp = Aspp(in_channels=deep_channels, channels=channels, dropout=dropout)
        self.smooth = nn.Sequential(
            separable_conv(channels + _SKIP_CHANNELS, channels),
            separable_conv(channels, channels),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, low: Tensor, deep: Tensor) -> Tensor:
        """low (B, c, h, w), deep (B, C, h', w') -> (B, channels, h, w)."""
        out: Tensor = self.smooth(self.joined(low, deep))
        return out

    def joined(self, low: Tensor, deep: Tensor) -> Tensor:
        """(B, channels + 32, h, w) before smoothing; the place where f-BRS-B steps in."""
        context = F.interpolate(self.aspp(deep), size=low.shape[2:], mode="bilinear", align_corners=True)
        return torch.cat([context, self.skip(low)], dim=1)


def separable_head(channels: int) -> nn.Sequential:
    """Features (B, channels, h, w) -> logits (B, 1, h, w)."""
    half = channels // 2
    return nn.Sequential(separable_conv(channels, half), separable_conv(half, half), nn.Conv2d(half, 1, 1))
