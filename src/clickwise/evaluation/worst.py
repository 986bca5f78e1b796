"""The objects that went worst: which they are, what they look like, what is wrong with the answers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from clickwise.data.sample import Dataset, HasStartMasks, Sample
from clickwise.evaluation.plots import file_name, make_folder
from clickwise.evaluation.result import EvaluationResult, ObjectResult
from clickwise.evaluation.robustness.conditions import traits
from clickwise.evaluation.shapes import Shape, measure
from clickwise.evaluation.worst_sheet import Answer, Row, sheet
from clickwise.imaging import write_image, write_text
from clickwise.inference.predictor import Predictor
from clickwise.metrics.noc import first_click_at
from clickwise.types import MaskArray

WORST_SHOWN = 8
TARGET_IOU = 0.90
EDGE_REACH = 0.01
"""Wrong pixels this near to the truth's outline (share of the diagonal, at least 2 pixels) are errors of the edge."""
MOSTLY = 0.7
"""Share of the wrong pixels from which the edge alone is to blame."""
_SHOWN_CLICKS = (1, 3)


@dataclass(frozen=True)
class Errors:
    """What is wrong with one answer.

    missed_share, extra_share: object pixels missing from it, background pixels in it, both / object pixels.
    edge_share: share of these wrong pixels that lie along the truth's outline (nan without any).
    """

    missed_share: float
    extra_share: float
    edge_share: float

    @property
    def fault(self) -> str:
        """In a word or two."""
        if self.missed_share + self.extra_share == 0:
            return "nothing"
        if self.edge_share >= MOSTLY:
            return "edges"
        return "part missing" if self.missed_share > self.extra_share else "too much"


@dataclass(frozen=True)
class Failure:
    """One object that went badly.

    rank: 1 = worst. clicks: to `TARGET_IOU`, None if never. first, last: the answers after the first and the last
    click, and their IoU.
    """

    rank: int
    sample_id: str
    object_id: int
    clicks: int | None
    first_iou: float
    last_iou: float
    first: Errors
    last: Errors
    shape: Shape

    @property
    def traits(self) -> list[str]:
        """What about the object may make it hard."""
        return traits(self.shape)

    def as_plain(self) -> dict[str, Any]:
        """JSON types, in the order of the table's columns."""
        return {
            "rank": self.rank,
            "sample": self.sample_id,
            "object": self.object_id,
            "clicks_to_90": self.clicks,
            "first_iou": self.first_iou,
            "last_iou": self.last_iou,
            "first_fault": self.first.fault,
            "last_fault": self.last.fault,
            "missed_share": self.last.missed_share,
            "extra_share": self.last.extra_share,
            "edge_share": None if math.isnan(self.last.edge_share) else self.last.edge_share,
            "traits": self.traits,
            **self.shape.as_plain(),
        }


@dataclass(frozen=True)
class Worst:
    """The files written about the worst objects, and what the table says."""

    sheet: Path
    table: Path
    failures: tuple[Failure, ...]


def worst_objects(result: EvaluationResult, count: int = WORST_SHOWN) -> list[int]:
    """Places of the worst objects: most clicks to 90 % IoU first, then lowest IoU averaged over all clicks.

    An object that stopped early counts with its last IoU from there on. Where objects stop early at a lower IoU than
    90 %, that one counts.
    """
    budget, target = result.protocol.n_clicks, _target(result)

    def hardness(place: int) -> tuple[float, float]:
        ious = result.objects[place].ious
        clicks = first_click_at(ious, target)
        return -(math.inf if clicks is None else clicks), mean_iou(ious, budget)

    return sorted(range(len(result.objects)), key=hardness)[:count]


def mean_iou(ious: Sequence[float], budget: int) -> float:
    """IoU averaged over all clicks of the budget; an object that stopped keeps its last one."""
    return (sum(ious) + ious[-1] * (budget - len(ious))) / budget


