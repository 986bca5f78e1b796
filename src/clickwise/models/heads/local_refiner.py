"""IGLR's local refiner: a small network that sharpens coarse logits inside a window (reference page iglr, section 3).

It needs the picture's window, clicks in it, and a feature map and logits of any coarse network; so every model with a
feature map may own one (``feature_channels``).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.types import Size

_SPATIAL, _FEATURE, _GATE, _HIDDEN = 32, 128, 64, 64
_INPUTS = 6
"""Image 3, click maps 2, coarse probability 1."""


class SeparableConv(nn.Module):
    """Depth-wise 3x3, norm, ReLU, point-wise 1x1, norm; identity skip where shapes allow. No final activation."""

    def __init__(self, in_channels: int, out_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(in_channels, in_channels, 3, stride=stride, padding=1, groups=in_channels, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv_pw = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.skips = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, out_channels, H / stride, W / stride)."""
        out: Tensor = self.bn2(self.conv_pw(F.relu(self.bn1(self.conv_dw(x)))))
        return out + x if self.skips else out


class AttentionGate(nn.Module):
    """One weight in (0, 1) per pixel, from the spatial branch and the coarse feature together."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = nn.Sequential(nn.Conv2d(_SPATIAL, _GATE, 1), nn.BatchNorm2d(_GATE))
        self.feature = nn.Sequential(nn.Conv2d(_FEATURE, _GATE, 1), nn.BatchNorm2d(_GATE))
        self.weight = nn.Sequential(nn.Conv2d(_GATE, 1, 1), nn.BatchNorm2d(1))

    def forward(self, spatial: Tensor, feature: Tensor) -> Tensor:
        """(B, 32, h, w), (B, 128, h, w) -> (B, 1, h, w)."""
        return torch.sigmoid(self.weight(F.relu(self.spatial(spatial) + self.feature(feature))))


class LocalRefiner(nn.Module):
    """Coarse logits of a window -> refined ones. feature_channels: of the coarse network's feature map."""

    def __init__(self, feature_channels: int) -> None:
        super().__init__()
        self.spatial_branch = nn.Sequential(
            SeparableConv(_INPUTS, _SPATIAL, stride=2), SeparableConv(_SPATIAL, _SPATIAL)
        )
        self.feature_branch = nn.Sequential(
            nn.Conv2d(feature_channels, _FEATURE, 1, bias=False), nn.BatchNorm2d(_FEATURE)
        )
        self.gate = AttentionGate()
        self.detail = _predictor()
        self.boundary = _predictor()

    def forward(self, image: Tensor, click_maps: Tensor, feature: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """Refined logits and boundary logits, both (K, 1, H, W).

        image: (K, 3, H, W) RGB in [0, 1], *not* normalised (published); click_maps: (K, 2, H, W); feature:
        (K, C, h, w) and coarse logits: (K, 1, H, W) of the same window. Where sigmoid(boundary) is high the network's
        own answer counts, elsewhere the coarse one.
        """
        size = (int(coarse.shape[2]), int(coarse.shape[3]))
        spatial = self.spatial_branch(torch.cat([image, click_maps, torch.sigmoid(coarse)], dim=1))
        deep = _resized(F.relu(self.feature_branch(feature)), (int(spatial.shape[2]), int(spatial.shape[3])))
        both = torch.cat([spatial, self.gate(spatial, deep) * deep], dim=1)
        detail, boundary = _resized(self.detail(both), size), _resized(self.boundary(both), size)
        share = torch.sigmoid(boundary)
        return detail * share + coarse * (1 - share), boundary


def _predictor() -> nn.Sequential:
    return nn.Sequential(
        SeparableConv(_SPATIAL + _FEATURE, _HIDDEN), SeparableConv(_HIDDEN, _HIDDEN), nn.Conv2d(_HIDDEN, 1, 1)
    )


def _resized(maps: Tensor, size: Size) -> Tensor:
    return F.interpolate(maps, size=size, mode="bilinear", align_corners=True)
