"""Recipes refuse what they do not know and survive being written and read."""

import pytest

from clickwise.errors import RecipeError
from clickwise.recipes import RECIPES, get_recipe
from clickwise.training.optim import multiplier_of, rate_factor
from clickwise.training.recipe import Recipe, SchedulePart, with_overrides


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_survives_text(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.name == name
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe


def test_set_changes_one_value(tiny_recipe: Recipe) -> None:
    changed = with_overrides(tiny_recipe, ["optimizer.lr=1e-4", "phases.0.size=32", "model.params.disk_radius=3.0"])
    assert changed.optimizer.lr == 1e-4
    assert changed.phases[0].size == 32
    assert changed.model.params["disk_radius"] == 3.0
    assert changed.phases[1] == tiny_recipe.phases[1]


def test_set_reads_values_with_an_e_in_them(tiny_recipe: Recipe) -> None:
    changes = ["model.params={decoder_widths: [8, 8]}", "optimizer.lr=5E-5", "optimizer.weight_decay=1.5e-3"]
    changed = with_overrides(tiny_recipe, [*changes, "channels_last=false", "data.folder=one"])
    assert changed.model.params == {"decoder_widths": [8, 8]}
    assert (changed.optimizer.lr, changed.optimizer.weight_decay) == (5e-5, 1.5e-3)
    assert (changed.channels_last, changed.data.folder) == (False, "one")


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("optimizer.lrr=1", ["optimizer.lrr", "lr"]),
        ("optimiser.lr=1", ["optimiser", "optimizer"]),
        ("phases.7.size=1", ["phases.7", "0..1"]),
        ("phases.0.size=large", ["phases.0.size", "large"]),
        ("optimizer.lr=-1", ["optimizer.lr", "greater than 0"]),
        ("no_equals_sign", ["key=value"]),
        ("method.name=rollin", ["method"]),
    ],
)
def test_misspelt_or_wrong_values_name_path_and_nearest(tiny_recipe: Recipe, assignment: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        with_overrides(tiny_recipe, [assignment])
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_key_in_a_file_names_the_nearest(tiny_recipe: Recipe) -> None:
    text = tiny_recipe.to_yaml().replace("clip_norm", "clip_nrom")
    with pytest.raises(RecipeError, match=r"optimizer\.clip_nrom.*clip_norm"):
        Recipe.from_yaml(text)


def test_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="clickwise-s"):
        get_recipe("clickwise-z")


def test_rate_over_the_run() -> None:
    schedule = SchedulePart(warmup=0.1, milestones=(0.5, 0.75), gamma=0.1, decay_from=0.8)
    assert rate_factor(0.05, schedule) == pytest.approx(0.5)
    assert rate_factor(0.3, schedule) == 1.0
    assert rate_factor(0.5, schedule) == pytest.approx(0.1)
    assert rate_factor(0.75, schedule) == pytest.approx(0.01)
    assert rate_factor(0.9, schedule) == pytest.approx(0.005)
    assert rate_factor(1.0, schedule) == pytest.approx(0.0)


def test_longest_prefix_decides_the_multiplier() -> None:
    multipliers = {"encoder": 0.1, "encoder.head": 1.0}
    assert multiplier_of("encoder.stem.weight", multipliers) == 0.1
    assert multiplier_of("encoder.head.weight", multipliers) == 1.0
    assert multiplier_of("encoders.stem", multipliers) == 1.0
