"""SimpleClick (Liu et al. 2023, arXiv 2210.11006): clicks and previous mask as tokens beside those of the picture.

Assembly only; sizes stand in `ARCHITECTURES`. CFR-ICL (arXiv 2303.05620) is the same network with weights of its own
and another default chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clickwise.errors import OptionError
from clickwise.models.backbones.imagenet import BackboneReport
from clickwise.models.backbones.vit import PatchEmbedding, VisionTransformer
from clickwise.models.heads.all_mlp import AllMlpHead
from clickwise.models.heads.simple_fpn import SimplePyramid
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, ModelOutput
from clickwise.models.map_network import IMAGENET_MEAN, IMAGENET_STD, ClickMaps, MapNetwork
from clickwise.models.registry import Architecture

SIMPLECLICK_DEFAULTS = InferenceDefaults(
    target_size=(448, 448), skip_clicks=-1, target_size_by_dataset=MappingProxyType({"DAVIS": (672, 672)})
)
"""The published evaluation (protocol 4.5)."""
CFR_DEFAULTS = replace(
    SIMPLECLICK_DEFAULTS,
    chain="cascade",
    extra=MappingProxyType({"cf_n": 4, "cf_click": 1, "acf": True}),
)
"""The evaluation command of CFR-ICL's release: up to four refinements of the first click, fewer when the mask rests."""


class SimpleClickModel(MapNetwork):
    """Plain ViT, simple pyramid, all-MLP head. Height and width must be multiples of the patch, at least two of them.

    patch, width, depth, heads: of the transformer. image_size: (height, width) for which position embeddings are
        stored; other sizes are interpolated from them. global_attention: no windows at all (published experiment).
    neck_channels: of the pyramid's four maps, finest first. head_channels, upsample: see `AllMlpHead`.
    The others: see `MapNetwork`.
    """

    inference_defaults = SIMPLECLICK_DEFAULTS
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
        global_attention: bool,
        with_prev_mask: bool,
        click_maps: ClickMaps,
        click_radius: float,
        norm_mean: Sequence[float],
        norm_std: Sequence[float],
    ) -> None:
        super().__init__(click_radius=click_radius, click_maps=click_maps, norm_mean=norm_mean, norm_std=norm_std)
        for name, values, count in (("image_size", image_size, 2), ("neck_channels", neck_channels, 4)):
            if len(values) != count:
                raise OptionError(f"{name} has {len(values)} numbers; expected {count}")
        self.with_prev_mask = with_prev_mask
        self.capabilities = Capabilities(
            supports_prev_mask=with_prev_mask, size_divisor=(patch, patch), smallest_size=(2 * patch, 2 * patch)
        )
        self.click_embed = PatchEmbedding(channels=3 if with_prev_mask else 2, width=width, patch=patch)
        self.backbone = VisionTransformer(
            image_size=(image_size[0], image_size[1]),
            patch=patch,
            width=width,
            depth=depth,
            heads=heads,
            group=1 if global_attention else None,
        )
        finest, fine, same, coarse = neck_channels
        self.neck = SimplePyramid(in_channels=width, out_channels=(finest, fine, same, coarse))
        self.head = AllMlpHead(in_channels=neck_channels, channels=head_channels, upsample=upsample)

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """See `MapNetwork.logits_from_maps`."""
        hints = click_maps.to(image.dtype)
        if self.with_prev_mask:
            hints = torch.cat([prev_mask, hints], dim=1)
        features = self.backbone(image, self.click_embed(hints))
        logits = self.head(self.neck(features))
        size = (image.shape[2], image.shape[3])
        return ModelOutput(F.interpolate(logits, size=size, mode="bilinear", align_corners=True))

    @property
    def lr_layers(self) -> list[tuple[str, ...]]:
        """Of the transformer (protocol 3.2); the clicks' embedding, which no public file fills, is in no layer."""
        return self.backbone.parameter_layers("backbone.")

    def load_encoder(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start the transformer from a public MAE file of the same size; see `VisionTransformer.load_imagenet`."""
        return self.backbone.load_imagenet(entries)


class CfrIclModel(SimpleClickModel):
    """The same network; its own chain refines the first click by cascade-forward passes."""

    inference_defaults = CFR_DEFAULTS


def _architecture(
    name: str,
    *,
    model: type[SimpleClickModel] = SimpleClickModel,
    neck_channels: tuple[int, int, int, int],
    head_channels: int = 256,
    licence: str = "MIT (published weights)",
    source: str = "SimpleClick, arXiv 2210.11006",
    **sizes: Any,
) -> Architecture:
    """One size; what a file may fix stands in params, the rest in the name."""
    return Architecture(
        name=name,
        build=partial(model, **sizes),
        params={
            "image_size": [448, 448],
            "neck_channels": list(neck_channels),
            "head_channels": head_channels,
            "upsample": 1,
            "global_attention": False,
            "with_prev_mask": True,
            "click_maps": "disks",
            "click_radius": 5.0,
            "norm_mean": list(IMAGENET_MEAN),
            "norm_std": list(IMAGENET_STD),
        },
        native_size=(448, 448),
        licence=licence,
        source=source,
    )


_HUGE: Mapping[str, Any] = MappingProxyType(
    {"patch": 14, "width": 1280, "depth": 32, "heads": 16, "neck_channels": (240, 480, 960, 1920)}
)

ARCHITECTURES = (
    _architecture(
        "simpleclick-vit-xtiny",
        patch=16,
        width=160,
        depth=8,
        heads=4,
        neck_channels=(96, 192, 288, 384),
        head_channels=128,
    ),
    _architecture("simpleclick-vit-b", patch=16, width=768, depth=12, heads=12, neck_channels=(128, 256, 512, 1024)),
    _architecture("simpleclick-vit-l", patch=16, width=1024, depth=24, heads=16, neck_channels=(192, 384, 768, 1536)),
    _architecture("simpleclick-vit-h", **_HUGE),
    _architecture(
        "cfr-icl-vit-h",
        model=CfrIclModel,
        licence="CC BY-NC 4.0 (published weights)",
        source="CFR-ICL, arXiv 2303.05620",
        **_HUGE,
    ),
)
