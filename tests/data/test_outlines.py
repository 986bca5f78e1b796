"""Outlines against asking every pixel centre, run lengths against encoding by the letter of the format, layers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clickwise.data.layering import LayerStack
from clickwise.formats.outlines import fill_circle, fill_polygon
from clickwise.formats.run_lengths import decode_counts, parse_counts

SIZE = (9, 12)
corner = st.tuples(st.integers(-8, 56), st.integers(-8, 44)).map(lambda p: (p[0] / 4, p[1] / 4))


def slow_fill(corners, size):
    """Even-odd by a ray to the left from each pixel centre."""
    mask = np.zeros(size, dtype=bool)
    for row in range(size[0]):
        for column in range(size[1]):
            x, y, inside = column + 0.5, row + 0.5, False
            for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
                if (y0 > y) != (y1 > y) and x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x:
                    inside = not inside
            mask[row, column] = inside
    return mask


@settings(max_examples=200, deadline=None)
@given(st.lists(corner, min_size=3, max_size=9))
def test_fill_agrees_with_asking_every_pixel(corners) -> None:
    expected = slow_fill(corners, SIZE)
    got = fill_polygon(corners, SIZE)
    if expected.any():
        assert (got == expected).all()
    else:
        assert got.sum() <= len(corners)


def test_an_upright_rectangle_covers_its_pixels_exactly() -> None:
    mask = fill_polygon([(2, 3), (7, 3), (7, 6), (2, 6)], SIZE)
    assert mask[3:6, 2:7].all()
    assert mask.sum() == 15


def test_bridges_leave_no_trace_and_holes_stay() -> None:
    outer = [(1, 1), (8, 1), (8, 8), (1, 8), (1, 1)]
    hole = [(3, 3), (3, 6), (6, 6), (6, 3), (3, 3)]
    assert fill_polygon([*outer, *hole], SIZE).sum() == 49 - 9
    apart = [(9, 1), (11, 1), (11, 3), (9, 3), (9, 1)]
    assert fill_polygon([*outer, *apart], SIZE).sum() == 49 + 4


def test_thin_and_far_outlines() -> None:
    assert fill_polygon([(1, 4.5), (9, 4.5), (5, 4.5)], SIZE).sum() == 3  # its corners
    assert not fill_polygon([(-9, -9), (-5, -9), (-5, -5)], SIZE).any()
    assert fill_polygon([(-1e30, -1e30), (1e30, -1e30), (1e30, 1e30), (-1e30, 1e30)], SIZE).all()
    assert fill_circle((5.5, 4.5), 0.1, SIZE).sum() == 1
    assert fill_circle((5, 5), 0.1, SIZE).sum() == 1
    assert fill_circle((5, 4), 2, (8, 10)).sum() == 12


def counts_of(mask):
    runs, value = [0], False
    for pixel in mask.T.ravel():
        if pixel != value:
            runs.append(0)
            value = pixel
        runs[-1] += 1
    return runs


def compressed(runs):
    text = ""
    for i, run in enumerate(runs):
        x = run - runs[i - 2] if i > 2 else run
        more = True
        while more:
            c, x = x & 0x1F, x >> 5
            more = x != -1 if c & 0x10 else x != 0
            text += chr((c | 0x20 if more else c) + 48)
    return text


@settings(max_examples=100, deadline=None)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths_in_both_spellings(mask) -> None:
    runs = counts_of(mask)
    assert (decode_counts(runs, mask.shape) == mask).all()
    assert parse_counts(compressed(runs)).tolist() == runs
    assert (decode_counts(compressed(runs), mask.shape) == mask).all()


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ([3, 2], "add up to 5"),
        ([3, -1, 4], "negative"),
        ([1.5, 4.5], "whole"),
        ("6é", "no meaning"),
        ("V", "break off"),
    ],
)
def test_run_lengths_that_mean_nothing(counts, words) -> None:
    with pytest.raises(ValueError, match=words):
        decode_counts(counts, (2, 3))


def test_layers_are_opened_only_where_masks_overlap() -> None:
    rng = np.random.default_rng(0)
    masks = [rng.random(SIZE) < share for share in (0.1, 0.5, 0.0, 0.02, 1.0)]
    stack = LayerStack(SIZE)
    refs = [stack.add(mask) for mask in masks]
    layers = stack.layers()
    assert all(((layers[:, :, r.layer] == r.values[0]) == mask).all() for r, mask in zip(refs, masks, strict=True))
    assert layers.shape[2] <= 4
    assert LayerStack(SIZE).layers().shape == (*SIZE, 1)


def test_a_layer_takes_at_most_254() -> None:
    stack = LayerStack((20, 20))
    dots = np.eye(400, dtype=bool).reshape(400, 20, 20)
    assert {stack.add(dot).layer for dot in dots} == {0, 1}
    assert stack.layers().max() == 254
