"""Runs a model under conditions, one after the other, on the same objects."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import Dataset
from clickwise.errors import OptionError
from clickwise.evaluation.campaign import Task, predictors
from clickwise.evaluation.progress import Progress
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.ranks import Ranks
from clickwise.evaluation.report import short_names
from clickwise.evaluation.result import EvaluationResult
from clickwise.evaluation.robustness.changed import ChangedDataset, usable_units
from clickwise.evaluation.robustness.comparison import Finding, Robustness
from clickwise.evaluation.robustness.conditions import Condition, conditions_named
from clickwise.evaluation.robustness.report import plot_conditions, text, write_json
from clickwise.evaluation.runner import Job, ModelLike, Unit, checked_units, run
from clickwise.evaluation.shapes import Shape, measure
from clickwise.evaluation.worst import Failure, write_worst
from clickwise.imaging import write_text
from clickwise.inference.factory import model_label
from clickwise.inference.predictor import Predictor

REPORT_NAME = "robustness.txt"
CLICKS = 10
"""Budget per object; the hard part of a condition shows in the first clicks."""


def robustness(
    model: ModelLike,
    dataset: Dataset | str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    conditions: str | Sequence[Condition] = "all",
    protocol: EvaluationProtocol | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    config: Mapping[str, Path] | None = None,
    architecture: str | None = None,
    device: str | torch.device | None = None,
) -> Robustness:
    """How a model does under hard conditions, compared with the plain evaluation of the same objects.

    model, dataset, data_root, config, architecture, device: as for `clickwise.evaluate`. conditions: names and groups,
    separated by commas, or conditions of your own. protocol: None = `CLICKS` clicks, all made. limit: so many objects,
    see `limited`. seed: of noise, human clicks and rough starts. Raises DatasetError, ModelError or OptionError.

    >>> found = robustness("clickwise-s", "HeldOut", "data", "dark,human-clicks")  # doctest: +SKIP
    >>> found.finding("dark").noc_difference(0.90)  # doctest: +SKIP
    Difference(mean=0.31, standard_error=0.12)
    """
    chosen = conditions_named(conditions) if isinstance(conditions, str) else list(conditions)
    data = dataset if isinstance(dataset, Dataset) else open_dataset(dataset, data_root, config)
    units = limited(checked_units(data), limit)
    job = Job(model, data, checked_protocol(protocol or EvaluationProtocol(n_clicks=CLICKS)), architecture, device)
    return run_conditions(job, job.predictor(), units, chosen, seed=seed)


def checked_protocol(protocol: EvaluationProtocol) -> EvaluationProtocol:
    """The protocol, or OptionError where it would leave nothing to compare."""
    if protocol.early_stop or protocol.human_clicks is not None:
        raise OptionError(
            "early_stop and human_clicks have no place in a protocol for robustness; all clicks are made, and the "
            "conditions human-clicks and border-clicks change the places"
        )
    return protocol


def limited(units: Sequence[Unit], limit: int | None) -> list[Unit]:
    """At most so many objects, evenly spread over the data set; None = all. Raises OptionError below 1."""
    if limit is None or limit >= len(units):
        return list(units)
    if limit < 1:
        raise OptionError(f"limit is {limit}; expected at least 1 object")
    return [units[place * len(units) // limit] for place in range(limit)]


def run_conditions(
    job: Job,
    predictor: Predictor,
    units: Sequence[Unit],
    conditions: Sequence[Condition],
    *,
    seed: int = 0,
    processes: int = 1,
    ranks: Ranks | None = None,
    progress: bool = False,
    worst: int = 0,
    plots: Path | None = None,
    label: str = "",
) -> Robustness:
    """Evaluate checked units plainly, then under each condition that changes something. ``predictor`` is the job's.

    processes, ranks: as for `clickwise.evaluation.runner.run`. worst, plots, label: so many of the worst objects of the
    plain run are drawn into the folder, under that name.
    """

    def under(condition: Condition | None) -> tuple[EvaluationResult, list[Unit]]:
        data = ChangedDataset(job.dataset, units, condition, seed)
        smallest = 1 if condition is None else condition.smallest_area
        usable = usable_units(data, smallest, progress=progress)
        clicks = None if condition is None else condition.clicks
        protocol = replace(job.protocol, human_clicks=clicks, click_seed=seed) if clicks else job.protocol
        task = replace(job, dataset=data, protocol=protocol)
        name = "plain" if condition is None else condition.name
        title = f"{model_label(job.model)} on {job.dataset.name}, {name}"
        if not usable:
            return EvaluationResult(model_label(job.model), job.dataset.name, (), protocol), []
        return run(task, predictor, usable, processes=processes, ranks=ranks, progress=progress, title=title), usable

    plain, _ = under(None)
    shapes = measured(job.dataset, units, progress=progress)
    findings = []
    for condition in conditions:
        if condition.objects is not None:
            findings.append(chosen_objects(plain, shapes, condition))
            continue
        result, usable = under(condition)
        findings.append(Finding(condition, result, _only(plain, [index for index, _ in usable])))
    failures: tuple[Failure, ...] = ()
    if plots is not None and worst:
        data = ChangedDataset(job.dataset, units)
        places = [(index, object_id) for index, (_, object_id) in enumerate(units)]
        failures = write_worst(plain, data, places, predictor, plots, label=label, count=worst).failures
    return Robustness(plain, tuple(findings), tuple(shapes), failures, seed)


def measured(dataset: Dataset, units: Sequence[Unit], *, progress: bool = False) -> list[Shape]:
    """What each object looks like in the unchanged picture."""
    shapes = []
    data = ChangedDataset(dataset, units)
    with Progress(f"measuring {dataset.name}", len(units), shown=progress) as bar:
        for index, (_, object_id) in enumerate(units):
            sample = data.load(index)
            shapes.append(measure(sample.image, sample.object_mask(object_id), sample.ignore_mask()))
            bar.advance()
    return shapes


def chosen_objects(plain: EvaluationResult, shapes: Sequence[Shape], condition: Condition) -> Finding:
    """The objects of the plain run that a condition chooses, compared with all others."""
    assert condition.objects is not None
    fits = [bool(condition.objects(shape)) for shape in shapes]
    chosen, others = ([i for i, fit in enumerate(fits) if fit is wanted] for wanted in (True, False))
    return Finding(condition, _only(plain, chosen), _only(plain, others))


def run_tasks(
    tasks: Sequence[Task],
    conditions: Sequence[Condition],
    command: str,
    *,
    say: Callable[[str], None],
    seed: int = 0,
    processes: int = 1,
    ranks: Ranks | None = None,
    plots: Path | None = None,
    worst: int = 0,
    json_file: Path | None = None,
) -> list[Robustness]:
    """Every model on every data set under all conditions, saying each one's tables as soon as they are known.

    ``command`` leads here again. plots: a folder for one picture per data set, so many of the ``worst`` objects of each
    plain run, and the tables. json_file: all numbers. Both are written anew after each model and data set, so that a
    run of an hour that is stopped leaves what it has found. The other arguments are those of `run_conditions`.
    """
    printed: list[str] = []

    def tell(said: str) -> None:
        printed.append(said)
        say(said)

    labels = short_names([str(task.job.model) for task in tasks])
    results = []
    for model in labels:
        rows = [task for task in tasks if str(task.job.model) == model]
        for task, predictor in zip(rows, predictors(rows), strict=True):
            found = run_conditions(
                task.job,
                predictor,
                task.units,
                conditions,
                seed=seed,
                processes=processes,
                ranks=ranks,
                progress=ranks is None or ranks.is_first,
                worst=worst,
                plots=plots,
                label=labels[model],
            )
            results.append(found)
            tell(text(found, labels[model]))
            if json_file is not None:
                write_json(json_file, results, command)
            if plots is not None:
                plot_conditions(results, plots, labels)
                write_text(plots / REPORT_NAME, "\n".join([*printed, f"Again: {command}"]) + "\n")
    tell(f"Again: {command}")
    return results


def _only(result: EvaluationResult, places: Sequence[int]) -> EvaluationResult:
    return replace(result, objects=tuple(result.objects[place] for place in places))
