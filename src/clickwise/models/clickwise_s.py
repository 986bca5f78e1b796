"""clickwise-s: our small model for a laptop CPU. MobileNet v1 encoder, click stem, attention at stride 32, U-Net decoder.

image, previous mask and click disks -> logits at full size. The click stem enters before the first activation of the
encoder and again in the two finest decoder levels, so that a click acts at once on the pixels around it.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.clicks.encoding import disk_maps
from clickwise.models.backbones.mobilenet import STAGE_CHANNELS, MobileNetV1
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, InteractiveModel, ModelOutput
from clickwise.models.registry import Architecture

_STEM_CHANNELS = 32


class ClickStem(nn.Module):
    """Click disks and previous mask (B, 3, H, W) -> features (B, 32, H/2, W/2)."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.mix = nn.Conv2d(16, _STEM_CHANNELS, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Raw (signed) features, to be added before an activation."""
        return self.mix(F.leaky_relu(self.down(maps), 0.2))


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
        tokens = tokens + self.reduce(F.gelu(self.expand(self.norm_mlp(tokens))))
        return tokens.transpose(1, 2).reshape(batch, width, rows, columns)


class DecoderLevel(nn.Module):
    """Upsample by 2, add the projected skip connection (and click features), two dense 3x3 convolutions."""

    def __init__(self, *, below: int, skip: int, out: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(below, out, 1)
        self.skip = nn.Conv2d(skip, out, 1)
        self.conv1 = nn.Conv2d(out, out, 3, padding=1)
        self.conv2 = nn.Conv2d(out, out, 3, padding=1)

    def forward(self, below: Tensor, skip: Tensor, extra: Tensor | None = None) -> Tensor:
        """below (B, C, H/2, W/2), skip (B, S, H, W), extra (B, out, H, W) -> (B, out, H, W)."""
        x = self.skip(skip) + F.interpolate(self.reduce(below), size=skip.shape[2:], mode="bilinear", align_corners=False)
        x = F.relu(x if extra is None else x + extra)
        return x + F.relu(self.conv2(F.relu(self.conv1(x))))


class ClickwiseS(InteractiveModel):
    """See the module's text. H and W must be multiples of 32."""

    capabilities = Capabilities(supports_prev_mask=True, size_divisor=(32, 32), smallest_size=(64, 64))
    inference_defaults = InferenceDefaults(
        target_size=(320, 320), skip_clicks=-1, flip=True, target_size_by_dataset=MappingProxyType({})
    )

    def __init__(
        self, *, disk_radius: float, attention_width: int, attention_blocks: int, decoder_widths: tuple[int, int, int, int]
    ) -> None:
        super().__init__()
        self.disk_radius = disk_radius
        self.click_stem = ClickStem()
        self.encoder = MobileNetV1()
        stride2, stride4, stride8, stride16, stride32 = STAGE_CHANNELS
        width16, width8, width4, width2 = decoder_widths
        self.enter_attention = nn.Conv2d(stride32, attention_width, 1)
        self.attention = nn.Sequential(*(AttentionBlock(width=attention_width, heads=6) for _ in range(attention_blocks)))
        self.level16 = DecoderLevel(below=attention_width, skip=stride16, out=width16)
        self.level8 = DecoderLevel(below=width16, skip=stride8, out=width8)
        self.level4 = DecoderLevel(below=width8, skip=stride4, out=width4)
        self.level2 = DecoderLevel(below=width4, skip=stride2, out=width2)
        self.clicks4 = nn.Conv2d(_STEM_CHANNELS, width4, 3, stride=2, padding=1)
        self.clicks2 = nn.Conv2d(_STEM_CHANNELS, width2, 1)
        self.head = nn.Conv2d(width2, 4, 3, padding=1)
        _initialise(self)

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        """Logits at full size; see `InteractiveModel.forward`."""
        disks = disk_maps(points, self.disk_radius, (image.shape[2], image.shape[3])).to(image.dtype)
        clicks = self.click_stem(torch.cat([prev_mask, disks], dim=1))
        stride2, stride4, stride8, stride16, stride32 = self.encoder(image * 2 - 1, stem_bias=clicks)
        x = self.attention(self.enter_attention(stride32))
        x = self.level16(x, stride16)
        x = self.level8(x, stride8)
        click_features = F.leaky_relu(clicks, 0.2)
        x = self.level4(x, stride4, self.clicks4(click_features))
        x = self.level2(x, stride2, self.clicks2(click_features))
        return ModelOutput(F.pixel_shuffle(self.head(x), 2))


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
            level.conv2.weight.mul_(0.1)
        for block in model.attention:
            assert isinstance(block, AttentionBlock)
            block.position.weight.mul_(0.1)
        model.head.weight.mul_(0.1)
        # The click stem enters an ImageNet network whose pre-activations have a spread of about one.
        model.click_stem.mix.weight.mul_(0.5)


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
            "decoder_widths": [128, 96, 64, 32],
        },
        native_size=(320, 320),
        licence="Apache-2.0 (code); weights: see the model card",
        source="ours",
    ),
)
