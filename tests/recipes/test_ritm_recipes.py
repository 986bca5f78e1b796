"""RITM's recipes: the published numbers, what variants change, and what a misspelt key is told."""

from __future__ import annotations

import math
from dataclasses import fields

import pytest
import torch
from torch import nn

from clickwise.data.point_sampler import PointRule
from clickwise.data.published_augment import CHAINS
from clickwise.data.published_targets import TargetRule
from clickwise.errors import RecipeError
from clickwise.losses import make_loss
from clickwise.models.registry import build_model
from clickwise.recipes import RECIPES, get_recipe
from clickwise.training.optim import make_optimizer, rate_factor
from clickwise.training.parts.items import PointsPart, PublishedItems, TargetPart
from clickwise.training.parts.methods import IterativeMethod
from clickwise.training.recipe import Recipe, with_overrides

PARENT = "ritm-hrnet18s-pack"
NAMES = sorted(name for name in RECIPES if name.startswith("ritm-") and name.endswith("-pack"))


def test_all_four_networks_have_a_recipe() -> None:
    assert NAMES == ["ritm-hrnet18-pack", "ritm-hrnet18s-pack", "ritm-hrnet32-pack", "ritm-resnet34-pack"]


@pytest.mark.parametrize("name", NAMES)
def test_published_numbers(name: str) -> None:
    recipe = get_recipe(name)
    assert f"{recipe.model.architecture}-pack" == recipe.name == name
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    (phase,) = recipe.phases
    assert phase.height_width == (320, 480)
    assert phase.batch == (32 if "18s" in name or "32" in name else 28)
    optimizer = recipe.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.betas) == ("adam", 5e-4, (0.9, 0.999))
    assert (optimizer.weight_decay, optimizer.clip_norm) == (0.0, 0.0)
    items = recipe.items
    assert isinstance(items, PublishedItems)
    assert (items.points.max_num_points, items.points.prob_gamma) == (24, 0.8)
    assert (items.target.merge_objects_prob, items.target.max_num_merged_objects) == (0.15, 2)
    for epoch, factor in ((0, 1.0), (199, 1.0), (200, 0.1), (219, 0.1), (220, 0.01), (229, 0.01)):
        assert rate_factor(epoch / 230, recipe.schedule) == pytest.approx(factor)


def test_click_rounds_and_losses() -> None:
    parent, baseline = get_recipe(PARENT), get_recipe("ritm-resnet34-pack")
    assert isinstance(parent.method, IterativeMethod)
    assert isinstance(baseline.method, IterativeMethod)
    assert (parent.method.max_next_clicks, parent.method.prev_mask_drop_prob) == (3, 0.0)
    assert baseline.method.max_next_clicks == 0
    terms = [(term.loss, term.weight, term.output) for term in parent.losses]
    assert terms == [("nfl", 1.0, "logits"), ("bce", 0.4, "aux_logits")]
    assert baseline.losses == parent.losses[:1]
    assert parent.losses[0].options == {"alpha": 0.5, "gamma": 2.0}
    for term in parent.losses:
        make_loss({"name": term.loss, **term.options})


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ritm-hrnet18-pack", {"name", "model", "phases"}),
        ("ritm-hrnet32-pack", {"name", "model"}),
        ("ritm-resnet34-pack", {"name", "model", "phases", "method", "losses"}),
    ],
)
def test_variants_change_only_what_they_say(name: str, changed: set[str]) -> None:
    parent, variant = get_recipe(PARENT), get_recipe(name)
    assert {key for key in Recipe.model_fields if getattr(parent, key) != getattr(variant, key)} == changed


