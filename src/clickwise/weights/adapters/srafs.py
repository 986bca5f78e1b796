"""Files of the SRAFS release's networks (SegFormer B0, B3): none is published, those trained with its code load here.

They become the variant "released", whatever `build_model` makes by default: their weights have learnt its quirks. The
class path of the release's configs is not known, so such files need ``architecture=``.
"""

from __future__ import annotations

import re
from typing import Any

from clickwise.errors import CheckpointError
from clickwise.weights.adapters.base import Adapter, PublishedConfig, Renaming, Shapes

_BACKBONE = "feature_extractor.backbone"
_HEAD = "feature_extractor.decode_head"
_BY_WIDTH = {32: "srafs-segformer-b0", 64: "srafs-segformer-b3"}

_PARTS = Renaming(
    (
        *((f"{_BACKBONE}.patch_embed{i}", f"backbone.stages.{i - 1}.embed") for i in range(1, 5)),
        *((f"{_BACKBONE}.block{i}", f"backbone.stages.{i - 1}.blocks") for i in range(1, 5)),
        *((f"{_BACKBONE}.norm{i}", f"backbone.stages.{i - 1}.norm") for i in range(1, 5)),
        (f"{_BACKBONE}.patch_embed_side1", "guided.inject"),
        *((f"{_BACKBONE}.guidance_embed.proj.{3 * i}", f"guided.embed.steps.{i}.conv") for i in range(3)),
        *((f"{_BACKBONE}.guidance_embed.proj.{3 * i + 1}", f"guided.embed.steps.{i}.norm") for i in range(3)),
        (f"{_BACKBONE}.block_fusion", "guided.depths.0.blocks"),
        (f"{_BACKBONE}.norm_fusion", "guided.depths.0.norm"),
        *(
            (f"{_BACKBONE}.attn_weight{stage}.mlp_{part}", f"guided.weights.{i}.{ours}_ffn")
            for i, stage in enumerate((2, 4))
            for part, ours in (("x", "tokens"), ("z", "click"))
        ),
        *((f"{_HEAD}.linear_c{i}.proj", f"head.levels.{i - 1}") for i in range(1, 5)),
        (f"{_HEAD}.linear_fuse.conv", "head.fuse"),
        (f"{_HEAD}.linear_fuse.bn", "head.fuse_norm"),
        (f"{_HEAD}.linear_pred", "head.classify"),
    )
)
_INNER = (
    (re.compile(r"\.attn1\."), ".signal_attn."),
    (re.compile(r"\.attn2\."), ".image_attn."),
    (re.compile(r"attn\.(sr|norm)\."), r"attn.reduce.\1."),
    (re.compile(r"\.gate\.4\."), ".gate.3."),
    (re.compile(r"\.dwconv\.dwconv\."), ".dwconv."),
)
_OUTER = (
    (re.compile(r"\.dwconv\."), ".dwconv.dwconv."),
    (re.compile(r"\.gate\.3\."), ".gate.4."),
    (re.compile(r"attn\.reduce\.(sr|norm)\."), r"attn.\1."),
    (re.compile(r"\.image_attn\."), ".attn2."),
    (re.compile(r"\.signal_attn\."), ".attn1."),
)


class SrafsAdapter:
    """SRAFS on MiT-B0 and MiT-B3."""

    classes: tuple[str, ...] = ()
    architectures = tuple(_BY_WIDTH.values())

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By the guidance embedding, which no other method has, and the width of the first stage."""
        shape = shapes.get(f"{_BACKBONE}.patch_embed_side1.proj.weight")
        if not shape or f"{_BACKBONE}.guidance_embed.proj.0.weight" not in shapes:
            return None
        name = _BY_WIDTH.get(shape[0])
        depth_entry = f"{_BACKBONE}.block3.17.norm1.weight"
        if name is None or (name == self.architectures[1]) != (depth_entry in shapes):
            raise CheckpointError(
                f"the file holds a SRAFS network whose first stage has {shape[0]} channels, of a size clickwise does "
                f"not have; it has {', '.join(self.architectures)}"
            )
        return name

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """The variant."""
        return {"variant": "released"}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        name = _PARTS.ours(published)
        for pattern, ours in _INNER:
            name = pattern.sub(ours, name)
        return name

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`. Of the variant "released"; the other has no published names."""
        for pattern, published in _OUTER:
            ours = pattern.sub(published, ours)
        return _PARTS.published(ours)

    def never_runs(self, ours: str) -> bool:
        """Nothing: all entries of the release take part, if only in its losses."""
        return False


ADAPTERS: tuple[Adapter, ...] = (SrafsAdapter(),)
