"""The small-scale comparison: every system's smallest network, from random weights, on one data set and one budget.

What a system does differently stays its own: network, augmentation, clicks, losses. Everything else is the same for
all and was not tuned for any: 30,000 samples at 224 x 224, batch 8, AdamW, the averaged weights count. Published rates
suit pre-trained encoders (encoder x 0.1), and nothing here is pre-trained; so one rate holds for all parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clickwise.recipes.icmformer import icmformer_vit_b_pack
from clickwise.recipes.iglr import iglr_segformer_b0_pack
from clickwise.recipes.ritm import ritm_hrnet18s_pack
from clickwise.recipes.simpleclick import simpleclick_vit_xtiny_pack
from clickwise.recipes.srafs import srafs_segformer_b0_pack, srafs_segformer_b0_released_pack
from clickwise.training.recipe import ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart

COMPARISON_SIZE = 224
_SAMPLES = 30_000
_BATCH = 8


def compare_ritm_hrnet18s() -> Recipe:
    """Comparison on 30,000 samples: RITM."""
    return _compared(ritm_hrnet18s_pack(), "compare-ritm-hrnet18s")


def compare_simpleclick_vit_xtiny() -> Recipe:
    """Comparison on 30,000 samples: SimpleClick."""
    return _compared(simpleclick_vit_xtiny_pack(), "compare-simpleclick-vit-xtiny", **_AT_COMPARISON_SIZE)


def compare_icmformer_vit_xtiny() -> Recipe:
    """Comparison on 30,000 samples: iCMFormer, at a size of our own."""
    parent = icmformer_vit_b_pack().model_copy(update={"model": ModelPart(architecture="icmformer-vit-xtiny")})
    return _compared(parent, "compare-icmformer-vit-xtiny", **_AT_COMPARISON_SIZE)


def compare_iglr_segformer_b0() -> Recipe:
    """Comparison on 30,000 samples: IGLR."""
    return _compared(iglr_segformer_b0_pack(), "compare-iglr-segformer-b0")


def compare_srafs_segformer_b0() -> Recipe:
    """Comparison on 30,000 samples: SRAFS as the paper describes it."""
    return _compared(srafs_segformer_b0_pack(), "compare-srafs-segformer-b0")


def compare_srafs_segformer_b0_released() -> Recipe:
    """Comparison on 30,000 samples: SRAFS as released."""
    return _compared(srafs_segformer_b0_released_pack(), "compare-srafs-segformer-b0-released")


_AT_COMPARISON_SIZE = {"image_size": [COMPARISON_SIZE, COMPARISON_SIZE]}
"""For plain ViTs: the position embedding is made for the size of the comparison."""

COMPARISON: dict[str, Callable[[], Recipe]] = {
    "compare-icmformer-vit-xtiny": compare_icmformer_vit_xtiny,
    "compare-iglr-segformer-b0": compare_iglr_segformer_b0,
    "compare-ritm-hrnet18s": compare_ritm_hrnet18s,
    "compare-simpleclick-vit-xtiny": compare_simpleclick_vit_xtiny,
    "compare-srafs-segformer-b0": compare_srafs_segformer_b0,
    "compare-srafs-segformer-b0-released": compare_srafs_segformer_b0_released,
}
"""Name on the command line -> function."""


def _compared(parent: Recipe, name: str, **params: Any) -> Recipe:
    """A system's recipe on the budget of the comparison, with overrides of its network's parameters."""
    model = parent.model
    return parent.model_copy(
        update={
            "name": name,
            "model": ModelPart(architecture=model.architecture, params={**model.params, **params}),
            "optimizer": OptimizerPart(name="adamw", lr=5e-4, weight_decay=0.02, clip_norm=1.0, lr_multipliers={}),
            "schedule": SchedulePart(warmup=0.03, decay_from=0.4),
            "phases": (Phase(size=COMPARISON_SIZE, batch=_BATCH, samples=_SAMPLES),),
            "ema_decay": 0.998,
            "validation": ValidationPart(every_samples=0, pictures=60),
        }
    )
