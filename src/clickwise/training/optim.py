"""Optimiser with parameter groups by name, learning rate over the run, and the average of past weights (EMA)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from clickwise.errors import RecipeError
from clickwise.models.interface import InteractiveModel
from clickwise.nearest import nearest
from clickwise.training.recipe import OptimizerPart, SchedulePart
from clickwise.training.sharding import local


@runtime_checkable
class LayeredModel(Protocol):
    """A model whose rate may fall towards its first layers (``optimizer.layer_decay``)."""

    undecayed: Sequence[str]
    """Prefixes of parameters that weight decay then spares beside all vectors."""

    @property
    def lr_layers(self) -> Sequence[Sequence[str]]:
        """Prefixes of the parameters of each layer, first to last; what is in none learns at the full rate."""
        ...


def layer_multipliers(layers: Sequence[Sequence[str]], decay: float) -> dict[str, float]:
    """Prefix -> decay ** (number of layers from there on): of one layer ``decay``, of the one before its square, ..."""
    return {prefix: decay ** (len(layers) - depth) for depth, names in enumerate(layers) for prefix in names}


def multiplier_of(name: str, multipliers: Mapping[str, float]) -> float:
    """The multiplier of the longest prefix that a parameter's name starts with, else 1."""
    fitting = [prefix for prefix in multipliers if _begins(name, prefix)]
    return multipliers[max(fitting, key=len)] if fitting else 1.0


def _begins(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def _rules(model: InteractiveModel, options: OptimizerPart) -> tuple[Mapping[str, float], Sequence[str]]:
    """Multipliers by prefix, and prefixes without weight decay."""
    if options.layer_decay is None:
        given = options.lr_multipliers
        if given is None:
            return getattr(model, "lr_multipliers", {}), ()
        names = [name for name, _ in model.named_parameters()]
        for prefix in given:
            if not any(_begins(name, prefix) for name in names):
                valid = sorted({name.partition(".")[0] for name in names})
                raise RecipeError(
                    f"optimizer.lr_multipliers names {prefix!r}, but no parameter of {model.architecture} begins so; "
                    f"nearest: {nearest(prefix, valid)}"
                )
        return given, ()
    if options.lr_multipliers is not None:
        raise RecipeError("optimizer has both layer_decay and lr_multipliers; set one of them to null")
    if not isinstance(model, LayeredModel):
        raise RecipeError(
            f"optimizer.layer_decay is {options.layer_decay}, but {model.architecture} names no layers (plain ViT "
            "models do); set it to null"
        )
    return layer_multipliers(model.lr_layers, options.layer_decay), model.undecayed


def make_optimizer(model: InteractiveModel, options: OptimizerPart) -> torch.optim.Optimizer:
    """One group per (multiplier, decayed or not); weight decay leaves vectors (biases, norms) alone.

    Each group remembers its own full rate under ``base_lr``. Raises RecipeError for a layer decay without layers.
    """
    multipliers, spared = _rules(model, options)
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            decayed = parameter.ndim > 1 and not any(_begins(name, prefix) for prefix in spared)
            groups.setdefault((multiplier_of(name, multipliers), decayed), []).append(parameter)
    described = [
        {
            "params": parameters,
            "lr": options.lr * multiplier,
            "base_lr": options.lr * multiplier,
            "weight_decay": options.weight_decay if decayed else 0.0,
        }
        for (multiplier, decayed), parameters in groups.items()
    ]
    if options.name == "adam":
        return torch.optim.Adam(described, lr=options.lr, betas=options.betas)
    return torch.optim.AdamW(described, lr=options.lr, betas=options.betas)


def rate_factor(share: float, schedule: SchedulePart) -> float:
    """Factor of the learning rate after ``share`` (0..1) of the run."""
    factor = schedule.gamma ** sum(share >= milestone for milestone in schedule.milestones)
    if schedule.warmup > 0:
        factor *= min(1.0, (share + 1e-9) / schedule.warmup)
    if schedule.decay_from < 1 and share > schedule.decay_from:
        factor *= max(0.0, (1 - share) / (1 - schedule.decay_from))
    return factor


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Scale every group's full rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def rates(optimizer: torch.optim.Optimizer, full: float) -> dict[str, float]:
    """The present learning rate, and the lowest one where groups differ; ``full`` is the rate before multipliers."""
    groups = optimizer.param_groups
    factor = groups[0]["lr"] / groups[0]["base_lr"] if groups else 0.0
    lowest = min((group["lr"] for group in groups), default=0.0)
    numbers = {"lr": full * factor}
    return numbers if lowest == numbers["lr"] else {**numbers, "lr/lowest": lowest}


class WeightAverage:
    """Exponential average of the weights; early on it follows quickly, so that the start leaves no trace."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.values = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the present weights."""
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        ours, theirs = _paired(self.values, model.state_dict())
        torch._foreach_lerp_([local(value) for value in ours], [local(value) for value in theirs], 1 - decay)
        for name, value in model.state_dict().items():
            if not value.is_floating_point():
                self.values[name].copy_(value)


def _paired(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    names: Iterable[str] = [name for name, value in ours.items() if value.is_floating_point()]
    return [ours[name] for name in names], [theirs[name].detach() for name in names]
