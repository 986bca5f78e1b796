"""How large a network is and how much it computes, without computing: shapes only, on the meta device."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import Architecture, build_model


class _NoClicks(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Answers "which rows hold a click?" with "none", as shapes alone cannot tell."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.nonzero.default:
            return args[0].new_empty((0, args[0].ndim), dtype=torch.long)
        return func(*args, **(kwargs or {}))


def _without_clicks() -> TorchDispatchMode:
    """To be entered before the counter: the counter breaks operations down, then this one answers."""
    return _NoClicks()  # type: ignore[no-untyped-call]


def shape_only(name: str) -> InteractiveModel:
    """A network of that architecture without memory for its weights."""
    with torch.device("meta"):
        return build_model(name)


def multiply_adds(model: InteractiveModel, size: tuple[int, int]) -> int | None:
    """Multiply-adds of one forward of one image of (height, width), or None where shapes alone do not decide.

    ``model`` lies on the meta device. Convolutions, matrix products and attention count; pointwise work does not.
    """
    image = torch.empty((1, 3, *size), device="meta")
    points = torch.empty((1, 2, 3), device="meta")
    counter = FlopCounterMode(display=False)
    try:
        with torch.inference_mode(), _without_clicks(), counter:
            model(image, image[:, :1], points, gate=1.0 if model.capabilities.has_gate else None)
    except (RuntimeError, NotImplementedError):
        return None
    return int(counter.get_total_flops()) // 2


def complexity(architecture: Architecture) -> tuple[int, int | None]:
    """(learned values, multiply-adds at the native size or None) of an architecture."""
    model = shape_only(architecture.name)
    return model.parameter_count, multiply_adds(model, architecture.native_size)
