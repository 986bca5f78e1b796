"""Files of the IGLR release's networks (SegFormer B0, B3): none is published, those trained with its code load here.

The release's fusion block does not run as it stands; ``attn1_side`` is the name that its forward pass calls (reference
page iglr, section 2.3). The class path of its configs is not known, so such files need ``architecture=``.
"""

from __future__ import annotations

import re
from typing import Any

from clickwise.weights.adapters.base import Adapter, PublishedConfig, Shapes
from clickwise.weights.adapters.segformer import BACKBONE, SegFormerNames, architecture_of

_UNUSED = "maps_transform."
"""Left over from RITM; no forward pass uses it."""

_PARTS = (
    (f"{BACKBONE}.patch_embed_side1", "fusion.embed_clicks"),
    (f"{BACKBONE}.patch_embed_side2", "fusion.embed_mask"),
    (f"{BACKBONE}.patch_embed_side3", "fusion.embed_second"),
    (f"{BACKBONE}.block_fusion", "fusion.blocks"),
    (f"{BACKBONE}.norm_fusion", "fusion.norm"),
    ("refiner.attention_gate.W_g", "refiner.gate.spatial"),
    ("refiner.attention_gate.W_x", "refiner.gate.feature"),
    ("refiner.attention_gate.psi", "refiner.gate.weight"),
    ("refiner.refinement_pred", "refiner.detail"),
    ("refiner.refinement_boundary", "refiner.boundary"),
)
_INNER = (
    (re.compile(r"\.attn1_side\."), ".image_attn."),
    (re.compile(r"\.attn2\."), ".side_attn."),
    (re.compile(r"attn\.(sr|norm)\."), r"attn.reduce.\1."),
    (re.compile(r"\.dwconv\.dwconv\."), ".dwconv."),
)
_OUTER = (
    (re.compile(r"\.mlp\.dwconv\."), ".mlp.dwconv.dwconv."),
    (re.compile(r"attn\.reduce\.(sr|norm)\."), r"attn.\1."),
    (re.compile(r"\.side_attn\."), ".attn2."),
    (re.compile(r"\.image_attn\."), ".attn1_side."),
)
_NAMES = SegFormerNames(_PARTS, _INNER, _OUTER)


class IglrAdapter:
    """IGLR on MiT-B0 and MiT-B3."""

    classes: tuple[str, ...] = ()
    architectures = ("iglr-segformer-b0", "iglr-segformer-b3")

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By the width of the side stream's mask embedding, which no other method has."""
        shape = shapes.get(f"{BACKBONE}.patch_embed_side2.proj.weight")
        if not shape:
            return None
        return architecture_of("iglr", shape[0], shapes)

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """Nothing beyond the size."""
        return {}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        return _NAMES.ours(published)

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`."""
        return _NAMES.published(ours)

    def never_runs(self, ours: str) -> bool:
        """RITM's left-over input stem."""
        return ours.startswith(_UNUSED)


ADAPTERS: tuple[Adapter, ...] = (IglrAdapter(),)
