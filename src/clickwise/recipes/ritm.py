"""RITM's recipes (reference: its release; ritm.md section 5) on the training pack. Variants derive from HRNet-18s.

Published epochs hold 30,000 samples of COCO+LVIS; one here holds about the pack's pictures, and milestones lie at the
same shares of the run. The published start is an ImageNet file: ``--set model.encoder_weights=FILE`` (below the data
root). Without it the whole network starts from RITM's own random initialisation.
"""

from __future__ import annotations

from clickwise.recipes.pack import PACK
from clickwise.training.parts.items import PublishedItems
from clickwise.training.parts.methods import IterativeMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart

_CROP = (320, 480)
"""Height and width of a training crop."""
_EPOCHS = 230
_MILESTONES = (200, 220)
"""Epochs at which the rate falls to a tenth."""
_EPOCH_SAMPLES = 10_000
_VALIDATE_EVERY_EPOCHS = 10

_NFL = LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0})
_AUXILIARY_BCE = LossTerm(loss="bce", weight=0.4, output="aux_logits")


def ritm_hrnet18s_pack() -> Recipe:
    """HRNet-18s IT-M: 0..3 clicks on its own errors before each step."""
    return Recipe(
        name="ritm-hrnet18s-pack",
        model=ModelPart(architecture="ritm-hrnet18s"),
        data=PACK,
        # The pack's pictures are as small as SBD's, whose recipes keep objects from 80 pixels; and it has ignored
        # regions, which the published data has not: they are left out of clicks, as they are of the loss.
        items=PublishedItems(chain="coco_lvis", keep_background_prob=0.05, min_object_area=80),
        method=IterativeMethod(max_next_clicks=3, clicks_on_ignored=False),
        losses=(_NFL, _AUXILIARY_BCE),
        optimizer=OptimizerPart(name="adam", lr=5e-4, betas=(0.9, 0.999)),
        schedule=SchedulePart(milestones=tuple(epoch / _EPOCHS for epoch in _MILESTONES), gamma=0.1),
        phases=(_phase(batch=32),),
        validation=ValidationPart(every_samples=_VALIDATE_EVERY_EPOCHS * _EPOCH_SAMPLES),
    )


def ritm_hrnet18_pack() -> Recipe:
    """HRNet-18 IT-M; published batch 28."""
    changes = {"name": "ritm-hrnet18-pack", "model": ModelPart(architecture="ritm-hrnet18")}
    return ritm_hrnet18s_pack().model_copy(update={**changes, "phases": (_phase(batch=28),)})


def ritm_hrnet32_pack() -> Recipe:
    """HRNet-32 IT-M."""
    changes = {"name": "ritm-hrnet32-pack", "model": ModelPart(architecture="ritm-hrnet32")}
    return ritm_hrnet18s_pack().model_copy(update=changes)


def ritm_resnet34_pack() -> Recipe:
    """DeepLabV3+ ResNet-34, the published baseline: no previous mask, no rounds of clicks, one loss, batch 28."""
    changes = {"name": "ritm-resnet34-pack", "model": ModelPart(architecture="ritm-resnet34")}
    baseline = {"method": IterativeMethod(max_next_clicks=0), "losses": (_NFL,), "phases": (_phase(batch=28),)}
    return ritm_hrnet18s_pack().model_copy(update={**changes, **baseline})


def _phase(*, batch: int) -> Phase:
    return Phase(size=_CROP, batch=batch, samples=_EPOCHS * _EPOCH_SAMPLES)
