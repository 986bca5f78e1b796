"""Trimaps against the release's, and at their edges."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clickwise.data.trimap import boundary_trimap

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "iglr_masks.npz")
ALLOWED = 0.002
"""OpenCV versions differ in single pixels."""


@pytest.mark.parametrize("case", range(4))
def test_golden_trimaps(case: int) -> None:
    found = boundary_trimap(GOLDEN["trimap_masks"][case] > 0)
    assert (found != (GOLDEN["trimaps"][case] > 0)).mean() <= ALLOWED


def test_uniform_masks_have_no_band_and_tiny_ones_work() -> None:
    for full in (np.zeros((40, 64), bool), np.ones((40, 64), bool), np.ones((3, 5), bool)):
        assert not boundary_trimap(full).any()
    speck = np.zeros((40, 64), bool)
    speck[20, 30] = True
    assert boundary_trimap(speck).sum() == 25
