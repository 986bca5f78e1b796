"""A predictor from whatever names a model: weights by name, a file, a module, or a baseline without learning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import torch

from clickwise.engines.base import Engine
from clickwise.engines.torch import resolve_device
from clickwise.errors import OptionError
from clickwise.inference.predictor import Predictor
from clickwise.models.interface import InteractiveModel
from clickwise.weights.load import load_model

WITHOUT_LEARNING: Mapping[str, str] = MappingProxyType(
    {"opencv-grabcut": "clickwise.inference.opencv_grabcut:OpenCVGrabCut"}
)
"""Names of baselines that need no weights -> engine behind them ("module:class")."""


def open_model(
    model: InteractiveModel | Engine | str | os.PathLike[str],
    *,
    architecture: str | None = None,
    device: str | torch.device | None = None,
) -> InteractiveModel | Engine:
    """What a predictor can run: a module or engine as it is, else the weights or the baseline of that name or path.

    architecture: of a published file that does not say its own. device: None = where a module is, the CPU for weights.
    Raises what `load_model` raises, and OptionError for an architecture where nothing is loaded.
    """
    if isinstance(model, (str, os.PathLike)):
        if str(model) in WITHOUT_LEARNING:
            if architecture is not None:
                raise OptionError(f"{model} has no architecture; leave architecture {architecture!r} out")
            module, _, name = WITHOUT_LEARNING[str(model)].partition(":")
            engine: Engine = getattr(import_module(module), name)()
            return engine
        return load_model(model, architecture=architecture, device=resolve_device(device or "cpu"))
    if architecture is not None:
        raise OptionError(f"architecture {architecture!r} is for weights by name or path; leave it out for a module")
    return model


def make_predictor(
    model: InteractiveModel | Engine | str | os.PathLike[str],
    *,
    architecture: str | None = None,
    device: str | torch.device | None = None,
    **settings: Any,
) -> Predictor:
    """A `Predictor` for a model given in any way; ``settings`` are the predictor's own (chain, dataset, options, ...).

    >>> make_predictor("opencv-grabcut").options.chain
    'opencv_grabcut'
    """
    opened = open_model(model, architecture=architecture, device=device)
    return Predictor(opened, device=device if isinstance(opened, InteractiveModel) else None, **settings)


def model_label(model: InteractiveModel | Engine | str | os.PathLike[str]) -> str:
    """A name for tables: as given, or the architecture of a module."""
    if isinstance(model, (str, os.PathLike)):
        return str(model)
    return str(getattr(model, "architecture", "") or getattr(model, "name", "") or type(model).__name__)
