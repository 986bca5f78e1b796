"""How RITM lets clicks and previous mask in (RITM section 3.2).

Every variant takes image (B, 3, H, W), normalised, and hints (B, c, H, W) = [previous mask,] positive clicks, negative
clicks. It returns (image, added): the backbone's input (B, 3, H, W), and features (B, out, ceil(H / 2), ceil(W / 2)) to
add behind its first convolution, or None.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn

_HIDDEN_CHANNELS = 16
_INITIAL_SCALE = 0.05
_LEAKY_SLOPE = 0.2


class InputFusion(Protocol):
    """The common shape of the variants below."""

    def __call__(self, image: Tensor, hints: Tensor) -> tuple[Tensor, Tensor | None]:
        """See the module's text."""
        ...


def activation(leaky: bool) -> nn.Module:
    """LeakyReLU(0.2) or ReLU."""
    return nn.LeakyReLU(_LEAKY_SLOPE) if leaky else nn.ReLU(inplace=True)


class ScaledStem(nn.Module):
    """The published one ("Conv1S"): 1x1 - activation - 3x3 stride 2 - times the size of a learned scalar."""

    def __init__(self, *, hint_channels: int, out_channels: int, leaky: bool) -> None:
        super().__init__()
        self.mix = nn.Conv2d(hint_channels, _HIDDEN_CHANNELS, 1)
        self.activation = activation(leaky)
        self.down = nn.Conv2d(_HIDDEN_CHANNELS, out_channels, 3, stride=2, padding=1)
        self.scale = nn.Parameter(torch.full((1,), _INITIAL_SCALE))

    def forward(self, image: Tensor, hints: Tensor) -> tuple[Tensor, Tensor | None]:
        """See the module's text."""
        return image, self.down(self.activation(self.mix(hints))) * self.scale.abs()


class ConvStem(nn.Module):
    """The option "conv_extend": one strided 3x3 convolution, as if the backbone's first had more inputs."""

    def __init__(self, *, hint_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(hint_channels, out_channels, 3, stride=2, padding=1)

    def forward(self, image: Tensor, hints: Tensor) -> tuple[Tensor, Tensor | None]:
        """See the module's text."""
        return image, self.conv(hints)


class RgbStem(nn.Module):
    """The option "use_rgb_conv": image and hints become three channels again; the backbone stays as it is."""

    def __init__(self, *, hint_channels: int, leaky: bool) -> None:
        super().__init__()
        hidden = 6 + hint_channels
        self.join = nn.Conv2d(3 + hint_channels, hidden, 1)
        self.norm = nn.BatchNorm2d(hidden)
        self.activation = activation(leaky)
        self.project = nn.Conv2d(hidden, 3, 1)

    def forward(self, image: Tensor, hints: Tensor) -> tuple[Tensor, Tensor | None]:
        """See the module's text."""
        return self.project(self.activation(self.norm(self.join(torch.cat([image, hints], dim=1))))), None
