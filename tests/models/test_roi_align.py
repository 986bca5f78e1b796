"""RoIAlign against a slow, literal version: every bin, every sample, four neighbours."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clickwise.errors import ModelError
from clickwise.models.roi_align import roi_align


def slow(maps: np.ndarray, roi: list[float], size: tuple[int, int], scale: float) -> np.ndarray:
    item, x1, y1, x2, y2 = roi
    plane = maps[int(item)]
    length_y, length_x = plane.shape[1:]
    height, width = (y2 - y1) * scale / size[0], (x2 - x1) * scale / size[1]
    per_y, per_x = max(1, math.ceil(height)), max(1, math.ceil(width))
    out = np.zeros((len(plane), *size))
    for i in range(size[0]):
        for j in range(size[1]):
            for a in range(per_y):
                for b in range(per_x):
                    y = y1 * scale - 0.5 + (i + (a + 0.5) / per_y) * height
                    x = x1 * scale - 0.5 + (j + (b + 0.5) / per_x) * width
                    if y < -1 or y > length_y or x < -1 or x > length_x:
                        continue
                    y, x = min(max(y, 0), length_y - 1), min(max(x, 0), length_x - 1)
                    y0, x0 = int(y), int(x)
                    y3, x3 = min(y0 + 1, length_y - 1), min(x0 + 1, length_x - 1)
                    fy, fx = y - y0, x - x0
                    top = plane[:, y0, x0] * (1 - fx) + plane[:, y0, x3] * fx
                    low = plane[:, y3, x0] * (1 - fx) + plane[:, y3, x3] * fx
                    out[:, i, j] += (top * (1 - fy) + low * fy) / (per_y * per_x)
    return out


ROIS = [
    [0.0, 3.2, 1.7, 40.1, 30.9],
    [1.0, 0, 0, 48, 36],
    [1.0, -9, -7, 60, 50],
    [0.0, 10, 10, 11.5, 10.4],
    [0.0, 47, 35, 48, 36],
    [1.0, 5, 5, 5, 5],
]


@pytest.mark.parametrize("roi", ROIS)
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_slow_version(roi: list[float], scale: float) -> None:
    maps = np.random.default_rng(0).standard_normal((2, 3, int(36 * scale), int(48 * scale))).astype(np.float32)
    found = roi_align(torch.from_numpy(maps), torch.tensor([roi]), (7, 5), spatial_scale=scale)
    np.testing.assert_allclose(found[0].numpy(), slow(maps, roi, (7, 5), scale), atol=1e-5)


def test_box_of_the_output_size_is_a_copy() -> None:
    maps = torch.rand(1, 2, 20, 30)
    assert torch.allclose(roi_align(maps, torch.tensor([[0.0, 4, 5, 16, 13]]), (8, 12)), maps[..., 5:13, 4:16])


def test_gradient_reaches_the_map() -> None:
    maps = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    roi_align(maps, torch.tensor([[0.0, 1, 1, 6, 7]]), (3, 4)).sum().backward()
    assert maps.grad is not None
    assert maps.grad.sum().item() == pytest.approx(12)


def test_bad_boxes() -> None:
    maps = torch.rand(2, 1, 8, 8)
    assert roi_align(maps, torch.zeros(0, 5), (3, 4)).shape == (0, 1, 3, 4)
    with pytest.raises(ModelError, match=r"expected \(K, 5\)"):
        roi_align(maps, torch.zeros(1, 4), (3, 4))
    with pytest.raises(ModelError, match="item 2 of a batch of 2"):
        roi_align(maps, torch.tensor([[2.0, 0, 0, 4, 4]]), (3, 4))
