"""Human clicks: against a slow second rule, by their distribution, and as a simulated user."""

from __future__ import annotations

from collections import Counter

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clickwise.clicks.click import Click
from clickwise.clicks.human import HumanClicks, HumanSimulator, click_rng, deepest_part
from clickwise.clicks.next_click import next_click
from clickwise.errors import OptionError

regions = st.tuples(st.integers(1, 24), st.integers(1, 24)).flatmap(lambda size: arrays(np.bool_, size))


def slow_part(region: np.ndarray) -> tuple[dict[tuple[int, int], float], float]:
    """Depths of the piece that reaches deepest, pixel by pixel, by a flood from its deepest pixel."""
    depth = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    start = tuple(int(v) for v in np.argwhere(depth == depth.max())[0])
    found, waiting = {start}, [start]
    while waiting:
        y, x = waiting.pop()
        for ny, nx in ((y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
            inside = 0 <= ny < region.shape[0] and 0 <= nx < region.shape[1]
            if inside and region[ny, nx] and (ny, nx) not in found:
                found.add((ny, nx))
                waiting.append((ny, nx))
    return {place: float(depth[place]) for place in found}, float(depth.max())


def slow_candidates(region: np.ndarray, kind: str, border_share: float) -> set[tuple[int, int]]:
    depths, greatest = slow_part(region)
    if kind == "core":
        return {place for place, depth in depths.items() if depth > greatest / 2}
    most = max(np.float32(greatest * border_share), min(depths.values())) if kind == "border" else np.inf
    return {place for place, depth in depths.items() if depth <= most}


@given(regions, st.integers(0, 2**32 - 1), st.sampled_from(["core", "border", "anywhere"]))
@settings(max_examples=120, deadline=None)
def test_each_kind_falls_where_the_slow_rule_allows(region, seed, kind) -> None:
    rule = HumanClicks(core_prob=float(kind == "core"), border_prob=float(kind == "border"), jitter=0)
    place = rule.draw(region, np.random.default_rng(seed))
    if not region.any():
        assert place is None
    else:
        assert place in slow_candidates(region, kind, rule.border_share)


@given(regions, st.integers(0, 2**32 - 1), st.floats(0, 3))
@settings(max_examples=80, deadline=None)
def test_a_shaken_click_stays_on_the_piece_and_the_generator_alone_decides(region, seed, jitter) -> None:
    rule = HumanClicks(jitter=jitter)
    first, again = (rule.draw(region, np.random.default_rng(seed)) for _ in range(2))
    assert first == again
    assert (first is None) == (not region.any())
    assert first is None or first in slow_part(region)[0]


def disc() -> np.ndarray:
    ys, xs = np.mgrid[:61, :81]
    return np.hypot(ys - 30, xs - 40) < 24


def test_shares_of_kinds() -> None:
    """Of a disc: expected shares from the areas of core, border and all, over many draws."""
    region, rng = disc(), np.random.default_rng(1)
    rule = HumanClicks(jitter=0)
    drawn = Counter(rule.draw(region, rng) for _ in range(6000))
    everywhere = slow_candidates(region, "anywhere", 0)
    for kind, share in (("core", rule.core_prob), ("border", rule.border_prob)):
        places = slow_candidates(region, kind, rule.border_share)
        rest = (1 - rule.core_prob - rule.border_prob) * len(places) / len(everywhere)
        hits = sum(count for place, count in drawn.items() if place in places) / 6000
        assert hits == pytest.approx(share + rest, abs=0.03)
    assert set(drawn) <= everywhere


def test_places_within_a_kind_are_equally_likely() -> None:
    region = np.zeros((5, 9), dtype=bool)
    region[1:4, 1:8] = True
    rng = np.random.default_rng(2)
    drawn = Counter(HumanClicks(core_prob=0, border_prob=0, jitter=0).draw(region, rng) for _ in range(4200))
    assert len(drawn) == 21
    assert sum((count - 200) ** 2 / 200 for count in drawn.values()) < 45  # chi squared, 20 degrees: 1 in 900


def test_the_hand_has_the_stated_width() -> None:
    """Around the centre of a large disc, whose core is a point: the spread is that of the hand."""
    region, rng = disc(), np.random.default_rng(3)
    centre = np.zeros_like(region, dtype=np.float32)
    centre[region] = 0.01
    centre[30, 40] = 1.0
    from clickwise.clicks.depth import ApproximateDepth

    found = ApproximateDepth(1.0, (0, 0, 81, 61), centre)
    rule = HumanClicks(core_prob=1, border_prob=0, jitter=0.08)
    places = np.array([rule.draw_from(found, rng) for _ in range(3000)])
    expected = 0.08 * np.sqrt(np.count_nonzero(region))
    np.testing.assert_allclose(places.std(axis=0), expected, rtol=0.06)
    np.testing.assert_allclose(places.mean(axis=0), (30, 40), atol=0.3)


def test_only_the_piece_that_reaches_deepest_is_clicked() -> None:
    region = np.zeros((20, 40), dtype=bool)
    region[2:12, 2:12] = True
    region[2:18, 20:36] = True
    part = deepest_part(cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1])
    assert (part > 0)[:, 20:].any()
    assert not (part > 0)[:, :20].any()


def test_the_published_rule_is_a_special_case() -> None:
    region, rule = disc(), HumanClicks(core_prob=1, border_prob=0, jitter=0)
    drawn = {rule.draw(region, np.random.default_rng(seed)) for seed in range(400)}
    assert drawn <= slow_candidates(region, "core", 0)
    assert len(drawn) > 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"core_prob": 0.8, "border_prob": 0.3}, "together"),
        ({"border_share": 1.5}, "border_share"),
        ({"jitter": -1}, "jitter"),
        ({"jitter": float("nan")}, "jitter"),
    ],
)
def test_options_are_checked(options, words) -> None:
    with pytest.raises(OptionError, match=words):
        HumanClicks(**options)


def test_a_simulated_user_clicks_on_the_right_error_and_never_twice() -> None:
    truth, ignore = disc(), np.zeros((61, 81), dtype=bool)
    ignore[:, :20] = True
    guess = np.zeros_like(truth)
    guess[40:, 50:] = True
    user = HumanSimulator(truth, ignore, rule=HumanClicks(), rng=click_rng(0, "a", 0))
    for _ in range(25):
        expected = next_click(truth, guess, ignore_mask=ignore, history=user.clicks)
        click = user.next_click(guess)
        assert click.is_positive == expected.is_positive
        wrong = truth & ~guess if click.is_positive else guess & ~truth
        assert (wrong & ~ignore)[int(click.y), int(click.x)]
    assert len(set(user.clicks)) == 25
    user.reset()
    assert len(user.clicks) == 0


def test_without_an_error_the_quirk_of_the_field_stays() -> None:
    user = HumanSimulator(disc(), rule=HumanClicks(), rng=click_rng(0, "a", 0))
    assert user.next_click(disc()) == Click(0, 0, is_positive=False)


def test_generators_differ_by_seed_name_and_object() -> None:
    first = {click_rng(*key).random() for key in ((0, "a", 0), (1, "a", 0), (0, "b", 0), (0, "a", 1))}
    assert len(first) == 4
    assert click_rng(3, "é", 2).random() == click_rng(3, "é", 2).random()
