"""SRAFS: SegFormer with mask modulation, guided fusion and supervised attention fields. Assembly only.

Two variants: "released" is the network of the release (reference page srafs), "paper" does what the paper describes
where the release does otherwise; docs/concepts/systems/srafs.md compares them. Both run the network twice at a first
click without a mask, decided per item. Training takes learning-rate factors from ``lr_multipliers``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from clickwise.clicks.encoding import is_valid
from clickwise.errors import ModelError
from clickwise.models.backbones.imagenet import BackboneReport
from clickwise.models.backbones.mix_transformer import SIZES, MixTransformer, initialise
from clickwise.models.fusion.guided import Guidance, GuidedEncoder
from clickwise.models.heads.segformer_head import SegFormerHead
from clickwise.models.interface import (
    AttentionFields,
    Capabilities,
    Gate,
    InferenceDefaults,
    ModelOutput,
    gate_values,
)
from clickwise.models.map_network import MapNetwork
from clickwise.models.modulation import MAX_RADIUS, ModulationRule, modulate
from clickwise.models.registry import Architecture

VariantName = Literal["paper", "released"]

_CLICK_RADIUS = 5.0
_ENCODER_RATE = 0.1
_HEAD_WIDTH: Mapping[str, int] = MappingProxyType({"b0": 256, "b3": 512})
_SMALLEST = 32
"""Below, the first stage's grid is smaller than its key / value reduction."""

SRAFS_DEFAULTS = InferenceDefaults(
    chain="CMRefiner-V2",
    target_size=(448, 448),
    skip_clicks=-1,
    target_size_by_dataset=MappingProxyType({"DAVIS": (672, 672)}),
)
"""The published evaluation (reference page srafs, section 6)."""


@dataclass(frozen=True)
class Variant:
    """What the two variants differ in. first_click_is_positive: whatever its sign, in the first click's second pass."""

    guidance: Guidance
    modulation: ModulationRule
    first_click_is_positive: bool


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        # The published four blocks, spread over three depths: as deep a fusion at about the same cost.
        "paper": Variant(Guidance(((0, 1), (1, 2), (2, 1)), reweights=True, decodes_fused=True), "corrected", False),
        "released": Variant(Guidance(((1, 4),), reweights=False, decodes_fused=False), "released", True),
    }
)
"""By name. Why "paper" is as it is: docs/decisions."""


