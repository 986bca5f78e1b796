"""Windows for a second look: where they lie, what they show, and how points get into them."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import rectangle, within

from clickwise.data.focus_window import (
    FocusWindowRule,
    component_box,
    image_in_window,
    mask_in_window,
    points_in_windows,
    touched_in_window,
    weights_in_window,
    without_small_components,
)
from clickwise.errors import OptionError
from clickwise.types import Box, MaskArray

SHAPE = (200, 240)
OBJECT = rectangle(SHAPE, 70, 90, 130, 170)  # 60 x 80 = 4800 pixels
ALWAYS_AROUND, NEVER_AROUND = FocusWindowRule(around_object_prob=1.0), FocusWindowRule(around_object_prob=0.0)


def boxes(rule: FocusWindowRule, mask: MaskArray, draws: int, seed: int = 0) -> list[Box]:
    rng = np.random.default_rng(seed)
    return [rule.draw(mask, rng) for _ in range(draws)]


# Components, against a slow second version


def slow_components(mask: MaskArray) -> list[set[tuple[int, int]]]:
    left, found = {(int(y), int(x)) for y, x in zip(*np.nonzero(mask), strict=True)}, []
    while left:
        todo, component = [left.pop()], set()
        while todo:
            y, x = todo.pop()
            component.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            todo += near
        found.append(component)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_components_pixel_by_pixel(seed: int) -> None:
    mask = np.random.default_rng(seed).random((14, 17)) < 0.3
    components = slow_components(mask)
    for least in (1, 2, 3, 5, 8, 1000):
        expected = np.zeros_like(mask)
        for component in components:
            for y, x in component:
                expected[y, x] = len(component) >= least
        np.testing.assert_array_equal(without_small_components(mask, least), expected)
    largest = max(len(component) for component in components)
    allowed = {
        (min(x for _, x in c), min(y for y, _ in c), max(x for _, x in c) + 1, max(y for y, _ in c) + 1)
        for c in components
        if len(c) == largest
    }
    assert component_box(mask) in allowed


def test_the_empty_mask_has_no_components() -> None:
    assert not without_small_components(np.zeros((4, 5), dtype=bool), 0).any()


# Windows


def test_windows_around_the_object_have_the_published_sizes_and_places() -> None:
    draws = 1500
    found = np.array(boxes(ALWAYS_AROUND, OBJECT, draws))
    heights, widths = found[:, 3] - found[:, 1], found[:, 2] - found[:, 0]
    allowed = [(round(60 * f / 10), round(80 * f / 10)) for f in range(11, 17)]
    counts = Counter(zip(heights.tolist(), widths.tolist(), strict=True))
    assert set(counts) == set(allowed), "one factor for both sides"
    assert all(within(counts[size] / draws, 1 / 6, draws) for size in allowed)
    for centres, middle, sides in (
        ((found[:, 1] + found[:, 3]) / 2, 100, heights),
        ((found[:, 0] + found[:, 2]) / 2, 130, widths),
    ):
        moved = (centres - middle) / sides
        assert 0.28 < np.abs(moved).max() < 0.31
        assert within((moved < -0.15).mean(), 0.25, draws)
        assert within((np.abs(moved) < 0.15).mean(), 0.5, draws)


def test_only_the_largest_component_counts() -> None:
    both = OBJECT | rectangle(SHAPE, 0, 0, 30, 30)
    assert boxes(ALWAYS_AROUND, both, 50) == boxes(ALWAYS_AROUND, OBJECT, 50)


@pytest.mark.parametrize("corner", [(0, 0), (199, 0), (0, 239), (199, 239), (100, 120)])
def test_small_objects_get_a_window_of_the_least_side(corner: tuple[int, int]) -> None:
    speck = np.zeros(SHAPE, dtype=bool)
    speck[corner] = True
    for x0, y0, x1, y1 in boxes(NEVER_AROUND, speck, 300):
        assert x1 - x0 == y1 - y0 == 32
        assert 0 <= x0 < x1 <= SHAPE[1]
        assert 0 <= y0 < y1 <= SHAPE[0]


def test_which_kind_of_window() -> None:
    """Around the object with its probability, and always below the limit of area."""
    draws = 1500
    rule = FocusWindowRule(shrink=(1.5, 1.5))
    on_outline = np.mean([(x1 - x0, y1 - y0) == (160, 133) for x0, y0, x1, y1 in boxes(rule, OBJECT, draws)])
    assert within(on_outline, 0.4, draws)
    small = rectangle(SHAPE, 70, 90, 130, 149)
    assert small.sum() < 3600
    assert boxes(NEVER_AROUND, small, 60) == boxes(ALWAYS_AROUND, small, 60)
    barely = rectangle(SHAPE, 70, 90, 130, 150)
    assert boxes(NEVER_AROUND, barely, 60) != boxes(ALWAYS_AROUND, barely, 60)


def test_windows_on_the_outline_have_the_published_sizes() -> None:
    draws = 2500
    found = np.array(boxes(NEVER_AROUND, OBJECT, draws))
    for side, frame in ((found[:, 3] - found[:, 1], 200), (found[:, 2] - found[:, 0], 240)):
        allowed = [int(frame / (f / 10)) for f in range(15, 40)]
        counts = Counter(side.tolist())
        assert set(counts) == set(allowed)
        for length, times in Counter(allowed).items():
            assert within(counts[length] / draws, times / 25, draws)
    assert abs(np.corrcoef(found[:, 3] - found[:, 1], found[:, 2] - found[:, 0])[0, 1]) < 0.09


def outer_band(mask: MaskArray) -> set[tuple[int, int]]:
    """Slow: pixels outside the mask with a pixel of it at most two rows and columns away."""
    return {
        (y, x)
        for y in range(mask.shape[0])
        for x in range(mask.shape[1])
        if not mask[y, x] and mask[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3].any()
    }


def test_windows_on_the_outline_are_centred_on_the_outer_band() -> None:
    """Where some centre lets the window fit; all such pixels are drawn alike."""
    band, draws = outer_band(OBJECT), 1200
    centres = [((y0 + (y1 - y0) // 2), (x0 + (x1 - x0) // 2)) for x0, y0, x1, y1 in boxes(NEVER_AROUND, OBJECT, draws)]
    assert set(centres) <= band
    narrow = FocusWindowRule(around_object_prob=0.0, shrink=(3.9, 3.9))
    centres = [((y0 + y1) // 2, (x0 + x1) // 2) for x0, y0, x1, y1 in boxes(narrow, OBJECT, draws)]
    left = np.mean([x < 90 for _, x in centres])
    assert within(left, sum(x < 90 for _, x in band) / len(band), draws)


def test_windows_on_the_outline_of_a_wide_object_are_pushed_into_the_view() -> None:
    wide = rectangle(SHAPE, 3, 3, 197, 237)
    for x0, y0, x1, y1 in boxes(NEVER_AROUND, wide, 300):
        assert 0 <= x0 < x1 <= SHAPE[1]
        assert 0 <= y0 < y1 <= SHAPE[0]
        assert x1 - x0 in {int(240 / (f / 10)) for f in range(15, 40)}


@given(
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    density=st.floats(0, 1),
    around=st.sampled_from([0.0, 0.6, 1.0]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=120, deadline=None)
def test_windows_lie_in_any_view(height: int, width: int, density: float, around: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((height, width)) < density
    mask[rng.integers(height), rng.integers(width)] = True
    rule = FocusWindowRule(around_object_prob=around, small_area=5, least_side=int(rng.integers(1, 40)))
    x0, y0, x1, y1 = rule.draw(mask, rng)
    assert 0 <= x0 < x1 <= width
    assert 0 <= y0 < y1 <= height


@pytest.mark.parametrize(
    "options", [{"around_object_prob": 1.5}, {"growth": (0.5, 1.0)}, {"shrink": (3.0, 2.0)}, {"shrink": (0.0, 2.0)}]
)
def test_impossible_options_say_so(options: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(options))} is .*expected"):
        FocusWindowRule(**options)  # type: ignore[arg-type]


# Contents


def slow_linear(part: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Linear interpolation between pixel centres, edges repeated, written out."""
    out = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            fy = np.clip((y + 0.5) * part.shape[0] / size[0] - 0.5, 0, part.shape[0] - 1)
            fx = np.clip((x + 0.5) * part.shape[1] / size[1] - 0.5, 0, part.shape[1] - 1)
            y0, x0 = int(fy), int(fx)
            y1, x1 = min(y0 + 1, part.shape[0] - 1), min(x0 + 1, part.shape[1] - 1)
            top = part[y0, x0] * (1 - fx + x0) + part[y0, x1] * (fx - x0)
            bottom = part[y1, x0] * (1 - fx + x0) + part[y1, x1] * (fx - x0)
            out[y, x] = top * (1 - fy + y0) + bottom * (fy - y0)
    return out


