"""Milliseconds per click by stage, against plain eager fp32, in one run.

Baseline and engine have the same weights, run the same chain and find the same state (clicks, previous mask, window)
at each click. They take turns, so that a machine that slows down slows down both. Per click the median over repeats
counts; a number for the whole is the mean over clicks.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any

from torch import Tensor

from clickwise.assets import sample
from clickwise.benchmark.contenders import Subject, baseline_engine, make_engine
from clickwise.benchmark.memory import peak_memory_mb
from clickwise.benchmark.roofline import flops_per_click, matmul_roof
from clickwise.benchmark.scenario import fixed_states, states_by_model
from clickwise.benchmark.stopwatch import Clock, StageTimes, WatchedEngine, one_click, timed_click
from clickwise.engines.base import Engine
from clickwise.errors import OptionError
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame
from clickwise.metrics import iou
from clickwise.types import ImageArray

DEFAULT_CLICKS = 5
DEFAULT_REPEATS = 7


@dataclass(frozen=True)
class ClickBenchmark:
    """What was measured. Times in milliseconds, one entry per click.

    iou_agreement: IoU of the two masks after each click; None without trained weights. logit_error: the largest
    difference of the network's logits over all clicks, relative to the largest logit of the same click. peak_mb: see
    `clickwise.benchmark.memory`. gflops: of the network per click. roof_gflops: per second, of a matrix product here.
    """

    model: str
    engine: str
    baseline: tuple[StageTimes, ...]
    contender: tuple[StageTimes, ...]
    iou_agreement: tuple[float, ...] | None
    logit_error: float
    peak_mb: float | None
    gflops: float
    roof_gflops: float

    @property
    def baseline_ms(self) -> float:
        """Mean over clicks."""
        return fmean(click.total for click in self.baseline)

    @property
    def engine_ms(self) -> float:
        """Mean over clicks."""
        return fmean(click.total for click in self.contender)

    @property
    def ratio(self) -> float:
        """How many times faster than the baseline a click is."""
        return self.baseline_ms / self.engine_ms

    @property
    def outside_network_share(self) -> float:
        """Share of the engine's time that a click spends outside the network."""
        return 1 - fmean(click.network for click in self.contender) / self.engine_ms

    @property
    def roofline_share(self) -> float:
        """Operations per second inside the engine as a share of the machine's best matrix product."""
        seconds = fmean(click.network for click in self.contender) / 1e3
        return self.gflops / seconds / self.roof_gflops

    def to_dict(self) -> dict[str, Any]:
        """The contract's JSON keys."""
        agreement = self.iou_agreement
        return {
            "model": self.model,
            "engine": self.engine,
            "baseline_ms": self.baseline_ms,
            "engine_ms": self.engine_ms,
            "ratio": self.ratio,
            "iou_agreement": None if agreement is None else {"mean": fmean(agreement), "min": min(agreement)},
            "logit_error": self.logit_error,
            "outside_network_share": self.outside_network_share,
            "peak_mb": self.peak_mb,
            "roofline_share": self.roofline_share,
        }


def benchmark_clicks(
    subject: Subject,
    engine: str = "torch",
    *,
    clicks: int = DEFAULT_CLICKS,
    repeats: int = DEFAULT_REPEATS,
    clock: Clock = time.perf_counter,
    peak_memory: Callable[[str, str, str, int], float | None] = peak_memory_mb,
    on_step: Callable[[], None] = lambda: None,
) -> ClickBenchmark:
    """Measure one network with one engine on the bundled sample.

    With trained weights the clicks are those of the simulated user on the baseline's own answers; without, fixed clicks
    and previous masks made from the truth. Fewer than ``clicks`` are measured when a mask becomes perfect before.
    clock and peak_memory can be replaced in tests; on_step is called once per repeat.
    """
    for name, value in (("clicks", clicks), ("repeats", repeats)):
        if value < 1:
            raise OptionError(f"{name} is {value}; expected at least 1")
    contender = make_engine(engine, copy.deepcopy(subject.model))
    baseline = baseline_engine(subject.model)
    options = InferenceOptions.for_model(baseline.inference_defaults)
    image, truth = sample().image, sample().truth
    states = (
        states_by_model(baseline, Frame(image), truth, options, clicks)
        if subject.is_trained
        else fixed_states(truth, clicks)
    )
    # This pass also warms both up.
    agreement, logit_error = _compare(baseline, contender, image, states, options)
    times = _interleaved([baseline, contender], image, states, options, repeats, clock, on_step)
    return ClickBenchmark(
        model=subject.name,
        engine=engine,
        baseline=times[0],
        contender=times[1],
        iou_agreement=tuple(agreement) if subject.is_trained else None,
        logit_error=logit_error,
        peak_mb=peak_memory(subject.name, engine, subject.model.device.type, clicks),
        gflops=flops_per_click(baseline, Frame(image), states, options) / 1e9,
        roof_gflops=matmul_roof(subject.model.device) / 1e9,
    )


def _compare(
    baseline: Engine, contender: Engine, image: ImageArray, states: Sequence[PredictorState], options: InferenceOptions
) -> tuple[list[float], float]:
    """IoU of the two masks after each click, and the largest relative error of the logits."""
    frame, agreement, errors = Frame(image), [], []
    for state in states:
        watched = [WatchedEngine(engine, keep_logits=True) for engine in (baseline, contender)]
        masks = [one_click(engine, frame, state, options) for engine in watched]
        agreement.append(iou(masks[1], masks[0]))
        # A chain may repeat its pass for one of them only (not strict); the masks show what that means.
        errors += [relative_error(got, want) for want, got in zip(*(w.logits for w in watched), strict=False)]
    return agreement, max(errors)


def relative_error(got: Tensor, want: Tensor) -> float:
    """max |got - want| / max |want|."""
    return float((got - want).abs().max() / want.abs().max().clamp(min=1e-12))


def _interleaved(
    engines: Sequence[Engine],
    image: ImageArray,
    states: Sequence[PredictorState],
    options: InferenceOptions,
    repeats: int,
    clock: Clock,
    on_step: Callable[[], None],
) -> list[tuple[StageTimes, ...]]:
    """For each engine the median stage times of each click. The engines take turns, and turns at being first."""
    runs: list[list[list[StageTimes]]] = [[] for _ in engines]
    for repeat in range(repeats):
        order = range(len(engines)) if repeat % 2 == 0 else reversed(range(len(engines)))
        for number in order:
            frame = Frame(image)  # a new one each time: it keeps the latest crop, which a user's first click lacks
            runs[number].append([timed_click(engines[number], frame, state, options, clock) for state in states])
        on_step()
    return [tuple(map(_median_stages, zip(*run, strict=True))) for run in runs]


def _median_stages(times: Sequence[StageTimes]) -> StageTimes:
    return StageTimes(
        prepare=median(t.prepare for t in times),
        network=median(t.network for t in times),
        paste=median(t.paste for t in times),
    )
