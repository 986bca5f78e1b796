"""Validation while training: the evaluation's clicks on held-out training pictures, never on a benchmark set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from clickwise.clicks.next_click import ClickSimulator
from clickwise.data.sample import Dataset
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.ranks import Ranks
from clickwise.evaluation.runner import Job, Unit, run
from clickwise.inference.predictor import Predictor
from clickwise.models.interface import InteractiveModel
from clickwise.training.curve_picture import curve_picture
from clickwise.training.phases import Position
from clickwise.training.recipe import ValidationPart
from clickwise.training.run_folder import RunFolder
from clickwise.types import ImageArray

_PICTURED_OBJECTS = 12
_PICTURED_SIDE = 192
_TARGETS = (0.85, 0.90, 0.95)
_IOU = "val/iou@{}"


@dataclass(frozen=True)
class HeldOut:
    """A data set to validate on and its objects, read and checked."""

    dataset: Dataset
    units: Sequence[Unit]


def validate(
    model: InteractiveModel,
    held_out: HeldOut,
    options: ValidationPart,
    folder: RunFolder,
    position: Position,
    ranks: Ranks,
) -> None:
    """NoC at 85, 90 and 95 % and mean IoU by clicks on a data set, with the model's own chain, into the logs.

    All processes call this and evaluate a share of the objects; the numbers are those of a single process. The first
    one also leaves a contact sheet of the same objects each time, and the IoU curves of all validations so far. The
    model should be in eval mode.
    """
    dataset = held_out.dataset
    job = Job(model, dataset, EvaluationProtocol(n_clicks=options.n_clicks))
    with torch.inference_mode():
        result = run(job, job.predictor(), held_out.units, ranks=ranks)
    if not ranks.is_first:
        return
    numbers = {f"val/noc{100 * t:.0f}": result.noc(t) for t in _TARGETS}
    curve = [result.iou_at(k) for k in range(1, options.n_clicks + 1)]
    folder.log(position.steps, position.samples, {**numbers, **{_IOU.format(k): v for k, v in enumerate(curve, 1)}})
    with torch.inference_mode():
        folder.log_picture(position.steps, "held_out", contact_sheet(model, dataset))
    title = ", ".join(f"NoC{100 * t:.0f} {result.noc(t):.2f}" for t in _TARGETS)
    earlier = iou_curves(folder.records())
    folder.log_picture(
        position.steps, "noc_curve", curve_picture(earlier, f"after {position.samples} samples: {title}")
    )


def iou_curves(records: Iterable[Mapping[str, float]]) -> list[list[float]]:
    """Mean IoU after 1, 2, ... clicks of each validation in a log, oldest first."""
    curves = []
    for record in records:
        values: list[float] = []
        while (name := _IOU.format(len(values) + 1)) in record:
            values.append(record[name])
        if values:
            curves.append(values)
    return curves


def contact_sheet(model: InteractiveModel, dataset: Dataset) -> ImageArray:
    """(H, W, 3) RGB, a row per object: the picture with its truth, with the mask after one click and after three."""
    rows = []
    for index in range(min(_PICTURED_OBJECTS, len(dataset))):
        sample = dataset.load(index)
        truth = sample.object_mask(0)
        predictor = Predictor(model, chain="published")
        predictor.set_image(sample.image)
        user, mask, masks = ClickSimulator(truth, sample.ignore_mask()), np.zeros_like(truth), []
        for _ in range(3):
            click = user.next_click(mask)
            mask = predictor.click(click.x, click.y, positive=click.is_positive).mask
            masks.append(mask)
        rows.append(np.hstack([_tile(sample.image, shown) for shown in (truth, masks[0], masks[2])]))
    return np.vstack(rows)


def _tile(image: ImageArray, mask: np.ndarray) -> ImageArray:
    blended = image.copy()
    blended[mask] = (0.5 * blended[mask] + 0.5 * np.array([0, 255, 0])).astype(np.uint8)
    scale = _PICTURED_SIDE / max(image.shape[:2])
    small = cv2.resize(blended, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((_PICTURED_SIDE, _PICTURED_SIDE, 3), dtype=np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small[:_PICTURED_SIDE, :_PICTURED_SIDE]
    return tile
