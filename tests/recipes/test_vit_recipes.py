"""Recipes of SimpleClick, CFR-ICL and iCMFormer: the published numbers, and what variants change."""

from __future__ import annotations

from functools import partial

import pytest

from clickwise.errors import RecipeError
from clickwise.models.registry import architectures
from clickwise.recipes import RECIPES, get_recipe
from clickwise.training.optim import rate_factor
from clickwise.training.parts.items import PublishedItems, SuemPart
from clickwise.training.parts.methods import IterativeClickMethod, IterativeMethod
from clickwise.training.recipe import Recipe, with_overrides
from clickwise.weights import zoo

FAMILIES = ("simpleclick-", "cfr-icl-", "icmformer-")
NAMES = sorted(name for name in RECIPES if name.startswith(FAMILIES) and name.endswith("-pack"))
EPOCHS = {
    "simpleclick-vit-xtiny": (230, 200),
    "cfr-icl-vit-xtiny": (230, 200),
    "simpleclick": (55, 50),
    "icmformer": (85, 80),
}
SIZES = {"icmformer-swin-s-pack": 224, "icmformer-swin-b-pack": 384}


def items_of(recipe: Recipe) -> PublishedItems:
    assert isinstance(recipe.items, PublishedItems)
    return recipe.items


def epochs_of(name: str) -> tuple[int, int]:
    return next(numbers for start, numbers in EPOCHS.items() if name.startswith(start))


def test_every_published_size_has_a_recipe() -> None:
    assert [name.removesuffix("-pack") for name in NAMES] == [
        "cfr-icl-vit-b",
        "cfr-icl-vit-h",
        "cfr-icl-vit-xtiny",
        "icmformer-swin-b",
        "icmformer-swin-s",
        "icmformer-vit-b",
        "icmformer-vit-h",
        "icmformer-vit-l",
        "simpleclick-vit-b",
        "simpleclick-vit-h",
        "simpleclick-vit-l",
        "simpleclick-vit-xtiny",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_what_all_have_in_common(name: str) -> None:
    recipe = get_recipe(name)
    assert recipe.name == name
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    (phase,), (loss,) = recipe.phases, recipe.losses
    size = SIZES.get(name, 448)
    assert (phase.height_width, phase.batch) == ((size, size), 32)
    assert (loss.loss, loss.weight, loss.output, loss.options) == ("nfl", 1.0, "logits", {"alpha": 0.5, "gamma": 2.0})
    optimizer = recipe.optimizer
    assert (optimizer.name, optimizer.betas, optimizer.weight_decay) == ("adam", (0.9, 0.999), 0.0)
    assert (optimizer.layer_decay, optimizer.lr_multipliers, optimizer.clip_norm) == (None, None, 0.0)
    items = items_of(recipe)
    assert (items.keep_background_prob, items.min_object_area) == (0.05, 80)
    assert (items.points.prob_gamma, items.target.merge_objects_prob) == (0.8, 0.15)
    assert items.points.max_num_points == (12 if name == "cfr-icl-vit-h-pack" else 24)
    assert items.chain == ("coco_lvis_narrow" if "swin" in name else "coco_lvis")
    native = architectures()[recipe.model.architecture].native_size
    assert native == phase.height_width, "crops are as large as the network's own pictures"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("cfr-icl-vit-b-pack", "cfr-icl-vit-h-pack")])
def test_rates_of_whole_trainings(name: str) -> None:
    recipe, (epochs, milestone) = get_recipe(name), epochs_of(name)
    assert recipe.optimizer.lr == 5e-5
    assert recipe.total_samples == epochs * 10_000
    for epoch, factor in ((0, 1.0), (milestone - 1, 1.0), (milestone, 0.1), (epochs - 0.001, 0.1)):
        assert rate_factor(epoch / epochs, recipe.schedule) == pytest.approx(factor)
    assert recipe.model.start_weights is None
    assert recipe.model.encoder_weights is None, "a run from scratch needs no file"


@pytest.mark.parametrize(("name", "samples"), [("cfr-icl-vit-b-pack", 50_000), ("cfr-icl-vit-h-pack", 3_000)])
def test_short_trainings_of_cfr_icl(name: str, samples: int) -> None:
    recipe = get_recipe(name)
    assert (recipe.optimizer.lr, recipe.total_samples) == (5e-6, samples)
    assert all(rate_factor(share, recipe.schedule) == 1 for share in (0.0, 0.5, 0.99))
    start = recipe.model.start_weights
    assert start is not None
    given, ours = architectures()[zoo.get(start).architecture], architectures()[recipe.model.architecture]
    assert isinstance(given.build, partial)
    assert isinstance(ours.build, partial)
    assert (given.params, given.build.keywords) == (ours.params, ours.build.keywords), "the same network"


@pytest.mark.parametrize("name", NAMES)
def test_clicks_and_copy_paste(name: str) -> None:
    recipe = get_recipe(name)
    if name.startswith("cfr-icl"):
        assert recipe.method == IterativeClickMethod(weights=(1, 2, 3), use_random_clicks=True, clicks_on_ignored=False)
        assert items_of(recipe).suem == SuemPart(copy_paste_prob=0.5, image_mix_prob=0.5)
    else:
        assert recipe.method == IterativeMethod(max_next_clicks=3, clicks_on_ignored=False)
        assert items_of(recipe).suem is None


@pytest.mark.parametrize(
    ("parent", "name", "changed"),
    [
        ("ritm-hrnet18s-pack", "simpleclick-vit-b-pack", {"losses", "optimizer", "schedule", "phases"}),
        ("simpleclick-vit-b-pack", "simpleclick-vit-h-pack", set()),
        ("simpleclick-vit-b-pack", "simpleclick-vit-xtiny-pack", {"schedule", "phases"}),
        ("simpleclick-vit-b-pack", "icmformer-vit-l-pack", {"schedule", "phases"}),
        ("icmformer-vit-b-pack", "icmformer-swin-b-pack", {"phases", "items"}),
        (
            "simpleclick-vit-h-pack",
            "cfr-icl-vit-h-pack",
            {"items", "method", "optimizer", "schedule", "phases", "validation"},
        ),
        ("cfr-icl-vit-h-pack", "cfr-icl-vit-b-pack", {"items", "phases"}),
        ("simpleclick-vit-xtiny-pack", "cfr-icl-vit-xtiny-pack", {"items", "method"}),
    ],
)
def test_variants_change_only_what_they_say(parent: str, name: str, changed: set[str]) -> None:
    one, other = get_recipe(parent), get_recipe(name)
    differing = {key for key in Recipe.model_fields if getattr(one, key) != getattr(other, key)}
    assert differing - {"name", "model"} == changed


def test_copy_paste_for_any_published_items() -> None:
    recipe = with_overrides(get_recipe("ritm-hrnet18s-pack"), ["items.suem={image_mix_prob: 0.1}"])
    assert items_of(recipe).suem == SuemPart(copy_paste_prob=0.5, image_mix_prob=0.1)
    assert items_of(with_overrides(recipe, ["items.suem={}"])).suem == SuemPart()
    assert items_of(with_overrides(recipe, ["items.suem=null"])).suem is None
    for change in ("items.suem.image_mix=0", "items.suem={image_mix: 0}"):
        with pytest.raises(RecipeError, match=r"items\.suem\.image_mix.*image_mix_prob"):
            with_overrides(recipe, [change])
