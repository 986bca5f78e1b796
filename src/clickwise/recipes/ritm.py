"""RITM's recipes with previous mask (reference: its release; ritm.md section 5). Variants derive from HRNet-18.

The published start is an ImageNet file of the encoder in ``weights/`` below the data root; another place by
``--set model.encoder_weights=FILE``, random values by ``--set model.encoder_weights=null``. The baselines without
previous mask are in `ritm_baselines`.
"""

from __future__ import annotations

from clickwise.recipes.building import Entry, run_of, variant, with_items
from clickwise.recipes.pack import on_pack
from clickwise.recipes.sets import COCO_LVIS, SBD
from clickwise.training.parts.items import PublishedItems
from clickwise.training.parts.methods import IterativeMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Recipe

CROP = (320, 480)
"""Height and width of a training crop."""
BATCH, _BATCH_18S_AND_32 = 28, 32
NFL = LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0})
AUXILIARY_BCE = LossTerm(loss="bce", weight=0.4, output="aux_logits")
HRNET18 = ModelPart(architecture="ritm-hrnet18", encoder_weights="weights/hrnetv2_w18_imagenet_pretrained.pth")
_HRNET18S = ModelPart(architecture="ritm-hrnet18s", encoder_weights="weights/hrnet_w18_small_model_v2.pth")
_HRNET32 = ModelPart(architecture="ritm-hrnet32", encoder_weights="weights/hrnetv2_w32_imagenet_pretrained.pth")
_RESNET34 = ModelPart(architecture="ritm-resnet34")


def hrnet18_cocolvis() -> Recipe:
    """HRNet-18 IT-M: 0..3 clicks on its own errors before each step."""
    return Recipe(
        name="ritm-hrnet18-cocolvis",
        model=HRNET18,
        data=COCO_LVIS.data,
        items=PublishedItems(chain="coco_lvis", keep_background_prob=0.05, min_object_area=1000),
        method=IterativeMethod(max_next_clicks=3),
        losses=(NFL, AUXILIARY_BCE),
        optimizer=OptimizerPart(name="adam", lr=5e-4, betas=(0.9, 0.999)),
        **run_of(230, (200, 220), epoch=COCO_LVIS.epoch, size=CROP, batch=BATCH),
        precision="32",
    )


def hrnet18s_cocolvis() -> Recipe:
    """HRNet-18s."""
    return _in_batches_of_32(variant(hrnet18_cocolvis(), "ritm-hrnet18s-cocolvis", model=_HRNET18S))


def hrnet32_cocolvis() -> Recipe:
    """HRNet-32."""
    return _in_batches_of_32(variant(hrnet18_cocolvis(), "ritm-hrnet32-cocolvis", model=_HRNET32))


def hrnet18_sbd() -> Recipe:
    """HRNet-18 on SBD: smaller objects, turned pictures, other milestones."""
    run = run_of(220, (200, 215), epoch=SBD.epoch, size=CROP, batch=BATCH)
    parent = variant(hrnet18_cocolvis(), "ritm-hrnet18-sbd", data=SBD.data, **run)
    return with_items(parent, chain="sbd", keep_background_prob=0.01, min_object_area=80)


def hrnet18s_sbd() -> Recipe:
    """HRNet-18s on SBD; the release has no such recipe."""
    return _in_batches_of_32(variant(hrnet18_sbd(), "ritm-hrnet18s-sbd", model=_HRNET18S))


def resnet34_pack() -> Recipe:
    """DeepLabV3+ ResNet-34, a baseline: no previous mask, no rounds of clicks, one loss."""
    changes = {"model": _RESNET34, "method": IterativeMethod(max_next_clicks=0), "losses": (NFL,)}
    return variant(on_pack(hrnet18_cocolvis()), "ritm-resnet34-pack", **changes)


def _in_batches_of_32(recipe: Recipe) -> Recipe:
    phases = tuple(phase.model_copy(update={"batch": _BATCH_18S_AND_32}) for phase in recipe.phases)
    return recipe.model_copy(update={"phases": phases})


RITM = {
    "ritm-hrnet18-cocolvis": Entry("HRNet-18 with previous mask on COCO+LVIS", hrnet18_cocolvis),
    "ritm-hrnet18s-cocolvis": Entry("HRNet-18s with previous mask on COCO+LVIS", hrnet18s_cocolvis),
    "ritm-hrnet32-cocolvis": Entry("HRNet-32 with previous mask on COCO+LVIS", hrnet32_cocolvis),
    "ritm-hrnet18-sbd": Entry("HRNet-18 with previous mask on SBD", hrnet18_sbd),
    "ritm-hrnet18s-sbd": Entry("HRNet-18s with previous mask on SBD; ours, not published", hrnet18s_sbd),
    "ritm-hrnet18-pack": Entry("HRNet-18 with previous mask on our pack", lambda: on_pack(hrnet18_cocolvis())),
    "ritm-hrnet18s-pack": Entry("HRNet-18s with previous mask on our pack", lambda: on_pack(hrnet18s_cocolvis())),
    "ritm-hrnet32-pack": Entry("HRNet-32 with previous mask on our pack", lambda: on_pack(hrnet32_cocolvis())),
    "ritm-resnet34-pack": Entry("DeepLabV3+ ResNet-34 without previous mask on our pack", resnet34_pack),
}
"""Name on the command line -> recipe."""
