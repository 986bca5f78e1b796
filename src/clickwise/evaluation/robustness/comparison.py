"""What a condition costs: scores under it, and the difference against the plain run, with standard errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clickwise.evaluation.result import EvaluationResult, ObjectResult
from clickwise.evaluation.robustness.conditions import Condition, traits
from clickwise.evaluation.shapes import Shape
from clickwise.evaluation.worst import Failure, mean_iou
from clickwise.metrics.noc import clicks_needed

TARGETS = (0.80, 0.85, 0.90, 0.95)
CLICKS_SHOWN = (1, 3, 5, 10)
MEASURES = ("area_share", "thickness", "fine_share", "parts", "hole_share", "rim_share", "contrast", "weak_share")
"""Measures of `Shape` that are compared with how hard an object is."""


@dataclass(frozen=True)
class Difference:
    """A mean difference and its standard error (nan where there are too few objects). Positive = more (clicks, IoU)."""

    mean: float
    standard_error: float


def paired_difference(values: ArrayLike, plain: ArrayLike) -> Difference:
    """Mean of ``values - plain``, object by object; the error is that of the mean of these differences."""
    each = np.asarray(values, dtype=np.float64) - np.asarray(plain, dtype=np.float64)
    if not len(each):
        return Difference(math.nan, math.nan)
    error = each.std(ddof=1) / math.sqrt(len(each)) if len(each) > 1 else math.nan
    return Difference(float(each.mean()), float(error))


def group_difference(values: ArrayLike, others: ArrayLike) -> Difference:
    """Mean of some objects less mean of the others; squared standard errors of both add up."""
    groups = [np.asarray(group, dtype=np.float64) for group in (values, others)]
    if not all(len(group) for group in groups):
        return Difference(math.nan, math.nan)
    errors = [group.var(ddof=1) / len(group) if len(group) > 1 else math.nan for group in groups]
    return Difference(float(groups[0].mean() - groups[1].mean()), float(math.sqrt(sum(errors))))


@dataclass(frozen=True)
class Finding:
    """One condition: the result under it, and the result that it is compared with.

    compared: the plain run, of the same objects in the same order; for a choice of objects the plain run of all others.
    Both hold no object where the condition leaves none.
    """

    condition: Condition
    result: EvaluationResult
    compared: EvaluationResult

    @property
    def start_iou(self) -> float | None:
        """Mean IoU of the masks that the clicks start from; None where they start from nothing."""
        starts = [o.start_iou for o in self.result.objects if o.start_iou is not None]
        return float(np.mean(starts)) if starts else None

    def noc_difference(self, target_iou: float) -> Difference:
        """Of the number of clicks to an IoU."""
        return self._difference(*(_needed(r, target_iou) for r in (self.result, self.compared)))

    def iou_difference(self, clicks: int) -> Difference:
        """Of the IoU after so many clicks."""
        return self._difference(*(_ious_at(r, clicks) for r in (self.result, self.compared)))

    def _difference(self, values: NDArray[np.float64], others: NDArray[np.float64]) -> Difference:
        return (group_difference if self.condition.is_choice else paired_difference)(values, others)

    def as_plain(self, *, objects: bool = True) -> dict[str, Any]:
        """JSON types; unknown numbers are null. objects: also every IoU and click."""
        condition, count = self.condition, len(self.result.objects)
        budget = self.result.protocol.n_clicks
        values: dict[str, Any] = {
            "condition": condition.name,
            "group": condition.group,
            "says": condition.says,
            "objects": count,
            **scores(self.result),
            "start_iou": self.start_iou,
            "difference": {
                "against": "the other objects" if condition.is_choice else "the same objects, plain",
                "objects": len(self.compared.objects),
                "noc": {_key(t): _plain(self.noc_difference(t)) for t in TARGETS},
                "iou_at": {str(k): _plain(self.iou_difference(k)) for k in CLICKS_SHOWN if k <= budget},
            },
        }
        if objects and not condition.is_choice:
            values["details"] = [o.as_plain() for o in self.result.objects]
        return values


@dataclass(frozen=True)
class Robustness:
    """One model on one data set: plain, under all conditions, and the objects that went worst.

    shapes: measures of the plain run's objects, in its order. worst: empty unless asked for. seed: of what is random.
    """

    plain: EvaluationResult
    findings: tuple[Finding, ...]
    shapes: tuple[Shape, ...]
    worst: tuple[Failure, ...] = ()
    seed: int = 0

    @property
    def model(self) -> str:
        """As it was given."""
        return self.plain.model

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.plain.dataset

    def finding(self, condition: str) -> Finding:
        """The finding of that name; KeyError where it was not asked for."""
        return {f.condition.name: f for f in self.findings}[condition]

    @cached_property
    def hardness(self) -> dict[str, float]:
        """Measure -> rank correlation (Spearman) with how hard objects are: with 1 - IoU averaged over the clicks.

        Positive: more of it goes with worse masks. nan where a measure does not vary.
        """
        hard = [1 - mean_iou(o.ious, self.plain.protocol.n_clicks) for o in self.plain.objects]
        return {name: rank_correlation([getattr(shape, name) for shape in self.shapes], hard) for name in MEASURES}

    def as_plain(self) -> dict[str, Any]:
        """JSON types; every IoU and click of every condition under "details"."""
        return {
            "model": self.model,
            "dataset": self.dataset,
            "seed": self.seed,
            "plain": {"objects": len(self.plain.objects), **scores(self.plain)},
            "conditions": [finding.as_plain() for finding in self.findings],
            "hardness": {name: _number(value) for name, value in self.hardness.items()},
            "worst": [failure.as_plain() for failure in self.worst],
            "protocol": self.plain.protocol.as_plain(),
            "details": [
                {**found.as_plain(), "shape": shape.as_plain(), "traits": traits(shape)}
                for found, shape in zip(self.plain.objects, self.shapes, strict=True)
            ],
        }


def scores(result: EvaluationResult) -> dict[str, Any]:
    """NoC with standard errors, objects never reached, mean IoU by clicks; null where there is no object."""
    known = bool(result.objects)
    return {
        "noc": {_key(t): result.noc(t) if known else None for t in TARGETS},
        "noc_standard_error": {_key(t): _number(result.noc_standard_error(t)) if known else None for t in TARGETS},
        "nof_strict": {_key(t): result.nof_strict(t) if known else None for t in TARGETS},
        "iou_at": result.iou_curve() if known else [],
    }


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: correlation of the ranks, equal values sharing their mean rank; pairs with nan are left out."""
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if not (math.isnan(a) or math.isnan(b))]
    if len(pairs) < 3:
        return math.nan
    ranks = np.array([_ranks(values) for values in zip(*pairs, strict=True)])
    if (ranks.std(axis=1) == 0).any():
        return math.nan
    return float(np.corrcoef(ranks)[0, 1])


def _ranks(values: ArrayLike) -> NDArray[np.float64]:
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[which.reshape(-1)], dtype=np.float64)


def _needed(result: EvaluationResult, target_iou: float) -> NDArray[np.float64]:
    if not result.objects:
        return np.zeros(0)
    return clicks_needed([o.ious for o in result.objects], target_iou, result.protocol.n_clicks).astype(np.float64)


def _ious_at(result: EvaluationResult, clicks: int) -> NDArray[np.float64]:
    return np.array([_iou_at(o, clicks) for o in result.objects], dtype=np.float64)


def _iou_at(found: ObjectResult, clicks: int) -> float:
    """An object that ended earlier did so at IoU 1 and keeps it."""
    return found.ious[min(clicks, len(found.ious)) - 1]


def _key(target_iou: float) -> str:
    return f"{target_iou:.2f}"


def _plain(difference: Difference) -> dict[str, float | None]:
    return {"mean": _number(difference.mean), "standard_error": _number(difference.standard_error)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
