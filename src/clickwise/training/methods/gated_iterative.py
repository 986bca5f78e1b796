"""SRAFS's iterative training (reference page srafs, section 5): RITM's rounds, a gate, and a last click that is known.

The gate is 0 in the very first pass and 1 in all others; a step without rounds so trains the two passes of a first
click. Mask modulation needs to know which click is the last one: clicks on errors have orders above all drawn points.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from clickwise.clicks.encoding import is_valid
from clickwise.data.point_sampler import UNORDERED
from clickwise.data.stream import TrainingItem
from clickwise.models.interface import ModelOutput
from clickwise.training.methods.iterative import Iterative
from clickwise.training.step import Batch, Forward

_FIRST_GATE, _LATER_GATE = 0.0, 1.0
_REDRAWS = 20
"""Items tried for one place of a batch; a stream of nothing but unfit ones is trained as it is. (Release: no limit.)"""


class GatedIterative(Iterative):
    """A `TrainingMethod` for models with a gate."""

    def next_item(self, items: Iterator[TrainingItem]) -> TrainingItem:
        """An item whose object is nothing, or everything, gives way to the next one."""
        return _fitting(items)

    def look(self, forward: Forward, batch: Batch, clicked: int, *, is_final: bool) -> ModelOutput:
        """See `Iterative.look`."""
        gate = _LATER_GATE if clicked else _FIRST_GATE
        return forward(batch.image, batch.prev_mask, batch.points, gate=gate)

    def _click(self, data: TrainingItem, probs: NDArray[np.float32], number: int) -> None:
        """One click per picture, with order 100 + ``number``, in the first free row of its half, else in the last one.

        A picture without error gets none; of several points of equal order the model then takes the last row.
        """
        half = data.points.shape[1] // 2
        used = is_valid(data.points)
        for item, click in enumerate(self.next_clicks(data, probs)):
            if click is None:
                continue
            first = 0 if click.is_positive else half
            free = torch.nonzero(~used[item, first : first + half])
            row = first + (int(free[0]) if len(free) else half - 1)
            place = (click.y, click.x, UNORDERED + number)
            data.points[item, row] = torch.tensor(place, dtype=data.points.dtype)


def _fitting(items: Iterator[TrainingItem]) -> TrainingItem:
    """The next item with both object and background among its pixels with truth."""
    for _ in range(_REDRAWS):
        item = next(items)
        known = item.object_mask[~item.ignore_mask] > 0.5
        if known.any() and not known.all():
            break
    return item
