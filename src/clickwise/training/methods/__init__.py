"""Training methods by their part of a recipe. A new method is one module, one part in `recipe` and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from clickwise.training.methods.accumulated import Accumulated
from clickwise.training.methods.focus_iterative import FocusIterative
from clickwise.training.methods.gated_iterative import GatedIterative
from clickwise.training.methods.iterative import Iterative
from clickwise.training.methods.iterative_click import IterativeClick
from clickwise.training.methods.rolling import Rolling
from clickwise.training.parts.base import Part
from clickwise.training.parts.methods import (
    FocusIterativeMethod,
    GatedIterativeMethod,
    IterativeClickMethod,
    IterativeMethod,
    RollingMethod,
)
from clickwise.training.step import TrainingMethod

METHODS: Mapping[type[Part], Callable[..., TrainingMethod]] = MappingProxyType(
    {
        FocusIterativeMethod: FocusIterative,
        GatedIterativeMethod: GatedIterative,
        IterativeClickMethod: IterativeClick,
        IterativeMethod: Iterative,
        RollingMethod: Rolling,
    }
)
"""Options in a recipe -> class, called with (options, batch=, seed=, rank=, world=)."""


def make_method(
    options: Part, *, batch: int, seed: int, rank: int, world: int = 1, accumulate: int = 1
) -> TrainingMethod:
    """The method a recipe asks for, for one phase in process ``rank`` of ``world``.

    batch: this process's share of the whole batch, which then holds its items as number rank + i * world.
    accumulate: parts of that share that are looked at one after the other; it must divide the share.
    """
    part = batch // accumulate
    methods = [
        METHODS[type(options)](options, batch=part, seed=seed, rank=rank + first * world, world=world)
        for first in range(0, batch, part)
    ]
    return methods[0] if accumulate == 1 else Accumulated(methods)
