"""On what a recipe runs: device, precision and processes, through lightning-fabric."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from clickwise.data.config import read_paths
from clickwise.engines.torch import cpu_has_bf16
from clickwise.errors import MissingExtraError, OptionError
from clickwise.training.data import Places
from clickwise.training.loggers import get_logger
from clickwise.training.recipe import Recipe
from clickwise.training.sharding import fsdp_strategy

STRATEGIES = ("auto", "ddp", "fsdp")


@dataclass(frozen=True)
class RunOptions:
    """Where and on what a recipe runs; nothing of it changes the result beyond rounding.

    checkpoint_every_s: seconds between checkpoints. workers: processes that prepare items.
    stop_after_s: leave cleanly, with a checkpoint, after so many seconds (0 = never). config: config.yml with folders
    of data sets; None = ./config.yml if there is one. strategy: "ddp" (each process holds all weights), "fsdp" (each
    holds a slice of weights and optimiser state) or "auto" (ddp for several processes). loggers: names beside
    TensorBoard, see `clickwise.training.loggers`.
    """

    data_root: Path
    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    workers: int = 1
    checkpoint_every_s: float = 120.0
    stop_after_s: float = 0.0
    config: Path | None = None
    strategy: str = "auto"
    loggers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.strategy not in STRATEGIES:
            raise OptionError(f"--strategy is {self.strategy!r}; expected one of {', '.join(STRATEGIES)}")
        for name in self.loggers:
            get_logger(name)

    def places(self) -> Places:
        """Where data lie, config.yml included. Raises InputError when that file is wrong."""
        found = read_paths(self.config)
        return Places(self.data_root, found.paths, found.encoders)


def make_fabric(recipe: Recipe, options: RunOptions) -> Any:
    """lightning-fabric for the device, processes and precision asked for; under torchrun its processes are taken."""
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise MissingExtraError("lightning-fabric", "train", "training") from None
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # stderr is for progress and one line of error
    accelerator = {"auto": "auto", "cpu": "cpu", "cuda": "gpu", "mps": "mps"}[options.device]
    precision: Any = {"32": "32-true", "bf16": "bf16-mixed"}.get(recipe.precision)
    if precision is None:
        precision = "bf16-mixed" if has_fast_bf16(accelerator) else "32-true"
    devices, nodes = _processes(options)
    strategy = _strategy(options, devices * nodes)
    fabric = Fabric(accelerator=accelerator, strategy=strategy, devices=devices, num_nodes=nodes, precision=precision)
    fabric.launch()
    return fabric


def _strategy(options: RunOptions, world: int) -> Any:
    if options.strategy == "fsdp":
        if "WORLD_SIZE" not in os.environ and world == 1:
            raise OptionError(
                "--strategy fsdp shares weights among processes, but there is one; add --devices 2 or more"
            )
        return fsdp_strategy(world)
    return "ddp" if world > 1 or options.strategy == "ddp" else "auto"


def _processes(options: RunOptions) -> tuple[int, int]:
    """(per machine, machines): what torchrun says, else what the options say."""
    here, everywhere = os.environ.get("LOCAL_WORLD_SIZE"), os.environ.get("WORLD_SIZE")
    if here and everywhere and "TORCHELASTIC_RUN_ID" in os.environ:
        return int(here), int(everywhere) // int(here)
    return options.devices, options.nodes


def has_fast_bf16(accelerator: str) -> bool:
    """Whether bf16 is faster than fp32 here: a GPU that supports it, or a CPU with bf16 units."""
    if accelerator != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    return cpu_has_bf16()
