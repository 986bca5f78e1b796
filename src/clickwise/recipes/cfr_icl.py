"""CFR-ICL's recipes (reference: its release; cfr_icl.md section 3): SimpleClick trained further.

SUEM copy-paste on the items, a small rate throughout, 1..3 clicks. The huge network is trained by the iterative click
loss on every answer; base, in the release, by the last answer alone. They start from SimpleClick's weights by name;
others by ``--set model.start_weights=FILE`` (below the data root, or an absolute path), none by
``model.start_weights=null``. Published milestones, epochs 50 and 55, lie beyond the end.

On the training pack, base with the iterative click loss, and xtiny, are ours, for smaller machines.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from clickwise.recipes.building import Entry, variant, with_items
from clickwise.recipes.pack import PACK_EPOCH, on_pack
from clickwise.recipes.sets import COCO_LVIS, SBD
from clickwise.recipes.simpleclick import on_sbd, vit_cocolvis, vit_xtiny_cocolvis
from clickwise.training.parts.items import PointsPart, SuemPart
from clickwise.training.parts.methods import IterativeClickMethod, IterativeMethod
from clickwise.training.recipe import ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart

_BATCH, _CROP = 32, 448
_SAMPLES_HUGE = 3_000
"""The huge network's one epoch on COCO+LVIS; on the training pack too."""
_EPOCHS_BASE, _EPOCHS_BASE_SBD, _EPOCHS_HUGE_SBD = 5, 20, 5
_MIN_AREA_SBD = 20
_POINTS_HUGE = 12
"""Rows of points per sign; base has 24."""
_ICL = IterativeClickMethod(weights=(1.0, 2.0, 3.0))


def vit_b_cocolvis() -> Recipe:
    """ViT-B: 1..3 clicks on its own errors before each step, copy-paste."""
    parent = variant(
        vit_cocolvis("b"),
        "cfr-icl-vit-b-cocolvis",
        model=ModelPart(architecture="simpleclick-vit-b", start_weights="simpleclick-vit-b-cocolvis"),
        method=IterativeMethod(min_next_clicks=1, max_next_clicks=3),
        optimizer=OptimizerPart(name="adam", lr=5e-6, betas=(0.9, 0.999)),
        **_short(_EPOCHS_BASE * COCO_LVIS.epoch),
    )
    return with_items(parent, suem=SuemPart(copy_paste_prob=0.5, image_mix_prob=0.5))


def vit_h_cocolvis() -> Recipe:
    """ViT-H: every answer of 1..3 clicks counts."""
    parent = variant(
        vit_b_cocolvis(),
        "cfr-icl-vit-h-cocolvis",
        model=ModelPart(architecture="cfr-icl-vit-h", start_weights="simpleclick-vit-h-cocolvis"),
        method=_ICL,
        **_short(_SAMPLES_HUGE),
    )
    return with_items(parent, points=PointsPart(max_num_points=_POINTS_HUGE))


def vit_sbd(size: str) -> Recipe:
    """B or H on SBD."""
    parent = vit_b_cocolvis() if size == "b" else vit_h_cocolvis()
    epochs = _EPOCHS_BASE_SBD if size == "b" else _EPOCHS_HUGE_SBD
    model = parent.model.model_copy(update={"start_weights": f"simpleclick-vit-{size}-sbd"})
    on_it = on_sbd(parent, model=model, **_short(epochs * SBD.epoch))
    return with_items(on_it, min_object_area=_MIN_AREA_SBD)


def vit_h_pack() -> Recipe:
    """ViT-H on the training pack, as long as published."""
    return on_pack(vit_h_cocolvis(), **_short(_SAMPLES_HUGE))


def vit_b_pack() -> Recipe:
    """ViT-B on the training pack, with the iterative click loss."""
    method = _ICL.model_copy(update={"clicks_on_ignored": False})
    return on_pack(vit_b_cocolvis(), method=method, **_short(_EPOCHS_BASE * PACK_EPOCH))


def vit_xtiny_pack() -> Recipe:
    """ViT-xtiny: from scratch, at the rate and length of SimpleClick's xtiny."""
    changes = {"items": vit_b_pack().items, "method": vit_b_pack().method}
    return on_pack(vit_xtiny_cocolvis(), name="cfr-icl-vit-xtiny-pack", **changes)


def _short(samples: int) -> dict[str, Any]:
    """One rate throughout, validated at the end only."""
    return {
        "schedule": SchedulePart(),
        "phases": (Phase(size=_CROP, batch=_BATCH, samples=samples),),
        "validation": ValidationPart(every_samples=0),
    }


CFR_ICL = {
    "cfr-icl-vit-b-cocolvis": Entry("SimpleClick ViT-B further on COCO+LVIS", vit_b_cocolvis),
    "cfr-icl-vit-b-sbd": Entry("SimpleClick ViT-B further on SBD", partial(vit_sbd, "b")),
    "cfr-icl-vit-h-cocolvis": Entry(
        "SimpleClick ViT-H further on COCO+LVIS, click loss on every answer", vit_h_cocolvis
    ),
    "cfr-icl-vit-h-sbd": Entry("SimpleClick ViT-H further on SBD, click loss on every answer", partial(vit_sbd, "h")),
    "cfr-icl-vit-b-pack": Entry("ViT-B on our pack, click loss on every answer", vit_b_pack),
    "cfr-icl-vit-h-pack": Entry("ViT-H on our pack, click loss on every answer", vit_h_pack),
    "cfr-icl-vit-xtiny-pack": Entry("ViT-xtiny from scratch on our pack, click loss on every answer", vit_xtiny_pack),
}
"""Name on the command line -> recipe."""
