"""Files of the IGLR release's networks (SegFormer B0, B3): none is published, those trained with its code load here.

The release's fusion block does not run as it stands; ``attn1_side`` is the name that its forward pass calls (reference
page iglr, section 2.3). The class path of its configs is not known, so such files need ``architecture=``.
"""

from __future__ import annotations

import re
from typing import Any

from clickwise.errors import CheckpointError
from clickwise.weights.adapters.base import Adapter, PublishedConfig, Renaming, Shapes

_BACKBONE = "feature_extractor.backbone"
_HEAD = "feature_extractor.decode_head"
_BY_WIDTH = {32: "iglr-segformer-b0", 64: "iglr-segformer-b3"}
_UNUSED = "maps_transform."
"""Left over from RITM; no forward pass uses it."""

_PARTS = Renaming(
    (
        *((f"{_BACKBONE}.patch_embed{i}", f"backbone.stages.{i - 1}.embed") for i in range(1, 5)),
        *((f"{_BACKBONE}.block{i}", f"backbone.stages.{i - 1}.blocks") for i in range(1, 5)),
        *((f"{_BACKBONE}.norm{i}", f"backbone.stages.{i - 1}.norm") for i in range(1, 5)),
        (f"{_BACKBONE}.patch_embed_side1", "fusion.embed_clicks"),
        (f"{_BACKBONE}.patch_embed_side2", "fusion.embed_mask"),
        (f"{_BACKBONE}.patch_embed_side3", "fusion.embed_second"),
        (f"{_BACKBONE}.block_fusion", "fusion.blocks"),
        (f"{_BACKBONE}.norm_fusion", "fusion.norm"),
        *((f"{_HEAD}.linear_c{i}.proj", f"head.levels.{i - 1}") for i in range(1, 5)),
        (f"{_HEAD}.linear_fuse.conv", "head.fuse"),
        (f"{_HEAD}.linear_fuse.bn", "head.fuse_norm"),
        (f"{_HEAD}.linear_pred", "head.classify"),
        ("refiner.attention_gate.W_g", "refiner.gate.spatial"),
        ("refiner.attention_gate.W_x", "refiner.gate.feature"),
        ("refiner.attention_gate.psi", "refiner.gate.weight"),
        ("refiner.refinement_pred", "refiner.detail"),
        ("refiner.refinement_boundary", "refiner.boundary"),
    )
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


class IglrAdapter:
    """IGLR on MiT-B0 and MiT-B3."""

    classes: tuple[str, ...] = ()
    architectures = tuple(_BY_WIDTH.values())

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By the width of the side stream's mask embedding, which no other method has."""
        shape = shapes.get(f"{_BACKBONE}.patch_embed_side2.proj.weight")
        if not shape:
            return None
        name = _BY_WIDTH.get(shape[0])
        depth_entry = f"{_BACKBONE}.block3.17.norm1.weight"
        if name is None or (name == self.architectures[1]) != (depth_entry in shapes):
            raise CheckpointError(
                f"the file holds an IGLR network whose first stage has {shape[0]} channels, of a size clickwise does "
                f"not have; it has {', '.join(self.architectures)}"
            )
        return name

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """Nothing beyond the size."""
        return {}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        name = _PARTS.ours(published)
        for pattern, ours in _INNER:
            name = pattern.sub(ours, name)
        return name

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`."""
        for pattern, published in _OUTER:
            ours = pattern.sub(published, ours)
        return _PARTS.published(ours)

    def never_runs(self, ours: str) -> bool:
        """RITM's left-over input stem."""
        return ours.startswith(_UNUSED)


ADAPTERS: tuple[Adapter, ...] = (IglrAdapter(),)
