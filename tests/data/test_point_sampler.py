"""The published point sampler: every law against an obvious count, every region against a slow second version."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import rectangle, scene, slow_dilated, slow_eroded, within

from clickwise.data.point_sampler import UNORDERED, MultiPointSampler, PointRule
from clickwise.data.published_targets import ChosenTarget, NegativeRegions, TargetRule
from clickwise.errors import OptionError
from clickwise.types import MaskArray, PointsArray

SHAPE = (40, 56)
LEFT, RIGHT = rectangle(SHAPE, 8, 4, 30, 22), rectangle(SHAPE, 12, 30, 26, 50)
PLAIN = TargetRule(positive_erode_prob=0.0)
NOWHERE = np.zeros(SHAPE, dtype=bool)


def chosen(
    *positives: MaskArray, required: tuple[MaskArray, ...] = (), negatives: NegativeRegions | None = None
) -> ChosenTarget:
    regions = negatives or NegativeRegions(NOWHERE, NOWHERE, NOWHERE)
    return ChosenTarget(np.logical_or.reduce([NOWHERE, *positives]), NOWHERE, positives, required, regions)


def split(points: PointsArray) -> tuple[PointsArray, PointsArray]:
    """Used rows of both signs; unused ones must be -1 and come last."""
    halves = []
    for half in np.split(points, 2):
        used = int((half[:, 0] >= 0).sum())
        assert (half[used:] == -1).all()
        assert (half[:used] >= 0).all()
        halves.append(half[:used])
    return halves[0], halves[1]


def inside(mask: MaskArray, points: PointsArray) -> MaskArray:
    return mask[points[:, 0].astype(int), points[:, 1].astype(int)]


# Numbers of points


@pytest.mark.parametrize(("least", "gamma", "most"), [(1, 0.8, 24), (0, 0.8, 24), (1, 0.7, 12), (0, 1.0, 3)])
def test_counts_follow_the_truncated_geometric_law(least: int, gamma: float, most: int) -> None:
    rule, rng, draws = PointRule(prob_gamma=gamma, max_num_points=most), np.random.default_rng(1), 6000
    seen = np.bincount([rule.count(least, rng) for _ in range(draws)], minlength=most + 1)
    total = sum(gamma**n for n in range(least, most + 1))
    assert seen.sum() == draws
    assert len(seen) == most + 1
    for number in range(most + 1):
        expected = gamma**number / total if number >= least else 0.0
        assert within(seen[number] / draws, expected, draws), number


def test_gamma_zero_gives_one_positive_and_no_negative() -> None:
    rule, rng = PointRule(prob_gamma=0.0), np.random.default_rng(0)
    assert {(rule.count(1, rng), rule.count(0, rng)) for _ in range(50)} == {(1, 0)}


def test_one_mask_gives_the_positive_law_and_the_mixture_the_negative_law() -> None:
    rule, rng, draws = PointRule(max_num_points=4, prob_gamma=0.5), np.random.default_rng(2), 2000
    everywhere = NegativeRegions(*[np.ones(SHAPE, dtype=bool)] * 3)
    pairs = [tuple(map(len, split(rule.draw(chosen(LEFT, negatives=everywhere), rng)))) for _ in range(draws)]
    for number in range(1, 5):
        expected = 0.5 ** (number - 1) / sum(0.5**n for n in range(4))
        assert within(sum(p == number for p, _ in pairs) / draws, expected, draws)
    for number in range(5):
        expected = 0.5**number / sum(0.5**n for n in range(5))
        assert within(sum(n == number for _, n in pairs) / draws, expected, draws)


# Places


def test_points_are_uniform_over_their_mask_with_replacement() -> None:
    mask = rectangle(SHAPE, 3, 5, 6, 9)
    rule, rng = PointRule(prob_gamma=0.9), np.random.default_rng(3)
    rows = np.concatenate([split(rule.draw(chosen(mask), rng))[0] for _ in range(800)])
    assert (rows[:, 2] == UNORDERED).all()
    places, counts = np.unique(rows[:, :2], axis=0, return_counts=True)
    assert len(places) == mask.sum()
    assert all(within(count / len(rows), 1 / 12, len(rows)) for count in counts)


def test_negative_strategies_have_their_shares() -> None:
    """Each kind of region, here three disjoint columns, receives its share of the points."""
    regions = NegativeRegions(*(rectangle(SHAPE, 0, x, 40, x + 1) for x in (0, 1, 2)))
    rule, rng = PointRule(prob_gamma=0.95), np.random.default_rng(4)
    rows = np.concatenate([split(rule.draw(chosen(LEFT, negatives=regions), rng))[1] for _ in range(500)])
    for column, share in enumerate((0.1, 0.4, 0.5)):
        assert within((rows[:, 1] == column).mean(), share, len(rows))


def test_points_of_an_empty_strategy_are_skipped() -> None:
    regions = NegativeRegions(background=LEFT, other=NOWHERE, border=LEFT)
    rule, rng, draws = PointRule(max_num_points=1, prob_gamma=1.0), np.random.default_rng(5), 2000
    numbers = [len(split(rule.draw(chosen(RIGHT, negatives=regions), rng))[1]) for _ in range(draws)]
    assert within(np.mean(numbers), 0.5 * 0.6, draws)


def test_several_masks_each_have_a_point_and_share_the_rest() -> None:
    rule, rng, draws = PointRule(prob_gamma=0.6), np.random.default_rng(6), 1500
    numbers = np.array(
        [
            (inside(LEFT, rows).sum(), inside(RIGHT, rows).sum())
            for rows in (split(rule.draw(chosen(LEFT, RIGHT), rng))[0] for _ in range(draws))
        ]
    )
    assert numbers.min() == 1
    law = 0.6 ** np.arange(25)
    further = (law * np.arange(25)).sum() / law.sum()
    assert abs(numbers.sum(axis=1).mean() - 2 - further) < 0.2
    assert abs(numbers[:, 0].mean() - numbers[:, 1].mean()) < 0.2
    assert within((numbers.sum(axis=1) == 2).mean(), 1 / law.sum(), draws), "further points follow the negative law"


def test_only_one_first_click() -> None:
    rule, rng, draws = PointRule(prob_gamma=0.5, only_one_first_click=True), np.random.default_rng(7), 1000
    rows = [split(rule.draw(chosen(LEFT, RIGHT), rng))[0] for _ in range(draws)]
    assert all(inside(LEFT, r)[0] for r in rows)
    law = 0.5 ** np.arange(25)
    assert within(np.mean([len(r) == 1 for r in rows]), 1 / law.sum(), draws)


def test_more_points_than_rows_are_cut_at_random() -> None:
    rule, rng = PointRule(max_num_points=2, prob_gamma=1.0), np.random.default_rng(8)
    third = rectangle(SHAPE, 34, 0, 40, 56)
    seen = set()
    for _ in range(400):
        rows, _ = split(rule.draw(chosen(LEFT, RIGHT, third), rng))
        assert len(rows) == 2
        seen |= {i for i, mask in enumerate((LEFT, RIGHT, third)) if inside(mask, rows).any()}
    assert seen == {0, 1, 2}


def test_required_negatives_have_a_point_each_and_share_the_rest_with_the_mixture() -> None:
    rule, rng, draws = PointRule(prob_gamma=0.5), np.random.default_rng(9), 1500
    top = rectangle(SHAPE, 0, 0, 4, 56)
    regions = NegativeRegions(top, top, top)
    in_required, in_mixture = [], []
    for _ in range(draws):
        _, rows = split(rule.draw(chosen(LEFT, required=(RIGHT,), negatives=regions), rng))
        in_required.append(inside(RIGHT, rows).sum())
        in_mixture.append(inside(top, rows).sum())
    law = 0.5 ** np.arange(25) / (0.5 ** np.arange(25)).sum()
    further = (law * np.arange(25)).sum()
    assert min(in_required) == 1
    assert abs(np.mean(in_required) - (1 + further / 2)) < 0.12
    assert abs(np.mean(in_mixture) - ((1 - law[0]) + further / 2)) < 0.12


# The first click


def slow_depth(mask: MaskArray) -> np.ndarray:
    """Exact distance of each pixel to the nearest one outside; beyond the picture is outside."""
    padded = np.pad(mask, 1)
    outside = np.argwhere(~padded)
    depth = np.zeros(mask.shape)
    for y, x in np.argwhere(mask):
        depth[y, x] = np.sqrt(((outside - (y + 1, x + 1)) ** 2).sum(axis=1).min())
    return depth


def first_clicks(mask: MaskArray, rule: PointRule, draws: int) -> PointsArray:
    rng = np.random.default_rng(10)
    rows = [split(rule.draw(chosen(mask), rng))[0] for _ in range(draws)]
    assert all((r[1:, 2] == UNORDERED).all() for r in rows)
    return np.stack([r[0] for r in rows])


@pytest.mark.parametrize("order", [0.0, 1.0])
def test_first_click_lies_deep_inside(order: float) -> None:
    rule = PointRule(first_click_center=True, first_click_order=order, prob_gamma=0.0)
    rows = first_clicks(LEFT, rule, 1000)
    depth = slow_depth(LEFT)
    core = depth > depth.max() / 1.7
    assert (rows[:, 2] == order).all()
    hits = np.zeros(SHAPE, dtype=int)
    np.add.at(hits, (rows[:, 0].astype(int), rows[:, 1].astype(int)), 1)
    np.testing.assert_array_equal(hits > 0, core)


def test_first_click_in_proportion_to_depth_or_anywhere() -> None:
    mask = rectangle(SHAPE, 0, 0, 5, 5)
    depth, draws = slow_depth(mask), 1500
    for rule, weights in (
        (PointRule(first_click_center=True, sfc_inner_k=0, prob_gamma=0.0), depth / depth.sum()),
        (PointRule(first_click_center=True, sfc_full_inner_prob=1.0, prob_gamma=0.0), mask / mask.sum()),
    ):
        rows = first_clicks(mask, rule, draws)
        assert (rows[:, 2] == 0).all()
        hits = np.zeros(SHAPE, dtype=int)
        np.add.at(hits, (rows[:, 0].astype(int), rows[:, 1].astype(int)), 1)
        assert all(within(hits[y, x] / draws, weights[y, x], draws) for y, x in np.argwhere(mask))


def test_each_merged_object_has_its_first_click() -> None:
    rule, rng = PointRule(first_click_center=True, prob_gamma=0.5), np.random.default_rng(11)
    rows, _ = split(rule.draw(chosen(LEFT, RIGHT), rng))
    assert rows[:2, 2].tolist() == [0, 0]
    assert inside(LEFT, rows[:1]).all()
    assert inside(RIGHT, rows[1:2]).all()
    rows, _ = split(replace(rule, only_one_first_click=True).draw(chosen(LEFT, RIGHT), rng))
    assert (rows[:, 2] == 0).sum() == 1


# Which object


def test_regions_of_one_object_among_two() -> None:
    sample = scene([LEFT, RIGHT])
    for seed in range(6):
        found = PLAIN.choose(sample, np.random.default_rng(seed))
        target, other = (LEFT, RIGHT) if np.array_equal(found.target, LEFT) else (RIGHT, LEFT)
        np.testing.assert_array_equal(found.target, target)
        np.testing.assert_array_equal(found.positives[0], target)
        assert len(found.positives) == 1
        assert not found.required_negatives
        np.testing.assert_array_equal(found.negatives.background, ~target)
        np.testing.assert_array_equal(found.negatives.other, other)
        reach = int(np.ceil(0.1 * np.sqrt(target.sum())))
        np.testing.assert_array_equal(found.negatives.border, slow_dilated(target, reach) & ~target)


def test_a_sole_object_has_background_for_others() -> None:
    found = PLAIN.choose(scene([LEFT]), np.random.default_rng(0))
    np.testing.assert_array_equal(found.negatives.other, ~LEFT)


def test_merging_happens_with_its_probability() -> None:
    third = rectangle(SHAPE, 34, 0, 40, 56)
    sample, rng, draws = scene([LEFT, RIGHT, third]), np.random.default_rng(12), 1000
    rule = replace(PLAIN, merge_objects_prob=0.3, max_num_merged_objects=5)
    numbers = np.bincount([len(rule.choose(sample, rng).positives) for _ in range(draws)], minlength=4)
    assert numbers[0] == 0
    for number, expected in ((1, 0.7), (2, 0.15), (3, 0.15)):
        assert within(numbers[number] / draws, expected, draws)
    found = replace(rule, merge_objects_prob=1.0, max_num_merged_objects=2).choose(scene([LEFT, RIGHT]), rng)
    np.testing.assert_array_equal(found.target, LEFT | RIGHT)
    np.testing.assert_array_equal(found.negatives.other, ~(LEFT | RIGHT))


def test_one_object_is_never_merged() -> None:
    rule = replace(PLAIN, merge_objects_prob=1.0)
    assert len(rule.choose(scene([LEFT]), np.random.default_rng(0)).positives) == 1


def test_erosion_by_share_and_rule() -> None:
    rule, rng, draws = TargetRule(), np.random.default_rng(13), 800
    eroded = slow_eroded(LEFT, 3)
    shrunk = 0
    for _ in range(draws):
        (mask,) = rule.choose(scene([LEFT]), rng).positives
        shrunk += np.array_equal(mask, eroded)
        assert np.array_equal(mask, eroded) or np.array_equal(mask, LEFT)
    assert within(shrunk / draws, 0.9, draws)


@pytest.mark.parametrize(("side", "shrinks"), [(9, False), (10, True)])
def test_erosion_leaves_more_than_ten_pixels_or_does_not_happen(side: int, shrinks: bool) -> None:
    mask = rectangle(SHAPE, 10, 10, 10 + side, 10 + side)
    assert (slow_eroded(mask, 3).sum() > 10) == shrinks
    rule = TargetRule(positive_erode_prob=1.0)
    (found,) = rule.choose(scene([mask]), np.random.default_rng(0)).positives
    np.testing.assert_array_equal(found, slow_eroded(mask, 3) if shrinks else mask)


def test_an_object_at_the_picture_edge_erodes_on_its_inner_sides_only() -> None:
    mask = rectangle(SHAPE, 0, 0, 20, 20)
    (found,) = TargetRule(positive_erode_prob=1.0).choose(scene([mask]), np.random.default_rng(0)).positives
    np.testing.assert_array_equal(found, rectangle(SHAPE, 0, 0, 17, 17))


def test_background_sample() -> None:
    labels = scene([LEFT])
    empty = replace(labels, objects=())
    found, points = MultiPointSampler(points=PointRule(prob_gamma=0.9)).sample(empty, np.random.default_rng(1))
    assert not found.target.any()
    assert not found.positives
    for region in (found.negatives.background, found.negatives.other, found.negatives.border):
        np.testing.assert_array_equal(region, ~LEFT)
    positive, negative = split(points)
    assert len(positive) == 0
    assert not inside(LEFT, negative).any()


def test_ignored_pixels_are_never_clicked_nor_part_of_the_target() -> None:
    ignored = rectangle(SHAPE, 0, 10, 40, 34)
    sample, rng = scene([LEFT, RIGHT], ignored=ignored), np.random.default_rng(2)
    for _ in range(50):
        found, points = MultiPointSampler().sample(sample, rng)
        np.testing.assert_array_equal(found.ignore_mask, ignored)
        assert not (found.target & ignored).any()
        for rows in split(points):
            assert not inside(ignored, rows).any()


# Hierarchy: a body with a large part, a small part, and something inside of the large part

BODY = rectangle(SHAPE, 4, 4, 36, 52)
LARGE = rectangle(SHAPE, 8, 8, 32, 30)
SMALL = rectangle(SHAPE, 10, 40, 16, 46)
INNER = rectangle(SHAPE, 12, 12, 28, 26)
TREE = scene([BODY, LARGE, SMALL, INNER], [None, 0, 0, 1])
DOWN = replace(PLAIN, use_hierarchy=True, max_disabled_children=0)


def test_walk_stops_at_each_node_with_one_half() -> None:
    rng, draws = np.random.default_rng(14), 1000
    seen = dict.fromkeys(("body", "large", "small", "inner"), 0)
    masks = {"body": BODY, "large": LARGE, "small": SMALL, "inner": INNER}
    for _ in range(draws):
        target = DOWN.choose(TREE, rng).target
        seen[next(name for name, mask in masks.items() if np.array_equal(mask, target))] += 1
    for name, expected in (("body", 1 / 2), ("large", 1 / 8), ("small", 1 / 4), ("inner", 1 / 8)):
        assert within(seen[name] / draws, expected, draws), name


def test_without_hierarchy_only_roots_are_targets() -> None:
    for seed in range(10):
        np.testing.assert_array_equal(PLAIN.choose(TREE, np.random.default_rng(seed)).target, BODY)


def test_small_children_are_cut_from_the_positive_region_only() -> None:
    rule = replace(DOWN, hierarchy_stop_prob=1.0)
    found = rule.choose(TREE, np.random.default_rng(0))
    assert SMALL.sum() < 0.1 * BODY.sum() < LARGE.sum()
    np.testing.assert_array_equal(found.target, BODY)
    np.testing.assert_array_equal(found.positives[0], BODY & ~SMALL)
    assert not found.required_negatives


def test_disabled_children_leave_the_target_and_must_be_clicked_away() -> None:
    rule = replace(DOWN, hierarchy_stop_prob=1.0, max_disabled_children=3)
    rng, draws = np.random.default_rng(15), 500
    numbers = np.zeros(3, dtype=int)
    for _ in range(draws):
        found = rule.choose(TREE, rng)
        numbers[len(found.required_negatives)] += 1
        cut = np.logical_or.reduce([NOWHERE, *found.required_negatives])
        assert {mask.sum() for mask in found.required_negatives} <= {LARGE.sum(), SMALL.sum()}
        np.testing.assert_array_equal(found.target, BODY & ~cut)
        np.testing.assert_array_equal(found.positives[0], BODY & ~cut & ~SMALL)
        np.testing.assert_array_equal(found.negatives.background, ~found.target)
    assert all(within(number / draws, 1 / 3, draws) for number in numbers)


def test_what_the_parent_has_beside_the_part_must_be_clicked_away() -> None:
    rule, rng = replace(DOWN, hierarchy_stop_prob=0.0), np.random.default_rng(16)
    seen = set()
    for _ in range(40):
        found = rule.choose(TREE, rng)
        node, parent = (INNER, LARGE) if np.array_equal(found.target, INNER) else (SMALL, BODY)
        seen.add(int(node.sum()))
        np.testing.assert_array_equal(found.target, node)
        (required,) = found.required_negatives
        np.testing.assert_array_equal(required, parent & ~node)
    assert len(seen) == 2


def test_parts_that_are_all_there_is_stay() -> None:
    """A union of its parts is not cut down to nothing, and not left without a place for a positive point."""
    upper, lower = rectangle(SHAPE, 8, 4, 19, 22), rectangle(SHAPE, 19, 4, 30, 22)
    sample = scene([upper, lower, LEFT], [2, 2, None])
    rule = replace(DOWN, hierarchy_stop_prob=1.0, max_disabled_children=3)
    rng = np.random.default_rng(17)
    for _ in range(60):
        found = rule.choose(sample, rng)
        assert found.target.any()
        assert len(found.positives) == 1
    cover = replace(rule, small_child_share=1.0).choose(sample, rng)
    assert cover.positives[0].any()


def test_required_negatives_never_reach_into_a_merged_target() -> None:
    """One object's disabled part is the other object: in the union it is wanted."""
    sample = scene([BODY, LARGE, LARGE], [None, 0, None])
    rule = replace(DOWN, hierarchy_stop_prob=1.0, max_disabled_children=1, merge_objects_prob=1.0)
    rng = np.random.default_rng(18)
    for _ in range(20):
        found = rule.choose(sample, rng)
        np.testing.assert_array_equal(found.target, BODY)
        assert not any((mask & found.target).any() for mask in found.required_negatives)