class SrafsModel(MapNetwork):
    """Guided SegFormer. Takes any height and width from 32; made for 448 x 448.

    modulation_radius: pixels of the network's input, see `clickwise.models.modulation`.
    """

    capabilities = Capabilities(smallest_size=(_SMALLEST, _SMALLEST), has_gate=True)
    inference_defaults = SRAFS_DEFAULTS
    lr_multipliers: Mapping[str, float] = MappingProxyType({"backbone": _ENCODER_RATE, "guided": _ENCODER_RATE})

    def __init__(
        self,
        size: str,
        *,
        variant: VariantName = "paper",
        click_radius: float = _CLICK_RADIUS,
        modulation_radius: float = MAX_RADIUS,
        drop_path: float = 0.1,
    ) -> None:
        super().__init__(click_radius=click_radius)
        if variant not in VARIANTS:
            raise ModelError(f"variant is {variant!r}; expected one of {', '.join(sorted(VARIANTS))}")
        if not (0 <= drop_path < 1 and modulation_radius > 0):
            raise ModelError(
                f"drop_path is {drop_path} and modulation_radius {modulation_radius}; "
                "expected 0 <= drop_path < 1, radius > 0"
            )
        self.variant = VARIANTS[variant]
        self.modulation_radius = modulation_radius
        self.backbone = MixTransformer(SIZES[size], drop_path=drop_path)
        self.guided = GuidedEncoder(self.backbone, self.variant.guidance)
        self.head = SegFormerHead(self.backbone.dims, width=_HEAD_WIDTH[size])
        # Not the head: on its last layer the fan-out rule would give logits of +-20.
        initialise(self.backbone)
        initialise(self.guided)

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        """Logits at image size; in training also the attention fields.

        Items at gate 0 without a previous mask are run twice: their first answer is the mask of the second pass.
        """
        return self._answer(image, prev_mask, points, gate, keep_attention=self.training)

    @torch.no_grad()
    def attention_fields(
        self, image: Tensor, prev_mask: Tensor | None, points: Tensor, gate: Gate = None
    ) -> AttentionFields:
        """Where the second and the fourth stage look in `forward` with these arguments (in its last pass).

        Slower than `forward`, and the maps are held: (B, N, M) floats per stage, N = H W / 64 and M = H W / 1024 for
        the second one.
        """
        mask = image.new_zeros((len(image), 1, *image.shape[2:])) if prev_mask is None else prev_mask
        fields = self._answer(image, mask, points, gate, keep_attention=True).attention
        assert fields is not None
        return fields

    def mask_maps(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> tuple[Tensor, Gate]:
        """What `logits_from_maps` gets for the previous mask, and its gate; image normalised.

        Maps (B, 3, H, W): previous mask, modulated mask, number of positive clicks per pixel. For items at their first
        click the network is run here, with gradient if it is on, and its answer is the previous mask.
        """
        counts = positive_counts(points, prev_mask.shape[2:]).to(prev_mask.dtype)
        latest = points
        if not isinstance(gate, int | float) or gate == 0:
            values = gate_values(gate, points)
            first = torch.nonzero((values == 0) & ~prev_mask.flatten(1).any(dim=1))[:, 0]
            if len(first):
                nothing = prev_mask.new_zeros((len(first), 2, *prev_mask.shape[2:]))
                masks = torch.cat([nothing, counts[first]], dim=1)
                clicks = self.click_maps(points[first], prev_mask.shape[2:])
                logits = self._network(image[first], masks, clicks, 0.0, keep_attention=False).logits
                probs = torch.sigmoid(logits.float()).to(prev_mask.dtype)
                prev_mask = prev_mask.index_copy(0, first, probs)
                chosen = first_click(points[first], as_positive=self.variant.first_click_is_positive)
                latest = points.index_copy(0, first, chosen)
                values = values.index_fill(0, first, 1.0)
            gate = values
        modulated = modulate(
            prev_mask.detach(), latest, max_radius=self.modulation_radius, rule=self.variant.modulation
        )
        return torch.cat([prev_mask, modulated, counts], dim=1), gate

    def logits_from_maps(self, image: Tensor, prev_mask: Tensor, click_maps: Tensor, gate: Gate = None) -> ModelOutput:
        """The network behind `mask_maps` (as ``prev_mask``) and `click_maps`: one pass, nothing depends on values."""
        return self._network(image, prev_mask, click_maps, gate, keep_attention=self.training)

    def load_encoder(self, entries: Mapping[str, Tensor]) -> BackboneReport:
        """Start from a public MiT classification file; everything else stays as it is."""
        return self.backbone.load_imagenet(entries)

    def _answer(
        self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate, *, keep_attention: bool
    ) -> ModelOutput:
        image = self.normalised(image)
        masks, opened = self.mask_maps(image, prev_mask, points, gate)
        clicks = self.click_maps(points, image.shape[2:])
        return self._network(image, masks, clicks, opened, keep_attention=keep_attention)

    def _network(
        self, image: Tensor, masks: Tensor, click_maps: Tensor, gate: Gate, *, keep_attention: bool
    ) -> ModelOutput:
        signal = torch.cat([masks[:, :2], click_maps.to(masks.dtype)], dim=1)
        opened: Tensor | None = None
        # In training even a closed fusion is run, so that batch norm sees every pass as in the release.
        if self.training or not isinstance(gate, int | float) or gate != 0:
            strength = torch.as_tensor(1.0 if gate is None else gate, dtype=masks.dtype, device=masks.device)
            opened = strength.expand(len(masks))
        maps, attention = self.guided(self.backbone, image, signal, masks[:, 2:], opened, keep_attention=keep_attention)
        small, _ = self.head(maps)
        logits = F.interpolate(small, size=image.shape[2:], mode="bilinear", align_corners=True)
        return ModelOutput(logits, attention=attention)


def positive_counts(points: Tensor, size: Sequence[int]) -> Tensor:
    """(B, 1, H, W) number of positive clicks in each pixel; those beyond the border count at it."""
    batch, half = len(points), points.shape[1] // 2
    height, width = size
    y = points[:, :half, 0].floor().long().clamp(0, height - 1)
    x = points[:, :half, 1].floor().long().clamp(0, width - 1)
    counts = points.new_zeros((batch, height * width))
    counts.scatter_add_(1, y * width + x, is_valid(points[:, :half]).to(points.dtype))
    return counts.view(batch, 1, height, width)


def first_click(points: Tensor, *, as_positive: bool) -> Tensor:
    """Points (B, 2N, 3) of which only each item's first valid row is left; ``as_positive`` moves it to row 0."""
    valid = is_valid(points)
    is_first = valid & (valid.cumsum(dim=1) == 1)
    if not as_positive:
        return torch.where(is_first[..., None], points, -1.0)
    alone = torch.full_like(points, -1.0)
    row = is_first.long().argmax(dim=1)[:, None, None].expand(-1, 1, points.shape[2])
    alone[:, :1] = torch.where(valid.any(dim=1)[:, None, None], points.gather(1, row), -1.0)
    return alone


_register = partial(
    Architecture,
    params={"variant": "paper", "click_radius": _CLICK_RADIUS, "modulation_radius": MAX_RADIUS, "drop_path": 0.1},
    native_size=(448, 448),
    licence="no published weights",
    source="SRAFS (CMRefiner-V2)",
)

ARCHITECTURES = (
    _register(name="srafs-segformer-b0", build=partial(SrafsModel, "b0")),
    _register(name="srafs-segformer-b3", build=partial(SrafsModel, "b3")),
)
