"""Pictures outside the project, for scripts: each is leased to one client, who clicks as with a `Predictor` of its own.

A lease ends when its client gives it back or has been silent for some time, so that a script that died keeps no
memory. No web library and, until a network runs, no torch.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from clickwise.annotate.deltas import whole_patch
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.networks import Network
from clickwise.annotate.scratch_wire import (
    ScratchAnswer,
    ScratchBox,
    ScratchClick,
    ScratchMask,
    ScratchPredict,
    ScratchStep,
    ScratchWalk,
    packed_values,
    received_mask,
)
from clickwise.clicks.click import ClickList
from clickwise.errors import ProjectError, ServerError
from clickwise.imaging import LoadedImage
from clickwise.types import Box

if TYPE_CHECKING:
    from clickwise.engines.base import Engine
    from clickwise.inference.prediction import Prediction
    from clickwise.inference.predictor import Predictor
    from clickwise.inference.state import PredictorState
    from clickwise.inference.window import WindowMap

MOST_LEASES = 32
MOST_BYTES = 4 << 30
"""Of decoded pictures: about thirteen of 100 megapixels."""
IDLE_SECONDS = 900.0
MOST_STEPS = 256
"""Steps that undo can take back; each holds the probabilities of its answer."""
_MOST_ANSWERS = 32
"""Answers whose probabilities can still be asked for."""


@dataclass(slots=True, eq=False)
class Scratch:
    """A leased picture with its network and what was done to it. Steps come one at a time: its client waits."""

    scratch_id: str
    image: LoadedImage
    network: Network
    threshold: float | None
    used: float
    turn: threading.Lock = field(default_factory=threading.Lock)
    _predictor: Predictor | None = None
    _state: PredictorState | None = None
    _past: deque[PredictorState] = field(default_factory=lambda: deque(maxlen=MOST_STEPS))
    _future: list[PredictorState] = field(default_factory=list)
    _answers: OrderedDict[int, WindowMap] = field(default_factory=OrderedDict)
    _last: tuple[str, ScratchAnswer] | None = None
    _count: int = 0

    def do(self, step: ScratchStep) -> Future[ScratchAnswer]:
        """Do it in the network's thread. The future raises ClickError, MaskError, ModelError, ... as a Predictor does.

        A step whose id was the last one is not done again; its answer is given again.
        """
        return self.network.run(lambda engine: self._do(engine, step))

    def probs(self, answer: int) -> tuple[Box, bytes]:
        """(box, zlib of its float32 values) of an earlier answer; zero outside. ProjectError when it is too old."""
        with self.turn:
            found = self._answers.get(answer)
            if found is None:
                raise ProjectError(
                    f"the probabilities of answer {answer} are not kept any more, only those of the last "
                    f"{_MOST_ANSWERS} answers; ask for them earlier"
                )
        return found.box, packed_values(found.in_box())

    @property
    def bytes_held(self) -> int:
        """Of the decoded picture."""
        return int(self.image.rgb.nbytes)

    def _do(self, engine: Engine, step: ScratchStep) -> ScratchAnswer:
        with self.turn:
            if self._last is not None and self._last[0] == step.id:
                return self._last[1]
            begin = time.perf_counter()
            prediction, score = self._step(self._ready(engine), step)
            answer = self._told(step.id, prediction, score, 1000 * (time.perf_counter() - begin))
            self._last = (step.id, answer)
            return answer

    def _ready(self, engine: Engine) -> Predictor:
        from clickwise.inference.predictor import Predictor

        if self._predictor is None:
            more: dict[str, Any] = {} if self.threshold is None else {"threshold": self.threshold}
            self._predictor = Predictor(engine, **more)
            self._predictor.set_image(self.image)
        predictor = self._predictor
        predictor.reset()  # its own history would grow without end; ours does not
        if self._state is not None:
            predictor.restore(self._state)
        return predictor

    def _step(self, predictor: Predictor, step: ScratchStep) -> tuple[Prediction, float]:
        before = predictor.state
        match step:
            case ScratchClick():
                prediction = predictor.click(step.x, step.y, step.positive)
            case ScratchBox():
                prediction = predictor.box(*step.box, keep_mask=step.keep_mask)
            case ScratchMask():
                prediction = predictor.set_mask(received_mask(step.mask, self.image.size))
            case ScratchPredict():
                return self._prompted(predictor, step)
            case ScratchWalk():
                prediction = self._walk(predictor, step.do)
                return prediction, prediction.score
        self._past.append(before)
        self._future.clear()
        self._state = predictor.state
        return prediction, prediction.score

    def _prompted(self, predictor: Predictor, step: ScratchPredict) -> tuple[Prediction, float]:
        from clickwise.inference.prediction import Prediction
        from clickwise.inference.window import WindowMap

        mask = None if step.mask is None else received_mask(step.mask, self.image.size)
        _, scores, probs = predictor.predict(step.point_coords, step.point_labels, step.box, mask)
        window_probs = WindowMap.from_full(probs[0])
        return Prediction(self.image.size, window_probs, ClickList(), predictor.options.threshold), float(scores[0])

    def _walk(self, predictor: Predictor, what: str) -> Prediction:
        before = predictor.state
        if what == "undo" and self._past:
            self._future.append(before)
            self._state = self._past.pop()
        elif what == "redo" and self._future:
            self._past.append(before)
            self._state = self._future.pop()
        elif what == "reset":
            self._past.clear()
            self._future.clear()
            self._state = None
        predictor.reset()
        return predictor.prediction if self._state is None else predictor.restore(self._state)

    def _told(self, step_id: str, prediction: Prediction, score: float, milliseconds: float) -> ScratchAnswer:
        self._count += 1
        self._answers[self._count] = prediction.window_probs
        while len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
        return ScratchAnswer(
            id=step_id,
            answer=self._count,
            mask=whole_patch(_runs(prediction)),
            clicks=[(float(click.x), float(click.y), click.is_positive) for click in prediction.clicks],
            threshold=prediction.threshold,
            window=prediction.window,
            forwards=prediction.forwards,
            score=score,
            milliseconds=milliseconds,
        )


def _runs(prediction: Prediction) -> MaskRuns:
    found = prediction.window_probs.above(prediction.threshold)
    if found is None:
        return MaskRuns.empty(prediction.size)
    (x0, y0, _, _), inside = found
    return MaskRuns.of_crop(prediction.size, x0, y0, inside)


class Scratches:
    """All leases of a server. Every method may be called from any thread.

    most, most_bytes: leases and bytes of decoded pictures at the same time. idle_seconds: silence after which a lease
    ends. clock: seconds that only grow.
    """

    def __init__(
        self,
        most: int = MOST_LEASES,
        most_bytes: int = MOST_BYTES,
        idle_seconds: float = IDLE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._most_bytes, self.idle_seconds, self._clock = most, most_bytes, idle_seconds, clock
        self._leases: dict[str, Scratch] = {}
        self._guard = threading.Lock()
        self._alarm: threading.Timer | None = None

    def __len__(self) -> int:
        return len(self._leases)

    def lease(self, image: LoadedImage, network: Network, threshold: float | None = None) -> Scratch:
        """A lease for a picture. ServerError when there are too many; those that were silent too long go first."""
        with self._guard:
            self._sweep()
            held = sum(item.bytes_held for item in self._leases.values())
            if len(self._leases) >= self._most or (self._leases and held + image.rgb.nbytes > self._most_bytes):
                raise ServerError(
                    f"{len(self._leases)} pictures of scripts are open, which is all there is room for; close one, or "
                    f"wait: those that are silent for {self.idle_seconds:g} s are closed"
                )
            scratch = Scratch(secrets.token_urlsafe(12), image, network, threshold, self._clock())
            self._leases[scratch.scratch_id] = scratch
            self._set_alarm()
            return scratch

    def get(self, scratch_id: str) -> Scratch:
        """A lease, which counts as used now. ProjectError when it has ended."""
        with self._guard:
            self._sweep()
            scratch = self._leases.get(scratch_id)
            if scratch is None:
                raise ProjectError(
                    f"the picture was closed here, perhaps after {self.idle_seconds:g} s of silence, or the server was "
                    "started again; give it with set_image again"
                )
            scratch.used = self._clock()
            return scratch

    def close(self, scratch_id: str) -> None:
        """Give a lease back; nothing happens when it has ended."""
        with self._guard:
            self._leases.pop(scratch_id, None)

    def _set_alarm(self) -> None:
        """So that pictures go although nobody asks any more."""
        if self._alarm is None and self._leases:
            self._alarm = threading.Timer(self.idle_seconds, self._rung)
            self._alarm.daemon = True
            self._alarm.start()

    def _rung(self) -> None:
        with self._guard:
            self._alarm = None
            self._sweep()
            self._set_alarm()

    def _sweep(self) -> None:
        late = self._clock() - self.idle_seconds
        for scratch_id in [key for key, item in self._leases.items() if item.used < late]:
            del self._leases[scratch_id]
