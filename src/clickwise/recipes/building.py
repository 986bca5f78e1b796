"""What recipe modules are written with: entries of the list, variants of a parent, runs counted in epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clickwise.training.recipe import Phase, Recipe, SchedulePart, ValidationPart

_VALIDATE_EVERY_EPOCHS = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A recipe in the list: one line about it, and the function that makes it."""

    summary: str
    make: Callable[[], Recipe]

    def __call__(self) -> Recipe:
        """The recipe."""
        return self.make()


def variant(parent: Recipe, name: str, **changes: Any) -> Recipe:
    """The parent under another name with some fields changed."""
    return parent.model_copy(update={"name": name, **changes})


def with_items(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with some values of its items changed."""
    return recipe.model_copy(update={"items": recipe.items.model_copy(update=changes)})


def with_model(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with some values of its model part changed."""
    return recipe.model_copy(update={"model": recipe.model.model_copy(update=changes)})


def run_of(
    epochs: int,
    milestones: tuple[int, ...],
    *,
    epoch: int,
    size: int | tuple[int, int],
    batch: int,
    validate_every: int = _VALIDATE_EVERY_EPOCHS,
) -> dict[str, Any]:
    """Schedule, phases and validation of so many epochs of ``epoch`` samples; at each milestone the rate falls to 1/10.

    A milestone at the last epoch, which some releases name, never acts.
    """
    return {
        "schedule": SchedulePart(milestones=tuple(milestone / epochs for milestone in milestones), gamma=0.1),
        "phases": (Phase(size=size, batch=batch, samples=epochs * epoch),),
        "validation": ValidationPart(every_samples=validate_every * epoch),
    }
