"""Mask modulation: the previous mask, changed around the latest click so that it already agrees with it.

Of MFP (CVPR 2024) with SRAFS's weight for similar values (reference page srafs, section 2). For every network that
takes a previous mask. Only arithmetic on whole tensors: no shape depends on values, so it can be exported.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from clickwise.clicks.encoding import is_valid
from clickwise.errors import OptionError

ModulationRule = Literal["corrected", "released"]
"""corrected: a positive click raises the clicked value to 0.99. released: its exponent is inverted by mistake."""

MAX_RADIUS = 100.0
"""Pixels; where no click of the other sign limits the window (MFP, R_max)."""
_LEAST_RADIUS = 10.0
_PEAK_POSITIVE, _PEAK_NEGATIVE = 0.99, 0.01
"""Values that a clicked pixel is brought to before it is set outright (MFP)."""
_SIMILARITY = 0.2
"""Height (alpha - 1, alpha = 1.2) and width (sigma) of the bell by which similar values change more (SRAFS)."""
_EPS = 1e-8


class _Window(NamedTuple):
    """One latest click per item. inside, distance: (B, H, W); the others (B, 1, 1), place (B, 2)."""

    place: Tensor
    positive: Tensor
    radius: Tensor
    distance: Tensor
    inside: Tensor
    present: Tensor


@torch.no_grad()
def modulate(
    probs: Tensor, points: Tensor, *, max_radius: float = MAX_RADIUS, rule: ModulationRule = "corrected"
) -> Tensor:
    """Probabilities (B, 1, H, W) in [0, 1], changed around each item's latest click. No gradient.

    points: (B, 2N, 3) rows (y, x, order); the latest click is the one of highest order, of several the last row. An
    item without clicks stays as it is. Computed in float64: exponents reach several hundred.
    Raises OptionError for an unknown rule or a radius that is not positive.
    """
    if rule not in get_args(ModulationRule) or not max_radius > 0:
        rules = " or ".join(get_args(ModulationRule))
        raise OptionError(f"rule is {rule!r} and max_radius {max_radius}; expected {rules}, radius > 0")
    home = probs.device
    if home.type == "mps":  # has no float64
        return modulate(probs.cpu(), points.cpu(), max_radius=max_radius, rule=rule).to(home)
    values = probs[:, 0].double()
    window = _window(points, values.shape[1:], max_radius)
    clicked = _clicked_value(values, window)
    changed = torch.where(window.inside, values ** _exponent(values, clicked, window, rule), values)
    rows, columns = _axes(values)
    at_click = (rows == window.place[:, :1, None].round()) & (columns == window.place[:, 1:, None].round())
    changed = torch.where(at_click, window.positive.double(), changed)
    cone = window.distance / (torch.where(window.inside, window.distance, 0.0).amax(dim=(1, 2), keepdim=True) + _EPS)
    cone = torch.where(window.inside, torch.where(window.positive, 1 - cone, cone), values)
    # Nothing to multiply: a positive click where the mask is exactly 0, a negative one where it is exactly 1.
    changed = torch.where(clicked == torch.where(window.positive, 0.0, 1.0), cone, changed)
    return torch.where(window.present, changed, values)[:, None].to(probs.dtype)


def latest_rows(points: Tensor) -> Tensor:
    """(B,) row of each item's latest click: highest order, of several the last; 0 where there is no click."""
    valid = is_valid(points)
    order = torch.where(valid, points[..., 2], -math.inf)
    rows = torch.arange(1, points.shape[1] + 1, device=points.device)
    return (rows * (valid & (order == order.amax(dim=1, keepdim=True)))).argmax(dim=1)


