"""Rates that fall towards the first layers, against the published rule written out name by name (protocol 3.2)."""

from __future__ import annotations

import re

import pytest
import torch

from clickwise.errors import RecipeError
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model
from clickwise.training.optim import make_optimizer
from clickwise.training.recipe import OptimizerPart

DECAY, RATE = 0.75, 5e-5


def slow_rule(name: str, ndim: int, depth: int) -> tuple[float, float]:
    """(rate, weight decay): layer 0 for embeddings, i + 1 for block i, depth / 2 for cross blocks, depth + 1 else."""
    layer = depth + 1
    if name == "backbone.pos_embed" or name.startswith("backbone.patch_embed."):
        layer = 0
    elif found := re.match(r"backbone\.blocks\.(\d+)\.", name):
        layer = int(found[1]) + 1
    elif name.startswith("cross."):
        layer = depth // 2
    decayed = ndim > 1 and name != "backbone.pos_embed"
    return RATE * DECAY ** (depth + 1 - layer), 0.02 if decayed else 0.0


def found_rules(model: InteractiveModel, options: OptimizerPart) -> dict[str, tuple[float, float]]:
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = make_optimizer(model, options).param_groups
    return {names[id(p)]: (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}


@pytest.mark.parametrize(
    ("architecture", "depth"),
    [("simpleclick-vit-xtiny", 8), ("simpleclick-vit-b", 12), ("icmformer-vit-xtiny", 8), ("icmformer-vit-l", 24)],
)
def test_the_published_rule_for_every_parameter(architecture: str, depth: int) -> None:
    with torch.device("meta"):
        model = build_model(architecture)
    found = found_rules(model, OptimizerPart(lr=RATE, weight_decay=0.02, layer_decay=DECAY))
    assert found.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        assert found[name] == pytest.approx(slow_rule(name, parameter.ndim, depth)), name
    assert found["click_embed.proj.weight"] == (RATE, 0.02), "nothing pre-trained, and not forgotten as in the release"
    assert found["backbone.pos_embed"] == pytest.approx((RATE * DECAY ** (depth + 1), 0.0))


def test_off_leaves_one_rate() -> None:
    with torch.device("meta"):
        model = build_model("icmformer-vit-xtiny")
    assert {rate for rate, _ in found_rules(model, OptimizerPart(lr=RATE)).values()} == {RATE}


@pytest.mark.parametrize(
    ("architecture", "options", "words"),
    [
        ("icmformer-swin-s", {}, "names no layers"),
        ("ritm-hrnet18s", {}, "names no layers"),
        ("simpleclick-vit-xtiny", {"lr_multipliers": {"head": 2.0}}, "both"),
    ],
)
def test_where_it_has_no_sense(architecture: str, options: dict[str, dict[str, float]], words: str) -> None:
    with torch.device("meta"):
        model = build_model(architecture)
    with pytest.raises(RecipeError, match=words):
        make_optimizer(model, OptimizerPart(layer_decay=DECAY, **options))
