"""Scores over clicks: NoC, NoF, IoU@k and their spread (protocol 5.2). Torch-free.

All take the IoU after each click, one row per object: ``ious[i][k - 1]`` after click k. Rows may differ in length,
since an object may stop early, and may be padded with nan.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clickwise.errors import OptionError

Rows = Iterable[ArrayLike]


def first_click_at(ious: ArrayLike, target_iou: float) -> int | None:
    """Number (from 1) of the first click of one object after which IoU >= target_iou; None if it never is."""
    reached = np.flatnonzero(_row(ious) >= target_iou)
    return int(reached[0]) + 1 if len(reached) else None


def clicks_needed(ious: Rows, target_iou: float, max_clicks: int) -> NDArray[np.int64]:
    """NoC of each object: `first_click_at`, or max_clicks where the target is never reached within them.

    Raises OptionError when there is no object.
    """
    if max_clicks < 1:
        raise OptionError(f"max_clicks is {max_clicks}; expected at least 1")
    counts = []
    for row in ious:
        first = first_click_at(row, target_iou)
        counts.append(max_clicks if first is None else min(first, max_clicks))
    if not counts:
        raise OptionError("got no objects to score; expected the IoUs of at least one")
    return np.array(counts, dtype=np.int64)


def noc(ious: Rows, target_iou: float, max_clicks: int = 20) -> float:
    """Mean number of clicks to reach the target, objects that never do counted as max_clicks."""
    return float(clicks_needed(ious, target_iou, max_clicks).mean())


def noc_std(ious: Rows, target_iou: float, max_clicks: int = 20) -> float:
    """Standard deviation of NoC over the objects (population, as the field prints it)."""
    return float(clicks_needed(ious, target_iou, max_clicks).std())


def noc_standard_error(ious: Rows, target_iou: float, max_clicks: int = 20) -> float:
    """How far NoC would move from sample to sample: sample standard deviation / sqrt(objects); nan for one object."""
    counts = clicks_needed(ious, target_iou, max_clicks)
    return float(counts.std(ddof=1) / math.sqrt(len(counts))) if len(counts) > 1 else math.nan


def nof(ious: Rows, target_iou: float, max_clicks: int = 20) -> int:
    """Number of objects whose NoC equals max_clicks: the field's count, failures *and* successes at the last click."""
    return int((clicks_needed(ious, target_iou, max_clicks) == max_clicks).sum())


def nof_strict(ious: Rows, target_iou: float, max_clicks: int = 20) -> int:
    """Number of objects that never reach the target within max_clicks."""
    rows = [_row(row)[:max_clicks] for row in ious]
    clicks_needed(rows, target_iou, max_clicks)
    return sum(first_click_at(row, target_iou) is None for row in rows)


def iou_at(ious: Rows, clicks: int) -> float:
    """Mean IoU over the objects after that many clicks (from 1).

    An object that ended earlier at IoU 1.0 keeps it. One that ended earlier below 1.0 has no answer: OptionError.
    """
    if clicks < 1:
        raise OptionError(f"IoU@{clicks} has no meaning; give a number of clicks from 1")
    values = []
    for number, row in enumerate(map(_row, ious)):
        if len(row) < clicks and (len(row) == 0 or row[-1] < 1.0):
            raise OptionError(
                f"object {number} stopped after {len(row)} clicks, expected {clicks}; evaluate without early stop"
            )
        values.append(row[min(clicks, len(row)) - 1])
    if not values:
        raise OptionError("got no objects to score; expected the IoUs of at least one")
    return float(np.mean(values))


@dataclass(frozen=True)
class ClickScores:
    """IoU after each click of many objects, and the scores made of them. Parts from several processes can be added.

    ious: one row per object. max_clicks: the budget per object.
    """

    ious: tuple[tuple[float, ...], ...]
    max_clicks: int = 20

    @classmethod
    def from_rows(cls, ious: Rows, max_clicks: int = 20) -> ClickScores:
        """From any rows, nan padding removed."""
        return cls(tuple(tuple(_row(row).tolist()) for row in ious), max_clicks)

    def __add__(self, other: ClickScores) -> ClickScores:
        if self.max_clicks != other.max_clicks:
            raise OptionError(
                f"cannot join scores of {self.max_clicks} and {other.max_clicks} clicks; use one budget for all parts"
            )
        return ClickScores(self.ious + other.ious, self.max_clicks)

    def noc(self, target_iou: float) -> float:
        """See `noc`."""
        return noc(self.ious, target_iou, self.max_clicks)

    def noc_std(self, target_iou: float) -> float:
        """See `noc_std`."""
        return noc_std(self.ious, target_iou, self.max_clicks)

    def noc_standard_error(self, target_iou: float) -> float:
        """See `noc_standard_error`."""
        return noc_standard_error(self.ious, target_iou, self.max_clicks)

    def nof(self, target_iou: float) -> int:
        """See `nof`."""
        return nof(self.ious, target_iou, self.max_clicks)

    def nof_strict(self, target_iou: float) -> int:
        """See `nof_strict`."""
        return nof_strict(self.ious, target_iou, self.max_clicks)

    def iou_at(self, clicks: int) -> float:
        """See `iou_at`."""
        return iou_at(self.ious, clicks)

    def iou_curve(self) -> list[float]:
        """`iou_at` for 1, 2, ... clicks, as far as every object has an answer (at most max_clicks)."""
        unfinished: Sequence[int] = [len(row) for row in self.ious if not row or row[-1] < 1.0]
        return (
            [self.iou_at(clicks) for clicks in range(1, min([self.max_clicks, *unfinished]) + 1)] if self.ious else []
        )


def _row(ious: ArrayLike) -> NDArray[np.float64]:
    """One object's IoUs without nan padding."""
    row = np.asarray(ious, dtype=np.float64)
    return row[~np.isnan(row)]
