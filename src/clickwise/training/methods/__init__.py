"""Training methods by the name in a recipe. A new method is one module, one part in `recipe` and one line here."""

from __future__ import annotations

from clickwise.training.methods.rolling import Rolling
from clickwise.training.recipe import IterativeMethod, RollingMethod
from clickwise.training.step import TrainingMethod


def make_method(options: RollingMethod | IterativeMethod, *, batch: int, seed: int, rank: int) -> TrainingMethod:
    """The method a recipe asks for, for one phase in one process."""
    if isinstance(options, RollingMethod):
        return Rolling(options, batch=batch, seed=seed, rank=rank)
    from clickwise.training.methods.iterative import Iterative

    return Iterative(options, batch=batch, seed=seed, rank=rank)
