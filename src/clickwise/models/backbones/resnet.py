"""ResNet (He et al. 2016) with dilation instead of the last two strides: output stride 8, as DeepLabV3+ wants it.

image (B, 3, H, W) -> maps of the first and last layer at strides 4 and 8. Depth 34: 7x7 stem and basic blocks ("v1b");
depths 50, 101, 152: stem of three 3x3 convolutions and bottlenecks ("v1s").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.errors import OptionError
from clickwise.models.backbones.imagenet import BackboneReport, fill_matching

_BLOCKS = {34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
_PLANES = (64, 128, 256, 512)
_STRIDES = (1, 2, 1, 1)
_DILATIONS = (1, 1, 2, 4)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual connection. dilations: of the first and of the second."""

    expansion = 1

    def __init__(self, in_channels: int, planes: int, *, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        first, second = dilations
        self.conv1 = nn.Conv2d(in_channels, planes, 3, stride=stride, padding=first, dilation=first, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=second, dilation=second, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(in_channels, planes, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, planes, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(out)) + shortcut, inplace=True)


class Bottleneck(nn.Module):
    """1x1 - 3x3 (stride and the first of the dilations here) - 1x1 and a residual connection."""

    expansion = 4

    def __init__(self, in_channels: int, planes: int, *, stride: int, dilations: tuple[int, int]) -> None:
        super().__init__()
        dilation = dilations[0]
        out_channels = planes * self.expansion
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride=stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = _shortcut(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 * planes, H / stride, W / stride)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn3(self.conv3(out)) + shortcut, inplace=True)


def _shortcut(in_channels: int, out_channels: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and in_channels == out_channels:
        return None
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False), nn.BatchNorm2d(out_channels)
    )


class ResNet(nn.Module):
    """Dilated ResNet without classifier.

    depth: 34, 50, 101 or 152. stem_channels: where click features are added (64; deep stem 128).
    """

    def __init__(self, *, depth: int) -> None:
        super().__init__()
        if depth not in _BLOCKS:
            raise OptionError(f"ResNet of depth {depth}; expected one of {', '.join(map(str, _BLOCKS))}")
        block: type[BasicBlock] | type[Bottleneck] = BasicBlock if depth < 50 else Bottleneck
        deep_stem = depth >= 50
        self.stem_channels = 128 if deep_stem else 64
        self.conv1 = _deep_stem() if deep_stem else nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(self.stem_channels)
        channels = self.stem_channels
        layers = []
        for planes, blocks, stride, dilation in zip(_PLANES, _BLOCKS[depth], _STRIDES, _DILATIONS, strict=True):
            layers.append(_layer(block, channels, planes, blocks=blocks, stride=stride, dilation=dilation))
            channels = planes * block.expansion
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.low_channels = _PLANES[0] * block.expansion
        self.out_channels = channels

    def forward(self, image: Tensor, added: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Maps at strides 4 (low_channels) and 8 (out_channels).

        image: (B, 3, H, W), normalised. added: (B, c, ceil(H / 2), ceil(W / 2)) with c at most stem_channels, added
        behind the first convolution; missing channels count as zero.
        """
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)
        if added is not None:
            x = x + F.pad(added, (0, 0, 0, 0, 0, x.shape[1] - added.shape[1]))
        low = self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))
        return low, self.layer4(self.layer3(self.layer2(low)))

    def load_imagenet(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Fill from a classification file with torchvision's names; its classifier is ignored."""
        return fill_matching(self, entries)


def _deep_stem() -> nn.Sequential:
    layers: list[nn.Module] = []
    for in_channels, stride in ((3, 2), (64, 1)):
        layers += [
            nn.Conv2d(in_channels, 64, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(64, 128, 3, padding=1, bias=False))


def _layer(block: Any, in_channels: int, planes: int, *, blocks: int, stride: int, dilation: int) -> nn.Sequential:
    """The first block of a dilated layer starts with half its dilation, so that the sampling grid widens in steps."""
    first = block(in_channels, planes, stride=stride, dilations=(max(1, dilation // 2), dilation))
    width = planes * block.expansion
    rest: Sequence[nn.Module] = [
        block(width, planes, stride=1, dilations=(dilation, dilation)) for _ in range(blocks - 1)
    ]
    return nn.Sequential(first, *rest)
