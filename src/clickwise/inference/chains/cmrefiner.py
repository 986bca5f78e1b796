"""SRAFS's chain (reference page srafs, section 6): the common one, with the gate told from the number of clicks.

For every network. One difference to the release, on purpose: a start mask counts as an earlier click for the gate
(published: the first click on a given mask runs without fusion), as in IGLR's chain. Attention fields of the latest
click can be looked at afterwards: `clickwise.inference.attention`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.nn import functional as F

from clickwise.engines.base import Engine
from clickwise.inference.chains import ChainResult
from clickwise.inference.chains.zoom_flip import merged_probs, network_input, zoomed
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.steps import View
from clickwise.inference.window import Frame


class LatestLook(NamedTuple):
    """What the network was given at the latest click: view, clicks and previous mask, gate. Never used by the chain."""

    view: View
    state: PredictorState
    gate: float


def cmrefiner(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
    """New probabilities for the clicks in ``state``."""
    gate = 1.0 if len(state.clicks) > 1 or state.from_mask else 0.0
    looks: list[LatestLook] = []

    def probs_of(view: View) -> NDArray[np.float32]:
        looks.append(LatestLook(view, replace(state, memory=None), gate))
        given = network_input(engine, frame, state, options, view)
        logits = engine.run(*given, gate=gate if engine.capabilities.has_gate else None).logits
        if tuple(logits.shape[2:]) != view.size:
            logits = F.interpolate(logits, size=view.size, mode="bilinear", align_corners=True)
        return merged_probs(logits, options)

    return replace(zoomed(engine, frame, state, options, probs_of), memory=looks[-1])
