"""SimpleClick's recipes (reference: its release; cfr_icl.md section 2) on the training pack.

They are RITM's with another network, one loss, a square crop and rates of their own. Published epochs hold 30,000
samples of COCO+LVIS; one here holds about the pack's pictures, and milestones lie at the same shares of the run (one
at the last epoch never acts). The published start of B, L and H is a public MAE file:
``--set model.encoder_weights=mae_pretrain_vit_base.pth`` (below the data root); at these rates they need it. The
release's option of rates that fall towards the first layers is
``--set optimizer.layer_decay=0.75 --set optimizer.weight_decay=0.02``.
"""

from __future__ import annotations

from clickwise.recipes.ritm import ritm_hrnet18s_pack
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Phase, Recipe, SchedulePart

EPOCH_SAMPLES = 10_000
"""Instead of the published 30,000."""
NFL = LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0})
RATE = 5e-5
_CROP = 448
_BATCH = 32
_EPOCHS, _MILESTONES = 55, (50, 55)
_EPOCHS_XTINY, _MILESTONES_XTINY = 230, (200, 230)
"""Epochs, and those at which the rate falls to a tenth."""


def simpleclick_vit_b_pack() -> Recipe:
    """SimpleClick ViT-B: 0..3 clicks on its own errors before each step, one loss."""
    return ritm_hrnet18s_pack().model_copy(
        update={
            "name": "simpleclick-vit-b-pack",
            "model": ModelPart(architecture="simpleclick-vit-b"),
            "losses": (NFL,),
            "optimizer": OptimizerPart(name="adam", lr=RATE, betas=(0.9, 0.999)),
            **epochs(_EPOCHS, _MILESTONES, size=_CROP),
        }
    )


def simpleclick_vit_l_pack() -> Recipe:
    """SimpleClick ViT-L."""
    changes = {"name": "simpleclick-vit-l-pack", "model": ModelPart(architecture="simpleclick-vit-l")}
    return simpleclick_vit_b_pack().model_copy(update=changes)


def simpleclick_vit_h_pack() -> Recipe:
    """SimpleClick ViT-H."""
    changes = {"name": "simpleclick-vit-h-pack", "model": ModelPart(architecture="simpleclick-vit-h")}
    return simpleclick_vit_b_pack().model_copy(update=changes)


def simpleclick_vit_xtiny_pack() -> Recipe:
    """SimpleClick ViT-xtiny, published from scratch: more epochs."""
    changes = {"name": "simpleclick-vit-xtiny-pack", "model": ModelPart(architecture="simpleclick-vit-xtiny")}
    schedule = epochs(_EPOCHS_XTINY, _MILESTONES_XTINY, size=_CROP)
    return simpleclick_vit_b_pack().model_copy(update={**changes, **schedule})


def epochs(count: int, milestones: tuple[int, ...], *, size: int) -> dict[str, SchedulePart | tuple[Phase, ...]]:
    """Schedule and phases of so many epochs of square crops, the rate falling to a tenth at each milestone."""
    return {
        "schedule": SchedulePart(milestones=tuple(epoch / count for epoch in milestones), gamma=0.1),
        "phases": (Phase(size=size, batch=_BATCH, samples=count * EPOCH_SAMPLES),),
    }
