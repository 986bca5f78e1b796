"""The training metric: golden trace, a slow second implementation, edges."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from clickwise.metrics.adaptive_iou import AdaptiveIoU

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "losses.npz")


def test_golden_trace():
    metric, label = AdaptiveIoU(), torch.from_numpy(GOLDEN["label"])
    for logits, expected in zip(GOLDEN["icl_logits"], GOLDEN["adaptive_iou_trace"], strict=True):
        metric.update(torch.from_numpy(logits), label)
        state = metric.log_state()
        np.testing.assert_allclose([state["iou_thresh"], state["ema_iou"], state["epoch_iou"]], expected, rtol=1e-5)


def slow_trace(batches):
    """Python floats, one pixel at a time."""
    threshold, ema, best_values = 0.4, 0.0, []
    for logits, target, ignore in batches:
        if not any(t > 0.5 and not i for t, i in zip(target.ravel(), ignore.ravel(), strict=True)):
            continue
        scores = []
        for candidate in (threshold, threshold - 0.025, threshold + 0.025):
            values = []
            for item in range(len(logits)):
                both = either = 0
                for x, t, i in zip(logits[item].ravel(), target[item].ravel(), ignore[item].ravel(), strict=True):
                    pred, truth = 1 / (1 + math.exp(-x)) > candidate and not i, t > 0.5 and not i
                    both += pred and truth
                    either += pred or truth
                if either:
                    values.append(both / either)
            scores.append((sum(values) / len(values), candidate))
        best = scores[0]
        for score in scores[1:]:
            if score[0] > best[0]:
                best = score
        threshold = 0.99 * threshold + 0.01 * best[1]
        ema = 0.9 * ema + 0.1 * best[0]
        best_values.append(best[0])
    return threshold, ema, sum(best_values) / len(best_values)


def test_equals_counting_by_hand():
    rng = np.random.default_rng(4)
    shape = (3, 1, 6, 5)
    batches = []
    for step in range(6):
        target = rng.random(shape) < 0.4
        target[0] = False  # an item without object
        if step == 2:
            target[:] = False
        logits = rng.normal(0, 1, shape)
        if step % 2:
            logits[0] = -9  # nothing there and nothing found: the item does not count
        batches.append((logits, target.astype(float), rng.random(shape) < 0.2))
    metric = AdaptiveIoU()
    for batch in batches:
        metric.update(*(torch.from_numpy(part) for part in batch))
    assert (metric.state.threshold, metric.state.ema, metric.state.epoch_value) == pytest.approx(slow_trace(batches))


def test_batches_without_object_are_skipped():
    metric = AdaptiveIoU()
    ones, nothing = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    metric.update(ones, nothing)
    metric.update(ones, ones, torch.ones(1, 1, 2, 2, dtype=torch.bool))
    assert metric.state == AdaptiveIoU().state
    assert metric.log_state()["epoch_iou"] == 0.0


def test_the_present_threshold_wins_ties_and_state_survives():
    metric = AdaptiveIoU()
    metric.update(torch.full((1, 1, 2, 2), 9.0), torch.ones(1, 1, 2, 2))
    assert metric.state.threshold == pytest.approx(0.4)
    other = AdaptiveIoU()
    other.load_state_dict(metric.state_dict())
    assert other.state == metric.state
    other.start_epoch()
    assert (other.state.epoch_value, other.state.ema) == (0.0, metric.state.ema)
