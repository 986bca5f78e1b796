"""RoIAlign (He et al. 2017, "Mask R-CNN", section 3), exact: "aligned" half-pixel boxes, adaptive sampling.

Every output value is the mean of bilinear samples on a regular grid inside its bin. Samples lie on a tensor product of
two axes, and so do the border rules; hence the whole operation on one box is a matrix per axis: rows @ map @ columns^T.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from clickwise.errors import ModelError
from clickwise.types import Size


def roi_align(maps: Tensor, roi: Tensor, size: Size, *, spatial_scale: float | tuple[float, float] = 1.0) -> Tensor:
    """Boxes of maps, resampled to one size.

    maps: (B, C, H, W). roi: (K, 5) rows (batch index, x1, y1, x2, y2) in pixels of the image, pixel borders at integers
    (the first pixel spans 0 to 1). spatial_scale: map pixels per image pixel, one number or (vertical, horizontal).
    Returns (K, C, h, w), differentiable with respect to maps. Samples more than one pixel outside count as 0. Raises
    ModelError when roi has another shape or names an item that is not there.
    """
    if roi.ndim != 2 or roi.shape[1] != 5:
        raise ModelError(f"roi has shape {tuple(roi.shape)}; expected (K, 5) rows (batch index, x1, y1, x2, y2)")
    down, right = spatial_scale if isinstance(spatial_scale, tuple) else (spatial_scale, spatial_scale)
    rows, columns, items = [], [], []
    for item, x1, y1, x2, y2 in roi.detach().cpu().double().tolist():
        if not 0 <= item < len(maps):
            raise ModelError(f"roi names item {item:g} of a batch of {len(maps)}; expected 0 to {len(maps) - 1}")
        items.append(int(item))
        rows.append(axis_weights(y1 * down, y2 * down, size[0], maps.shape[2]))
        columns.append(axis_weights(x1 * right, x2 * right, size[1], maps.shape[3]))
    if not items:
        return maps.new_zeros((0, maps.shape[1], *size))
    # Weights lose too much in half precision, and are cheap.
    with torch.autocast(maps.device.type, enabled=False):
        picked = maps[items].float()
        left, across = (torch.stack(side).to(picked) for side in (rows, columns))
        out = left[:, None] @ picked @ across[:, None].transpose(2, 3)
    return out.to(maps.dtype)


def axis_weights(start: float, end: float, bins: int, length: int) -> Tensor:
    """(bins, length) float64: how much every pixel of an axis counts in every bin of [start, end).

    Each bin has ceil((end - start) / bins) samples, at equal distances.
    """
    width = end - start
    samples = max(1, math.ceil(width / bins))
    steps = (torch.arange(bins * samples, dtype=torch.float64, device="cpu") + 0.5) / samples
    places = start - 0.5 + steps * (width / bins)
    inside = (places >= -1) & (places <= length)
    places = places.clamp(0, length - 1)
    low = places.floor().long()
    high = (low + 1).clamp(max=length - 1)
    fraction = places - low
    weights = torch.zeros((bins * samples, length), dtype=torch.float64, device="cpu")
    weights.scatter_add_(1, low[:, None], (1 - fraction)[:, None])
    weights.scatter_add_(1, high[:, None], fraction[:, None])
    return (weights * inside[:, None]).view(bins, samples, length).mean(dim=1)
