"""The small-scale comparison: every system's smallest network, from random weights, on one data set and one budget.

What a system does differently stays its own: network, augmentation, clicks, losses. Everything else is the same for
all and was not tuned for any: 30,000 samples at 224 x 224, batch 8, AdamW. Published rates suit pre-trained encoders
(encoder x 0.1), and nothing here is pre-trained; so one rate holds for all parameters.
"""

from __future__ import annotations

from collections.abc import Callable

from clickwise.recipes.ritm import ritm_hrnet18s_pack
from clickwise.training.recipe import (
    LossTerm,
    ModelPart,
    OptimizerPart,
    Phase,
    Recipe,
    SchedulePart,
    ValidationPart,
)

COMPARISON_SIZE = 224
_SAMPLES = 30_000
_BATCH = 8
_OPTIMIZER = OptimizerPart(name="adamw", lr=5e-4, weight_decay=0.02, clip_norm=1.0, lr_multipliers={})
_SCHEDULE = SchedulePart(warmup=0.03, decay_from=0.4)


def compared(parent: Recipe, model: ModelPart) -> Recipe:
    """A system's recipe on the budget of the comparison."""
    return parent.model_copy(
        update={
            "name": f"compare-{model.architecture}",
            "model": model,
            "optimizer": _OPTIMIZER,
            "schedule": _SCHEDULE,
            "phases": (Phase(size=COMPARISON_SIZE, batch=_BATCH, samples=_SAMPLES),),
            "ema_decay": 0.998,
            "validation": ValidationPart(every_samples=0, pictures=60),
        }
    )


def _one_loss() -> Recipe:
    losses = (LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0}),)
    return ritm_hrnet18s_pack().model_copy(update={"losses": losses})


def _square(architecture: str) -> ModelPart:
    """A plain ViT whose position embedding is made for the size of the comparison."""
    return ModelPart(architecture=architecture, params={"image_size": [COMPARISON_SIZE, COMPARISON_SIZE]})


COMPARISON: dict[str, Callable[[], Recipe]] = {
    "compare-ritm-hrnet18s": lambda: compared(ritm_hrnet18s_pack(), ModelPart(architecture="ritm-hrnet18s")),
    "compare-simpleclick-vit-xtiny": lambda: compared(_one_loss(), _square("simpleclick-vit-xtiny")),
    "compare-icmformer-vit-xtiny": lambda: compared(_one_loss(), _square("icmformer-vit-xtiny")),
}
"""Name on the command line -> function."""
