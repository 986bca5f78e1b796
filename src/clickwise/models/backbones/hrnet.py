"""HRNetV2 (Wang et al. 2020, arXiv 1908.07919) as RITM uses it: four resolutions side by side, joined at stride 4.

image (B, 3, H, W) -> features (B, 15 * width, ceil(H / 4), ceil(W / 4)). Any H and W: branches round up, and every
resize goes to the size of the finer branch (bilinear, corners aligned).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.models.backbones.imagenet import BackboneReport, fill_matching

STEM_CHANNELS = 64
"""Channels behind the first convolution, where click features are added."""

_BOTTLENECK_EXPANSION = 4


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a residual connection; the width stays."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)) + x, inplace=True)


class Bottleneck(nn.Module):
    """1x1 - 3x3 - 1x1 (four times as wide) with a residual connection."""

    def __init__(self, in_channels: int, planes: int) -> None:
        super().__init__()
        out_channels = planes * _BOTTLENECK_EXPANSION
        self.conv1 = nn.Conv2d(in_channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample = (
            nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))
            if in_channels != out_channels
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 4 * planes, H, W)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        out = F.relu(self.bn2(self.conv2(out)), inplace=True)
        shortcut = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn3(self.conv3(out)) + shortcut, inplace=True)


def _conv_bn(
    in_channels: int, out_channels: int, *, kernel: int = 3, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Exchange(nn.Module):
    """Parallel branches, then every resolution receives the sum of all (brought to its size)."""

    def __init__(self, widths: Sequence[int], blocks: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(w) for _ in range(blocks))) for w in widths)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse_path(widths, source=j, target=i) for j in range(len(widths)))
            for i in range(len(widths))
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Branch maps, finest first -> maps of the same shapes."""
        maps = [branch(x) for branch, x in zip(self.branches, maps, strict=True)]
        fused = []
        for target, paths in enumerate(self.fuse_layers):
            assert isinstance(paths, nn.ModuleList)
            total: Tensor | None = None
            for source, (path, x) in enumerate(zip(paths, maps, strict=True)):
                part = path(x)
                if source > target:
                    part = _resized(part, maps[target])
                total = part if total is None else total + part
            assert total is not None
            fused.append(F.relu(total))
        return fused


def _fuse_path(widths: Sequence[int], *, source: int, target: int) -> nn.Module:
    """Coarser to finer: 1x1 (the resize follows). Finer to coarser: a chain of strided 3x3. Same size: nothing."""
    if source == target:
        return nn.Identity()
    if source > target:
        return _conv_bn(widths[source], widths[target], kernel=1, relu=False)
    steps = target - source
    # The width changes in the last step only; no ReLU there, because the sum follows.
    return nn.Sequential(
        *(_conv_bn(widths[source], widths[source], stride=2) for _ in range(steps - 1)),
        _conv_bn(widths[source], widths[target], stride=2, relu=False),
    )


class HRNet(nn.Module):
    """HRNetV2 with branch widths (w, 2w, 4w, 8w).

    width: w. small: the W18-small-v2 depth (two blocks per branch and fewer modules).
    """

    def __init__(self, *, width: int, small: bool) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(4)]
        blocks = 2 if small else 4
        stage3_modules, stage4_modules = (3, 2) if small else (4, 3)
        self.out_channels = sum(widths)
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.conv2 = nn.Conv2d(STEM_CHANNELS, STEM_CHANNELS, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM_CHANNELS)
        layer1_channels = STEM_CHANNELS * _BOTTLENECK_EXPANSION
        self.layer1 = nn.Sequential(
            Bottleneck(STEM_CHANNELS, STEM_CHANNELS),
            *(Bottleneck(layer1_channels, STEM_CHANNELS) for _ in range(blocks - 1)),
        )
        # A new branch always starts from the coarsest one before it; nested once more, as in the published files.
        self.transition1 = nn.ModuleList(
            [_conv_bn(layer1_channels, widths[0]), nn.Sequential(_conv_bn(layer1_channels, widths[1], stride=2))]
        )
        self.stage2 = nn.Sequential(Exchange(widths[:2], blocks))
        self.transition2 = _grow(widths[:3])
        self.stage3 = nn.Sequential(*(Exchange(widths[:3], blocks) for _ in range(stage3_modules)))
        self.transition3 = _grow(widths)
        self.stage4 = nn.Sequential(*(Exchange(widths, blocks) for _ in range(stage4_modules)))

    def forward(self, image: Tensor, added: Tensor | None = None) -> Tensor:
        """Features at stride 4.

        image: (B, 3, H, W), normalised. added: (B, 64, ceil(H / 2), ceil(W / 2)), added behind the first convolution.
        """
        x = F.relu(self.bn1(self.conv1(image)), inplace=True)
        if added is not None:
            x = x + added
        x = self.layer1(F.relu(self.bn2(self.conv2(x)), inplace=True))
        maps: list[Tensor] = self.stage2([transition(x) for transition in self.transition1])
        maps = self.stage3([*maps, self.transition2[2](maps[-1])])
        maps = self.stage4([*maps, self.transition3[3](maps[-1])])
        return torch.cat([maps[0], *(_resized(x, maps[0]) for x in maps[1:])], dim=1)

    def load_imagenet(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Fill from the official classification files (names as here, perhaps behind ``model.``)."""
        return fill_matching(self, {name.removeprefix("model."): value for name, value in entries.items()})


def _grow(widths: Sequence[int]) -> nn.ModuleList:
    """Existing branches pass; the last entry makes a branch of half the size from the coarsest one."""
    return nn.ModuleList(
        [*(nn.Identity() for _ in widths[:-1]), nn.Sequential(_conv_bn(widths[-2], widths[-1], stride=2))]
    )


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)
