"""How well outlines agree: boundary IoU and surface distance after every click, for protocols that ask for them.

As IGLR's and SRAFS's evaluations report them (reference page iglr, section 5, "evaluation loop").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clickwise.data.sample import Sample
from clickwise.evaluation.result import ObjectResult
from clickwise.metrics import iou, surface_distance
from clickwise.metrics.iou import boundary_band, boundary_width
from clickwise.types import MaskArray


def with_outline_scores(
    result: ObjectResult, masks: Sequence[MaskArray], sample: Sample, object_id: int
) -> ObjectResult:
    """The result with boundary IoU and surface distance of ``masks``, the answers (H, W) after each click.

    Pixels without truth do not count for boundary IoU; for the distance they are background in both masks, so that an
    outline may run anywhere in them. The distance of an empty mask is inf.
    """
    truth = sample.object_mask(object_id)
    ignored = sample.ignore_mask() if sample.ignored else None
    width = boundary_width(*truth.shape)
    band = boundary_band(truth, width)
    boundary_ious, distances = [], []
    for mask in masks:
        boundary_ious.append(iou(boundary_band(mask, width), band, ignored))
        distances.append(surface_distance(mask if ignored is None else mask & ~ignored, truth))
    return replace(result, boundary_ious=tuple(boundary_ious), distances=tuple(distances))
