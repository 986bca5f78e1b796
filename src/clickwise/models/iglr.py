"""IGLR: SegFormer with interaction-guided fusion, and a refiner for a window of the answer. Assembly only.

`forward` is the coarse stage; `refine` is the second one; the chain "ISLR" joins them. Training takes
learning-rate factors from ``lr_multipliers``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from clickwise.clicks.encoding import disk_maps
from clickwise.errors import ModelError
from clickwise.models.backbones.imagenet import BackboneReport
from clickwise.models.backbones.mix_transformer import SIZES, MixTransformer, initialise
from clickwise.models.fusion.interaction_guided import InteractionGuidedFusion
from clickwise.models.heads.local_refiner import LocalRefiner
from clickwise.models.heads.segformer_head import SegFormerHead
from clickwise.models.interface import (
    Capabilities,
    Gate,
    InferenceDefaults,
    ModelOutput,
)
from clickwise.models.map_network import MapNetwork
from clickwise.models.registry import Architecture
from clickwise.models.roi_align import roi_align

_CLICK_RADIUS = 5.0
_ENCODER_RATE = 0.1
_HEAD_WIDTH: Mapping[str, int] = MappingProxyType({"b0": 256, "b3": 512})
_SMALLEST = 32
"""Below, the first stage's grid is smaller than its key / value reduction."""

IGLR_DEFAULTS = InferenceDefaults(
    chain="ISLR",
    target_size=(256, 256),
    skip_clicks=-1,
    expansion_ratio=1.4,
    min_crop_size=10,
    recompute_thresh_iou=1.0,
    zoom_prob_thresh=0.49,
)
"""The published evaluation (reference page iglr, section 5): the crop follows the mask at every click (IoU limit 1)."""


class IglrModel(MapNetwork):
    """Two-stream SegFormer and local refiner. Takes any height and width from 32; made for 256 x 256."""

    capabilities = Capabilities(smallest_size=(_SMALLEST, _SMALLEST), has_refiner=True, has_gate=True)
    inference_defaults = IGLR_DEFAULTS
    lr_multipliers: Mapping[str, float] = MappingProxyType({"backbone": _ENCODER_RATE, "fusion": _ENCODER_RATE})

    def __init__(self, size: str, *, click_radius: float = _CLICK_RADIUS, drop_path: float = 0.1) -> None:
        super().__init__(click_radius=click_radius)
        if not 0 <= drop_path < 1:
            raise ModelError(f"drop_path is {drop_path}; expected 0 <= drop_path < 1")
        self.backbone = MixTransformer(SIZES[size], drop_path=drop_path)
        self.fusion = InteractionGuidedFusion(self.backbone)
        self.head = SegFormerHead(self.backbone.dims, width=_HEAD_WIDTH[size])
        self.refiner = LocalRefiner(self.head.width)
        # As published (section 4.4). On head and refiner the fan-out rule would give last layers with logits of +-20.
        initialise(self.backbone)
        initialise(self.fusion)

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """The coarse stage: logits (= coarse_logits) at image size and the decoder feature at stride 4."""
        opened = torch.as_tensor(1.0 if gate is None else gate, dtype=prev_mask.dtype, device=prev_mask.device)
        strength = opened.expand(len(prev_mask))
        maps = self.fusion(self.backbone, image, click_maps.to(image.dtype), prev_mask, strength)
        small, feature = self.head(maps)
        logits = F.interpolate(small, size=image.shape[2:], mode="bilinear", align_corners=True)
        return ModelOutput(logits, coarse_logits=logits, feature=feature)

    def refine(
        self, image_focus: Tensor, points_focus: Tensor, feature: Tensor, logits: Tensor, roi: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `clickwise.models.interface.RefiningModel.refine`. Published size of the window: 256 x 256."""
        height, width = int(image_focus.shape[2]), int(image_focus.shape[3])
        if len(roi) != len(image_focus) or len(points_focus) != len(image_focus):
            raise ModelError(
                f"there are {len(image_focus)} windows, {len(points_focus)} sets of points and {len(roi)} boxes; "
                "expected as many of each"
            )
        scale = feature.shape[2] / logits.shape[2], feature.shape[3] / logits.shape[3]
        feature_crop = roi_align(feature, roi, (feature.shape[2], feature.shape[3]), spatial_scale=scale)
        coarse = roi_align(logits, roi, (height, width))
        clicks = disk_maps(points_focus, self.click_radius, (height, width)).to(image_focus.dtype)
        refined, boundary = self.refiner(image_focus, clicks, feature_crop, coarse)
        return refined, boundary, coarse

    def load_encoder(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from a public MiT classification file; the side stream and the fusion stay as they are."""
        return self.backbone.load_imagenet(entries)


_register = partial(
    Architecture,
    params={"click_radius": _CLICK_RADIUS, "drop_path": 0.1},
    native_size=(256, 256),
    licence="no published weights",
    source="IGLR (ISLR)",
)

ARCHITECTURES = (
    _register(name="iglr-segformer-b0", build=partial(IglrModel, "b0")),
    _register(name="iglr-segformer-b3", build=partial(IglrModel, "b3")),
)
