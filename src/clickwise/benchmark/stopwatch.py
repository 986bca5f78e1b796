"""Time and numbers of a single click: an engine that watches another one, and the stages of a click."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clickwise.engines.base import Engine
from clickwise.inference.chains import get_chain
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, ModelOutput
from clickwise.types import MaskArray

Clock = Callable[[], float]
"""Seconds from any start."""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Milliseconds of one click.

    prepare: window, crop, resize, click rows, mirror pair, and whatever a chain does between two network passes.
    network: inside the engine, transfers to its device included. paste: mirror mean, sigmoid, and the full-frame mask.
    """

    prepare: float
    network: float
    paste: float

    @property
    def total(self) -> float:
        """Everything between a click and its mask."""
        return self.prepare + self.network + self.paste


class WatchedEngine:
    """Passes every call on and notes when it ran and what it answered.

    spans: (start, end) of each call in seconds. logits: the answers, on the CPU, when ``keep_logits``.
    """

    def __init__(self, engine: Engine, clock: Clock = time.perf_counter, *, keep_logits: bool = False) -> None:
        self.engine, self.clock, self.keep_logits = engine, clock, keep_logits
        self.name = engine.name
        self.spans: list[tuple[float, float]] = []
        self.logits: list[Tensor] = []

    @property
    def capabilities(self) -> Capabilities:
        """Those of the network."""
        return self.engine.capabilities

    @property
    def inference_defaults(self) -> InferenceDefaults:
        """Those of the network."""
        return self.engine.inference_defaults

    def run(self, image: Tensor, prev_mask: Tensor | None, points: Tensor, gate: Gate = None) -> ModelOutput:
        """See `clickwise.engines.base.Engine.run`. Waits until the device has finished."""
        start = self.clock()
        output = self.engine.run(image, prev_mask, points, gate)
        wait_for(output.logits)
        self.spans.append((start, self.clock()))
        if self.keep_logits:
            self.logits.append(output.logits.float().cpu())
        return output


def wait_for(result: Tensor) -> None:
    """Until the device that computes ``result`` is done."""
    if result.device.type == "cuda":
        torch.cuda.synchronize(result.device)
    elif result.device.type == "mps":
        torch.mps.synchronize()


def one_click(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> MaskArray:
    """The whole way of a click that is already in ``state``, to the mask of the full frame."""
    return get_chain(options.chain)(engine, frame, state, options).probs.mask(options.threshold)


def timed_click(
    engine: Engine,
    frame: Frame,
    state: PredictorState,
    options: InferenceOptions,
    clock: Clock = time.perf_counter,
) -> StageTimes:
    """Times of `one_click`."""
    watched = WatchedEngine(engine, clock)
    start = clock()
    one_click(watched, frame, state, options)
    end = clock()
    return stages(start, watched.spans, end)


def stages(start: float, spans: Sequence[tuple[float, float]], end: float) -> StageTimes:
    """Stage times in milliseconds from moments in seconds; a click without network pass is all preparation."""
    network = sum(stop - begin for begin, stop in spans)
    last = spans[-1][1] if spans else end
    return StageTimes(prepare=1e3 * (last - start - network), network=1e3 * network, paste=1e3 * (end - last))
