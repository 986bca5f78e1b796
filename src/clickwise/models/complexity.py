"""How large a network is and how much it computes, without computing: shapes only, on the meta device.

Counting takes up to seconds per network, so the figures of our own architectures are kept in ``figures.json``, which
``tools/write_model_figures.py`` writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import MODULES, Architecture, architectures, build_model


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
    """(learned values, multiply-adds at the native size or None) of an architecture, counted anew."""
    model = shape_only(architecture.name)
    return model.parameter_count, multiply_adds(model, architecture.native_size)


FIGURES_FILE = Path(__file__).with_name("figures.json")


@dataclass(frozen=True)
class Figures:
    """parameters: learned values; multiply_adds: of one forward of one image of size (height, width), None: unknown."""

    parameters: int
    multiply_adds: int | None
    size: tuple[int, int]


def figures_of(architecture: Architecture) -> Figures:
    """The figures of an architecture at its native size: the stored ones if there are, else counted."""
    stored = _stored().get(architecture.name)
    return stored if stored is not None and stored.size == architecture.native_size else counted(architecture)


def counted(architecture: Architecture) -> Figures:
    """The figures of an architecture at its native size, counted anew."""
    return Figures(*complexity(architecture), architecture.native_size)


def own_architectures() -> list[Architecture]:
    """The architectures of this package, without those of third parties, sorted by name."""
    ours = {architecture.name for module in MODULES for architecture in import_module(module).ARCHITECTURES}
    return [architecture for name, architecture in architectures().items() if name in ours]


@cache
def _stored() -> dict[str, Figures]:
    if not FIGURES_FILE.is_file():
        return {}
    rows = json.loads(FIGURES_FILE.read_text("utf-8"))
    return {
        name: Figures(row["parameters"], row["multiply_adds"], (row["size"][0], row["size"][1]))
        for name, row in rows.items()
    }
