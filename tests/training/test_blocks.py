"""Checkpointed activations: the same answers and gradients, names and copies."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from clickwise.errors import RecipeError
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model
from clickwise.training.blocks import checkpoint_activations, transformer_blocks

SWIN: dict[str, Any] = {"width": 16, "depths": [2, 2, 2, 2], "heads": [1, 2, 4, 8], "window": 4, "head_channels": 16}
MODELS: dict[str, dict[str, Any]] = {
    "simpleclick-vit-xtiny": {"image_size": [64, 64], "neck_channels": [16, 16, 16, 16], "head_channels": 16},
    "iglr-segformer-b0": {},
    "srafs-segformer-b0": {},
    "icmformer-swin-s": SWIN,
}


def learned(model: InteractiveModel) -> tuple[Tensor, dict[str, Tensor]]:
    """Answer and gradients of a step in training mode, with the same random numbers each time."""
    torch.manual_seed(1)
    image, mask = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    points = torch.tensor([[[20.0, 20, 0], [-1, -1, -1]], [[30.0, 10, 0], [5, 5, 1]]])
    model.train().zero_grad()
    output = model(image, mask, points)
    output.logits.square().mean().backward()
    return output.logits.detach(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_same(name: str) -> None:
    torch.manual_seed(0)
    plain = build_model(name, **MODELS[name])
    sparing = copy.deepcopy(plain)
    checkpoint_activations(sparing)
    assert list(plain.state_dict()) == list(sparing.state_dict())
    results = []
    for model in (plain, sparing, copy.deepcopy(sparing)):
        results.append(learned(model))
    (answer, gradients), *others = results
    for other, found in others:
        assert torch.allclose(answer, other, atol=1e-6)
        assert found.keys() == gradients.keys()
        assert all(torch.allclose(found[n], g, atol=1e-5) for n, g in gradients.items())


def test_blocks_run_again_in_the_backward_pass() -> None:
    model = build_model("simpleclick-vit-xtiny", **MODELS["simpleclick-vit-xtiny"])
    calls = []
    block = transformer_blocks(model)[0]
    block.norm1.register_forward_hook(lambda *_: calls.append(torch.is_grad_enabled()))  # type: ignore[union-attr]
    checkpoint_activations(model)
    learned(model)
    assert len(calls) == 2
    calls.clear()
    with torch.no_grad():
        model.eval()(torch.rand(1, 3, 64, 64), None, torch.full((1, 2, 3), -1.0))
    assert len(calls) == 1


def test_a_network_without_blocks_says_so() -> None:
    with pytest.raises(RecipeError, match="checkpoint_activations"):
        checkpoint_activations(build_model("ritm-hrnet18s"))
