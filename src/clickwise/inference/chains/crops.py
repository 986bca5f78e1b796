"""Overlapping tiles of a fixed size over the whole picture, averaged by coverage (protocol 4.4, "Crops")."""

from __future__ import annotations

from clickwise.engines.base import Engine
from clickwise.inference.chains import ChainResult
from clickwise.inference.chains.zoom_flip import fit, view_probs
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.steps import FixedCrops
from clickwise.inference.window import Frame, WindowMap, whole


def crops(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
    """New probabilities for the clicks in ``state``; every tile sees all clicks, also those outside it."""
    step = FixedCrops(options.crop_size, options.crop_min_overlap)
    views = [fit(engine, view) for view in step.views(frame.size)]
    results = [view_probs(engine, frame, state, options, view) for view in views]
    if len(views) == 1:
        return ChainResult(views[0].inverse(results[0]))
    merged = step.merge(views, results)
    return ChainResult(WindowMap(frame.size, whole(frame.size), merged), forwards=len(views))
