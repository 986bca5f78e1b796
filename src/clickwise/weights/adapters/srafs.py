"""Files of the SRAFS release's networks (SegFormer B0, B3): none is published, those trained with its code load here.

They become the variant "released", whatever `build_model` makes by default: their weights have learnt its quirks. The
class path of the release's configs is not known, so such files need ``architecture=``.
"""

from __future__ import annotations

import re
from typing import Any

from clickwise.weights.adapters.base import Adapter, PublishedConfig, Shapes
from clickwise.weights.adapters.segformer import BACKBONE, SegFormerNames, architecture_of

_PARTS = (
    (f"{BACKBONE}.patch_embed_side1", "guided.inject"),
    *((f"{BACKBONE}.guidance_embed.proj.{3 * i}", f"guided.embed.steps.{i}.conv") for i in range(3)),
    *((f"{BACKBONE}.guidance_embed.proj.{3 * i + 1}", f"guided.embed.steps.{i}.norm") for i in range(3)),
    (f"{BACKBONE}.block_fusion", "guided.depths.0.blocks"),
    (f"{BACKBONE}.norm_fusion", "guided.depths.0.norm"),
    *(
        (f"{BACKBONE}.attn_weight{stage}.mlp_{part}", f"guided.weights.{i}.{ours}_ffn")
        for i, stage in enumerate((2, 4))
        for part, ours in (("x", "tokens"), ("z", "click"))
    ),
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
_NAMES = SegFormerNames(_PARTS, _INNER, _OUTER)


class SrafsAdapter:
    """SRAFS on MiT-B0 and MiT-B3."""

    classes: tuple[str, ...] = ()
    architectures = ("srafs-segformer-b0", "srafs-segformer-b3")

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """By the guidance embedding, which no other method has, and the width of the first stage."""
        shape = shapes.get(f"{BACKBONE}.patch_embed_side1.proj.weight")
        if not shape or f"{BACKBONE}.guidance_embed.proj.0.weight" not in shapes:
            return None
        return architecture_of("srafs", shape[0], shapes)

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """The variant."""
        return {"variant": "released"}

    def our_name(self, published: str) -> str:
        """See `Adapter.our_name`."""
        return _NAMES.ours(published)

    def published_name(self, ours: str) -> str:
        """See `Adapter.published_name`. Of the variant "released"; the other has no published names."""
        return _NAMES.published(ours)

    def never_runs(self, ours: str) -> bool:
        """Nothing: all entries of the release take part, if only in its losses."""
        return False


ADAPTERS: tuple[Adapter, ...] = (SrafsAdapter(),)
