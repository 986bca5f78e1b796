"""Object-contextual representations (Yuan et al. 2020, arXiv 1909.11065) for one class, as RITM puts them on HRNet.

features (B, C, h, w) -> main and auxiliary logits (B, 1, h, w).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DROPOUT = 0.05


def _conv_norm_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


class ObjectAttention(nn.Module):
    """Context of each pixel = attention over the object vectors. With one object that softmax is 1 everywhere.

    So every pixel receives the same context, and ``query`` and ``key`` have no influence: they stay in the module
    because published files hold them, and never run. They take no gradient (``requires_grad`` is off), which also
    keeps distributed training from waiting for them.
    """

    def __init__(self, *, channels: int, key_channels: int) -> None:
        super().__init__()
        self.query = _two_layers(channels, key_channels)
        self.key = _two_layers(channels, key_channels)
        self.value = _conv_norm_relu(channels, key_channels)
        self.out = _conv_norm_relu(key_channels, channels)
        self.query.requires_grad_(False)
        self.key.requires_grad_(False)

    def forward(self, objects: Tensor, size: torch.Size) -> Tensor:
        """objects (B, C, 1, 1) -> context (B, C, 1, 1), or (B, C, *size) while training."""
        value = self.value(objects)
        if self.training:
            # Spread before the norm, so that its statistics count pixels, as in the published training.
            value = value.expand(-1, -1, *size)
        context: Tensor = self.out(value)
        return context


def _two_layers(channels: int, key_channels: int) -> nn.Sequential:
    return nn.Sequential(*_conv_norm_relu(channels, key_channels), *_conv_norm_relu(key_channels, key_channels))


class OcrHead(nn.Module):
    """Auxiliary logits gather one object vector; its context joins the pixel features; a 1x1 convolution decides.

    in_channels: of the features. width: key width o; pixel features have 2 * o channels.
    """

    def __init__(self, *, in_channels: int, width: int) -> None:
        super().__init__()
        channels = 2 * width
        self.auxiliary = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 1),
            nn.BatchNorm2d(in_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels, 1, 1),
        )
        self.pixels = nn.Sequential(
            nn.Conv2d(in_channels, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.attention = ObjectAttention(channels=channels, key_channels=width)
        self.merge = nn.Conv2d(2 * channels, channels, 1, bias=False)
        self.merge_norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(_DROPOUT)
        self.classify = nn.Conv2d(channels, 1, 1)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, h, w) -> main logits, auxiliary logits, each (B, 1, h, w)."""
        auxiliary: Tensor = self.auxiliary(features)
        logits: Tensor = self.classify(self.pixel_context(features, auxiliary))
        return logits, auxiliary

    def pixel_context(self, features: Tensor, auxiliary: Tensor) -> Tensor:
        """Pixel features that know the object (B, 2 * width, h, w); the place where f-BRS-C steps in."""
        pixels = self.pixels(features)
        context = self.attention(gather(pixels, auxiliary), pixels.shape[2:])
        # merge(cat([context, pixels])) in two parts: the context's part is computed once, not for every pixel.
        channels = pixels.shape[1]
        from_context = F.conv2d(context[..., :1, :1], self.merge.weight[:, :channels])
        from_pixels = F.conv2d(pixels, self.merge.weight[:, channels:])
        merged: Tensor = self.dropout(F.relu(self.merge_norm(from_context + from_pixels), inplace=True))
        return merged


def gather(pixels: Tensor, auxiliary: Tensor) -> Tensor:
    """One object vector (B, C, 1, 1): mean of pixels (B, C, h, w), weighted by the softmax of auxiliary over space."""
    weights = torch.softmax(auxiliary.flatten(2), dim=2)
    return (pixels.flatten(2) @ weights.transpose(1, 2)).unsqueeze(3)


class PlainHead(nn.Module):
    """What takes OCR's place at width 0: conv 3x3 - norm - ReLU - conv 1x1, no auxiliary logits."""

    def __init__(self, *, in_channels: int) -> None:
        super().__init__()
        self.classify = nn.Sequential(
            nn.Conv2d(in_channels, in_channels, 3, padding=1),
            nn.BatchNorm2d(in_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(in_channels, 1, 1),
        )

    def forward(self, features: Tensor) -> tuple[Tensor, None]:
        """(B, C, h, w) -> main logits (B, 1, h, w), nothing."""
        logits: Tensor = self.classify(features)
        return logits, None
