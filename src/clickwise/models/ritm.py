"""RITM (Sofiiuk et al. 2021, arXiv 2102.06583): previous mask and click disks enter an HRNet + OCR or a DeepLabV3+.

Assembly only; sizes stand in `ARCHITECTURES`. Training takes learning-rate factors from ``model.lr_multipliers`` (name
prefix -> factor, the longest prefix wins).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clickwise.errors import OptionError
from clickwise.models.backbones.hrnet import STEM_CHANNELS, HRNet
from clickwise.models.backbones.imagenet import BackboneReport, fill_matching
from clickwise.models.backbones.resnet import ResNet
from clickwise.models.fusion.input_stem import ConvStem, RgbStem, ScaledStem
from clickwise.models.heads.deeplab import DeepLabDecoder, separable_head
from clickwise.models.heads.ocr import OcrHead, PlainHead
from clickwise.models.interface import (
    Capabilities,
    FeaturePlace,
    Gate,
    InferenceDefaults,
    ModelOutput,
)
from clickwise.models.map_network import IMAGENET_MEAN, IMAGENET_STD, ClickMaps, MapNetwork
from clickwise.models.registry import Architecture

Fusion = Literal["scaled_stem", "conv_stem", "rgb_stem"]

_BACKBONE_RATE = 0.1
_CONV_STEM_RATE = 0.1
_XAVIER_MAGNITUDE = 2.0
"""Published initialisation: variance = 2 / mean of fan-in and fan-out."""
_BINARY_MASK_THRESHOLD = 0.5

RITM_DEFAULTS = InferenceDefaults(
    target_size=400, skip_clicks=1, target_size_by_dataset=MappingProxyType({"DAVIS": 600})
)
"""The published evaluation (protocol 4.5)."""


@dataclass(frozen=True)
class HintOptions:
    """How clicks and previous mask enter.

    binary_prev_mask: threshold the previous mask at 0.5 (published models take it soft).
    click_maps: "disks" of ``click_radius`` pixels, or "tanh" of the distance over ``click_radius``.
    fusion: see `clickwise.models.fusion.input_stem`. leaky_relu: LeakyReLU(0.2) there instead of ReLU.
    norm_mean, norm_std: of the image's three channels.
    """

    with_prev_mask: bool = True
    binary_prev_mask: bool = False
    click_maps: ClickMaps = "disks"
    click_radius: float = 5.0
    fusion: Fusion = "scaled_stem"
    leaky_relu: bool = True
    norm_mean: Sequence[float] = IMAGENET_MEAN
    norm_std: Sequence[float] = IMAGENET_STD

    def __post_init__(self) -> None:
        if self.fusion not in get_args(Fusion):
            raise OptionError(f"fusion is {self.fusion!r}; expected one of {', '.join(get_args(Fusion))}")

    @property
    def channels(self) -> int:
        """Of the hint maps: [previous mask,] positive and negative clicks."""
        return 3 if self.with_prev_mask else 2


class RitmModel(MapNetwork):
    """What both families share: hint maps, fusion, logits at image size. Any height and width."""

    inference_defaults = RITM_DEFAULTS

    def __init__(self, options: HintOptions, *, stem_channels: int) -> None:
        super().__init__(
            click_radius=options.click_radius,
            click_maps=options.click_maps,
            norm_mean=options.norm_mean,
            norm_std=options.norm_std,
        )
        self.options = options
        self.capabilities = replace(Capabilities(), supports_prev_mask=options.with_prev_mask)
        self.fusion = _fusion(options, stem_channels)

    @property
    def lr_multipliers(self) -> Mapping[str, float]:
        """Factor of the learning rate by name prefix; the longest prefix wins, other parameters have 1."""
        stem = {"fusion": _CONV_STEM_RATE} if self.options.fusion == "conv_stem" else {}
        return {**stem, **self.slow_parts}

    slow_parts: Mapping[str, float] = MappingProxyType({})
    """Parts beside the fusion that learn at another rate."""

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """See `MapNetwork.logits_from_maps`."""
        size = image.shape[2:]
        main, auxiliary = self.small_logits(*self.fused(image, prev_mask, click_maps))
        return ModelOutput(_resized(main, size), None if auxiliary is None else _resized(auxiliary, size))

    def fused(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the backbone gets: the image, and what joins it behind the first convolution."""
        hints = click_maps.to(image.dtype)
        if self.options.with_prev_mask:
            mask = (prev_mask > _BINARY_MASK_THRESHOLD).to(image.dtype) if self.options.binary_prev_mask else prev_mask
            hints = torch.cat([mask, hints], dim=1)
        joined: tuple[Tensor, Tensor | None] = self.fusion(image, hints)
        return joined

    def features_at(
        self, place: FeaturePlace, image: Tensor, prev_mask: Tensor, click_maps: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Features (B, C, h, w) where f-BRS steps in, and what else the rest needs; see `FeatureModel`."""
        return self.inner_features(place, *self.fused(image, prev_mask, click_maps))

    def logits_after(
        self, place: FeaturePlace, features: Tensor, carried: Tensor | None, size: Sequence[int]
    ) -> Tensor:
        """Logits (B, 1, *size) from the features of `features_at`, perhaps changed, and what it carried."""
        return _resized(self.logits_of_features(place, features, carried), size)

    @abstractmethod
    def inner_features(self, place: FeaturePlace, image: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The first part of `small_logits`, up to a place."""

    @abstractmethod
    def logits_of_features(self, place: FeaturePlace, features: Tensor, carried: Tensor | None) -> Tensor:
        """The second part: main logits at the network's own stride."""

    @abstractmethod
    def small_logits(self, image: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Main and auxiliary logits at the network's own stride; ``added`` joins behind the first convolution."""


class RitmHRNet(RitmModel):
    """HRNetV2 + OCR (ocr_width 0: a plain head)."""

    slow_parts = MappingProxyType(
        {"backbone": _BACKBONE_RATE, "head.auxiliary": _BACKBONE_RATE, "head.classify": _BACKBONE_RATE}
    )

    def __init__(self, options: HintOptions, *, width: int, small: bool, ocr_width: int) -> None:
        super().__init__(options, stem_channels=STEM_CHANNELS)
        self.backbone = HRNet(width=width, small=small)
        channels = self.backbone.out_channels
        self.head = OcrHead(in_channels=channels, width=ocr_width) if ocr_width else PlainHead(in_channels=channels)
        initialise(self)

    def small_logits(self, image: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """At stride 4."""
        main, auxiliary = self.head(self.backbone(image, added))
        return main, auxiliary

    @property
    def feature_places(self) -> tuple[FeaturePlace, ...]:
        """Without OCR there is no place behind it."""
        return ("A", "B", "C") if isinstance(self.head, OcrHead) else ("A", "B")

    def inner_features(self, place: FeaturePlace, image: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """A and B: the joined branches before OCR. C: pixel features behind it."""
        features: Tensor = self.backbone(image, added)
        if place == "C" and isinstance(self.head, OcrHead):
            features = self.head.pixel_context(features, self.head.auxiliary(features))
        return features, None

    def logits_of_features(self, place: FeaturePlace, features: Tensor, carried: Tensor | None) -> Tensor:
        """At stride 4."""
        logits: Tensor = self.head.classify(features) if place == "C" else self.head(features)[0]
        return logits

    def load_encoder(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from an official HRNetV2 classification file; its ``last_layer``, if it fits, is the auxiliary head."""
        names = {name.removeprefix("model."): value for name, value in entries.items()}
        report = self.backbone.load_imagenet(names)
        if not isinstance(self.head, OcrHead):
            return report
        own = self.head.auxiliary.state_dict()
        last = {
            name.removeprefix("last_layer."): value for name, value in names.items() if name.startswith("last_layer.")
        }
        fitting = {name: value for name, value in last.items() if name in own and own[name].shape == value.shape}
        if not fitting:
            return report
        taken = {f"last_layer.{name}" for name in fill_matching(self.head.auxiliary, fitting).used}
        return replace(
            report,
            used=tuple(sorted({*report.used, *taken})),
            ignored=tuple(name for name in report.ignored if name not in taken),
        )


class RitmDeepLab(RitmModel):
    """Dilated ResNet + DeepLabV3+; main logits only."""

    slow_parts = MappingProxyType({"backbone": _BACKBONE_RATE})

    def __init__(self, options: HintOptions, *, depth: int, channels: int, aspp_dropout: float) -> None:
        backbone = ResNet(depth=depth)
        super().__init__(options, stem_channels=64)
        self.backbone = backbone
        self.decoder = DeepLabDecoder(
            low_channels=backbone.low_channels,
            deep_channels=backbone.out_channels,
            channels=channels,
            dropout=aspp_dropout,
        )
        self.head = separable_head(channels)
        initialise(self)

    def small_logits(self, image: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """At stride 4."""
        low, deep = self.backbone(image, added)
        return self.head(self.decoder(low, deep)), None

    feature_places: tuple[FeaturePlace, ...] = ("A", "B", "C")

    def inner_features(self, place: FeaturePlace, image: Tensor, added: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """A: the deepest map (the fine one is carried). B: behind ASPP and skip connection. C: behind the decoder."""
        low, deep = self.backbone(image, added)
        if place == "A":
            return deep, low
        return (self.decoder.joined(low, deep) if place == "B" else self.decoder(low, deep)), None

    def logits_of_features(self, place: FeaturePlace, features: Tensor, carried: Tensor | None) -> Tensor:
        """At stride 4."""
        if place == "A":
            features = self.decoder(carried, features)
        elif place == "B":
            features = self.decoder.smooth(features)
        logits: Tensor = self.head(features)
        return logits

    def load_encoder(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from an ImageNet classification file with torchvision's names."""
        return self.backbone.load_imagenet(entries)


def initialise(model: nn.Module) -> None:
    """Weights ~ N(0, 2 / mean(fan-in, fan-out)), biases 0, norm weights 1 (RITM section 2, "initialisation")."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            out_channels, in_channels, *kernel = module.weight.shape
            mean_fan = (in_channels + out_channels) * math.prod(kernel) / 2
            nn.init.normal_(module.weight, std=math.sqrt(_XAVIER_MAGNITUDE / mean_fan))
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _fusion(options: HintOptions, stem_channels: int) -> nn.Module:
    if options.fusion == "scaled_stem":
        return ScaledStem(hint_channels=options.channels, out_channels=stem_channels, leaky=options.leaky_relu)
    if options.fusion == "conv_stem":
        return ConvStem(hint_channels=options.channels, out_channels=stem_channels)
    return RgbStem(hint_channels=options.channels, leaky=options.leaky_relu)


def _resized(logits: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(logits, size=(size[0], size[1]), mode="bilinear", align_corners=True)


_HINT_NAMES = tuple(field.name for field in fields(HintOptions))


def build_hrnet(*, width: int, small: bool, **params: Any) -> RitmHRNet:
    """A RitmHRNet with random weights; params: those of `HintOptions`, and ocr_width."""
    hints = {name: params.pop(name) for name in _HINT_NAMES}
    return RitmHRNet(HintOptions(**hints), width=width, small=small, **params)


def build_deeplab(*, depth: int, **params: Any) -> RitmDeepLab:
    """A RitmDeepLab with random weights; params: those of `HintOptions`, channels and aspp_dropout."""
    hints = {name: params.pop(name) for name in _HINT_NAMES}
    return RitmDeepLab(HintOptions(**hints), depth=depth, **params)


def _hints(*, with_prev_mask: bool) -> dict[str, Any]:
    """Published hint options as plain data."""
    defaults = {field.name: field.default for field in fields(HintOptions)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in defaults.items()}
    return {**plain, "with_prev_mask": with_prev_mask}


_register = partial(Architecture, licence="MIT (published weights)", source="RITM, arXiv 2102.06583")

ARCHITECTURES = (
    _register(
        name="ritm-hrnet18s",
        build=partial(build_hrnet, width=18, small=True),
        params={"ocr_width": 48, **_hints(with_prev_mask=True)},
    ),
    _register(
        name="ritm-hrnet18",
        build=partial(build_hrnet, width=18, small=False),
        params={"ocr_width": 64, **_hints(with_prev_mask=True)},
    ),
    _register(
        name="ritm-hrnet32",
        build=partial(build_hrnet, width=32, small=False),
        params={"ocr_width": 128, **_hints(with_prev_mask=True)},
    ),
    _register(
        name="ritm-resnet34",
        build=partial(build_deeplab, depth=34),
        params={"channels": 128, "aspp_dropout": 0.2, **_hints(with_prev_mask=False)},
    ),
)