def write_worst(
    result: EvaluationResult,
    dataset: Dataset,
    units: Sequence[tuple[int, int]],
    predictor: Predictor,
    folder: Path,
    *,
    label: str = "",
    count: int = WORST_SHOWN,
) -> Worst:
    """Draw the worst objects and write down what they look like: ``worst_DATASET_MODEL.png`` and ``.csv``.

    units: (sample index, object number) of each object of the result. The answers are made again by replaying the
    recorded clicks, so that no masks need to be kept. Raises OutputError.
    """
    make_folder(folder)
    rows, failures = [], []
    for rank, place in enumerate(worst_objects(result, count), start=1):
        index, object_id = units[place]
        sample = dataset.load(index)
        start = dataset.start_mask(index) if isinstance(dataset, HasStartMasks) else None
        found = result.objects[place]
        masks = replay(found, sample, start, predictor)
        failure = examine(rank, found, sample, object_id, masks, _target(result))
        failures.append(failure)
        shown = sorted({k for k in _SHOWN_CLICKS if k < len(masks)} | {len(masks)})
        rows.append(
            Row(
                lines=_caption(failure, found, sample),
                image=sample.image,
                truth=sample.object_mask(object_id),
                ignored=sample.ignore_mask(),
                answers=tuple(Answer(masks[k - 1], tuple(found.clicks)[:k], found.ious[k - 1]) for k in shown),
                start=start,
            )
        )
    stem = file_name("worst", result.dataset, label or result.model)
    worst = Worst(folder / f"{stem}.png", folder / f"{stem}.csv", tuple(failures))
    write_image(worst.sheet, sheet(rows))
    write_text(worst.table, _csv(failures))
    return worst


def replay(found: ObjectResult, sample: Sample, start_mask: MaskArray | None, predictor: Predictor) -> list[MaskArray]:
    """The answers (H, W) after each recorded click, made again."""
    predictor.set_image(sample.image)
    if start_mask is not None:
        predictor.set_mask(start_mask)
    return [predictor.click(c.x, c.y, positive=c.is_positive).mask for c in found.clicks]


def examine(
    rank: int,
    found: ObjectResult,
    sample: Sample,
    object_id: int,
    masks: Sequence[MaskArray],
    target_iou: float = TARGET_IOU,
) -> Failure:
    """What one object and its answers (H, W) look like."""
    truth, ignored = sample.object_mask(object_id), sample.ignore_mask()
    return Failure(
        rank=rank,
        sample_id=found.sample_id,
        object_id=found.object_id,
        clicks=first_click_at(found.ious, target_iou),
        first_iou=found.ious[0],
        last_iou=found.ious[-1],
        first=errors_of(masks[0], truth, ignored),
        last=errors_of(masks[-1], truth, ignored),
        shape=measure(sample.image, truth, ignored),
    )


def errors_of(mask: MaskArray, truth: MaskArray, ignored: MaskArray) -> Errors:
    """What is wrong with an answer, where there is truth; all (H, W), ``truth`` not empty."""
    missed, extra = truth & ~mask & ~ignored, mask & ~truth & ~ignored
    wrong, area = missed | extra, int(np.count_nonzero(truth))
    at_edge = float(edge_band(truth)[wrong].mean()) if wrong.any() else math.nan
    return Errors(np.count_nonzero(missed) / area, np.count_nonzero(extra) / area, at_edge)


def edge_band(truth: MaskArray) -> MaskArray:
    """Pixels (H, W) on both sides of an outline, no farther from the other side than `EDGE_REACH` of the diagonal."""
    reach = max(2, round(EDGE_REACH * math.hypot(*truth.shape)))
    band = np.zeros_like(truth)
    for side in (truth, ~truth):
        if not side.all():
            distance = cv2.distanceTransform(side.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
            band |= side & (np.rint(np.square(distance, dtype=np.float64)) <= reach**2)
    return band


def _target(result: EvaluationResult) -> float:
    return TARGET_IOU if result.protocol.answers(TARGET_IOU) else result.protocol.target_iou


def _caption(failure: Failure, found: ObjectResult, sample: Sample) -> tuple[str, str]:
    several = f" object {found.object_id + 1}" if len(sample.objects) > 1 else ""
    clicks = "never" if failure.clicks is None else f"after {failure.clicks}"
    shape = failure.shape
    return (
        f"{failure.rank}. {found.sample_id}{several}: 90 % {clicks}; "
        f"first: {failure.first.fault}, last: {failure.last.fault}",
        f"{', '.join(failure.traits) or 'no trait'}; area {100 * shape.area_share:.1f} %, "
        f"fine {100 * shape.fine_share:.0f} %, contrast {shape.contrast:.0f}",
    )


def _csv(failures: Sequence[Failure]) -> str:
    """One line per object with all measures; shares are shares of one."""
    text = io.StringIO()
    rows = [failure.as_plain() for failure in failures]
    writer = csv.writer(text, lineterminator="\n")
    if rows:
        writer.writerow(rows[0])
    for row in rows:
        writer.writerow(_cell(value) for value in row.values())
    return text.getvalue()


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.4g}"
    return " ".join(value) if isinstance(value, list) else value
