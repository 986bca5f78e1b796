"""The evaluation of protocol 5 once more, slow and obvious: plain loops over pixels, no code of the package but the
network and the slow chain of tests/inference."""

from __future__ import annotations

import memory_data  # noqa: F401  (makes tests/inference importable)
import numpy as np
from slow_chain import SlowChain

from clickwise.clicks.click import Click, ClickList


def deepest(region: np.ndarray, clicked: set[tuple[int, int]]) -> tuple[int, tuple[int, int]]:
    """Largest squared distance to a pixel outside the region (what lies beyond the picture counts too), and where."""
    ys, xs = np.nonzero(~np.pad(region, 1))
    best = (0, (0, 0))
    for y, x in np.argwhere(region).tolist():
        if (y, x) not in clicked:
            depth = int(((ys - 1 - y) ** 2 + (xs - 1 - x) ** 2).min())
            if depth > best[0]:
                best = (depth, (y, x))
    return best


def slow_click(truth: np.ndarray, mask: np.ndarray, clicked: set[tuple[int, int]]) -> Click:
    """truth: 1 object, 0 background, -1 unknown."""
    missed = deepest((truth == 1) & ~mask, clicked)
    extra = deepest((truth == 0) & mask, clicked)
    _, (y, x) = missed if missed[0] > extra[0] else extra
    return Click(x, y, is_positive=missed[0] > extra[0])


def slow_iou(truth: np.ndarray, mask: np.ndarray) -> float:
    both = either = 0
    for t, m in zip(truth.ravel().tolist(), mask.ravel().tolist(), strict=True):
        if t != -1:
            both += t == 1 and m
            either += t == 1 or m
    return both / either


def slow_evaluate(model, samples, options, *, n_clicks, threshold, early_stop=False, target=0.9, least=1):
    """[(IoU after each click, clicks)] of every object."""
    found = []
    for sample in samples:
        for ref in sample.objects:
            truth = np.isin(sample.layers[:, :, ref.layer], ref.values).astype(int)
            for hidden in sample.ignored:
                truth[np.isin(sample.layers[:, :, hidden.layer], hidden.values)] = -1
            chain = SlowChain(model, sample.image, options)
            mask = np.zeros(truth.shape, dtype=bool)
            ious, clicks = [], []
            for number in range(1, n_clicks + 1):
                clicks.append(slow_click(truth, mask, {(c.y, c.x) for c in clicks}))
                mask = chain.predict(ClickList(clicks)) > threshold
                ious.append(slow_iou(truth, mask))
                if ious[-1] == 1.0 or (early_stop and ious[-1] >= target and number >= least):
                    break
            found.append((ious, clicks))
    return found


def slow_noc(rows: list[list[float]], target: float, n_clicks: int) -> float:
    total = 0
    for row in rows:
        needed = n_clicks
        for number, value in reversed(list(enumerate(row, 1))):
            if value >= target:
                needed = number
        total += needed
    return total / len(rows)
