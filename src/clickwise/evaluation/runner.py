"""The evaluation loop: simulated clicks on every object, in one process or several (protocol 5.2)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clickwise.clicks.human import HumanSimulator, click_rng
from clickwise.clicks.next_click import ClickSimulator
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import Dataset, HasStartMasks, Sample
from clickwise.engines.base import Engine
from clickwise.errors import DatasetError, OptionError
from clickwise.evaluation.chain_choice import inference_options, plain_options
from clickwise.evaluation.outlines import with_outline_scores
from clickwise.evaluation.progress import Progress
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.ranks import Ranks
from clickwise.evaluation.result import EvaluationResult, ObjectResult
from clickwise.inference.factory import make_predictor, model_label, open_model
from clickwise.inference.predictor import Predictor
from clickwise.metrics import iou
from clickwise.models.interface import InteractiveModel
from clickwise.types import MaskArray

ModelLike = InteractiveModel | Engine | str | os.PathLike[str]
Unit = tuple[int, int]
"""(sample index, object number): what is evaluated, and what is shared out among processes."""
Report = Callable[[int, ObjectResult, float], None]
"""Called after each object with its place in the list of units, its result and the seconds it took."""


@dataclass(frozen=True)
class Job:
    """One model on one data set: everything a process needs to know to work on its share."""

    model: ModelLike
    dataset: Dataset
    protocol: EvaluationProtocol
    architecture: str | None = None
    device: str | torch.device | None = None

    def predictor(self) -> Predictor:
        """Load the model and set up its chain as the protocol asks. Raises ModelError or OptionError."""
        opened = open_model(self.model, architecture=self.architecture, device=self.device)
        options = inference_options(opened.inference_defaults, self.protocol, self.dataset.name)
        device = self.device if isinstance(opened, InteractiveModel) else None
        return make_predictor(opened, device=device, options=options)


def evaluate(
    model: ModelLike,
    dataset: Dataset | str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    protocol: EvaluationProtocol | None = None,
    *,
    config: Mapping[str, Path] | None = None,
    architecture: str | None = None,
    device: str | torch.device | None = None,
    processes: int = 1,
    progress: bool = False,
) -> EvaluationResult:
    """How many clicks a model needs on a data set.

    model: a module, weights by name or path, or "opencv-grabcut" (a baseline without learning).
    dataset: a name (looked up in ``data_root``, default $CLICKWISE_DATA), a folder, or any `Dataset`.
    protocol: how to measure; None = the field's protocol with all clicks made.
    config: keys of config.yml -> folders, which win over ``data_root``. architecture, device: as for `load_model`.
    processes: so many share the objects; each loads the model. From a script this needs the usual
        ``if __name__ == "__main__":``. progress: show a bar, if stderr is a terminal.

    Every file is read and checked before the first click. Raises DatasetError, ModelError or OptionError.

    >>> result = evaluate("opencv-grabcut", "GrabCut", "data")  # doctest: +SKIP
    >>> result.noc(0.90)  # doctest: +SKIP
    5.32
    """
    if not (isinstance(processes, int) and processes >= 1):
        raise OptionError(f"processes is {processes!r}; expected a number >= 1")
    data = dataset if isinstance(dataset, Dataset) else open_dataset(dataset, data_root, config)
    job = Job(model, data, protocol or EvaluationProtocol(), architecture, device)
    predictor = job.predictor()
    units = checked_units(data, progress=progress)
    return run(job, predictor, units, processes=processes, progress=progress)


def run(
    job: Job,
    predictor: Predictor,
    units: Sequence[Unit],
    *,
    processes: int = 1,
    ranks: Ranks | None = None,
    progress: bool = False,
    title: str = "",
) -> EvaluationResult:
    """Evaluate checked units. ``predictor`` is the job's; with several processes each makes its own.

    ranks: processes that run already and all call this; they share the objects, and all get the whole result.
    title: of the progress bar.
    """
    found: dict[int, tuple[ObjectResult, float]] = {}
    started = time.perf_counter()
    processes = min(processes, len(units))
    title = title or f"{model_label(job.model)} on {job.dataset.name}"
    with Progress(title, len(units), shown=progress) as bar:

        def report(place: int, result: ObjectResult, seconds: float) -> None:
            found[place] = (result, seconds)
            bar.advance()

        if ranks is not None and ranks.world > 1:
            from clickwise.evaluation.workers import share_among_ranks

            processes = ranks.world
            share_among_ranks(predictor, job, units, ranks, report)
        elif processes > 1:
            from clickwise.evaluation.workers import share_out

            share_out(job, units, processes, report)
        else:
            evaluate_units(predictor, job.dataset, list(enumerate(units)), job.protocol, report)
    return EvaluationResult(
        model=model_label(job.model),
        dataset=job.dataset.name,
        objects=tuple(found[place][0] for place in range(len(units))),
        protocol=job.protocol.ran_with(plain_options(predictor.options)),
        busy_seconds=sum(seconds for _, seconds in found.values()),
        elapsed_seconds=time.perf_counter() - started,
        processes=processes,
    )


def checked_units(dataset: Dataset, *, progress: bool = False) -> list[Unit]:
    """Every object of a data set, after reading each sample once, so that nothing fails after hours.

    Raises DatasetError for a sample that cannot be read or has no object, for an object without a pixel outside the
    ignored region, and for a mask to start from that does not fit.
    """
    units: list[Unit] = []
    with Progress(f"checking {dataset.name}", len(dataset), shown=progress) as bar:
        for index in range(len(dataset)):
            sample = dataset.load(index)
            if not sample.objects:
                raise DatasetError(f"{dataset.name}: sample {sample.sample_id} has no object; evaluation needs one")
            for object_id in range(len(sample.objects)):
                if not sample.object_mask(object_id).any():
                    raise DatasetError(
                        f"{dataset.name}: {_where(dataset, sample, index, object_id)} holds no object pixel; "
                        "rule: every mask of an evaluation marks an object, remove picture and mask or correct it"
                    )
                units.append((index, object_id))
            start = dataset.start_mask(index) if isinstance(dataset, HasStartMasks) else None
            if start is not None and start.shape != sample.image.shape[:2]:
                raise DatasetError(
                    f"{dataset.name}: the start mask of {sample.sample_id} is {start.shape}, its picture "
                    f"{sample.image.shape[:2]} (height, width); they must agree"
                )
            bar.advance()
    if not units:
        raise DatasetError(f"{dataset.name} is empty; evaluation needs at least one object")
    return units


def evaluate_units(
    predictor: Predictor,
    dataset: Dataset,
    units: Sequence[tuple[int, Unit]],
    protocol: EvaluationProtocol,
    report: Report,
) -> None:
    """Evaluate objects one after the other; ``units`` carry the place that is reported. A sample is read once."""
    latest: tuple[int, Sample] | None = None
    for place, (index, object_id) in units:
        started = time.perf_counter()
        if latest is None or latest[0] != index:
            latest = (index, dataset.load(index))
        start = dataset.start_mask(index) if isinstance(dataset, HasStartMasks) else None
        masks: list[MaskArray] = []
        watch = masks.append if protocol.boundary else None
        result = evaluate_object(predictor, latest[1], object_id, protocol, start_mask=start, watch=watch)
        seconds = time.perf_counter() - started
        # Outlines are measured off the clock: they say nothing about the time of a click.
        report(place, with_outline_scores(result, masks, latest[1], object_id) if masks else result, seconds)


def evaluate_object(
    predictor: Predictor,
    sample: Sample,
    object_id: int,
    protocol: EvaluationProtocol,
    *,
    start_mask: MaskArray | None = None,
    watch: Callable[[MaskArray], object] | None = None,
) -> ObjectResult:
    """The loop for one object: click in the largest error, predict, measure, until the protocol says stop.

    start_mask: (H, W) mask to correct; None starts from nothing. watch: gets every answer (H, W).
    Nothing is carried over from other objects.
    """
    object_mask = sample.object_mask(object_id)
    ignore_mask = sample.ignore_mask() if sample.ignored else None
    predictor.set_image(sample.image)
    user = ClickSimulator(object_mask, ignore_mask)
    if protocol.human_clicks is not None:
        rng = click_rng(protocol.click_seed, sample.sample_id, object_id)
        user = HumanSimulator(object_mask, ignore_mask, rule=protocol.human_clicks, rng=rng)
    mask, start_iou = np.zeros_like(object_mask), None
    if start_mask is not None:
        mask, start_iou = predictor.set_mask(start_mask).mask, iou(start_mask, object_mask, ignore_mask)
    ious: list[float] = []
    while not (ious and protocol.stops(ious[-1], len(ious))):
        click = user.next_click(mask)
        mask = predictor.click(click.x, click.y, positive=click.is_positive).mask
        ious.append(iou(mask, object_mask, ignore_mask))
        if watch is not None:
            watch(mask)
    return ObjectResult(sample.sample_id, object_id, tuple(ious), user.clicks, start_iou=start_iou)


def _where(dataset: Dataset, sample: Sample, index: int, object_id: int) -> str:
    """The file of an object if the reader tells it, else the sample's name."""
    describe = getattr(dataset, "describe", None)
    return f"mask {describe(index, object_id)}" if describe else f"object {object_id} of sample {sample.sample_id}"
