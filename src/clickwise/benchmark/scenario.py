"""Which clicks are measured: one user state per click, the same for every engine."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from clickwise.clicks.next_click import next_click
from clickwise.engines.base import Engine
from clickwise.inference.chains import get_chain
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame, WindowMap
from clickwise.types import MaskArray

_FIRST_SHIFT, _SHRINKING = 36.0, 0.6
"""Displacement in pixels of the made-up mask before the second click, and its factor from click to click."""
_BLUR_SIGMA = 3.0


def states_by_model(
    engine: Engine, frame: Frame, truth: MaskArray, options: InferenceOptions, clicks: int
) -> list[PredictorState]:
    """States in which an engine finds up to ``clicks`` clicks of the simulated user, given its own earlier answers.

    Shorter when nothing is left to correct. The click itself is part of the state, its answer is not.
    """
    chain = get_chain(options.chain)
    states: list[PredictorState] = []
    state, mask = PredictorState(), np.zeros_like(truth)
    while len(states) < clicks and not (states and (mask == truth).all()):
        state = state.with_click(next_click(truth, mask, history=state.clicks))
        states.append(state)
        result = chain(engine, frame, state, options)
        mask = result.probs.mask(options.threshold)
        state = replace(state, probs=result.probs, window=result.window, memory=result.memory)
    return states


def fixed_states(truth: MaskArray, clicks: int) -> list[PredictorState]:
    """States made from the truth alone, for networks without trained weights: nobody's answer decides them.

    Before each click the known mask is the truth, displaced and blurred, less and less so; the clicks correct it. The
    zoom window follows from the state, so it is the same for all as well.
    """
    states: list[PredictorState] = []
    state, mask = PredictorState(), np.zeros_like(truth)
    for number in range(clicks):
        state = state.with_click(next_click(truth, mask, history=state.clicks))
        states.append(state)
        shift = round(_FIRST_SHIFT * _SHRINKING**number)
        soft = cv2.GaussianBlur(np.roll(truth, shift, axis=1).astype(np.float32), (0, 0), _BLUR_SIGMA)
        mask = soft > 0.5
        state = replace(state, probs=WindowMap.from_full(soft))
    return states