@pytest.mark.parametrize("window", [(3, 2, 11, 7), (0, 0, 13, 9), (5, 5, 6, 6)])
def test_contents_pixel_by_pixel(window: Box) -> None:
    rng, size = np.random.default_rng(0), (12, 10)
    x0, y0, x1, y1 = window
    mask, image = rng.random((9, 13)) < 0.5, rng.integers(0, 255, (9, 13, 3)).astype(np.uint8)
    slow = slow_linear(mask[y0:y1, x0:x1].astype(float), size)
    np.testing.assert_allclose(weights_in_window(mask, window, size), slow, atol=1e-6)
    sure = np.abs(slow - 0.5) > 0.01
    np.testing.assert_array_equal(mask_in_window(mask, window, size)[sure], (slow > 0.5)[sure])
    np.testing.assert_array_equal(touched_in_window(mask, window, size), slow > 1e-9)
    for channel in range(3):
        shown = image_in_window(image, window, size)[..., channel]
        np.testing.assert_allclose(shown, slow_linear(image[y0:y1, x0:x1, channel].astype(float), size), atol=1.1)


def test_points_row_by_row() -> None:
    points = torch.full((2, 4, 3), -1.0)
    points[0, 0] = torch.tensor((30.0, 50.0, 0.0))
    points[0, 2] = torch.tensor((5.0, 6.0, 100.0))
    points[1, 3] = torch.tensor((64.0, 0.0, 2.0))
    roi = torch.tensor([(40.0, 20.0, 60.0, 52.0), (0.0, 0.0, 64.0, 128.0)])
    found = points_in_windows(points, roi, (64, 80))
    expected = points.clone()
    expected[0, 0] = torch.tensor(((30 - 20) * 64 / 32, (50 - 40) * 80 / 20, 0))
    expected[0, 2] = torch.tensor(((5 - 20) * 64 / 32, (6 - 40) * 80 / 20, 100))
    expected[1, 3] = torch.tensor((64 * 64 / 128, 0, 2))
    assert torch.equal(found, expected)
    assert (points[0, 0] == torch.tensor((30.0, 50.0, 0.0))).all(), "the given ones stay"
    assert torch.equal(points_in_windows(points, torch.tensor([(0.0, 0, 80, 64)] * 2), (64, 80)), points)
