"""What an evaluation found: IoU after every click of every object, and the scores made of it."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from clickwise.clicks.click import Click, ClickList
from clickwise.errors import InputError, OptionError
from clickwise.evaluation.protocol import THRESHOLDS, EvaluationProtocol
from clickwise.imaging import write_text
from clickwise.metrics import ClickScores, seconds_per_click


@dataclass(frozen=True)
class ObjectResult:
    """One object: its IoU after each click, and the clicks. Fewer than the budget where it stopped.

    boundary_ious, distances: after each click too, where the protocol asks for them; a distance is in pixels, inf for
        an empty mask.
    start_iou: of the mask that the clicks started from, None where they started from nothing.
    """

    sample_id: str
    object_id: int
    ious: tuple[float, ...]
    clicks: ClickList
    boundary_ious: tuple[float, ...] = ()
    distances: tuple[float, ...] = ()
    start_iou: float | None = None

    def as_plain(self) -> dict[str, Any]:
        """JSON types; clicks as [x, y, 1 or 0]; an infinite distance is null; what was not measured is left out."""
        clicks = [[c.x, c.y, int(c.is_positive)] for c in self.clicks]
        values = {"sample": self.sample_id, "object": self.object_id, "ious": list(self.ious), "clicks": clicks}
        if self.boundary_ious:
            values["boundary_ious"] = list(self.boundary_ious)
            values["distances"] = [_number(value) for value in self.distances]
        if self.start_iou is not None:
            values["start_iou"] = self.start_iou
        return values

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> ObjectResult:
        """The object that `as_plain` wrote."""
        clicks = ClickList(Click(x, y, bool(positive)) for x, y, positive in values["clicks"])
        return cls(
            values["sample"],
            values["object"],
            tuple(values["ious"]),
            clicks,
            tuple(values.get("boundary_ious", ())),
            tuple(math.inf if value is None else value for value in values.get("distances", ())),
            values.get("start_iou"),
        )


@dataclass(frozen=True)
class EvaluationResult:
    """One model on one data set under one protocol.

    model, dataset: names. objects: in the data set's order.
    busy_seconds: wall time spent on reading, clicking and predicting, summed over processes; elapsed_seconds: from
    start to end. processes: how many worked.
    """

    model: str
    dataset: str
    objects: tuple[ObjectResult, ...]
    protocol: EvaluationProtocol
    busy_seconds: float = 0.0
    elapsed_seconds: float = 0.0
    processes: int = 1

    @cached_property
    def scores(self) -> ClickScores:
        """The scores behind the methods below."""
        return ClickScores.from_rows([o.ious for o in self.objects], self.protocol.n_clicks)

    def noc(self, target_iou: float) -> float:
        """Mean number of clicks to reach an IoU, objects that never do counted as the whole budget.

        Raises OptionError for an IoU above the one at which objects stopped early (likewise `nof` and `nof_strict`).
        """
        return self._for(target_iou).noc(target_iou)

    def noc_standard_error(self, target_iou: float) -> float:
        """Standard error of `noc` over the objects; nan for a single one."""
        return self._for(target_iou).noc_standard_error(target_iou)

    def nof(self, target_iou: float) -> int:
        """Objects whose number of clicks equals the budget, as the field counts failures."""
        return self._for(target_iou).nof(target_iou)

    def nof_strict(self, target_iou: float) -> int:
        """Objects that never reach the IoU within the budget."""
        return self._for(target_iou).nof_strict(target_iou)

    def iou_at(self, clicks: int) -> float:
        """Mean IoU after so many clicks (from 1 to the budget). Raises OptionError where objects stopped before."""
        if clicks > self.protocol.n_clicks:
            raise OptionError(f"IoU@{clicks} is not known; the budget was {self.protocol.n_clicks} clicks")
        return self.scores.iou_at(clicks)

    def iou_curve(self) -> list[float]:
        """`iou_at` for 1, 2, ... clicks, as far as every object has an answer."""
        return self.scores.iou_curve()

    def boundary_iou_curve(self) -> list[float]:
        """Mean boundary IoU after 1, 2, ... clicks, as far as every object has an answer; empty if not measured."""
        return self._outline_curve([o.boundary_ious for o in self.objects])

    def surface_distance_curve(self) -> list[float]:
        """Likewise the mean surface distance in pixels, objects with an empty mask left out (nan: all of them)."""
        return self._outline_curve([o.distances for o in self.objects])

    def _outline_curve(self, rows: Sequence[Sequence[float]]) -> list[float]:
        if not self.protocol.boundary:
            return []
        return mean_curve(rows, [o.ious[-1] >= 1.0 for o in self.objects], self.protocol.n_clicks)

    @property
    def clicks(self) -> int:
        """Number of clicks made."""
        return sum(len(o.ious) for o in self.objects)

    @property
    def spc(self) -> float:
        """Seconds per click: reading, simulated user and network together, per working process."""
        return seconds_per_click(self.busy_seconds, self.clicks)

    def table(self) -> str:
        """The result as the field prints it; see `clickwise.evaluation.report`."""
        from clickwise.evaluation.report import table

        return table([self])

    def _for(self, target_iou: float) -> ClickScores:
        if not self.protocol.answers(target_iou):
            raise OptionError(
                f"NoC at IoU {target_iou:g} is not known: objects stopped early at {self.protocol.target_iou:g}; "
                "evaluate without early stop"
            )
        return self.scores

    # -------------------------------------------------------------------------------------------------- JSON

    def as_plain(self) -> dict[str, Any]:
        """JSON types: the scores under the names of the published contract, everything else under "details".

        A score that is not known is null.
        """
        protocol = self.protocol
        targets = sorted({*THRESHOLDS, *protocol.table_thresholds})
        known = {_key(t): t if protocol.answers(t) else None for t in targets}

        def each(score: Any) -> dict[str, Any]:
            return {key: None if t is None else _number(score(t)) for key, t in known.items()}

        outlines = {
            "boundary_iou_at": self.boundary_iou_curve(),
            "surface_distance_at": [_number(value) for value in self.surface_distance_curve()],
        }
        return {
            "model": self.model,
            "dataset": self.dataset,
            "objects": len(self.objects),
            "noc": each(self.noc),
            "nof": each(self.nof),
            "nof_strict": each(self.nof_strict),
            "iou_at": self.iou_curve(),
            **(outlines if protocol.boundary else {}),
            "spc": self.spc,
            "protocol": protocol.as_plain(),
            "details": {
                "noc_standard_error": each(self.noc_standard_error),
                "clicks": self.clicks,
                "busy_seconds": self.busy_seconds,
                "elapsed_seconds": self.elapsed_seconds,
                "processes": self.processes,
                "objects": [o.as_plain() for o in self.objects],
            },
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> EvaluationResult:
        """The result that `as_plain` wrote."""
        details = values["details"]
        return cls(
            model=values["model"],
            dataset=values["dataset"],
            objects=tuple(ObjectResult.from_plain(o) for o in details["objects"]),
            protocol=EvaluationProtocol.from_plain(values["protocol"]),
            busy_seconds=details["busy_seconds"],
            elapsed_seconds=details["elapsed_seconds"],
            processes=details["processes"],
        )

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write this result alone, in the format of ``clickwise evaluate --json``. Raises OutputError."""
        write_results(path, [self])


