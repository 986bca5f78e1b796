"""The training pack as our recipes draw from it, and published recipes on it."""

from __future__ import annotations

from typing import Any

from clickwise.recipes.building import variant
from clickwise.recipes.sets import EPOCH
from clickwise.training.parts.data import PackData
from clickwise.training.parts.items import PublishedItems
from clickwise.training.recipe import Recipe

PACK = PackData(
    sources={
        "duts": 0.52,
        "coco": 0.27,
        "cocoperson": 0.02,
        "ccp": 0.06,
        "human": 0.04,
        "camvid": 0.02,
        "cats": 0.03,
        "balloon": 0.04,
    }
)
"""Half salient objects, a third instances, the rest spread: by number alone salient objects and garments would rule."""

PACK_EPOCH = 10_000
"""Instead of the published 30,000: about the pack's pictures. Milestones lie at the same shares of the run."""
_SMALL_PICTURES_AREA = 80
"""The pack's pictures are as small as SBD's, whose recipes keep objects from so many pixels."""


def on_pack(parent: Recipe, *, name: str | None = None, **changes: Any) -> Recipe:
    """A recipe for COCO+LVIS on the training pack, from random weights where it starts from a public encoder file.

    The pack has ignored regions, which the published data has not: they are left out of clicks, as of the loss.
    """
    items = parent.items
    if isinstance(items, PublishedItems):
        items = items.model_copy(update={"min_object_area": _SMALL_PICTURES_AREA})
    on_it = {
        "model": parent.model.model_copy(update={"encoder_weights": None}),
        "data": PACK,
        "items": items,
        "method": parent.method.model_copy(update={"clicks_on_ignored": False}),
        "phases": tuple(
            phase.model_copy(update={"samples": phase.samples * PACK_EPOCH // EPOCH}) for phase in parent.phases
        ),
        "validation": parent.validation.model_copy(
            update={"every_samples": parent.validation.every_samples * PACK_EPOCH // EPOCH}
        ),
        "precision": "auto",
    }
    return variant(parent, name or parent.name.replace("-cocolvis", "-pack"), **{**on_it, **changes})
