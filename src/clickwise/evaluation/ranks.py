"""The processes of one job: sums, and everybody's part of a list. With a single process everything is as it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """This process is number ``rank`` of ``world``; all of them must make the same calls in the same order."""

    rank: int = 0
    world: int = 1

    @classmethod
    def of_this_job(cls) -> Ranks:
        """As torch.distributed says; alone where it was not started."""
        if dist.is_available() and dist.is_initialized():
            return cls(dist.get_rank(), dist.get_world_size())
        return cls()

    @property
    def is_first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    @torch.no_grad()
    def summed(self, values: Tensor) -> Tensor:
        """The sum over all processes of a tensor of one shape, without gradient, where the tensor was."""
        if self.world == 1:
            return values.detach()
        total = values.detach().to(_device(), copy=True)
        dist.all_reduce(total)
        return total.to(values.device)

    def largest(self, value: int) -> int:
        """The largest number that a process gave."""
        if self.world == 1:
            return value
        found = torch.tensor(value, device=_device())
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return int(found)

    def gathered(self, value: Any) -> list[Any]:
        """What each process gave, by rank; on every process."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        dist.all_gather_object(found, value)
        return found


@contextmanager
def joined_ranks() -> Iterator[Ranks]:
    """The processes that torchrun (or SLURM with its variables) started, connected as long as the block lasts.

    A command that was started alone, or whose processes are connected already, stays as it is.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ or dist.is_initialized():
        yield Ranks.of_this_job()
        return
    dist.init_process_group("gloo")  # only results are exchanged, as objects
    try:
        yield Ranks.of_this_job()
    finally:
        dist.destroy_process_group()


def device_of_rank(device: str) -> str:
    """The GPU of this process among those of its machine, for plain "cuda"; any other device is what it was."""
    local = os.environ.get("LOCAL_RANK")
    if device != "cuda" or local is None or not torch.cuda.is_available():
        return device
    return f"cuda:{int(local) % torch.cuda.device_count()}"


def _device() -> torch.device:
    """Where the processes exchange tensors."""
    if dist.get_backend() == "nccl":
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")
