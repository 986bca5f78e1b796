"""IGLR's iterative training (reference page iglr, section 4.2): RITM's rounds, a gate, and a window at the end.

The gate is 0 in the very first pass and 1 in all others. Only the pass with gradient looks at the windows; they follow
from the truth, and the clicks made on the model's errors are in them too.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clickwise.data.focus_window import points_in_windows
from clickwise.data.stream import FocusItem, TrainingItem
from clickwise.errors import RecipeError
from clickwise.models.interface import ModelOutput
from clickwise.training.methods.iterative import Iterative
from clickwise.training.step import Batch, FocusBatch, Forward

_FIRST_GATE, _LATER_GATE = 0.0, 1.0


class FocusIterative(Iterative):
    """A `TrainingMethod` for models with a second stage."""

    def as_batch(self, data: TrainingItem, device: torch.device, *, click_round: int = 0) -> Batch:
        """As in `ClickRounds`, with the windows."""
        if data.focus is None:
            raise RecipeError("the method focus_iterative got items without windows; use items of the kind 'focus'")
        batch = super().as_batch(data, device, click_round=click_round)
        batch.focus = _focus_batch(data.focus, batch.points)
        return batch

    def look(self, forward: Forward, batch: Batch, clicked: int, *, is_final: bool) -> ModelOutput:
        """See `Iterative.look`."""
        gate = _LATER_GATE if clicked else _FIRST_GATE
        if not is_final:
            return forward(batch.image, batch.prev_mask, batch.points, gate=gate)
        assert batch.focus is not None
        batch.focus.points = _focus_points(batch.points, batch.focus.roi, batch.focus.image)
        return forward(batch.image, batch.prev_mask, batch.points, gate=gate, focus=batch.focus)


def _focus_batch(focus: FocusItem, points: Tensor) -> FocusBatch:
    """Stacked windows on the device of ``points``."""
    device = points.device
    numbers = torch.arange(len(focus.roi), dtype=focus.roi.dtype)[:, None]
    roi = torch.cat([numbers, focus.roi], dim=1).to(device)
    image = focus.image.to(device).float().div_(255)
    return FocusBatch(
        image=image,
        points=_focus_points(points, roi, image),
        roi=roi,
        target=focus.object_mask.to(device).float(),
        trimap=focus.trimap.to(device),
        ignore_mask=focus.ignore_mask.to(device),
    )


def _focus_points(points: Tensor, roi: Tensor, image: Tensor) -> Tensor:
    return points_in_windows(points, roi[:, 1:], (int(image.shape[2]), int(image.shape[3])))
