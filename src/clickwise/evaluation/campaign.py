"""Several models on several data sets: everything is opened and tried out first, then the table grows row by row."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import Dataset
from clickwise.errors import OptionError
from clickwise.evaluation.plots import plot_curves
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.ranks import Ranks
from clickwise.evaluation.report import Table, remainder
from clickwise.evaluation.result import EvaluationResult
from clickwise.evaluation.runner import Job, Unit, checked_units, run
from clickwise.evaluation.worst import WORST_SHOWN, write_worst
from clickwise.imaging import write_text
from clickwise.inference.factory import WITHOUT_LEARNING, open_model
from clickwise.inference.predictor import Predictor

REPORT_NAME = "evaluation.txt"
_TRIAL_SIDE = 64


@dataclass(frozen=True)
class Task:
    """One row of the table: a model by name on a data set whose objects are known."""

    job: Job
    units: Sequence[Unit]


def open_datasets(
    names: str, data_root: str | os.PathLike[str] | None, paths: Mapping[str, Path]
) -> list[tuple[Dataset, list[Unit]]]:
    """The data sets of a comma-separated list with their objects; every file is read once. Raises DatasetError."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if not wanted:
        raise OptionError("--datasets names no data set; expected for example GrabCut,Berkeley")
    opened = [open_dataset(name, data_root, paths) for name in dict.fromkeys(wanted)]
    return [(data, checked_units(data, progress=True)) for data in opened]


def planned(
    models: Sequence[str],
    datasets: Sequence[tuple[Dataset, list[Unit]]],
    protocol: EvaluationProtocol,
    *,
    architecture: str | None = None,
    device: str | torch.device | None = None,
) -> list[Task]:
    """Every model on every data set; each is loaded and clicked once, so that a mistake in the last shows at once.

    Raises ModelError or OptionError.
    """
    tasks = []
    for model in dict.fromkeys(models):
        own = None if model in WITHOUT_LEARNING else architecture
        rows = [Task(Job(model, data, protocol, own, device), units) for data, units in datasets]
        for predictor in predictors(rows):
            _try_out(predictor)
        tasks += rows
    return tasks


def _try_out(predictor: Predictor) -> None:
    """One click on a grey square: a chain that does not suit the model says so now, not below the table's head."""
    predictor.set_image(np.full((_TRIAL_SIDE, _TRIAL_SIDE, 3), 128, dtype=np.uint8))
    predictor.click(_TRIAL_SIDE // 2, _TRIAL_SIDE // 2)


def predictors(rows: Sequence[Task]) -> list[Predictor]:
    """Predictors of tasks of one model, which is loaded once."""
    first = rows[0].job
    opened = open_model(first.model, architecture=first.architecture, device=first.device)
    return [replace(row.job, model=opened, architecture=None).predictor() for row in rows]


def run_all(
    tasks: Sequence[Task],
    command: str,
    *,
    say: Callable[[str], None],
    processes: int = 1,
    ranks: Ranks | None = None,
    plots: Path | None = None,
    worst: int = WORST_SHOWN,
) -> list[EvaluationResult]:
    """Evaluate all tasks, saying each row of the table as soon as it is known; ``command`` leads here again.

    ranks: processes that run already and all call this; see `clickwise.evaluation.runner.run`.
    plots: a folder for the curves, so many of the ``worst`` objects of each row, and the table with its protocol.
    """
    printed: list[str] = []

    def tell(text: str) -> None:
        printed.append(text)
        say(text)

    table = Table([str(t.job.model) for t in tasks], [t.job.dataset.name for t in tasks], tasks[0].job.protocol)
    tell(table.head())
    results: list[EvaluationResult] = []
    for model in dict.fromkeys(str(t.job.model) for t in tasks):
        rows = [t for t in tasks if t.job.model == model]
        for task, predictor in zip(rows, predictors(rows), strict=True):
            watched = ranks is None or ranks.is_first
            result = run(task.job, predictor, task.units, processes=processes, ranks=ranks, progress=watched)
            results.append(result)
            tell(table.row(result))
            if plots is not None and worst:
                label = table.label_of(model)
                write_worst(result, task.job.dataset, task.units, predictor, plots, label=label, count=worst)
    tell("")
    tell(remainder(table, results))
    tell(f"Again: {command}")
    if plots is not None:
        plot_curves(results, plots, labels=table.labels)
        write_text(plots / REPORT_NAME, "\n".join(printed) + "\n")
    return results
