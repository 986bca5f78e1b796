"""NoC, NoF and IoU@k: golden numbers, slow second implementations, edges."""

import math
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickwise.errors import OptionError
from clickwise.metrics import (
    ClickScores,
    ClickTimer,
    clicks_needed,
    iou_at,
    noc,
    noc_standard_error,
    noc_std,
    nof,
    nof_strict,
    seconds_per_click,
    seconds_per_object,
)

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "losses.npz")

rows = st.lists(
    st.lists(st.sampled_from([0.0, 0.5, 0.8, 0.85, 0.9, 0.95, 1.0]), min_size=1, max_size=6), min_size=1, max_size=6
)


def slow_noc(row, target, max_clicks):
    for number, value in enumerate(row, start=1):
        if number > max_clicks:
            break
        if value >= target:
            return number, True
    return max_clicks, False


def test_golden():
    ious = GOLDEN["noc_ious_padded"]
    targets = (0.80, 0.85, 0.90)
    np.testing.assert_allclose([noc(ious, t) for t in targets], GOLDEN["noc"], rtol=1e-5)
    assert [nof(ious, t) for t in targets] == GOLDEN["noc_over_max"].tolist()


@given(rows, st.sampled_from([0.8, 0.85, 0.9, 0.95]), st.integers(1, 6))
def test_equals_counting_by_hand(ious, target, max_clicks):
    counted = [slow_noc(row, target, max_clicks) for row in ious]
    counts = [count for count, _ in counted]
    assert clicks_needed(ious, target, max_clicks).tolist() == counts
    assert noc(ious, target, max_clicks) == pytest.approx(statistics.fmean(counts))
    assert noc_std(ious, target, max_clicks) == pytest.approx(statistics.pstdev(counts))
    assert nof(ious, target, max_clicks) == sum(count == max_clicks for count in counts)
    assert nof_strict(ious, target, max_clicks) == sum(not reached for _, reached in counted)
    if len(counts) > 1:
        expected = statistics.stdev(counts) / math.sqrt(len(counts))
        assert noc_standard_error(ious, target, max_clicks) == pytest.approx(expected)


@given(rows)
def test_scores_can_be_split_and_joined(ious):
    whole = ClickScores.from_rows(ious, 6)
    joined = ClickScores.from_rows(ious[:2], 6) + ClickScores.from_rows(ious[2:], 6)
    assert joined == whole
    assert (joined.noc(0.9), joined.nof(0.9), joined.nof_strict(0.9)) == (
        noc(ious, 0.9, 6),
        nof(ious, 0.9, 6),
        nof_strict(ious, 0.9, 6),
    )
    assert joined.noc_std(0.9) == noc_std(ious, 0.9, 6)


@given(rows)
def test_a_harder_target_never_needs_fewer_clicks(ious):
    scores = ClickScores.from_rows(ious, 6)
    assert scores.noc(0.8) <= scores.noc(0.85) <= scores.noc(0.95)
    assert scores.nof_strict(0.9) <= scores.nof(0.9)


def test_a_success_at_the_last_click_is_a_failure_only_to_the_field():
    ious = [[0.2, 0.95], [0.95], [0.2, 0.3]]
    assert nof(ious, 0.9, 2) == 2
    assert nof_strict(ious, 0.9, 2) == 1


def test_clicks_beyond_the_budget_do_not_count():
    assert noc([[0.1, 0.2, 0.95]], 0.9, 2) == 2
    assert nof_strict([[0.1, 0.2, 0.95]], 0.9, 2) == 1


def test_iou_at_carries_a_perfect_object_forward_and_refuses_to_guess():
    assert iou_at([[0.5, 1.0], [0.25, 0.5, 0.75]], 3) == pytest.approx(0.875)
    with pytest.raises(OptionError, match="object 1 stopped after 1 clicks, expected 2; evaluate without early stop"):
        iou_at([[0.5, 0.9], [0.95]], 2)
    with pytest.raises(OptionError, match="IoU@0"):
        iou_at([[0.5]], 0)


def test_the_curve_ends_with_the_shortest_unfinished_object():
    assert ClickScores.from_rows([[0.5, 1.0], [0.5, 0.7, 0.9]], 20).iou_curve() == pytest.approx([0.5, 0.85, 0.95])
    assert ClickScores.from_rows([[1.0], [1.0]], 3).iou_curve() == [1, 1, 1]
    assert ClickScores(()).iou_curve() == []


def test_one_object_and_none():
    assert noc([[0.95]], 0.9) == 1
    assert math.isnan(noc_standard_error([[0.95]], 0.9))
    for score in (noc, nof, nof_strict, noc_std, noc_standard_error):
        with pytest.raises(OptionError, match="no objects"):
            score([], 0.9)
    with pytest.raises(OptionError, match="no objects"):
        iou_at([], 1)
    with pytest.raises(OptionError, match="max_clicks is 0"):
        noc([[0.9]], 0.9, 0)
    with pytest.raises(OptionError, match="one budget"):
        ClickScores((), 20) + ClickScores((), 10)


def test_timer_counts_wall_time_per_click():
    times = iter([10.0, 13.0, 20.0, 21.0])
    timer = ClickTimer(clock=lambda: next(times))
    with timer:
        timer.count_object(3)
    with timer:
        timer.count_object(5)
    assert (timer.elapsed, timer.spc, timer.spi) == (4.0, 0.5, 2.0)
    assert timer.merge(ClickTimer(elapsed=12.0, clicks=8, objects=2)) == ClickTimer(16.0, 16, 4)
    assert ClickTimer().spc == ClickTimer().spi == 0.0
    assert seconds_per_click(3.0, 4) == 0.75
    assert seconds_per_object(3.0, 2) == 1.5
