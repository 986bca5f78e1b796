"""Little things to play click rounds with: items, a network, and a forward pass that remembers its calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clickwise.data.stream import TrainingItem
from clickwise.models.interface import Gate, InteractiveModel, ModelOutput

CPU = torch.device("cpu")
ROWS, SIZE = 5, 24


def item(seed: int, *, used: int = 1, ignored: bool = False) -> TrainingItem:
    """A disc on noise; ``used`` random points of each sign."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:SIZE, :SIZE]
    centre = rng.integers(8, 16, 2)
    mask = (ys - centre[0]) ** 2 + (xs - centre[1]) ** 2 < 36
    ignore = np.zeros_like(mask)
    ignore[:6] = ignored
    points = np.full((2 * ROWS, 3), -1, dtype=np.float32)
    for half in (0, ROWS):
        points[half : half + used] = (0, 0, 100)
    return TrainingItem(
        image=torch.from_numpy(rng.integers(0, 255, (3, SIZE, SIZE)).astype(np.uint8)),
        object_mask=torch.from_numpy(mask & ~ignore)[None],
        ignore_mask=torch.from_numpy(ignore)[None],
        points=torch.from_numpy(points),
        prev_mask=torch.zeros(1, SIZE, SIZE),
    )


def endless(first: int = 0, **options: Any) -> Iterator[TrainingItem]:
    while True:
        yield item(first, **options)
        first += 1


class Net(InteractiveModel):
    """Small, with the parts that training mode changes: batch norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.3), nn.Conv2d(6, 1, 3, padding=1)
        )

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        return ModelOutput(self.layers(torch.cat([image, prev_mask], dim=1)))


@dataclass
class Call:
    prev_mask: Tensor
    points: Tensor
    logits: Tensor
    with_grad: bool
    training: bool
    is_last: bool


@dataclass
class Spy:
    """A forward pass that remembers its calls; ``answer`` replaces the network's logits by a constant."""

    model: InteractiveModel
    answer: float | None = None
    calls: list[Call] = field(default_factory=list)

    def __call__(self, image: Tensor, prev_mask: Tensor, points: Tensor, *, is_last: bool = True) -> ModelOutput:
        output: ModelOutput = self.model(image, prev_mask, points)
        if self.answer is not None:
            output.logits = output.logits * 0 + self.answer
        self.calls.append(
            Call(
                prev_mask.clone(), points.clone(), output.logits, torch.is_grad_enabled(), self.model.training, is_last
            )
        )
        return output