@pytest.mark.parametrize(
    ("name", "fast"),
    [
        (PARENT, ("fusion", "head.pixels", "head.attention", "head.merge", "head.merge_norm")),
        ("ritm-resnet34-pack", ("fusion", "decoder", "head")),
    ],
)
def test_rates_of_layer_groups(name: str, fast: tuple[str, ...]) -> None:
    """Backbone, auxiliary and last layer of HRNet learn at a tenth; of DeepLab the backbone alone."""
    recipe = get_recipe(name)
    model = build_model(recipe.model.architecture)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    seen = set()
    for group in make_optimizer(model, recipe.optimizer).param_groups:
        for parameter in group["params"]:
            is_fast = any(names[id(parameter)].startswith(prefix + ".") for prefix in fast)
            assert group["lr"] == pytest.approx(5e-4 if is_fast else 5e-5), names[id(parameter)]
            assert group["weight_decay"] == 0
            seen.add(is_fast)
    assert seen == {True, False}


@pytest.mark.parametrize("architecture", ["ritm-hrnet18s", "ritm-resnet34"])
def test_from_scratch_the_complete_model_has_the_published_start(architecture: str) -> None:
    torch.manual_seed(0)
    model = build_model(architecture)
    scaled = []
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            out_channels, in_channels, height, width = module.weight.shape
            deviation = math.sqrt(2 / ((in_channels + out_channels) * height * width / 2))
            scaled.append(module.weight.flatten() / deviation)
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert not module.bias.any()
    values = torch.cat([part.detach() for part in scaled])
    assert abs(float(values.mean())) < 0.01
    assert float(values.std()) == pytest.approx(1, abs=0.01)
    assert float((values.abs() < 0.6745).float().mean()) == pytest.approx(0.5, abs=0.01), "normal, not uniform"
    large = [part for part in scaled if len(part) > 3000]
    assert all(float(part.detach().std()) == pytest.approx(1, abs=0.1) for part in large)


def test_recipe_parts_name_every_option_of_the_sampler() -> None:
    """The parts hold the recipes' values; where these differ from the constructor's is the published difference."""
    for part, rule, changed in (
        (PointsPart(), PointRule(), {"prob_gamma"}),
        (TargetPart(), TargetRule(), {"merge_objects_prob"}),
    ):
        names = {field.name for field in fields(rule)}
        assert names == set(part.model_dump())
        assert {name for name in names if getattr(part, name) != getattr(rule, name)} == changed


def test_every_chain_has_its_name_in_the_recipe() -> None:
    for name in CHAINS:
        assert PublishedItems.model_validate({"chain": name}).chain == name


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("items.points.prob_gama=0.7", ["items.points.prob_gama", "prob_gamma"]),
        ("items.target.merge_object_prob=0", ["items.target.merge_object_prob", "merge_objects_prob"]),
        ("items.points.prob_gamma=2", ["items.points.prob_gamma", "less than or equal to 1"]),
        ("items.min_area=1", ["items.min_area", "min_object_area"]),
        ("items.chain=coco_lviss", ["items.chain", "coco_lviss", "'coco_lvis'"]),
        ("method.max_next_click=1", ["method.max_next_click", "max_next_clicks"]),
        ("items.name=publishd", ["items", "'published'"]),
    ],
)
def test_misspelt_keys_and_wrong_values(assignment: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        with_overrides(get_recipe(PARENT), [assignment])
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("max_next_clicks", "max_next_click", ["method.max_next_click:", "max_next_clicks"]),
        ("prob_gamma", "prob_gama", ["items.points.prob_gama:", "prob_gamma"]),
        ("soft_targets", "soft_target", ["items.target.soft_target:", "soft_targets"]),
        ("keep_background_prob", "keep_backgruond", ["items.keep_backgruond:", "keep_background_prob"]),
        ("weight:", "wieght:", ["losses.0.wieght:", "weight"]),
    ],
)
def test_misspelt_keys_in_a_file(old: str, new: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        Recipe.from_yaml(get_recipe(PARENT).to_yaml().replace(old, new, 1))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_smaller_variants_through_set() -> None:
    recipe = with_overrides(get_recipe(PARENT), ["phases.0.size=[160, 240]", "phases.0.batch=4", "items.chain=sbd"])
    assert recipe.phases[0].height_width == (160, 240)
    assert isinstance(recipe.items, PublishedItems)
    assert recipe.items.chain == "sbd"
