"""clickwise-s: our small model for a laptop CPU.

MobileNet v1 encoder, click stem, attention at stride 32, U-Net decoder:

image, previous mask and click disks -> logits at full size. The clicks enter the encoder at stride 4 (as
FocalClick's do behind its patch embedding): what lies before depends on the picture alone. They enter again in the two
finest decoder levels, so that a click acts at once on the pixels around it. Dense 3x3 convolutions are kept narrow: on
a CPU without matrix units the network's time is its multiply-adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.models.backbones.mobilenet import STAGE_CHANNELS, MobileNetV1
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, ModelOutput
from clickwise.models.map_network import MapNetwork
from clickwise.models.registry import Architecture

_SLOPE = 0.2
_COARSEST_STRIDE = 32
_HALF = (0.5, 0.5, 0.5)
"""Mean and deviation that bring the image to [-1, 1]."""


class ClickStem(nn.Module):
    """Click disks and previous mask (B, 3, H, W) -> features at strides 2 and 4, 32 channels each."""

    def __init__(self) -> None:
        super().__init__()
        self.down2 = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.mix2 = nn.Conv2d(16, 32, 1)
        self.down4 = nn.Conv2d(32, 32, 3, stride=2, padding=1)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Activated features at strides 2 and 4."""
        stride2 = F.leaky_relu(self.mix2(F.leaky_relu(self.down2(maps), _SLOPE)), _SLOPE)
        return stride2, F.leaky_relu(self.down4(stride2), _SLOPE)


class AttentionBlock(nn.Module):
    """Pre-norm transformer block with a depthwise 3x3 convolution as position information."""

    def __init__(self, *, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.position = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm_attention = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 3 * width)
        self.reduce = nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        batch, width, rows, columns = x.shape
        x = x + self.position(x)
        tokens = x.flatten(2).transpose(1, 2)
        qkv = self.qkv(self.norm_attention(tokens)).view(batch, rows * columns, 3, self.heads, width // self.heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch, rows * columns, width)
        tokens = tokens + self.project(mixed)
        changed: Tensor = tokens + self.reduce(F.gelu(self.expand(self.norm_mlp(tokens))))
        return changed.transpose(1, 2).reshape(batch, width, rows, columns)


class DecoderLevel(nn.Module):
    """Upsample by 2, add the projected skip connection (and click features), then residual dense 3x3 convolutions."""

    def __init__(self, *, below: int, skip: int, out: int, clicks: int = 0, convs: int = 2) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(below, out, 1)
        self.skip = nn.Conv2d(skip, out, 1)
        self.clicks = nn.Conv2d(clicks, out, 1) if clicks else None
        self.convs = nn.ModuleList(nn.Conv2d(out, out, 3, padding=1) for _ in range(convs))

    def forward(self, below: Tensor, skip: Tensor, clicks: Tensor | None = None) -> Tensor:
        """below (B, C, H/2, W/2), skip (B, S, H, W), clicks (B, K, H, W) -> (B, out, H, W)."""
        x = self.skip(skip) + F.interpolate(
            self.reduce(below), size=skip.shape[2:], mode="bilinear", align_corners=False
        )
        if self.clicks is not None and clicks is not None:
            x = x + self.clicks(clicks)
        x = F.relu(x)
        residual = x
        for conv in self.convs:
            residual = F.relu(conv(residual))
        return x + residual


class ClickwiseS(MapNetwork):
    """See the module's text. Any height and width."""

    capabilities = Capabilities(supports_prev_mask=True)
    inference_defaults = InferenceDefaults(target_size=320, skip_clicks=-1)
    lr_multipliers = MappingProxyType({"encoder": 0.25})

    def __init__(
        self,
        *,
        disk_radius: float,
        attention_width: int,
        attention_blocks: int,
        decoder_widths: tuple[int, int, int, int],
    ) -> None:
        super().__init__(click_radius=disk_radius, norm_mean=_HALF, norm_std=_HALF)
        self.click_stem = ClickStem()
        self.encoder = MobileNetV1()
        stride2, stride4, stride8, stride16, stride32 = STAGE_CHANNELS
        width16, width8, width4, width2 = decoder_widths
        self.clicks_to_encoder = nn.Conv2d(32, stride4, 1)
        self.enter_attention = nn.Conv2d(stride32, attention_width, 1)
        self.attention = nn.Sequential(
            *(AttentionBlock(width=attention_width, heads=6) for _ in range(attention_blocks))
        )
        self.level16 = DecoderLevel(below=attention_width, skip=stride16, out=width16)
        self.level8 = DecoderLevel(below=width16, skip=stride8, out=width8)
        self.level4 = DecoderLevel(below=width8, skip=stride4, out=width4, clicks=32)
        self.level2 = DecoderLevel(below=width4, skip=stride2, out=width2, clicks=32, convs=1)
        self.head = nn.Conv2d(width2, 4, 3, padding=1)
        _initialise(self)

    def load_encoder(self, entries: Mapping[str, Tensor]) -> None:
        """Start the encoder from ImageNet entries; see `MobileNetV1.load_imagenet`."""
        self.encoder.load_imagenet(entries)

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """See `MapNetwork.logits_from_maps`."""
        height, width = image.shape[2:]
        # Sizes that stride 32 does not divide are padded here, right and below, and cut off again at the end.
        padding = (0, -width % _COARSEST_STRIDE, 0, -height % _COARSEST_STRIDE)
        hints = F.pad(torch.cat([prev_mask, click_maps.to(image.dtype)], dim=1), padding)
        image = F.pad(image, padding, mode="replicate") if any(padding) else image
        clicks2, clicks4 = self.click_stem(hints)
        stride2, stride4 = self.encoder.low_level(image)
        stride8, stride16, stride32 = self.encoder.high_level(stride4 + self.clicks_to_encoder(clicks4))
        x = self.attention(self.enter_attention(stride32))
        x = self.level16(x, stride16)
        x = self.level8(x, stride8)
        x = self.level4(x, stride4, clicks4)
        x = self.level2(x, stride2, clicks2)
        return ModelOutput(F.pixel_shuffle(self.head(x), 2)[:, :, :height, :width])


def _initialise(model: ClickwiseS) -> None:
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)
    with torch.no_grad():
        # Residual branches and the head start near zero, so that training begins from the skip connections.
        for level in (model.level16, model.level8, model.level4, model.level2):
            last = level.convs[-1]
            assert isinstance(last, nn.Conv2d)
            last.weight.mul_(0.1)
        for block in model.attention:
            assert isinstance(block, AttentionBlock)
            block.position.weight.mul_(0.1)
        model.head.weight.mul_(0.1)


def build(**params: Any) -> ClickwiseS:
    """A ClickwiseS with random weights."""
    return ClickwiseS(**{**params, "decoder_widths": tuple(params["decoder_widths"])})


ARCHITECTURES = (
    Architecture(
        name="clickwise-s",
        build=build,
        params={
            "disk_radius": 5.0,
            "attention_width": 192,
            "attention_blocks": 3,
            "decoder_widths": [96, 64, 48, 24],
        },
        native_size=(320, 320),
        licence="Apache-2.0 (code); weights: see the model card",
        source="ours",
    ),
)
