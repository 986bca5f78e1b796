"""Weights in slices over all processes (FSDP): for networks whose optimiser state does not fit one GPU.

PyTorch's ``fully_shard`` (FSDP2) through lightning-fabric. Parameters become DTensors in place and keep their names, so
files hold whole tensors in the ordinary format: `whole` collects them, `fill` and `fill_optimizer` cut them up again.
Every process must call these functions, in the same order. On plain tensors they do what one expects.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from clickwise.training.blocks import transformer_blocks


def fsdp_strategy(world: int) -> Any:
    """lightning-fabric's strategy that shards over ``world`` processes."""
    from lightning_fabric.strategies.model_parallel import ModelParallelStrategy

    return ModelParallelStrategy(shard, data_parallel_size=world, tensor_parallel_size=1)


def shard(module: nn.Module, mesh: Any) -> nn.Module:
    """Each transformer block is a unit that is gathered when it runs; what is left of ``module`` is one more."""
    from torch.distributed.fsdp import fully_shard

    slices = mesh["data_parallel"]
    for block in transformer_blocks(module):
        fully_shard(block, mesh=slices)
    fully_shard(module, mesh=slices)
    return module


def is_sharded(value: Tensor) -> bool:
    """Whether this process holds only a slice."""
    return hasattr(value, "full_tensor")


def local(value: Tensor) -> Tensor:
    """This process's slice, sharing memory; a plain tensor is its own."""
    return cast(Tensor, getattr(value, "to_local")()) if is_sharded(value) else value  # noqa: B009


def whole(value: Any) -> Any:
    """The same nested dictionaries and lists with whole tensors instead of slices."""
    if isinstance(value, Tensor):
        return getattr(value, "full_tensor")().cpu() if is_sharded(value) else value  # noqa: B009
    if isinstance(value, Mapping):
        return {key: whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(whole(inner) for inner in value)
    return value


@torch.no_grad()
def fill(targets: Mapping[str, Tensor], entries: Mapping[str, Tensor]) -> None:
    """Copy whole tensors into targets of the same names, sharded or not."""
    for name, target in targets.items():
        local(target).copy_(local(_cut(entries[name], target)))


def fill_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """``optimizer.load_state_dict`` for a state of whole tensors."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    cut = {
        number: {name: _cut(value, parameters[number]) if _has_shape(value) else value for name, value in entry.items()}
        for number, entry in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": cut})


def _has_shape(value: Any) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0


def _cut(value: Tensor, like: Tensor) -> Tensor:
    if not is_sharded(like):
        return value
    from torch.distributed.tensor import distribute_tensor

    moved = value.to(device=local(like).device, dtype=like.dtype)
    return distribute_tensor(moved, like.device_mesh, like.placements)  # type: ignore[attr-defined]
