"""What objects look like in numbers, against a slow reading of the definitions and on figures that can be counted."""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pytest
import slow_robustness as slow
from memory_data import ellipse, make_sample

from clickwise.errors import MaskError
from clickwise.evaluation.robustness.conditions import traits
from clickwise.evaluation.shapes import measure
from clickwise.evaluation.worst import edge_band

GREY = np.full((40, 60, 3), 128, np.uint8)
NOTHING = np.zeros((40, 60), bool)


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, a torn object with holes that may touch the rim, and pixels without truth."""
    rng = np.random.default_rng(seed)
    size = (18, 24)
    mask = ellipse(size, *rng.uniform((2, 2), (22, 16)), *rng.uniform((4, 4), (11, 8)))
    mask |= ellipse(size, *rng.uniform((2, 2), (22, 16)), *rng.uniform((1, 1), (4, 4)))
    mask &= ~ellipse(size, *rng.uniform((2, 2), (22, 16)), *rng.uniform((1, 1), (3, 3)))
    mask ^= rng.random(size) < 0.02
    ignored = rng.random(size) < 0.05 * (seed % 3)
    mask &= ~ignored
    mask[9, 12], ignored[9, 12] = True, False
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8), mask, ignored


@pytest.mark.parametrize("seed", range(6))
def test_measures_agree_with_a_slow_reading(seed: int) -> None:
    image, mask, ignored = random_case(seed)
    assert asdict(measure(image, mask, ignored)) == pytest.approx(slow.shape(image, mask, ignored), rel=1e-5, abs=1e-9)


def test_a_bar_a_disc_and_a_frame() -> None:
    disc = measure(GREY, ellipse((40, 60), 30, 20, 12, 12))
    assert disc.thickness == pytest.approx(1, abs=0.1)
    assert disc.fine_share < 0.02
    assert (disc.parts, disc.holes, disc.rim_share) == (1, 0, 0)
    bar = NOTHING.copy()
    bar[10:13, 5:55] = True
    thin = measure(GREY, bar)
    assert thin.thickness == pytest.approx(2 / math.sqrt(150 / math.pi))
    assert thin.fine_share < 0.05  # a disc of one pixel still fits a bar of three
    bar[10, 5:55] = False
    assert measure(GREY, bar).fine_share == 1
    frame = NOTHING.copy()
    frame[5:35, 5:55] = True
    frame[10:30, 10:50] = False
    ring = measure(GREY, frame)
    assert (ring.holes, ring.hole_share) == (1, pytest.approx(20 * 40 / frame.sum()))


def test_the_rim_is_no_hole_and_counts_each_pixel_once() -> None:
    mask = NOTHING.copy()
    mask[:, 30:] = True
    mask[10:20, 50:] = False  # open towards the rim
    found = measure(GREY, mask)
    assert found.holes == 0
    assert found.rim_share == pytest.approx((30 + 30 + 38 - 10) / (2 * 60 + 2 * 38))


def test_contrast_is_the_step_in_colour_and_pixels_without_truth_do_not_count() -> None:
    mask = NOTHING.copy()
    mask[:, :30] = True
    image = np.where(mask[:, :, None], 200, 100).astype(np.uint8).repeat(3, axis=2)
    assert measure(image, mask).contrast == pytest.approx(80.60 - 42.37, abs=0.05)  # L* of grey 200 and grey 100
    ignored = NOTHING.copy()
    ignored[:, 30:40] = True
    assert math.isnan(measure(image, mask, ignored).contrast)
    assert measure(image, mask, ignored).as_plain()["contrast"] is None
    assert math.isnan(measure(GREY, ~NOTHING).weak_share)


def test_one_pixel_one_column_and_bad_input() -> None:
    one = NOTHING.copy()
    one[3, 3] = True
    assert (measure(GREY, one).area, measure(GREY, one).parts) == (1, 1)
    column = np.ones((5, 1), bool)
    assert measure(np.zeros((5, 1, 3), np.uint8), column).rim_share == 1
    with pytest.raises(MaskError, match="no pixel"):
        measure(GREY, NOTHING)
    with pytest.raises(MaskError, match="differ"):
        measure(GREY[:10], one)


def test_traits_follow_the_stated_rules() -> None:
    mask = NOTHING.copy()
    mask[0:2, 0:5] = True
    assert traits(measure(GREY, mask)) == ["tiny", "at-rim", "faint"]
    mask[:] = True
    mask[15:25, 20:40] = False
    assert traits(measure(GREY, mask)) == ["huge", "holes", "at-rim", "faint"]
    two = NOTHING.copy()
    two[10:20, 10:20] = two[10:20, 30:40] = True
    bright = np.where(two[:, :, None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    assert traits(measure(bright, two)) == ["multi-part"]
    two[10:20, 20:30:2] = True
    assert "thin" in traits(measure(bright, two))


@pytest.mark.parametrize("seed", range(3))
def test_band_along_the_outline(seed: int) -> None:
    truth = make_sample(seed, (20, 30), ignored=False).object_mask(0)
    assert np.array_equal(edge_band(truth), slow.near_outline(truth, 2))
    assert not edge_band(np.ones((4, 4), bool)).any()