def _window(points: Tensor, size: torch.Size, max_radius: float) -> _Window:
    """Where each item's mask may change. Radii are float32 and distances float64: borders fall as in the release."""
    points = points.float()
    valid = is_valid(points)
    row = latest_rows(points)
    place = points.gather(1, row[:, None, None].expand(-1, 1, 2))[:, 0]
    half = points.shape[1] // 2
    positive = row < half
    others = valid & ((torch.arange(points.shape[1], device=points.device) < half) != positive[:, None])
    gaps = (points[..., :2] - place[:, None]).square().sum(dim=-1).sqrt()
    nearest = torch.where(others, gaps, math.inf).amin(dim=1)
    radius = torch.where(others.any(dim=1), (nearest / 2).clamp(min=_LEAST_RADIUS), max_radius)
    rows = torch.arange(size[0], device=points.device, dtype=torch.float64)[:, None]
    columns = torch.arange(size[1], device=points.device, dtype=torch.float64)
    at = place.double()[..., None, None]
    distance = ((rows - at[:, 0]).square() + (columns - at[:, 1]).square()).sqrt()
    inside = (distance <= radius[:, None, None]) & ~_barred(points, place, others & (gaps < _LEAST_RADIUS), gaps, size)
    reach = radius[:, None, None].double()
    return _Window(place, positive[:, None, None], reach, distance, inside, valid.any(dim=1)[:, None, None])


def _barred(points: Tensor, place: Tensor, close: Tensor, gaps: Tensor, size: torch.Size) -> Tensor:
    """(B, H, W) pixels that belong to a close click of the other sign: its disk that just reaches the latest click.

    Such disks matter within the least radius only, so they are drawn in a small square around the latest click.
    """
    batch, (height, width) = len(points), size
    reach = math.ceil(_LEAST_RADIUS) + 1
    near = torch.arange(-reach, reach + 1, device=points.device)
    pixel = place.round().long()[..., None] + near
    squared = (pixel[:, None].double() - points[..., :2, None].double()).square()
    distance = (squared[:, :, 0, :, None] + squared[:, :, 1, None, :]).sqrt()
    taken = ((distance <= gaps[..., None, None]) & close[..., None, None]).any(dim=1)
    y, x = pixel[:, 0, :, None], pixel[:, 1, None, :]
    taken = taken & (y >= 0) & (y < height) & (x >= 0) & (x < width)
    item = torch.arange(batch, device=points.device)[:, None, None]
    # One spare value at the end swallows what lies outside.
    index = torch.where(taken, (item * height + y) * width + x, batch * height * width)
    flat = torch.zeros(batch * height * width + 1, dtype=torch.bool, device=points.device)
    flat[index.flatten()] = True
    return flat[:-1].view(batch, height, width)


def _clicked_value(values: Tensor, window: _Window) -> Tensor:
    """(B, 1, 1) value of the pixel that holds the click (a click beyond the border: of the nearest pixel)."""
    height, width = values.shape[1:]
    y = window.place[:, 0].floor().long().clamp(0, height - 1)
    x = window.place[:, 1].floor().long().clamp(0, width - 1)
    return values.flatten(1).gather(1, (y * width + x)[:, None])[..., None]


def _exponent(values: Tensor, clicked: Tensor, window: _Window, rule: ModulationRule) -> Tensor:
    """(B, H, W): a negative click raises values to the power gamma, a positive one to 1 / gamma."""
    log_clicked = clicked.log()
    if rule == "corrected":
        raised = log_clicked / math.log(_PEAK_POSITIVE)
    else:
        raised = 1 / (log_clicked / math.log(_PEAK_POSITIVE) + _EPS)
    peak_positive = torch.where(clicked < _PEAK_POSITIVE, raised, 1.0)
    peak_negative = torch.where(clicked > _PEAK_NEGATIVE, math.log(_PEAK_NEGATIVE) / log_clicked, 1.0)
    peak = torch.where(window.positive, peak_positive, peak_negative)
    similar = 1 + _SIMILARITY * torch.exp(-(values - clicked).square() / (2 * _SIMILARITY**2))
    share = window.distance / window.radius
    gamma = similar * peak * (1 - share) + share
    return torch.where(window.positive, 1 / gamma, gamma)


def _axes(values: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column numbers, shaped to fit (B, H, W)."""
    return (
        torch.arange(values.shape[1], device=values.device)[None, :, None],
        torch.arange(values.shape[2], device=values.device)[None, None, :],
    )
