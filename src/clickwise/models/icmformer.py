"""iCMFormer (Li, Vosselman and Yang, ICCV 2023 Workshops): clicks as a second stream that asks the image's tokens.

Image and interaction (previous mask, click disks) pass the same first half of a transformer, cross blocks let the
interaction attend to the image, and their sum passes the second half. ViT and Swin variants; assembly only.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.errors import OptionError
from clickwise.models.backbones.imagenet import BackboneReport
from clickwise.models.backbones.swin import Swin
from clickwise.models.backbones.vit import NORM_EPS, PatchEmbedding, VisionTransformer, Windows
from clickwise.models.fusion.cross_attention import CrossBlock
from clickwise.models.heads.all_mlp import AllMlpHead
from clickwise.models.heads.simple_fpn import SimplePyramid
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, ModelOutput
from clickwise.models.map_network import IMAGENET_MEAN, IMAGENET_STD, MapNetwork
from clickwise.models.registry import Architecture

_SWIN_CROSS_BLOCKS = 8
_SWIN_CROSS_HEADS = 8
_SWIN_NORM_EPS = 1e-5

VIT_DEFAULTS = InferenceDefaults(
    target_size=(448, 448), skip_clicks=-1, target_size_by_dataset=MappingProxyType({"DAVIS": (672, 672)})
)
SWIN_DEFAULTS = InferenceDefaults(
    target_size=400, skip_clicks=1, target_size_by_dataset=MappingProxyType({"DAVIS": 600})
)
"""The published evaluation (icmformer section 5): Swin goes through RITM's chain."""


class ICMFormer(MapNetwork):
    """What both variants share: interaction maps, logits at image size."""

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """See `MapNetwork.logits_from_maps`."""
        hints = torch.cat([prev_mask, click_maps.to(image.dtype)], dim=1)
        logits = self.small_logits(image, hints)
        size = (image.shape[2], image.shape[3])
        return ModelOutput(F.interpolate(logits, size=size, mode="bilinear", align_corners=True))

    @abstractmethod
    def small_logits(self, image: Tensor, hints: Tensor) -> Tensor:
        """Logits at the head's own size; image (B, 3, H, W) normalised, hints (B, 3, H, W)."""


