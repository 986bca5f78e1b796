"""Composites: pixels and masks stay together, and nothing is pasted that should not be."""

from __future__ import annotations

import numpy as np
import pytest

from clickwise.data.composite import Composites, View, before_background, behind_occluder, pasted
from clickwise.data.targets import Target


def flat(value: int, box: tuple[int, int, int, int], ignored_rows: int = 0) -> View:
    """A picture of one colour with an object in a box (x0, y0, x1, y1) and other things in the lower right corner."""
    mask, ignore, other = (np.zeros((40, 50), dtype=bool) for _ in range(3))
    x0, y0, x1, y1 = box
    mask[y0:y1, x0:x1] = True
    ignore[:ignored_rows] = True
    other[34:, 44:] = True
    picture = np.full((40, 50, 3), value, dtype=np.uint8)
    return picture, Target(mask & ~ignore, ignore, other & ~mask & ~ignore)


def disjoint(target: Target) -> bool:
    return not (
        (target.object_mask & target.ignore_mask).any()
        or (target.object_mask & target.other_mask).any()
        or (target.ignore_mask & target.other_mask).any()
    )


def test_object_before_another_background() -> None:
    view, other = flat(200, (10, 10, 30, 30)), flat(50, (20, 20, 45, 38), ignored_rows=12)
    image, target = before_background(view, other)
    assert np.array_equal(target.object_mask, view[1].object_mask)
    assert (image[13:27, 13:27] == 200).all()
    assert (image[:, 34:] == 50).all()
    assert target.ignore_mask[:12, :10].all()
    assert not target.ignore_mask[10:12, 10:30].any()
    assert target.other_mask[36, 42]
    assert disjoint(target)


def test_foreign_object_before_the_object() -> None:
    view, other = flat(200, (10, 10, 30, 30), ignored_rows=12), flat(50, (25, 5, 40, 35))
    image, target = behind_occluder(view, other)
    assert (image[8:32, 28:37] == 50).all()
    assert not target.object_mask[:, 25:].any()
    assert target.object_mask[12:30, 10:25].all()
    assert target.other_mask[5:35, 25:40].all()
    assert not target.ignore_mask[5:12, 25:40].any()
    assert disjoint(target)


def test_nothing_happens_when_little_would_be_left_or_there_is_nothing() -> None:
    view = flat(200, (10, 10, 20, 20))
    assert behind_occluder(view, flat(50, (5, 5, 30, 30))) is view
    assert behind_occluder(view, flat(50, (0, 0, 0, 0))) is view
    empty = flat(200, (0, 0, 0, 0))
    assert before_background(empty, view) is empty


def test_seam_is_a_pixel_wide() -> None:
    mask = np.zeros((20, 20), dtype=bool)
    mask[:, 10:] = True
    image = pasted(np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 250, np.uint8), mask)
    row = image[10, :, 0].astype(int)
    assert (np.diff(row) >= 0).all()
    assert (row[:7] == 0).all()
    assert (row[13:] == 250).all()
    assert 0 < row[9] < 125 < row[10] < 250


@pytest.mark.parametrize(("background", "occluder"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.4, 0.3)])
def test_shares(background: float, occluder: float) -> None:
    calls = {"count": 0}

    def other() -> View:
        calls["count"] += 1
        return flat(50, (0, 0, 5, 5))

    rng = np.random.default_rng(0)
    view = flat(200, (10, 10, 30, 30))
    for _ in range(600):
        Composites(background, occluder).apply(view, rng, other)
    assert calls["count"] / 600 == pytest.approx(background + occluder, abs=0.07)
