"""Human clicks in training: off by default, on for every method and for first points, repeated by the same seed."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from little import Net, endless
from torch import Tensor

from clickwise.clicks.human import HumanClicks, draw_human_click
from clickwise.clicks.training_click import draw_training_click, training_click_candidates
from clickwise.data.point_sampler import UNORDERED, PointRule
from clickwise.data.published_targets import ChosenTarget, NegativeRegions
from clickwise.data.stream import item_stream
from clickwise.errors import RecipeError
from clickwise.models.interface import ModelOutput
from clickwise.recipes import RECIPES, get_recipe
from clickwise.training.data import Places, make_items
from clickwise.training.methods import make_method
from clickwise.training.parts.base import Part
from clickwise.training.parts.clicks import HumanClicksPart
from clickwise.training.parts.items import PointsPart
from clickwise.training.parts.methods import (
    GatedIterativeMethod,
    IterativeClickMethod,
    IterativeMethod,
    RollingMethod,
)
from clickwise.training.recipe import Recipe, with_overrides

HUMAN = HumanClicksPart()
CPU = torch.device("cpu")


def test_the_part_has_the_values_of_the_rule_and_no_recipe_is_changed() -> None:
    assert HUMAN.rule() == HumanClicks()
    for name in RECIPES:
        recipe = get_recipe(name)
        assert recipe.method.human_clicks is None
        assert getattr(getattr(recipe.items, "points", None), "human_clicks", None) is None


def scene(seed: int) -> tuple[np.ndarray, np.ndarray]:
    ys, xs = np.mgrid[:40, :60]
    truth = np.hypot(ys - 18, xs - 25) < 14
    probs = np.clip(truth + np.random.default_rng(seed).normal(0, 0.2, truth.shape), 0, 1).astype(np.float32)
    probs[:, 25:] = 0.05
    return truth, probs


def test_sign_and_region_are_those_of_the_published_click() -> None:
    outside = 0
    for seed in range(60):
        truth, probs = scene(seed)
        found = draw_human_click(truth, probs, HumanClicks(), np.random.default_rng(seed))
        plain = draw_training_click(truth, probs, np.random.default_rng(seed))
        assert found is not None
        assert plain is not None
        assert found.is_positive == plain.is_positive
        y, x = int(found.y), int(found.x)
        assert truth[y, x] == found.is_positive
        assert (probs[y, x] < 0.49) == found.is_positive
        outside += not training_click_candidates(truth, probs).mask[y, x]
    assert 10 < outside < 50, "some clicks lie outside the published candidates, some inside"
    assert draw_human_click(truth, truth.astype(np.float32), HumanClicks(), np.random.default_rng(0)) is None


@pytest.mark.parametrize(
    "options",
    [
        IterativeMethod(min_next_clicks=2, max_next_clicks=2, human_clicks=HUMAN),
        GatedIterativeMethod(min_next_clicks=2, max_next_clicks=2, human_clicks=HUMAN),
        IterativeClickMethod(weights=(1, 2, 3), human_clicks=HUMAN),
        RollingMethod(human_clicks=HUMAN),
    ],
    ids=lambda options: options.name,
)
def test_every_method_takes_it_and_repeats_itself(options: Part) -> None:
    def points(chosen: Part) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model, items = Net(), endless()
        method = make_method(chosen, batch=2, seed=3, rank=0)

        def forward(image: Tensor, prev_mask: Tensor, points: Tensor, **_: Any) -> ModelOutput:
            return model(image, prev_mask, points)

        return [part.batch.points.clone() for _ in range(6) for part in method.rounds(model, forward, items, CPU)]

    first, again = points(options), points(options)
    plain = points(options.model_copy(update={"human_clicks": None}))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(first, plain, strict=False))


def test_first_points_lie_where_people_click() -> None:
    mask = np.zeros((30, 30), dtype=bool)
    mask[3:27, 3:27] = True
    nothing = NegativeRegions(~mask, np.zeros_like(mask), np.zeros_like(mask))
    chosen = ChosenTarget(
        target=mask, ignore_mask=np.zeros_like(mask), positives=(mask,), required_negatives=(), negatives=nothing
    )
    border = HumanClicks(core_prob=0, border_prob=1, border_share=0, jitter=0)
    for rule, order in (
        (PointRule(human_clicks=border), UNORDERED),
        (PointRule(human_clicks=border, first_click_center=True, first_click_order=1.0), 1.0),
    ):
        first = rule.draw(chosen, np.random.default_rng(0))[0]
        assert first[2] == order
        assert {3.0, 26.0} & set(first[:2].tolist()), "on the outermost pixels"


def test_through_set(pack_root: Path) -> None:
    recipe = get_recipe("ritm-hrnet18s-pack")
    changed = with_overrides(recipe, ["method.human_clicks={}", "items.points.human_clicks={jitter: 0.1}"])
    assert isinstance(changed.method, IterativeMethod)
    assert changed.method.human_clicks == HUMAN
    assert Recipe.from_yaml(changed.to_yaml()) == changed
    assert PointsPart(human_clicks=HumanClicksPart(jitter=0.1)) == changed.items.points  # type: ignore[union-attr]
    data = recipe.data.model_copy(update={"sources": {"discs": 1.0}})
    items = [
        next(islice(item_stream(make_items(data, r.items, Places(pack_root)), seed=1, size=(48, 64), first=0), 1))
        for r in (changed, recipe)
    ]
    assert not torch.equal(items[0].points, items[1].points)
    assert torch.equal(items[0].object_mask, items[1].object_mask)
    for change, words in (
        ("method.human_clicks.jiter=1", ["method.human_clicks.jiter", "jitter"]),
        ("method.human_clicks={core_prob: 0.9}", ["above 1 together"]),
    ):
        with pytest.raises(RecipeError) as caught:
            with_overrides(changed, [change])
        assert all(word in str(caught.value) for word in words), str(caught.value)
