"""The small-scale comparison: every system's smallest network, from random weights, on one data set and one budget.

What a system does differently stays its own: network, augmentation, clicks, losses. Everything else is the same for
all and was not tuned for any: 30,000 samples at 224 x 224, batch 8, AdamW, the averaged weights count. Published rates
suit pre-trained encoders (encoder x 0.1), and nothing here is pre-trained; so one rate holds for all parameters.
"""

from __future__ import annotations

from typing import Any

from clickwise.recipes import icmformer, iglr, ritm, simpleclick, srafs
from clickwise.recipes.building import Entry, variant
from clickwise.recipes.pack import on_pack
from clickwise.training.recipe import ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart

COMPARISON_SIZE = 224
_SAMPLES = 30_000
_BATCH = 8


def compare_ritm_hrnet18s() -> Recipe:
    """RITM."""
    return _compared(on_pack(ritm.hrnet18s_cocolvis()), "compare-ritm-hrnet18s")


def compare_simpleclick_vit_xtiny() -> Recipe:
    """SimpleClick."""
    parent = on_pack(simpleclick.vit_xtiny_cocolvis())
    return _compared(parent, "compare-simpleclick-vit-xtiny", **_AT_COMPARISON_SIZE)


def compare_icmformer_vit_xtiny() -> Recipe:
    """iCMFormer, at a size of our own."""
    parent = icmformer.pack("vit-b").model_copy(update={"model": ModelPart(architecture="icmformer-vit-xtiny")})
    return _compared(parent, "compare-icmformer-vit-xtiny", **_AT_COMPARISON_SIZE)


def compare_iglr_segformer_b0() -> Recipe:
    """IGLR."""
    return _compared(iglr.pack("b0"), "compare-iglr-segformer-b0")


def compare_srafs_segformer_b0() -> Recipe:
    """SRAFS as the paper describes it."""
    return _compared(srafs.of_paper(srafs.released_pack("b0")), "compare-srafs-segformer-b0")


def compare_srafs_segformer_b0_released() -> Recipe:
    """SRAFS as released."""
    return _compared(srafs.released_pack("b0"), "compare-srafs-segformer-b0-released")


_AT_COMPARISON_SIZE = {"image_size": [COMPARISON_SIZE, COMPARISON_SIZE]}
"""For plain ViTs: the position embedding is made for the size of the comparison."""


def _compared(parent: Recipe, name: str, **params: Any) -> Recipe:
    """A system's recipe on the budget of the comparison, with overrides of its network's parameters."""
    model = parent.model
    return variant(
        parent,
        name,
        model=ModelPart(architecture=model.architecture, params={**model.params, **params}),
        optimizer=OptimizerPart(name="adamw", lr=5e-4, weight_decay=0.02, clip_norm=1.0, lr_multipliers={}),
        schedule=SchedulePart(warmup=0.03, decay_from=0.4),
        phases=(Phase(size=COMPARISON_SIZE, batch=_BATCH, samples=_SAMPLES),),
        ema_decay=0.998,
        validation=ValidationPart(every_samples=0, pictures=60),
    )


COMPARISON = {
    "compare-icmformer-vit-xtiny": Entry("iCMFormer, at a size of our own", compare_icmformer_vit_xtiny),
    "compare-iglr-segformer-b0": Entry("IGLR", compare_iglr_segformer_b0),
    "compare-ritm-hrnet18s": Entry("RITM", compare_ritm_hrnet18s),
    "compare-simpleclick-vit-xtiny": Entry("SimpleClick", compare_simpleclick_vit_xtiny),
    "compare-srafs-segformer-b0": Entry("SRAFS as the paper describes it", compare_srafs_segformer_b0),
    "compare-srafs-segformer-b0-released": Entry("SRAFS as released", compare_srafs_segformer_b0_released),
}
"""Name on the command line -> recipe."""
