"""Training methods by their part of a recipe. A new method is one module, one part in `recipe` and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

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
"""Options in a recipe -> class, called with (options, batch=, seed=, rank=)."""


def make_method(options: Part, *, batch: int, seed: int, rank: int) -> TrainingMethod:
    """The method a recipe asks for, for one phase in one process; ``batch`` is this process's share."""
    return METHODS[type(options)](options, batch=batch, seed=seed, rank=rank)
