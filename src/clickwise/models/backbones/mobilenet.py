"""MobileNet v1 (Howard et al. 2017, arXiv 1704.04861, Table 1) without classifier.

Batch norms are folded into the convolutions.

image (B, 3, H, W) in [-1, 1] -> feature maps at strides 2, 4, 8, 16 and 32.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGE_CHANNELS = (64, 128, 256, 512, 1024)
"""Channels of the maps at strides 2, 4, 8, 16, 32."""

_POINTWISE_CHANNELS = (64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024)
_STRIDE_2_BLOCKS = frozenset({1, 3, 5, 11})
_FIRST_HIGH_LEVEL_BLOCK = 3
_LAST_BLOCK_OF_HIGH_STAGES = (4, 10, 11)
_IMAGENET_BN_EPS = 1e-3


class SamePadConv(nn.Conv2d):
    """3x3 convolution with TensorFlow's "same" padding: stride 2 pads right and bottom only."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride)) for even H, W."""
        return super().forward(F.pad(x, (0, 1, 0, 1)) if self.stride[0] == 2 else x)


def _conv3x3(in_channels: int, out_channels: int, stride: int, groups: int = 1) -> SamePadConv:
    return SamePadConv(in_channels, out_channels, 3, stride=stride, padding=0 if stride == 2 else 1, groups=groups)


class SeparableBlock(nn.Module):
    """Depthwise 3x3 - ReLU6 - pointwise 1x1 - ReLU6."""

    def __init__(self, *, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.dw = _conv3x3(in_channels, in_channels, stride, groups=in_channels)
        self.pw = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        return F.relu6(self.pw(F.relu6(self.dw(x))))


class MobileNetV1(nn.Module):
    """Encoder of width 1.0 down to stride 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv3x3(3, 32, stride=2)
        widths = (32, *_POINTWISE_CHANNELS)
        self.blocks = nn.ModuleList(
            SeparableBlock(in_channels=widths[i], out_channels=widths[i + 1], stride=2 if i in _STRIDE_2_BLOCKS else 1)
            for i in range(len(_POINTWISE_CHANNELS))
        )

    def low_level(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Maps at strides 2 (64 channels) and 4 (128 channels)."""
        stride2 = self.blocks[0](F.relu6(self.stem(image)))
        return stride2, self.blocks[2](self.blocks[1](stride2))

    def high_level(self, stride4: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Maps at strides 8 (256 channels), 16 (512) and 32 (1024) from the one at stride 4."""
        x = stride4
        stages = []
        for index in range(_FIRST_HIGH_LEVEL_BLOCK, len(self.blocks)):
            x = self.blocks[index](x)
            if index in _LAST_BLOCK_OF_HIGH_STAGES:
                stages.append(x)
        stride8, stride16, stride32 = stages
        return stride8, stride16, stride32

    def low_level_parameters(self) -> Iterator[nn.Parameter]:
        """Parameters behind `low_level`: edges and colours, the same for every task; training may leave them alone."""
        for module in (self.stem, *self.blocks[:_FIRST_HIGH_LEVEL_BLOCK]):
            yield from module.parameters()

    def load_imagenet(self, entries: Mapping[str, Tensor]) -> None:
        """Fill from ImageNet entries, folding the norms.

        Names: ``stem.conv.weight``, ``stem.bn.*``, ``blocks.i.{dw,pw}.weight``, ``blocks.i.{dw,pw}_bn.*``.
        """
        _fill_folded(self.stem, entries, "stem.conv", "stem.bn")
        for index, block in enumerate(self.blocks):
            assert isinstance(block, SeparableBlock)
            _fill_folded(block.dw, entries, f"blocks.{index}.dw", f"blocks.{index}.dw_bn")
            _fill_folded(block.pw, entries, f"blocks.{index}.pw", f"blocks.{index}.pw_bn")


@torch.no_grad()
def _fill_folded(conv: nn.Conv2d, entries: Mapping[str, Tensor], conv_name: str, norm_name: str) -> None:
    scale = entries[f"{norm_name}.weight"] / torch.sqrt(entries[f"{norm_name}.running_var"] + _IMAGENET_BN_EPS)
    conv.weight.copy_(entries[f"{conv_name}.weight"] * scale[:, None, None, None])
    assert conv.bias is not None
    conv.bias.copy_(entries[f"{norm_name}.bias"] - entries[f"{norm_name}.running_mean"] * scale)
