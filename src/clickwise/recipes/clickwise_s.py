"""Recipes of clickwise-s."""

from __future__ import annotations

from clickwise.recipes.building import Entry
from clickwise.recipes.pack import PACK
from clickwise.training.parts.methods import RollingMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart


def clickwise_s() -> Recipe:
    """The shipped model: ImageNet MobileNet encoder, salient objects and instances, rolling batch."""
    return Recipe(
        name="clickwise-s",
        model=ModelPart(
            architecture="clickwise-s",
            encoder_weights="weights/mobilenet_v1_1.0_224_imagenet_nopw13.pt",
            frozen=("encoder.stem", "encoder.blocks.0", "encoder.blocks.1", "encoder.blocks.2"),
        ),
        data=PACK,
        method=RollingMethod(),
        losses=(LossTerm(loss="nfl", options={"alpha": 0.5, "gamma": 2.0}),),
        optimizer=OptimizerPart(name="adamw", lr=1.2e-3, betas=(0.9, 0.99), weight_decay=0.02, clip_norm=2.0),
        schedule=SchedulePart(warmup=0.028, decay_from=0.62),
        phases=(
            Phase(size=160, batch=32, samples=50_016),
            Phase(size=224, batch=16, samples=27_008),
        ),
        ema_decay=0.998,
        validation=ValidationPart(every_samples=16_000),
    )


CLICKWISE_S = {"clickwise-s": Entry("the shipped model: salient objects and instances, rolling batch", clickwise_s)}
"""Name on the command line -> recipe."""
