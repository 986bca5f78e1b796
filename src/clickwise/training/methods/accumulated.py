"""Gradient accumulation: a step's items in parts, one after the other, each with a method of its own.

A part is to this process what a process is to a run: the same number of click rounds, its own items. So the update is
that of the whole batch to rounding, except for what looks at several items at once: batch normalisation sees a part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch

from clickwise.data.stream import TrainingItem
from clickwise.models.interface import InteractiveModel, ModelOutput
from clickwise.training.step import Forward, Round, TrainingMethod


class Accumulated:
    """A `TrainingMethod` made of one for each part."""

    def __init__(self, parts: Sequence[TrainingMethod]) -> None:
        self.parts = parts

    def rounds(
        self, model: InteractiveModel, forward: Forward, items: Iterator[TrainingItem], device: torch.device
    ) -> Iterator[Round]:
        """The rounds of all parts, their losses as a mean."""
        for number, part in enumerate(self.parts):
            is_last_part = number == len(self.parts) - 1
            for found in part.rounds(model, _one_of_many(forward, is_last_part), items, device):
                yield replace(
                    found,
                    weight=found.weight / len(self.parts),
                    is_last=found.is_last and is_last_part,
                    is_last_of_part=found.is_last,
                )

    def state_dict(self) -> dict[str, Any]:
        """One state a part."""
        return {"parts": [part.state_dict() for part in self.parts]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo `state_dict`."""
        for part, own in zip(self.parts, state["parts"], strict=True):
            part.load_state_dict(own)


def _one_of_many(forward: Forward, is_last_part: bool) -> Forward:
    def passed(*inputs: Any, is_last: bool = True, **options: Any) -> ModelOutput:
        return forward(*inputs, is_last=is_last and is_last_part, **options)

    return passed
