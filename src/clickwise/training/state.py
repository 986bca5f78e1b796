"""The state of a run as files hold it: whole tensors, whatever the processes hold; and the generators of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from clickwise.losses.pixel import RememberingLoss
from clickwise.training.optim import WeightAverage
from clickwise.training.sharding import fill, whole
from clickwise.training.step import WeightedLoss


def random_state(device: torch.device) -> dict[str, Any]:
    """Generators of torch in this process, that of its GPU included (dropout draws from it)."""
    state: dict[str, Any] = {"torch_rng": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda_rng"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Undo `random_state`; a GPU's generator stays as it is where the checkpoint has none (former versions, CPU)."""
    torch.set_rng_state(state["torch_rng"])
    if device.type == "cuda" and state.get("cuda_rng") is not None:
        torch.cuda.set_rng_state(state["cuda_rng"], device)


def average_state(average: WeightAverage | None) -> dict[str, Any] | None:
    """The average of past weights; collected by all processes together."""
    return None if average is None else {"updates": average.updates, "values": whole(average.values)}


def restore_average(average: WeightAverage | None, state: Mapping[str, Any] | None) -> None:
    """Undo `average_state`."""
    if average is not None and state is not None:
        average.updates = state["updates"]
        fill(average.values, state["values"])


def loss_states(terms: Sequence[WeightedLoss]) -> dict[str, Any]:
    """What losses remember for the log, by term."""
    return {term.name: term.loss.state_dict() for term in terms if isinstance(term.loss, RememberingLoss)}


def restore_losses(terms: Sequence[WeightedLoss], states: Mapping[str, Any] | None) -> None:
    """Undo `loss_states`; a term that the checkpoint does not know begins anew."""
    for term in terms:
        if isinstance(term.loss, RememberingLoss) and states is not None and term.name in states:
            term.loss.load_state_dict(states[term.name])
