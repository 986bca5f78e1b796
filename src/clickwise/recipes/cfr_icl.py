"""CFR-ICL's recipes (reference: its release; cfr_icl.md section 3) on the training pack: SimpleClick trained further.

SUEM copy-paste on the items, the iterative click loss on every answer of a series of 1..3 clicks. The published huge
network starts from SimpleClick's weights and sees 3,000 samples at a small rate. Other starts by
``--set model.start_weights=FILE`` (below the data root, or an absolute path), none by ``model.start_weights=null``.

The release uses the iterative click loss for its huge network alone, and has no smaller one than base. Base with this
loss, and xtiny, are ours, for smaller machines.
"""

from __future__ import annotations

from clickwise.recipes.simpleclick import EPOCH_SAMPLES, simpleclick_vit_h_pack, simpleclick_vit_xtiny_pack
from clickwise.training.parts.items import PointsPart, PublishedItems, SuemPart
from clickwise.training.parts.methods import IterativeClickMethod
from clickwise.training.recipe import ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart

_RATE = 5e-6
_BATCH, _CROP = 32, 448
_SAMPLES_HUGE = 3_000
"""One epoch of so many (the release's own number, not scaled to the pack)."""
_EPOCHS_BASE = 5
_POINTS_HUGE = 12
"""Rows of points per sign; base has 24."""
# As RITM's recipes on the pack: small pictures keep small objects, and ignored regions are not clicked.
_ITEMS = PublishedItems(chain="coco_lvis", keep_background_prob=0.05, min_object_area=80, suem=SuemPart())
_METHOD = IterativeClickMethod(weights=(1.0, 2.0, 3.0), clicks_on_ignored=False)


def cfr_icl_vit_h_pack() -> Recipe:
    """CFR-ICL ViT-H: a short training on top of SimpleClick's weights."""
    return simpleclick_vit_h_pack().model_copy(
        update={
            "name": "cfr-icl-vit-h-pack",
            "model": ModelPart(architecture="cfr-icl-vit-h", start_weights="simpleclick-vit-h-cocolvis"),
            "items": _ITEMS.model_copy(update={"points": PointsPart(max_num_points=_POINTS_HUGE)}),
            "method": _METHOD,
            # The published milestones, epochs 50 and 55, lie beyond the end.
            **_short(_SAMPLES_HUGE),
        }
    )


def cfr_icl_vit_b_pack() -> Recipe:
    """CFR-ICL ViT-B; the release trains it without the iterative click loss."""
    return cfr_icl_vit_h_pack().model_copy(
        update={
            "name": "cfr-icl-vit-b-pack",
            "model": ModelPart(architecture="simpleclick-vit-b", start_weights="simpleclick-vit-b-cocolvis"),
            "items": _ITEMS,
            **_short(_EPOCHS_BASE * EPOCH_SAMPLES),
        }
    )


def cfr_icl_vit_xtiny_pack() -> Recipe:
    """CFR-ICL ViT-xtiny, ours: from scratch, at the rate and length of SimpleClick's xtiny."""
    return simpleclick_vit_xtiny_pack().model_copy(
        update={"name": "cfr-icl-vit-xtiny-pack", "items": _ITEMS, "method": _METHOD}
    )


def _short(samples: int) -> dict[str, object]:
    """One small rate throughout, validated at the end only."""
    return {
        "optimizer": OptimizerPart(name="adam", lr=_RATE, betas=(0.9, 0.999)),
        "schedule": SchedulePart(),
        "phases": (Phase(size=_CROP, batch=_BATCH, samples=samples),),
        "validation": ValidationPart(every_samples=0),
    }
