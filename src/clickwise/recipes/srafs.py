"""SRAFS's recipes (reference: its release; srafs.md section 5) on the training pack. Variants derive from B0.

The variant "paper" is trained with the overlap of attention fields; "released" with the affinity loss, as its weights
have to learn the release's quirks. Losses and network are chosen apart: ``--set model.params.variant=released`` on the
first kind trains the released network with the overlap loss.

Published epochs hold 30,000 items of COCO+LVIS; one here holds about the pack's pictures, and milestones lie at the
same shares of the run. B0 has no published recipe: it gets B3's. The published start is an ImageNet file:
``--set model.encoder_weights=FILE`` (below the data root). Its low rate for the encoder goes with that file: without
it, set ``--set optimizer.lr_multipliers={}``.
"""

from __future__ import annotations

from clickwise.recipes.pack import PACK
from clickwise.training.parts.items import PointsPart, PublishedItems
from clickwise.training.parts.methods import GatedIterativeMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart

_SIZE = 448
_BATCH = 28
"""The recipe's default; the script's own is 2, the README's 6."""
_EPOCHS, _MILESTONES = 85, (65,)
"""Epochs, and those at which the rate falls to a tenth. (The recipe also names the last epoch, which never acts.)"""
_EPOCH_SAMPLES = 10_000
_VALIDATE_EVERY_EPOCHS = 5

_NFL = LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0})
_WEIGHTS = LossTerm(loss="attention_weight", output="logits+attention")
_OVERLAP = LossTerm(loss="attention_overlap", output="logits+attention")
_AFFINITY = LossTerm(loss="affinity", output="logits+attention")


def srafs_segformer_b0_pack() -> Recipe:
    """SegFormer-B0 as the paper describes it: 0..3 clicks on its own errors before each step."""
    return Recipe(
        name="srafs-segformer-b0-pack",
        model=ModelPart(architecture="srafs-segformer-b0", params={"variant": "paper"}),
        data=PACK,
        # Named "sbd" after the recipes that have the same steps. The pack's pictures are as small as SBD's, whose
        # recipe keeps objects from 80 pixels.
        items=PublishedItems(
            chain="sbd", keep_background_prob=0.0, min_object_area=80, points=PointsPart(first_click_center=True)
        ),
        # The pack has ignored regions, which the published data has not: they are left out of clicks, as of the loss.
        method=GatedIterativeMethod(max_next_clicks=3, clicks_on_ignored=False),
        losses=(_NFL, _OVERLAP, _WEIGHTS),
        optimizer=OptimizerPart(name="adam", lr=5e-5, betas=(0.9, 0.999)),
        schedule=SchedulePart(milestones=tuple(epoch / _EPOCHS for epoch in _MILESTONES), gamma=0.1),
        phases=(Phase(size=_SIZE, batch=_BATCH, samples=_EPOCHS * _EPOCH_SAMPLES),),
        validation=ValidationPart(every_samples=_VALIDATE_EVERY_EPOCHS * _EPOCH_SAMPLES),
    )


def srafs_segformer_b3_pack() -> Recipe:
    """SegFormer-B3 as the paper describes it."""
    return _of_size(srafs_segformer_b0_pack(), "b3")


def srafs_segformer_b0_released_pack() -> Recipe:
    """SegFormer-B0 as released: its network and its losses."""
    parent = srafs_segformer_b0_pack()
    return parent.model_copy(
        update={
            "name": "srafs-segformer-b0-released-pack",
            "model": ModelPart(architecture="srafs-segformer-b0", params={"variant": "released"}),
            "losses": (_NFL, _AFFINITY, _WEIGHTS),
        }
    )


def srafs_segformer_b3_released_pack() -> Recipe:
    """SegFormer-B3 as released."""
    return _of_size(srafs_segformer_b0_released_pack(), "b3")


def _of_size(parent: Recipe, size: str) -> Recipe:
    model = parent.model.model_copy(update={"architecture": f"srafs-segformer-{size}"})
    return parent.model_copy(update={"name": parent.name.replace("-b0-", f"-{size}-"), "model": model})
