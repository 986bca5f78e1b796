"""IGLR's recipes: the published numbers, what B3 changes, and what a misspelt key is told."""

from __future__ import annotations

from dataclasses import fields

import pytest

from clickwise.data.focus_window import FocusWindowRule
from clickwise.data.published_augment import CHAINS
from clickwise.errors import RecipeError
from clickwise.losses import make_loss
from clickwise.models.registry import build_model
from clickwise.recipes import RECIPES, get_recipe
from clickwise.training.optim import make_optimizer, rate_factor
from clickwise.training.parts.items import FocusItems, FocusPart
from clickwise.training.parts.methods import FocusIterativeMethod
from clickwise.training.recipe import Recipe, with_overrides
from clickwise.training.views import get_view

PARENT = "iglr-segformer-b0-pack"
NAMES = sorted(name for name in RECIPES if name.startswith("iglr-") and name.endswith("-pack"))
EPOCHS = {PARENT: 230, "iglr-segformer-b3-pack": 85}


def test_both_sizes_have_a_recipe() -> None:
    assert sorted(EPOCHS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_published_numbers(name: str) -> None:
    recipe = get_recipe(name)
    assert f"{recipe.model.architecture}-pack" == recipe.name == name
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    (phase,) = recipe.phases
    assert (phase.height_width, phase.batch, phase.samples) == ((256, 256), 28, EPOCHS[name] * 10_000)
    optimizer = recipe.optimizer
    assert (optimizer.name, optimizer.lr, optimizer.betas) == ("adam", 5e-4, (0.9, 0.999))
    assert (optimizer.weight_decay, optimizer.clip_norm) == (0.0, 0.0)
    assert isinstance(recipe.method, FocusIterativeMethod)
    assert (recipe.method.max_next_clicks, recipe.method.prev_mask_drop_prob) == (3, 0.0)


def test_rates_fall_at_the_published_epochs() -> None:
    for name, steps in (
        (PARENT, ((189, 1.0), (190, 0.1), (209, 0.1), (210, 0.01), (229, 0.01))),
        ("iglr-segformer-b3-pack", ((0, 1.0), (64, 1.0), (65, 0.1), (84, 0.1))),
    ):
        for epoch, factor in steps:
            assert rate_factor(epoch / EPOCHS[name], get_recipe(name).schedule) == pytest.approx(factor)


def test_items_have_the_published_values() -> None:
    items = get_recipe(PARENT).items
    assert isinstance(items, FocusItems)
    assert (items.chain, items.min_area, items.least_component, items.most_share) == ("aligned", 1000, 900, 0.85)
    points, target = items.points, items.target
    assert (points.max_num_points, points.prob_gamma) == (24, 0.8)
    assert (points.first_click_center, points.first_click_order) == (True, 0.0)
    assert (target.merge_objects_prob, target.max_num_merged_objects, target.use_hierarchy) == (0.15, 2, False)
    rule = FocusWindowRule()
    assert items.focus.model_dump() == {field.name: getattr(rule, field.name) for field in fields(rule)}
    assert items.focus == FocusPart()
    for name in CHAINS:
        assert FocusItems.model_validate({"chain": name}).chain == name


def test_three_losses_of_one_weight() -> None:
    terms = get_recipe(PARENT).losses
    assert [(term.loss, term.weight, term.output) for term in terms] == [
        ("nfl", 1.0, "logits"),
        ("bce", 1.0, "boundary_logits"),
        ("weighted_nfl", 1.0, "refined_logits+trimap"),
    ]
    for term in terms:
        assert get_view(term.output)
        assert make_loss(term.loss, **term.options)
        assert "nfl" not in term.loss or term.options == {"alpha": 0.5, "gamma": 2.0}
    assert make_loss("weighted_nfl") == make_loss("weighted_nfl", share=0.5, alpha=0.5, gamma=2.0)


def test_b3_changes_only_what_it_says() -> None:
    parent, variant = get_recipe(PARENT), get_recipe("iglr-segformer-b3-pack")
    changed = {key for key in Recipe.model_fields if getattr(parent, key) != getattr(variant, key)}
    assert changed == {"name", "model", "schedule", "phases"}


def test_the_encoder_learns_at_a_tenth_with_its_side_stream_and_fusion() -> None:
    recipe = get_recipe(PARENT)
    model = build_model(recipe.model.architecture)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    seen = set()
    for group in make_optimizer(model, recipe.optimizer).param_groups:
        for parameter in group["params"]:
            name = names[id(parameter)].split(".")[0]
            assert group["lr"] == pytest.approx(5e-5 if name in {"backbone", "fusion"} else 5e-4), name
            seen.add(name)
    assert seen == {"backbone", "fusion", "head", "refiner"}


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("items.min_object_area=1", ["items.min_object_area", "min_area"]),
        ("items.focus.around_object=1", ["items.focus.around_object", "around_object_prob"]),
        ("items.focus.around_object_prob=2", ["items.focus.around_object_prob", "less than or equal to 1"]),
        ("items.chain=alined", ["items.chain", "'aligned'"]),
        ("method.max_next_click=1", ["method.max_next_click", "max_next_clicks"]),
    ],
)
def test_misspelt_keys_and_wrong_values(assignment: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        with_overrides(get_recipe(PARENT), [assignment])
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def test_smaller_views_through_set() -> None:
    """The command that the module's text and the documentation name."""
    smaller = ["phases.0.size=128", "items.min_area=250", "items.least_component=225", "items.focus.small_area=900"]
    recipe = with_overrides(get_recipe(PARENT), smaller)
    assert recipe.phases[0].height_width == (128, 128)
    assert isinstance(recipe.items, FocusItems)
    assert (recipe.items.least_component, recipe.items.focus.small_area) == (225, 900)
