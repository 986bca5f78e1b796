"""RITM's baselines (reference: its release; ritm.md section 5): no previous mask, no rounds of clicks.

Two networks on seven sets, and HRNet-18 with four losses. All view pictures by the chain of COCO+LVIS, on SBD too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from clickwise.recipes import sets
from clickwise.recipes.building import Entry, run_of, variant, with_items, with_model
from clickwise.recipes.ritm import AUXILIARY_BCE, BATCH, CROP, NFL, hrnet18_cocolvis
from clickwise.recipes.sets import PublishedSet
from clickwise.training.parts.methods import IterativeMethod
from clickwise.training.recipe import LossTerm, ModelPart, Recipe

_RESNET34 = ModelPart(architecture="ritm-resnet34", encoder_weights="weights/resnet34.pth")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the release's table."""

    dataset: PublishedSet
    min_area: int
    keep_background: float
    epochs: int
    milestones: tuple[int, int]


_ROWS = {
    "cocolvis": _Row(sets.COCO_LVIS, 1000, 0.05, 230, (200, 220)),
    "lvis": _Row(sets.LVIS, 1000, 0.05, 160, (140, 155)),
    "coco": _Row(sets.COCO, 1000, 0.05, 140, (120, 135)),
    "openimages": _Row(sets.OPEN_IMAGES, 1000, 0.05, 140, (120, 135)),
    "ade20k": _Row(sets.ADE20K, 80, 0.05, 120, (100, 115)),
    "sbd": _Row(sets.SBD, 80, 0.0, 120, (100, 115)),
    "vocsbd": _Row(sets.VOC_SBD, 80, 0.0, 120, (100, 115)),
}
"""HRNet-18 by data; ResNet-34 has the same lines except for the one below."""
_SMALL_OBJECTS = _Row(sets.COCO_LVIS, 80, 0.0, 160, (140, 155))
"""ResNet-34, and HRNet-18 in the comparison of losses, on COCO+LVIS."""

_LOSSES = {
    "bce": LossTerm(loss="bce"),
    "focal": LossTerm(loss="focal", options={"alpha": 0.5, "gamma": 2.0}),
    "nfl": NFL,
    "soft-iou": LossTerm(loss="soft_iou"),
}
"""Of the main output; the auxiliary one keeps its own."""


def hrnet18_baseline(row: _Row, name: str) -> Recipe:
    """HRNet-18 without previous mask, one step per item."""
    parent = variant(
        hrnet18_cocolvis(),
        name,
        data=row.dataset.data,
        method=IterativeMethod(max_next_clicks=0),
        **run_of(row.epochs, row.milestones, epoch=row.dataset.epoch, size=CROP, batch=BATCH),
    )
    sized = with_items(parent, keep_background_prob=row.keep_background, min_object_area=row.min_area)
    return with_model(sized, params={"with_prev_mask": False})


def resnet34_baseline(row: _Row, name: str) -> Recipe:
    """DeepLabV3+ ResNet-34; it has no auxiliary output."""
    return variant(hrnet18_baseline(row, name), name, model=_RESNET34, losses=(NFL,))


def hrnet18_with_loss(loss: LossTerm, name: str) -> Recipe:
    """The comparison of losses."""
    return variant(hrnet18_baseline(_SMALL_OBJECTS, name), name, losses=(loss, AUXILIARY_BCE))


def _entries() -> Iterator[tuple[str, Entry]]:
    for key, row in _ROWS.items():
        name = f"ritm-hrnet18-{key}-baseline"
        yield (
            name,
            Entry(f"HRNet-18 without previous mask on {row.dataset.title}", partial(hrnet18_baseline, row, name)),
        )
    for key, row in {**_ROWS, "cocolvis": _SMALL_OBJECTS}.items():
        name = f"ritm-resnet34-{key}"
        yield name, Entry(f"DeepLabV3+ ResNet-34 on {row.dataset.title}", partial(resnet34_baseline, row, name))
    for key, loss in _LOSSES.items():
        name = f"ritm-hrnet18-cocolvis-loss-{key}"
        yield (
            name,
            Entry(f"HRNet-18 without previous mask on COCO+LVIS, loss {key}", partial(hrnet18_with_loss, loss, name)),
        )


RITM_BASELINES = dict(_entries())
"""Name on the command line -> recipe."""
