"""Scores: each a pure function, with a thin class where a state is kept. The training metric is in `adaptive_iou`."""

from clickwise.metrics.iou import MeanIoU, boundary_iou, iou
from clickwise.metrics.noc import ClickScores, clicks_needed, iou_at, noc, noc_standard_error, noc_std, nof, nof_strict
from clickwise.metrics.surface import surface_distance
from clickwise.metrics.timing import ClickTimer, seconds_per_click, seconds_per_object

__all__ = [
    "ClickScores",
    "ClickTimer",
    "MeanIoU",
    "boundary_iou",
    "clicks_needed",
    "iou",
    "iou_at",
    "noc",
    "noc_standard_error",
    "noc_std",
    "nof",
    "nof_strict",
    "seconds_per_click",
    "seconds_per_object",
    "surface_distance",
]
