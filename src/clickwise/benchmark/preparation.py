"""What preparing training data costs: the stages of an item, click maps and next clicks, beside the plain ways.

Everything runs in one process on one item or batch after the other; nothing is read ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass, replace
from statistics import fmean, median
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clickwise.clicks.encoding import disk_maps
from clickwise.clicks.training_click import TRAINING_THRESHOLD, draw_training_clicks
from clickwise.data.stream import ItemMaker, TrainingItem
from clickwise.types import ProbsArray, Size

CLICK_RADIUS = 5.0
_STAGE_OF = {"sources": "decode", "sampler": "sample", "choice": "sample", "start": "sample"}
"""Field of an item maker -> stage that its methods are counted under; all else is "augment"."""
_BLUR_SIGMA, _NOISE_SIGMA, _NOISE_SHARE = 8.0, 12.0, 0.25
"""Of `rough_guess`; on the training pack's pictures its mean IoU is about 0.75."""
STAGES = ("decode", "sample", "augment")


@dataclass(frozen=True)
class PreparationTimes:
    """Milliseconds per item of each of `STAGES` (medians), and items per second of all together."""

    stages: dict[str, float]
    items_per_s: float


@dataclass(frozen=True)
class TwoWays:
    """Milliseconds per batch of our way and of the plain one; medians."""

    ours_ms: float
    plain_ms: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.plain_ms / self.ours_ms


@dataclass
class _Watch:
    """Seconds by stage; time inside a stage that is entered again counts once."""

    seconds: dict[str, float] = field(default_factory=dict)
    inside: bool = False

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        if self.inside:
            yield
            return
        self.inside, began = True, time.perf_counter()
        try:
            yield
        finally:
            self.inside = False
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began


class _Watched:
    """Passes on every attribute; the time of its methods is noted."""

    def __init__(self, inner: Any, stage: str, watch: _Watch) -> None:
        self._inner, self._stage, self._watch = inner, stage, watch

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value):
            return value

        def timed(*args: Any, **options: Any) -> Any:
            with self._watch.stage(self._stage):
                return value(*args, **options)

        return timed


def time_items(maker: ItemMaker, size: Size, items: int, seed: int = 0) -> tuple[PreparationTimes, list[TrainingItem]]:
    """Make ``items`` items (after one that is not counted). Also returns them."""
    watch = _Watch()
    watched: Any = maker
    if is_dataclass(maker) and not isinstance(maker, type):
        inner = {f.name: getattr(maker, f.name) for f in fields(maker) if f.name in _STAGE_OF}
        watched = replace(maker, **{name: _Watched(part, _STAGE_OF[name], watch) for name, part in inner.items()})
    watched.make(np.random.default_rng([seed, 0]), size)
    made, times = [], []
    for number in range(1, items + 1):
        watch.seconds.clear()
        began = time.perf_counter()
        made.append(watched.make(np.random.default_rng([seed, number]), size))
        whole = time.perf_counter() - began
        known = dict(watch.seconds)
        times.append({**{s: known.get(s, 0.0) for s in STAGES}, "augment": whole - sum(known.values()), "all": whole})
    stages = {stage: 1e3 * median(t[stage] for t in times) for stage in STAGES}
    return PreparationTimes(stages, 1 / fmean(t["all"] for t in times)), made


def time_click_maps(batch: int, per_sign: int, size: Size, repeats: int = 5) -> TwoWays:
    """Disks of ``batch`` lists of 2 x ``per_sign`` clicks, all rows used, against a distance per click and pixel."""
    points = full_points(batch, per_sign, size)
    return TwoWays(
        _median_ms(lambda: disk_maps(points, CLICK_RADIUS, size), repeats),
        _median_ms(lambda: plain_disk_maps(points, CLICK_RADIUS, size), 1),
    )


def full_points(batch: int, per_sign: int, size: Size, seed: int = 0) -> Tensor:
    """Random clicks (B, 2N, 3) within the picture, no row unused."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1, (batch, 2 * per_sign, 2)) * (np.array(size) - 1)
    orders = np.tile(np.arange(2 * per_sign, dtype=float), (batch, 1))[..., None]
    return torch.from_numpy(np.concatenate([places, orders], axis=2)).float()


def plain_disk_maps(points: Tensor, radius: float, size: Size) -> Tensor:
    """The obvious way: squared distance of every pixel to every click, then the least per sign; item by item."""
    ys = torch.arange(size[0], dtype=points.dtype)[:, None]
    xs = torch.arange(size[1], dtype=points.dtype)[None, :]
    maps = []
    for clicks in points:
        squared = (ys - clicks[:, 0, None, None]) ** 2 + (xs - clicks[:, 1, None, None]) ** 2
        squared[clicks[:, :2].amax(dim=1) < 0] = float("inf")
        maps.append((squared.view(2, -1, *size).amin(dim=1) <= radius**2).float())
    return torch.stack(maps)


def time_next_clicks(masks: Sequence[NDArray[np.bool_]], repeats: int = 3) -> TwoWays:
    """The next training click on each truth, after a guess that is wrong along its border and in some blots."""
    rng = np.random.default_rng(0)
    pairs = [(mask, rough_guess(mask, rng)) for mask in masks]
    truths, guesses = (np.stack(side) for side in zip(*pairs, strict=True))
    return TwoWays(
        _median_ms(lambda: draw_training_clicks(truths, guesses, rng), repeats),
        _median_ms(lambda: [plain_next_click(truth, probs, rng) for truth, probs in pairs], repeats),
    )


def rough_guess(mask: NDArray[np.bool_], rng: np.random.Generator) -> ProbsArray:
    """Probabilities (H, W) like those of a half-trained network: the blurred truth plus smooth noise."""
    noise = cv2.GaussianBlur(rng.normal(size=mask.shape).astype(np.float32), (0, 0), _NOISE_SIGMA)
    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _BLUR_SIGMA)
    guess: ProbsArray = np.clip(blurred + _NOISE_SHARE * noise / noise.std(), 0, 1)
    return guess


def plain_next_click(
    truth: NDArray[np.bool_], probs: ProbsArray, rng: np.random.Generator
) -> tuple[bool, tuple[int, int]] | None:
    """Sign and place (y, x) by two distance transforms of the whole frame, as the releases do it."""
    missed = truth & (probs < TRAINING_THRESHOLD)
    extra = ~truth & (probs > TRAINING_THRESHOLD)
    depths = [cv2.distanceTransform(np.pad(e, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1] for e in (missed, extra)]
    is_positive = bool(depths[0].max() > depths[1].max())
    depth = depths[0] if is_positive else depths[1]
    if depth.max() == 0:
        return None
    candidates = np.argwhere(depth > depth.max() / 2)
    y, x = candidates[rng.integers(len(candidates))]
    return is_positive, (int(y), int(x))


def _median_ms(work: Callable[[], object], repeats: int) -> float:
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * median(times)
