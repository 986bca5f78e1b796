"""Click maps against the golden file and against the obvious definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from clickwise.clicks.encoding import disk_maps, tanh_distance_maps


def plain_disks(points: Tensor, radius: float, size: tuple[int, int]) -> Tensor:
    """Every pixel asked about every click."""
    maps = torch.zeros(points.shape[0], 2, *size)
    ys, xs = torch.arange(size[0])[:, None], torch.arange(size[1])[None]
    for item, rows in enumerate(points):
        for row, (y, x, _) in enumerate(rows):
            if max(y, x) >= 0:
                maps[item, int(row >= len(rows) // 2)][(ys - y) ** 2 + (xs - x) ** 2 <= radius**2] = 1
    return maps


def test_golden_maps(golden: Path) -> None:
    expected = np.load(golden / "dist_maps.npz")
    points = torch.from_numpy(expected["points"])
    for radius in (3, 5):
        assert np.array_equal(disk_maps(points, radius, (48, 64)).numpy(), expected[f"disks_r{radius}"])
    np.testing.assert_allclose(tanh_distance_maps(points, 260, (48, 64)).numpy(), expected["tanh_r260"], atol=1e-6)


@pytest.mark.parametrize("radius", [0.4, 2.5, 5.0])
def test_disks_are_where_they_should_be(radius: float) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        points = torch.rand((3, 8, 3), generator=generator) * torch.tensor([60.0, 80.0, 5.0]) - torch.tensor(
            [7.0, 9.0, 0]
        )
        assert torch.equal(disk_maps(points, radius, (47, 63)), plain_disks(points, radius, (47, 63)))


def test_places_far_outside_draw_nothing() -> None:
    points = torch.tensor([[[1e9, 3.0, 0.0], [3.0, float("inf"), 1.0], [-1.0, -1.0, -1.0], [400.0, -300.0, 2.0]]])
    assert disk_maps(points, 5, (10, 12)).sum() == 0


def test_a_click_in_the_last_row_stays_in_its_own_map() -> None:
    maps = disk_maps(torch.tensor([[[9.6, 11.7, 0.0], [-1.0, -1.0, -1.0]]]), 5, (10, 12))
    assert maps[0, 0, 9, 11] == 1
    assert maps[0, 1].sum() == 0