def test_soft_targets() -> None:
    ramp = np.clip((np.arange(56) - 10) / 20, 0, 1).astype(np.float32)
    soft = {0: np.tile(ramp, (40, 1)), 1: LARGE.astype(np.float32) * 0.7}
    sample = scene([BODY, LARGE], [None, 0])
    rule = replace(DOWN, hierarchy_stop_prob=1.0, max_disabled_children=1, soft_targets=True)
    rng, seen = np.random.default_rng(19), set()
    for _ in range(20):
        found = rule.choose(sample, rng, soft.__getitem__)
        cut = bool(found.required_negatives)
        seen.add(cut)
        expected = np.minimum(soft[0], 1 - soft[1]) if cut else soft[0]
        assert found.target.dtype == np.float32
        np.testing.assert_array_equal(found.target, expected)
        np.testing.assert_array_equal(found.negatives.background, ~(expected > 0.5))
    assert seen == {True, False}
    with pytest.raises(OptionError, match="soft_mask"):
        rule.choose(sample, rng)


# All together


def test_constructor_defaults_are_the_published_ones() -> None:
    points, target = PointRule(), TargetRule()
    assert (points.max_num_points, points.prob_gamma, points.sfc_inner_k, points.sfc_full_inner_prob) == (
        24,
        0.7,
        1.7,
        0,
    )
    assert (points.negative_bg_prob, points.negative_other_prob, points.negative_border_prob) == (0.1, 0.4, 0.5)
    assert not (points.first_click_center)
    assert not (points.only_one_first_click)
    assert (target.expand_ratio, target.positive_erode_prob, target.positive_erode_iters) == (0.1, 0.9, 3)
    assert (target.merge_objects_prob, target.max_num_merged_objects) == (0.0, 2)
    assert not (target.use_hierarchy)
    assert not (target.soft_targets)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: PointRule(max_num_points=0), "max_num_points"),
        (lambda: PointRule(prob_gamma=1.2), "prob_gamma"),
        (lambda: PointRule(negative_bg_prob=0.3), "expected 1 in all"),
        (lambda: PointRule(sfc_inner_k=0.5), "sfc_inner_k"),
        (lambda: TargetRule(merge_objects_prob=-0.1), "merge_objects_prob"),
        (lambda: TargetRule(max_num_merged_objects=1), "max_num_merged_objects"),
    ],
)
def test_options_are_checked(make: object, word: str) -> None:
    with pytest.raises(OptionError, match=word) as caught:
        make()  # type: ignore[operator]
    assert "\n" not in str(caught.value)


