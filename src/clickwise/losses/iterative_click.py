"""Iterative click loss (CFR-ICL, arXiv 2303.05620): every answer of a series of clicks counts, later ones more.

Source of formula and weights: the paper and its release (total = sum over steps of weight * batch mean of the loss).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from clickwise.errors import OptionError
from clickwise.losses.pixel import Loss, NormalizedFocalLoss

ICL_WEIGHTS = (1.0, 2.0, 3.0)
"""Of the first, second and third answer, in the release's recipes."""
_RECIPE_ALPHA = 0.5


def _published_loss() -> Loss:
    return NormalizedFocalLoss(alpha=_RECIPE_ALPHA)


@dataclass(frozen=True)
class IterativeClickLoss:
    """A pixel loss on each step of a series, summed with weights that grow along it.

    weights: of steps 1, 2, ...; a series may be shorter. loss: of one step; the published one is the normalised focal
        loss with alpha 0.5. The sum is divided neither by the number of steps nor by the weights (published).
    """

    weights: tuple[float, ...] = ICL_WEIGHTS
    loss: Loss = field(default_factory=_published_loss)

    def __post_init__(self) -> None:
        if not self.weights or any(not weight > 0 for weight in self.weights):
            raise OptionError(f"weights are {self.weights}; expected at least one, all > 0")

    def step(self, number: int, logits: Tensor, target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """The share of step ``number`` (from 0): a scalar.

        Calling backward on each share as soon as it is there gives the gradients of the total with one graph in memory,
        for nothing flows between steps (the mask fed back is detached).
        """
        if not 0 <= number < len(self.weights):
            raise OptionError(
                f"step {number} has no weight; expected 0 to {len(self.weights) - 1}, or give more weights"
            )
        return self.weights[number] * self.loss(logits, target, ignore_mask).mean()

    def __call__(self, steps: Sequence[Tensor], target: Tensor, ignore_mask: Tensor | None = None) -> Tensor:
        """A scalar for logits (B, 1, H, W) of each step in order, with the same target and ignore_mask (or None).

        Raises OptionError for no step, or for more steps than weights.
        """
        if not steps:
            raise OptionError("there is no step; expected the logits of at least one")
        total = self.step(0, steps[0], target, ignore_mask)
        for number, logits in enumerate(steps[1:], start=1):
            total = total + self.step(number, logits, target, ignore_mask)
        return total
