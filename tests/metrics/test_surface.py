"""Surface distance against the release's numbers and a slow second version; boundary IoU against the same cases."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from clickwise.errors import MaskError
from clickwise.metrics import boundary_iou, surface_distance

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = np.load(GOLDEN / "iglr_roi_cases.npz")
EXPECTED = np.load(GOLDEN / "iglr_masks.npz")


@pytest.mark.parametrize("case", range(13))
def test_golden_values(case: int) -> None:
    pred, truth = CASES["pred"][case] > 0.49, CASES["prev"][case] > 0.49
    if not (pred.any() and truth.any()):
        assert EXPECTED["assd"][case] == -1
        assert surface_distance(pred, truth) == (math.inf if pred.any() or truth.any() else 0.0)
        return
    assert surface_distance(pred, truth) == pytest.approx(EXPECTED["assd"][case], abs=1e-3)
    assert boundary_iou(pred, truth) == pytest.approx(EXPECTED["biou"][case], abs=1e-6)


def slow_outline(mask: np.ndarray) -> list[tuple[int, int]]:
    """Pixels with a neighbour (4 of them) outside; right for masks without holes."""
    padded = np.pad(mask, 1)
    return [
        (y, x)
        for y, x in np.argwhere(mask)
        if not (padded[y, x + 1] and padded[y + 2, x + 1] and padded[y + 1, x] and padded[y + 1, x + 2])
    ]


def test_slow_version() -> None:
    first, second = np.zeros((20, 26), bool), np.zeros((20, 26), bool)
    first[3:12, 4:15] = True
    second[0:9, 7:26] = True
    second[5:7, 10:12] = True
    one, two = slow_outline(first), slow_outline(second)
    total = sum(min(math.dist(p, q) for q in two) for p in one) + sum(min(math.dist(p, q) for q in one) for p in two)
    assert surface_distance(first, second) == pytest.approx(total / (len(one) + len(two)), rel=1e-5)
    assert surface_distance(first, second) == surface_distance(second, first)


def test_holes_do_not_count_and_shapes_must_fit() -> None:
    full = np.zeros((15, 15), bool)
    full[2:13, 2:13] = True
    holed = full.copy()
    holed[6:9, 6:9] = False
    assert surface_distance(full, holed) == 0.0
    with pytest.raises(MaskError, match="expected bool"):
        surface_distance(full, holed[1:])
