"""Validation while training: the evaluation's clicks on held-out training pictures, never on a benchmark set."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from clickwise.clicks.next_click import ClickSimulator
from clickwise.data.sample import Dataset
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.runner import evaluate
from clickwise.inference.predictor import Predictor
from clickwise.models.interface import InteractiveModel
from clickwise.training.recipe import ValidationPart
from clickwise.training.run_folder import RunFolder
from clickwise.types import ImageArray

_PICTURED_OBJECTS = 12
_PICTURED_SIDE = 192
_CLICKS_REPORTED = (1, 3, 5, 10)


def validate(
    model: InteractiveModel, dataset: Dataset, options: ValidationPart, folder: RunFolder, step: int
) -> dict[str, float]:
    """NoC at 85, 90 and 95 % and mean IoU by clicks on a data set, with the model's own chain.

    Also leaves a contact sheet of the same objects each time in the run folder. The model is left as it was.
    """
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            result = evaluate(model, dataset, protocol=EvaluationProtocol(n_clicks=options.n_clicks))
            folder.log_picture(step, "held_out", contact_sheet(model, dataset))
    finally:
        model.train(was_training)
    numbers = {f"val/noc{100 * t:.0f}": result.noc(t) for t in (0.85, 0.90, 0.95)}
    numbers |= {f"val/iou@{k}": result.iou_at(k) for k in _CLICKS_REPORTED if k <= options.n_clicks}
    return numbers


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
