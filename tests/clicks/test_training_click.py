"""The training's click rule: golden candidate sets, the full-frame second implementation, and the draw."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clickwise.clicks.training_click import draw_training_click, draw_training_clicks, training_click_candidates
from clickwise.errors import MaskError

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "next_click.npz")
NO_CLICK = -1


@pytest.mark.parametrize("case", range(8))
def test_golden_candidates(case):
    probs = GOLDEN["train_prob"][case].astype(np.float32)
    found = training_click_candidates(GOLDEN["train_gt"][case], probs)
    assert (NO_CLICK if found.is_positive is None else int(found.is_positive)) == GOLDEN["train_sign"][case]
    expected = np.unpackbits(GOLDEN["train_candidates_packed"][case], axis=-1)[:, :128].astype(bool)
    assert (found.mask != expected).sum() <= 0.005 * expected.sum()


def slow_candidates(truth, probs):
    """The published rule on the whole frame, step by step."""
    depth = {}
    for is_positive, wrong in (
        (True, (truth > 0.5) & (probs < 0.49)),
        (False, (truth <= 0.5) & (probs > 0.49)),
    ):
        padded = np.pad(wrong, 1).astype(np.uint8)
        depth[is_positive] = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    is_positive = bool(depth[True].max() > depth[False].max())
    candidates = depth[is_positive] > depth[is_positive].max() / 2
    return (is_positive if candidates.any() else None), candidates


cases = st.tuples(st.integers(1, 30), st.integers(1, 30)).flatmap(
    lambda shape: st.tuples(
        arrays(np.bool_, shape, fill=st.booleans()),
        arrays(np.float32, shape, elements=st.sampled_from([0.1, 0.49, 0.9])),
    )
)


@given(cases)
@settings(max_examples=150, deadline=None)
def test_the_box_of_the_error_is_enough(case):
    truth, probs = case
    found = training_click_candidates(truth, probs)
    is_positive, candidates = slow_candidates(truth, probs)
    assert found.is_positive == is_positive
    np.testing.assert_array_equal(found.mask, candidates)


@given(cases, st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_a_drawn_click_is_a_candidate(case, seed):
    found = training_click_candidates(*case)
    click = draw_training_click(*case, np.random.default_rng(seed))
    if found.is_positive is None:
        assert click is None
    else:
        assert click.is_positive == found.is_positive
        assert found.mask[click.y, click.x]


def test_every_candidate_is_drawn():
    truth, probs = np.zeros((9, 9), dtype=bool), np.zeros((9, 9), dtype=np.float32)
    truth[1:6, 2:8] = True
    rng = np.random.default_rng(0)
    clicks = [draw_training_click(truth, probs, rng) for _ in range(300)]
    drawn = np.zeros_like(truth)
    drawn[[c.y for c in clicks], [c.x for c in clicks]] = True
    np.testing.assert_array_equal(drawn, training_click_candidates(truth, probs).mask)


def test_ignored_pixels_are_background_unless_the_mask_is_given():
    truth, probs = np.zeros((9, 9), dtype=bool), np.zeros((9, 9), dtype=np.float32)
    probs[:5] = 1
    ignore = np.zeros_like(truth)
    ignore[:5] = True
    assert training_click_candidates(truth, probs).is_positive is False
    assert training_click_candidates(truth, probs, ignore).is_positive is None
    assert draw_training_click(truth, probs, np.random.default_rng(0), ignore) is None


def test_soft_truth_counts_as_object_above_one_half():
    soft = np.full((3, 3), 0.5, dtype=np.float32)
    soft[1, 1] = 0.51
    found = training_click_candidates(soft, np.zeros((3, 3), dtype=np.float32))
    assert found.is_positive
    assert found.mask.sum() == 1


def test_shapes_are_checked():
    with pytest.raises(MaskError, match=r"probs has shape \(2, 3\), object_mask \(3, 3\)"):
        training_click_candidates(np.ones((3, 3), dtype=bool), np.ones((2, 3), dtype=np.float32))


def test_a_batch_gives_the_clicks_of_its_items_one_by_one() -> None:
    rng = np.random.default_rng(4)
    truths = np.stack([np.hypot(*np.mgrid[-15:15, -20:20]) < 8 + i for i in range(6)])
    probs = rng.random((6, 30, 40)).astype(np.float32)
    probs[2] = truths[2]
    ignore = rng.random((6, 30, 40)) < 0.2
    for ignored in (None, ignore):
        together = draw_training_clicks(truths, probs, np.random.default_rng(1), ignored)
        alone_rng = np.random.default_rng(1)
        alone = [
            draw_training_click(truths[i], probs[i], alone_rng, None if ignored is None else ignored[i])
            for i in range(6)
        ]
        assert together == alone
        assert together[2] is None
        assert sum(click is not None for click in together) == 5
