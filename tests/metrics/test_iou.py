"""IoU and boundary IoU against slow second implementations, and at their edges."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clickwise.errors import MaskError
from clickwise.metrics import MeanIoU, boundary_iou, iou
from clickwise.metrics.iou import boundary_band, boundary_width

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda shape: st.tuples(*(arrays(np.bool_, shape, fill=st.booleans()) for _ in range(3)))
)


def slow_iou(pred, truth, ignore):
    pixels = [(y, x) for y in range(truth.shape[0]) for x in range(truth.shape[1]) if not ignore[y, x]]
    both = sum(1 for p in pixels if pred[p] and truth[p])
    either = sum(1 for p in pixels if pred[p] or truth[p])
    return both / either if either else 1.0


def slow_band(mask, width):
    """A pixel of the mask is in the band when the square of that radius around it sees something else."""
    padded = np.pad(mask, width)
    band = np.zeros_like(mask)
    for y in range(mask.shape[0]):
        for x in range(mask.shape[1]):
            band[y, x] = mask[y, x] and not padded[y : y + 2 * width + 1, x : x + 2 * width + 1].all()
    return band


@given(masks)
@settings(max_examples=150, deadline=None)
def test_iou_equals_counting_pixels(three):
    pred, truth, ignore = three
    assert iou(pred, truth, ignore) == slow_iou(pred, truth, ignore)
    assert iou(pred, truth) == slow_iou(pred, truth, np.zeros_like(ignore))


@given(masks, st.sampled_from([0.02, 0.1, 0.3]))
@settings(max_examples=100, deadline=None)
def test_boundary_iou_equals_looking_around_each_pixel(three, share):
    pred, truth, ignore = three
    width = max(1, round(share * math.sqrt(truth.shape[0] ** 2 + truth.shape[1] ** 2)))
    assert boundary_width(*truth.shape, share=share) == width
    np.testing.assert_array_equal(boundary_band(pred, width), slow_band(pred, width))
    expected = slow_iou(slow_band(pred, width), slow_band(truth, width), ignore)
    assert boundary_iou(pred, truth, ignore, share=share) == expected


@given(masks)
@settings(max_examples=100, deadline=None)
def test_what_always_holds(three):
    pred, truth, ignore = three
    for score in (iou, boundary_iou):
        assert 0 <= score(pred, truth, ignore) <= 1
        assert score(pred, truth, ignore) == score(truth, pred, ignore)
        assert score(truth, truth, ignore) == 1
        assert score(pred[::-1, ::-1], truth[::-1, ::-1], ignore[::-1, ::-1]) == score(pred, truth, ignore)
    scrambled = np.where(ignore, ~pred, pred)
    assert iou(scrambled, truth, ignore) == iou(pred, truth, ignore)


@pytest.mark.parametrize("score", [iou, boundary_iou])
def test_edges(score):
    empty, full = np.zeros((4, 5), dtype=bool), np.ones((4, 5), dtype=bool)
    assert score(empty, empty) == 1.0
    assert score(full, empty) == 0.0
    assert score(empty, full) == 0.0
    assert score(full, empty, full) == 1.0  # everything ignored
    one = np.ones((1, 1), dtype=bool)
    assert score(one, one) == 1.0
    assert score(~one, one) == 0.0


def test_boundary_iou_punishes_outlines_that_iou_forgives():
    truth, pred = np.zeros((200, 200), dtype=bool), np.zeros((200, 200), dtype=bool)
    truth[20:180, 20:180] = True
    pred[24:176, 24:176] = True
    assert iou(pred, truth) > 0.9
    assert boundary_iou(pred, truth) < 0.3


def test_published_width_of_the_band():
    assert boundary_width(480, 640) == 16  # 0.02 * 800
    assert boundary_width(3, 3) == 1


def test_mean_iou_merges_exactly():
    rng = np.random.default_rng(0)
    pairs = [(rng.random((5, 5)) < 0.5, rng.random((5, 5)) < 0.5) for _ in range(7)]
    whole, first, second = MeanIoU(), MeanIoU(), MeanIoU()
    values = [whole.update(*pair) for pair in pairs]
    for number, pair in enumerate(pairs):
        (first if number < 3 else second).update(*pair)
    assert first.merge(second).compute() == pytest.approx(whole.compute()) == pytest.approx(np.mean(values))
    assert math.isnan(MeanIoU().compute())


def test_masks_of_another_size_or_type_are_named():
    truth = np.ones((4, 5), dtype=bool)
    with pytest.raises(
        MaskError, match=r"pred_mask is bool of shape \(5, 4\); expected bool of shape \(H, W\) = \(4, 5\)"
    ):
        iou(truth.T, truth)
    with pytest.raises(MaskError, match="pred_mask is float32"):
        boundary_iou(truth.astype(np.float32), truth)
