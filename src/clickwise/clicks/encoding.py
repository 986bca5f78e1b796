"""How clicks become numbers for a network: the padded points array and the two-channel click maps."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from clickwise.clicks.click import ClickList
from clickwise.types import PointsArray

_NO_POINT_SQUARED_DISTANCE = 1e6
"""Squared distance assumed where a half has no valid point (published value; tanh of it is 1)."""


def points_array(clicks: ClickList, *, limit: int | None = None, offset: int = 0) -> PointsArray:
    """The only place where public (x, y) becomes the networks' (y, x, order) (protocol 4.1).

    Returns (2N, 3) float32: N positive rows in order, then N negative ones, padded with -1;
    N = max(1, min(limit, max(#positives, #negatives))). The order of a click is ``offset`` plus the number of clicks
    before it. Only the first ``limit`` clicks are used.
    """
    used = clicks if limit is None else clicks[:limit]
    rows_positive = max(1, len(used.positives), len(used.negatives))
    rows = np.full((2 * rows_positive, 3), -1.0, dtype=np.float32)
    next_row = {True: 0, False: rows_positive}
    for order, click in enumerate(used, start=offset):
        rows[next_row[click.is_positive]] = (click.y, click.x, order)
        next_row[click.is_positive] += 1
    return rows


def is_valid(points: Tensor) -> Tensor:
    """(B, 2N) bool: which rows hold a click. A row is unused when max(y, x) < 0."""
    return points[..., :2].amax(dim=-1) >= 0


def disk_maps(points: Tensor, radius: float, size: tuple[int, int]) -> Tensor:
    """Click maps (B, 2, H, W): 1 where a click lies within ``radius`` pixels (fractional coordinates), else 0.

    Channel 0 positive, 1 negative. RITM section 3.2 ("disks"). Each disk is drawn in its own (2r + 3)-pixel window, so
    the cost does not depend on H and W beyond the zeros. Shapes depend on shapes only, never on values, so that the
    function can be exported.
    """
    batch, rows, _ = points.shape
    height, width = size
    reach = math.ceil(radius) + 1
    centre = points[..., :2, None]
    window = torch.arange(-reach, reach + 1, device=points.device, dtype=points.dtype)
    pixel = centre.round() + window
    squared = (pixel - centre) ** 2
    limit = torch.tensor([[height], [width]], device=points.device)
    legal = (pixel >= 0) & (pixel < limit) & is_valid(points)[..., None, None]
    inside = (squared[..., 0, :, None] + squared[..., 1, None, :] <= radius**2) & (
        legal[..., 0, :, None] & legal[..., 1, None, :]
    )
    y, x = pixel.long().unbind(dim=2)
    maps_before = 2 * torch.arange(batch, device=points.device)[:, None] + (
        torch.arange(rows, device=points.device) >= rows // 2
    )
    index = (maps_before[..., None, None] * height + y[..., :, None]) * width + x[..., None, :]
    # One spare value at the end swallows what lies outside of a disk or of the picture.
    total = batch * 2 * height * width
    maps = points.new_zeros(total + 1)
    maps.scatter_(0, torch.where(inside, index, total).flatten(), 1.0)
    return maps[:total].view(batch, 2, height, width)


def tanh_distance_maps(points: Tensor, radius: float, size: tuple[int, int]) -> Tensor:
    """Click maps (B, 2, H, W): tanh(2 d / radius), d = exact distance to the nearest click of that sign (DIOS style).

    Without any click of a sign the squared distance is 1e6, so the map is practically 1 for usual radii.
    """
    batch, rows, _ = points.shape
    height, width = size
    half = rows // 2
    ys = torch.arange(height, device=points.device, dtype=points.dtype)
    xs = torch.arange(width, device=points.device, dtype=points.dtype)
    valid = is_valid(points)
    maps = points.new_full((batch, 2, height, width), _NO_POINT_SQUARED_DISTANCE)
    for item, row in torch.nonzero(valid).tolist():
        y, x = points[item, row, 0], points[item, row, 1]
        squared = ((ys - y) ** 2)[:, None] + ((xs - x) ** 2)[None, :]
        channel = maps[item, int(row >= half)]
        torch.minimum(channel, squared, out=channel)
    return torch.tanh(2 * torch.sqrt(maps) / radius)


def mirrored(points: Tensor, width: int) -> Tensor:
    """The same clicks on the horizontally mirrored image: x -> W - 1 - x; unused rows stay -1."""
    flipped = points.clone()
    flipped[..., 1] = torch.where(is_valid(points), width - 1 - points[..., 1], points[..., 1])
    return flipped