def write_results(path: str | os.PathLike[str], results: Iterable[EvaluationResult], command: str = "") -> None:
    """Write ``{"results": [...]}`` in one atomic step; ``command`` is kept as what leads here again."""
    values: dict[str, Any] = {"results": [result.as_plain() for result in results]}
    if command:
        values["command"] = command
    write_text(path, json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def read_results(path: str | os.PathLike[str]) -> Sequence[EvaluationResult]:
    """Results that `write_results` wrote. Raises InputError naming the file when it holds something else."""
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        return [EvaluationResult.from_plain(result) for result in values["results"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} does not hold evaluation results ({type(error).__name__}: {error}); "
            "expected a file written by clickwise evaluate --json"
        ) from error


def mean_curve(rows: Sequence[Sequence[float]], finished: Sequence[bool], budget: int) -> list[float]:
    """Mean over objects after 1, 2, ... clicks, as far as every object has an answer (at most ``budget``).

    finished: objects that stopped because no error was left; they keep their last value. Infinite values (surface
    distances of empty masks) are left out; nan where nothing is left.
    """
    open_rows = [len(row) for row, done in zip(rows, finished, strict=True) if not done]
    curve = []
    for clicks in range(1, min([budget, *open_rows]) + 1 if rows else 1):
        values = np.array([row[min(clicks, len(row)) - 1] for row in rows])
        values = values[np.isfinite(values)]
        curve.append(float(values.mean()) if len(values) else math.nan)
    return curve


def _key(threshold: float) -> str:
    """0.8 -> "0.80"; more digits only where they are needed."""
    text = f"{threshold:.2f}"
    return text if math.isclose(float(text), threshold, abs_tol=1e-9) else f"{threshold:g}"


def _number(value: float) -> float | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