@given(
    seed=st.integers(0, 2**32 - 1),
    hierarchy=st.booleans(),
    merge=st.sampled_from([0.0, 1.0]),
    centre=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_points_always_lie_where_they_should(seed: int, hierarchy: bool, merge: float, centre: bool) -> None:
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(int(rng.integers(1, 5))):
        y0, x0 = int(rng.integers(36)), int(rng.integers(52))
        masks.append(rectangle(SHAPE, y0, x0, y0 + int(rng.integers(1, 30)), x0 + int(rng.integers(1, 30))))
    parents: list[int | None] = [None] + [[None, *range(i)][rng.integers(i + 1)] for i in range(1, len(masks))]
    sampler = MultiPointSampler(
        TargetRule(use_hierarchy=hierarchy, merge_objects_prob=merge), PointRule(6, 0.8, first_click_center=centre)
    )
    found, points = sampler.sample(scene(masks, parents), rng)
    positive, negative = split(points)
    assert points.dtype == np.float32
    assert points.shape == (12, 3)
    assert len(positive) >= 1
    assert inside(np.logical_or.reduce(found.positives), positive).all()
    assert inside(found.target, positive).all()
    assert not inside(found.target, negative).any()


def test_the_generator_decides_everything() -> None:
    sampler = MultiPointSampler(TargetRule(use_hierarchy=True, merge_objects_prob=0.5))
    first, second, third = (sampler.sample(TREE, np.random.default_rng(seed))[1] for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)
