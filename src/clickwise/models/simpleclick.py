"""SimpleClick (Liu et al. 2023, arXiv 2210.11006): clicks and previous mask as tokens beside those of the picture.

Assembly only; sizes stand in `ARCHITECTURES`. CFR-ICL (arXiv 2303.05620) is the same network with weights of its own
and another default chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from clickwise.clicks.encoding import disk_maps, tanh_distance_maps
from clickwise.errors import OptionError
from clickwise.models.backbones.imagenet import BackboneReport
from clickwise.models.backbones.vit import PatchEmbedding, VisionTransformer
from clickwise.models.heads.all_mlp import AllMlpHead
from clickwise.models.heads.simple_fpn import SimplePyramid
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, InteractiveModel, ModelOutput
from clickwise.models.registry import Architecture

ClickMaps = Literal["disks", "tanh"]

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


class SimpleClickModel(InteractiveModel):
    """Plain ViT, simple pyramid, all-MLP head. Height and width must be multiples of the patch, at least two of them.

    patch, width, depth, heads: of the transformer. image_size: (height, width) for which position embeddings are
        stored; other sizes are interpolated from them. global_attention: no windows at all (published experiment).
    neck_channels: of the pyramid's four maps, finest first. head_channels, upsample: see `AllMlpHead`.
    click_maps: "disks" of ``click_radius`` pixels, or "tanh" of the distance over ``click_radius``.
    norm_mean, norm_std: of the image's three channels.
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
        super().__init__()
        _check(image_size, neck_channels, click_maps, click_radius, norm_mean, norm_std)
        self.with_prev_mask, self.click_map_kind, self.click_radius = with_prev_mask, click_maps, click_radius
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
        self.register_buffer("image_mean", torch.tensor(norm_mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("image_std", torch.tensor(norm_std).view(1, 3, 1, 1), persistent=False)

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        """Logits at full size; see `InteractiveModel.forward`."""
        return self.logits_from_maps(self.normalised(image), prev_mask, self.click_maps(points, image.shape[2:]))

    def normalised(self, image: Tensor) -> Tensor:
        """Image in [0, 1] -> mean 0, deviation 1 (over ImageNet)."""
        assert isinstance(self.image_mean, Tensor)
        assert isinstance(self.image_std, Tensor)
        return (image - self.image_mean) / self.image_std

    def click_maps(self, points: Tensor, size: Sequence[int]) -> Tensor:
        """Maps (B, 2, H, W) of positive and negative clicks; see `clickwise.clicks.encoding`."""
        draw = disk_maps if self.click_map_kind == "disks" else tanh_distance_maps
        return draw(points, self.click_radius, (size[0], size[1]))

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """The network behind the click maps (B, 2, H, W): image (B, 3, H, W) normalised, prev_mask (B, 1, H, W)."""
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


def _check(
    image_size: Sequence[int],
    neck_channels: Sequence[int],
    click_maps: str,
    click_radius: float,
    norm_mean: Sequence[float],
    norm_std: Sequence[float],
) -> None:
    """OptionError for the first value without meaning."""
    for name, values, count in (
        ("image_size", image_size, 2),
        ("neck_channels", neck_channels, 4),
        ("norm_mean", norm_mean, 3),
        ("norm_std", norm_std, 3),
    ):
        if len(values) != count:
            raise OptionError(f"{name} has {len(values)} numbers; expected {count}")
    if click_maps not in get_args(ClickMaps):
        raise OptionError(f"click_maps is {click_maps!r}; expected one of {', '.join(get_args(ClickMaps))}")
    if click_radius <= 0:
        raise OptionError(f"click_radius is {click_radius}; expected a positive number of pixels")


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
            "norm_mean": [0.485, 0.456, 0.406],
            "norm_std": [0.229, 0.224, 0.225],
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
