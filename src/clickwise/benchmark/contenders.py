"""Who is measured: the network by name, the plain baseline, and the engines. A new engine is one line in `ENGINES`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from clickwise.engines.base import Engine
from clickwise.engines.torch import TorchEngine, resolve_device
from clickwise.errors import OptionError, UnknownModelError, WeightsMissingError
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import architectures, build_model

_SEED = 0
"""Of the random weights of a network without trained ones."""


@dataclass(frozen=True)
class Subject:
    """A network to measure. is_trained: whether its weights are trained, so that its masks mean something."""

    name: str
    model: InteractiveModel
    is_trained: bool


def load_subject(name: str, device: str = "auto") -> Subject:
    """The network of that name or file: with its weights where there are any, else the architecture with random ones.

    Raises UnknownModelError, WeightsMissingError (naming the download) or OptionError for the device.
    """
    # Not at the top: the loader imports readers of published files that a benchmark of an architecture does not need.
    from clickwise.weights.load import load_model

    place = str(resolve_device(device))
    try:
        return Subject(name, load_model(name, device=place), is_trained=True)
    except (UnknownModelError, WeightsMissingError):
        if name not in architectures():
            raise
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        model = build_model(name)
    return Subject(name, model.to(place), is_trained=False)


def baseline_engine(model: InteractiveModel) -> Engine:
    """What everything is compared with: eager fp32, contiguous, PyTorch's default settings."""
    return TorchEngine(model, precision="fp32", channels_last=False)


def _torch_engine(model: InteractiveModel) -> Engine:
    """Eager, channels last, bf16 where the hardware has units for it."""
    return TorchEngine(model.to(memory_format=torch.channels_last), precision="auto", channels_last=True)  # type: ignore[call-overload]


ENGINES: dict[str, Callable[[InteractiveModel], Engine]] = {"torch": _torch_engine}
"""Name for ``--engine`` -> builder. It may keep and change the module it is given."""


def check_engine(name: str) -> None:
    """OptionError naming the valid engines unless this is one."""
    if name not in ENGINES:
        raise OptionError(f"engine is {name!r}; expected one of {', '.join(sorted(ENGINES))}")


def make_engine(name: str, model: InteractiveModel) -> Engine:
    """The engine of that name around a network, which it may change. OptionError for an unknown one."""
    check_engine(name)
    return ENGINES[name](model)
