"""How clicks become numbers for a network: the padded points array and the two-channel click maps."""

from __future__ import annotations

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

    Channel 0 positive, 1 negative. RITM section 3.2 ("disks"). Each disk is drawn in its own (2r + 3)-pixel window,
    so the cost does not depend on H and W beyond the zeros.
    """
    batch, rows, _ = points.shape
    height, width = size
    half = rows // 2
    reach = int(np.ceil(radius)) + 1
    # One spare row and column at the end swallow the parts of windows that lie outside.
    maps = points.new_zeros((batch, 2, height + 1, width + 1))
    valid = is_valid(points)
    item, row = torch.nonzero(valid, as_tuple=True)
    if len(item):
        yx = points[item, row, :2]
        window = torch.arange(-reach, reach + 1, device=points.device)
        pixel_y = yx[:, 0].round()[:, None] + window
        pixel_x = yx[:, 1].round()[:, None] + window
        squared = ((pixel_y - yx[:, :1]) ** 2)[:, :, None] + ((pixel_x - yx[:, 1:2]) ** 2)[:, None, :]
        inside = (squared <= radius**2) & _between(pixel_y, height)[:, :, None] & _between(pixel_x, width)[:, None, :]
        y_index = torch.where(_between(pixel_y, height), pixel_y, torch.full_like(pixel_y, height)).long()
        x_index = torch.where(_between(pixel_x, width), pixel_x, torch.full_like(pixel_x, width)).long()
        sign = (row >= half).long()
        flat = ((item * 2 + sign)[:, None, None] * (height + 1) + y_index[:, :, None]) * (width + 1) + x_index[:, None, :]
        maps.view(-1)[flat[inside]] = 1.0
    return maps[:, :, :height, :width].contiguous()


def _between(coordinate: Tensor, length: int) -> Tensor:
    return (coordinate >= 0) & (coordinate < length)


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