class ICMFormerViT(ICMFormer):
    """Height and width are multiples of the patch. Cross blocks work in windows, as published.

    image_size: for which position embeddings are stored; neck_channels: finest first; the others as in `AllMlpHead`.
    """

    inference_defaults = VIT_DEFAULTS
    undecayed = ("backbone.pos_embed",)

    def __init__(
        self,
        *,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        image_size: Sequence[int],
        neck_channels: Sequence[int],
        head_channels: int,
        upsample: int,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        if len(image_size) != 2 or len(neck_channels) != 4:
            raise OptionError(
                f"image_size {list(image_size)}, neck_channels {list(neck_channels)}; expected 2 and 4 numbers"
            )
        self.capabilities = Capabilities(size_divisor=(patch, patch), smallest_size=(2 * patch, 2 * patch))
        self.click_embed = PatchEmbedding(channels=3, width=width, patch=patch)
        self.backbone = VisionTransformer(
            image_size=(image_size[0], image_size[1]), patch=patch, width=width, depth=depth, heads=heads
        )
        self.cross = nn.ModuleList(
            CrossBlock(width=width, heads=heads, norm_eps=NORM_EPS) for _ in range(depth // 6 + 1)
        )
        finest, fine, same, coarse = neck_channels
        self.neck = SimplePyramid(in_channels=width, out_channels=(finest, fine, same, coarse))
        self.head = AllMlpHead(in_channels=neck_channels, channels=head_channels, upsample=upsample)
        _xavier(self.cross)

    def small_logits(self, image: Tensor, hints: Tensor) -> Tensor:
        """At a quarter of the patch."""
        backbone = self.backbone
        tokens = backbone.patch_embed(image)
        grid = (int(tokens.shape[1]), int(tokens.shape[2]))
        windows, everywhere = Windows.of(grid, backbone.patch), Windows(grid, (1, 1))

        def cut(number: int) -> Windows:
            return everywhere if number % backbone.group == 0 else windows

        # Both streams share the first half: they pass it side by side, as one batch.
        both = torch.cat([tokens, self.click_embed(hints)]) + backbone.positions(grid)
        half = len(backbone.blocks) // 2
        for number, block in enumerate(backbone.blocks[:half], start=1):
            both = cut(number).join(block(cut(number).split(both)))
        picture, clicks = both.chunk(2)
        for number, cross in enumerate(self.cross, start=1):
            clicks = cut(number).join(cross(cut(number).split(clicks), cut(number).split(picture)))
        tokens = picture + clicks
        for number, block in enumerate(backbone.blocks[half:], start=half + 1):
            tokens = cut(number).join(block(cut(number).split(tokens)))
        logits: Tensor = self.head(self.neck(tokens.permute(0, 3, 1, 2)))
        return logits

    @property
    def lr_layers(self) -> list[tuple[str, ...]]:
        """Of the transformer; cross blocks learn as the block they follow, at half the depth.

        (The release takes cross block j for ordinary block j, and leaves the clicks' embedding untrained.)
        """
        layers = self.backbone.parameter_layers("backbone.")
        half = len(self.backbone.blocks) // 2
        layers[half] = (*layers[half], "cross")
        return layers

    def load_encoder(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from a public MAE file of the same size."""
        return self.backbone.load_imagenet(entries)


class ICMFormerSwin(ICMFormer):
    """Any height and width. Image and interaction share even the patch embedding, as published."""

    inference_defaults = SWIN_DEFAULTS

    def __init__(
        self,
        *,
        width: int,
        depths: Sequence[int],
        heads: Sequence[int],
        window: int,
        drop_path: float,
        head_channels: int,
        upsample: int,
        **common: Any,
    ) -> None:
        super().__init__(**common)
        self.backbone = Swin(width=width, depths=depths, heads=heads, window=window, drop_path=drop_path)
        self.cross = nn.ModuleList(
            CrossBlock(width=4 * width, heads=_SWIN_CROSS_HEADS, norm_eps=_SWIN_NORM_EPS)
            for _ in range(_SWIN_CROSS_BLOCKS)
        )
        self.head = AllMlpHead(in_channels=self.backbone.channels, channels=head_channels, upsample=upsample)
        _xavier(self.cross)

    def small_logits(self, image: Tensor, hints: Tensor) -> Tensor:
        """At stride 4."""
        swin = self.backbone
        picture, clicks = swin.patch_embed(torch.cat([image, hints])).chunk(2)
        # Image, interaction and their sum pass stages 1 and 2 side by side; only the sum's features are used.
        streams = torch.cat([picture, clicks, picture + clicks])
        features = []
        for stage in (0, 1):
            found, streams = swin.layers[stage](streams)
            features.append(swin.normed(stage, found.chunk(3)[2]))
        picture, clicks, _ = streams.chunk(3)
        asked = picture.flatten(1, 2)
        tokens = clicks.flatten(1, 2)
        for cross in self.cross:
            tokens = cross(tokens, asked)
        merged = (asked + tokens).view(picture.shape)
        for stage in (2, 3):
            found, merged = swin.layers[stage](merged)
            features.append(swin.normed(stage, found))
        logits: Tensor = self.head(features)
        return logits

    def load_encoder(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from a public Swin classification file of the same size, of any window."""
        return self.backbone.load_imagenet(entries)


def _xavier(blocks: nn.Module) -> None:
    for module in blocks.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


_COMMON: Mapping[str, Any] = MappingProxyType(
    {"upsample": 1, "click_radius": 5.0, "norm_mean": list(IMAGENET_MEAN), "norm_std": list(IMAGENET_STD)}
)
_register = partial(Architecture, source="iCMFormer, ICCV 2023 Workshops")


def _vit(
    name: str, *, patch: int, width: int, depth: int, heads: int, neck: tuple[int, ...], head_channels: int = 256
) -> Architecture:
    sizes = {"patch": patch, "width": width, "depth": depth, "heads": heads}
    params = {**sizes, "image_size": [448, 448], "neck_channels": list(neck), "head_channels": head_channels, **_COMMON}
    return _register(name=name, build=ICMFormerViT, params=params, native_size=(448, 448))


def _swin(name: str, *, width: int, heads: tuple[int, ...], head_channels: int, native: int) -> Architecture:
    sizes = {"width": width, "depths": [2, 2, 18, 2], "heads": list(heads), "window": 12, "drop_path": 0.2}
    params = {**sizes, "head_channels": head_channels, **_COMMON}
    return _register(name=name, build=ICMFormerSwin, params=params, native_size=(native, native))


ARCHITECTURES = (
    # Not in the paper: the widths of SimpleClick's xtiny, for machines without an accelerator and for comparisons.
    _vit("icmformer-vit-xtiny", patch=16, width=160, depth=8, heads=4, neck=(96, 192, 288, 384), head_channels=128),
    _vit("icmformer-vit-b", patch=16, width=768, depth=12, heads=12, neck=(128, 256, 512, 1024)),
    _vit("icmformer-vit-l", patch=16, width=1024, depth=24, heads=16, neck=(192, 384, 768, 1536)),
    _vit("icmformer-vit-h", patch=14, width=1280, depth=32, heads=16, neck=(240, 480, 960, 1920)),
    _swin("icmformer-swin-s", width=96, heads=(3, 6, 12, 24), head_channels=192, native=224),
    _swin("icmformer-swin-b", width=128, heads=(4, 8, 16, 32), head_channels=256, native=384),
)
