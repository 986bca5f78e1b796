"""Losses by name, as recipes ask for them. A new loss is one class and one line in `LOSSES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import signature
from typing import Any

from clickwise.errors import OptionError
from clickwise.losses.attention import AffinityLoss, AttentionOverlapLoss, AttentionWeightLoss
from clickwise.losses.functional import (
    focal_loss,
    normalized_focal_loss,
    sigmoid_bce,
    soft_dice,
    soft_iou,
    weighted_normalized_focal_loss,
)
from clickwise.losses.pixel import (
    FocalLoss,
    Loss,
    NormalizedFocalLoss,
    SigmoidBCE,
    SoftDice,
    SoftIoU,
    WeightedNormalizedFocalLoss,
)
from clickwise.nearest import nearest

__all__ = [
    "LOSSES",
    "AffinityLoss",
    "AttentionOverlapLoss",
    "AttentionWeightLoss",
    "FocalLoss",
    "Loss",
    "NormalizedFocalLoss",
    "SigmoidBCE",
    "SoftDice",
    "SoftIoU",
    "WeightedNormalizedFocalLoss",
    "focal_loss",
    "make_loss",
    "normalized_focal_loss",
    "sigmoid_bce",
    "soft_dice",
    "soft_iou",
    "weighted_normalized_focal_loss",
]

LOSSES: dict[str, Callable[..., Loss]] = {
    "affinity": AffinityLoss,
    "attention_overlap": AttentionOverlapLoss,
    "attention_weight": AttentionWeightLoss,
    "bce": SigmoidBCE,
    "dice": SoftDice,
    "focal": FocalLoss,
    "nfl": NormalizedFocalLoss,
    "soft_iou": SoftIoU,
    "weighted_nfl": WeightedNormalizedFocalLoss,
}
"""Name in a recipe -> class."""


def make_loss(spec: str | Mapping[str, Any], **options: Any) -> Loss:
    """The loss that a recipe asks for: a name and options, or one mapping with the name under "name".

    Raises OptionError for an unknown name or option, naming the nearest valid ones.

    >>> make_loss("nfl", alpha=0.5) == make_loss({"name": "nfl", "alpha": 0.5})
    True
    """
    if not isinstance(spec, str):
        options = {**{key: value for key, value in spec.items() if key != "name"}, **options}
        spec = str(spec.get("name", ""))
    if spec not in LOSSES:
        near = nearest(spec, sorted(LOSSES))
        raise OptionError(f"no loss is called {spec!r}; nearest: {near} (all: {', '.join(sorted(LOSSES))})")
    valid = list(signature(LOSSES[spec]).parameters)
    for key in options:
        if key not in valid:
            near = nearest(key, valid) or "none, it takes none"
            raise OptionError(f"loss {spec} has no option {key!r}; nearest: {near}")
    return LOSSES[spec](**options)
