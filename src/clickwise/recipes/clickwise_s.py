"""Recipes of clickwise-s."""

from __future__ import annotations

from clickwise.recipes.building import Entry, variant
from clickwise.recipes.pack import PACK
from clickwise.training.parts.data import PackData
from clickwise.training.parts.items import ViewItems
from clickwise.training.parts.methods import RollingMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Phase, Recipe, SchedulePart, ValidationPart


def clickwise_s() -> Recipe:
    """First stage: ImageNet MobileNet encoder, salient objects and instances, rolling batch."""
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


def clickwise_s_2() -> Recipe:
    """Second stage: larger views, more instances, composites and borders.

    It was begun from the weights of the first stage: ``--set model.start_weights=FILE``. Without that it goes on from
    the weights in the package.
    """
    first = clickwise_s()
    return variant(
        first,
        "clickwise-s-2",
        model=first.model.model_copy(update={"encoder_weights": None, "start_weights": "clickwise-s"}),
        data=PackData(
            sources={
                "duts": 0.42,
                "coco": 0.36,
                "cocoperson": 0.02,
                "ccp": 0.06,
                "human": 0.03,
                "camvid": 0.03,
                "cats": 0.04,
                "balloon": 0.04,
            }
        ),
        items=ViewItems(rough_prob=0.15, background_prob=0.12, occluder_prob=0.12),
        # Longer lives: late clicks decide how soon 95 % are reached.
        method=RollingMethod(life=(0.12, 0.15, 0.2, 0.2, 0.15, 0.1, 0.08)),
        losses=(*first.losses, _BORDER),
        optimizer=first.optimizer.model_copy(update={"lr": 8e-4}),
        schedule=SchedulePart(warmup=0.02, decay_from=0.3),
        phases=(Phase(size=224, batch=16, samples=44_800), Phase(size=288, batch=8, samples=9_600)),
        ema_decay=0.999,
    )


def clickwise_s_3() -> Recipe:
    """Third stage: views as large as the window in use, damaged and turned pictures, clicks nearer to borders.

    The shipped weights were made from those of the second stage: ``--set model.start_weights=FILE``. Without that it
    goes on from the weights in the package.
    """
    second = clickwise_s_2()
    return variant(
        second,
        "clickwise-s-3",
        items=second.items.model_copy(
            update={"turn_prob": 0.08, "jpeg_prob": 0.15, "worst_jpeg": 8, "noise_prob": 0.1, "shrink_prob": 0.1}
        ),
        # Clicks nearer to the border of the error as well: people click there.
        method=RollingMethod(life=(0.12, 0.15, 0.2, 0.2, 0.15, 0.1, 0.08), floor=0.15),
        optimizer=second.optimizer.model_copy(update={"lr": 6e-4}),
        phases=(Phase(size=256, batch=16, samples=64_000), Phase(size=352, batch=8, samples=12_800)),
        validation=ValidationPart(every_samples=32_000),
    )


_BORDER = LossTerm(
    loss="weighted_nfl", weight=0.5, output="logits+border", options={"share": 0.8, "alpha": 0.5, "gamma": 2.0}
)

CLICKWISE_S = {
    "clickwise-s": Entry("first stage of the shipped model: salient objects and instances, rolling batch", clickwise_s),
    "clickwise-s-2": Entry("second stage: larger views, more instances, composites, borders", clickwise_s_2),
    "clickwise-s-3": Entry("third stage: views of 256 to 352 pixels, damaged and turned pictures", clickwise_s_3),
}
"""Name on the command line -> recipe."""
