"""SRAFS's rounds: gates, where clicks are written, redrawn items, and a run with attention losses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from little import CPU, ROWS, Net, endless, item
from torch import Tensor

from clickwise.data.stream import TrainingItem
from clickwise.errors import RecipeError
from clickwise.models.interface import ModelOutput
from clickwise.models.modulation import latest_rows
from clickwise.recipes import RECIPES, get_recipe
from clickwise.training import loop
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.methods.gated_iterative import GatedIterative
from clickwise.training.parts.items import PublishedItems
from clickwise.training.parts.methods import GatedIterativeMethod, IterativeMethod
from clickwise.training.recipe import Phase, Recipe, with_overrides
from clickwise.training.run_folder import RunFolder
from clickwise.training.step import Batch


class GatedSpy:
    """A forward pass that answers with a constant and remembers gates and points."""

    def __init__(self, answer: float) -> None:
        self.model, self.answer = Net().train(), answer
        self.gates: list[float] = []
        self.points: list[Tensor] = []

    def __call__(self, image: Tensor, prev_mask: Tensor, points: Tensor, *, gate: float) -> ModelOutput:
        self.gates.append(gate)
        self.points.append(points.clone())
        output: ModelOutput = self.model(image, prev_mask, points)
        output.logits = output.logits * 0 + self.answer
        return output


def always(rounds: int) -> GatedIterative:
    method = GatedIterative(GatedIterativeMethod(max_next_clicks=rounds), batch=2, seed=0, rank=0)

    class Fixed:
        def integers(self, *_bounds: int) -> int:
            return rounds

    method.rounds_rng = Fixed()  # type: ignore[assignment]
    return method


def play(rounds: int, spy: GatedSpy, items: Iterator[TrainingItem]) -> Batch:
    (part,) = always(rounds).rounds(spy.model, spy, items, CPU)
    return part.batch


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_only_the_very_first_pass_has_a_closed_gate(rounds: int) -> None:
    spy = GatedSpy(-9.0)
    play(rounds, spy, endless())
    assert spy.gates == [0.0] + [1.0] * rounds


@pytest.mark.parametrize(("answer", "is_positive"), [(-9.0, True), (9.0, False)])
def test_clicks_go_to_the_first_free_row_with_orders_above_all_others(answer: float, is_positive: bool) -> None:
    batch = play(3, GatedSpy(answer), endless(used=2))
    half = slice(0, ROWS) if is_positive else slice(ROWS, None)
    other = slice(ROWS, None) if is_positive else slice(0, ROWS)
    for points in batch.points:
        assert points[half, 2].tolist() == [100, 100, 101, 102, 103]
        assert points[other, 2].tolist() == [100, 100, -1, -1, -1]
    assert latest_rows(batch.points).tolist() == [4 if is_positive else 2 * ROWS - 1] * 2


def test_without_a_free_row_the_last_one_is_overwritten() -> None:
    batch = play(3, GatedSpy(-9.0), endless(used=ROWS))
    for points in batch.points:
        assert points[:ROWS, 2].tolist() == [100] * (ROWS - 1) + [103]


def test_an_item_without_error_gets_no_click() -> None:
    class Perfect(GatedSpy):
        def __call__(self, image: Tensor, prev_mask: Tensor, points: Tensor, *, gate: float) -> ModelOutput:
            output = super().__call__(image, prev_mask, points, gate=gate)
            truth = torch.stack([item(seed).object_mask for seed in range(2)]).float()
            output.logits = output.logits + truth * 20 - 10
            return output

    batch = play(2, Perfect(0.0), endless(used=2))
    assert torch.equal(batch.points, torch.stack([item(seed, used=2).points for seed in range(2)]))
    assert latest_rows(batch.points).tolist() == [ROWS + 1] * 2, "of equal orders the last row"


def changed(base: TrainingItem, mask: bool) -> TrainingItem:
    base.object_mask = torch.full_like(base.object_mask, mask)
    return base


def test_items_of_nothing_and_of_everything_are_redrawn() -> None:
    hidden = item(5)
    hidden.ignore_mask = ~hidden.object_mask
    items = iter([changed(item(3), False), item(0), changed(item(4), True), hidden, item(1), item(2)])
    batch = play(0, GatedSpy(0.0), items)
    assert torch.equal(batch.image, torch.stack([item(0).image, item(1).image]).float() / 255)
    assert next(items).image is not None, "no more were taken than needed"
    nothing = iter([changed(item(i), False) for i in range(100)])
    assert not play(0, GatedSpy(0.0), nothing).target.any(), "a stream of nothing else is trained as it is"
    assert len(list(nothing)) == 60


# Recipes


NAMES = sorted(name for name in RECIPES if name.startswith("srafs-") and name.endswith("-pack"))


def test_both_sizes_and_both_variants_have_a_recipe() -> None:
    assert [f"srafs-segformer-{size}-{kind}" for size in ("b0", "b3") for kind in ("pack", "released-pack")] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_published_numbers(name: str) -> None:
    recipe = get_recipe(name)
    is_released = "released" in name
    assert recipe.name == name
    assert recipe.model.architecture == name[: len("srafs-segformer-b0")]
    assert recipe.model.params == {"variant": "released" if is_released else "paper"}
    assert [term.loss for term in recipe.losses] == [
        "nfl",
        "affinity" if is_released else "attention_overlap",
        "attention_weight",
    ]
    assert {term.weight for term in recipe.losses} == {1.0}
    (phase,) = recipe.phases
    assert phase.height_width == (448, 448)
    assert (recipe.optimizer.name, recipe.optimizer.lr, recipe.optimizer.weight_decay) == ("adam", 5e-5, 0)
    assert recipe.schedule.milestones == (65 / 85,)
    assert recipe.method == GatedIterativeMethod(max_next_clicks=3, clicks_on_ignored=False)
    assert isinstance(recipe.items, PublishedItems)
    points = recipe.items.points
    assert (points.max_num_points, points.prob_gamma, points.first_click_center) == (24, 0.8, True)
    assert points.first_click_order == 0


# Runs


def small(recipe: Recipe, tiny: Recipe) -> Recipe:
    """A published recipe on the miniature pack."""
    return with_overrides(
        recipe.model_copy(
            update={
                "data": tiny.data,
                "phases": (Phase(size=64, batch=2, samples=4),),
                "validation": tiny.validation,
                "precision": "32",
            }
        ),
        ["items.min_object_area=20", "items.points.max_num_points=6"],
    )


def train(recipe: Recipe, root: Path, folder: Path, *, resume: bool = False, stop_after_s: float = 0.0) -> Path | None:
    options = RunOptions(data_root=root, device="cpu", workers=0, stop_after_s=stop_after_s)
    return Trainer(recipe, RunFolder(folder), options).run(resume=resume)


@pytest.mark.parametrize("name", ["srafs-segformer-b0-pack", "srafs-segformer-b0-released-pack"])
def test_a_run_stopped_after_every_step_equals_an_uninterrupted_one(
    name: str, tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    recipe = small(get_recipe(name), tiny_recipe)
    whole = train(recipe, pack_root, tmp_path / "whole")
    parts = train(recipe, pack_root, tmp_path / "parts", stop_after_s=1e-9)
    while parts is None:
        parts = train(recipe, pack_root, tmp_path / "parts", resume=True, stop_after_s=1e-9)
    assert whole is not None
    assert whole.read_bytes() == parts.read_bytes()
    record = json.loads((tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()[0])
    kind = "affinity" if "released" in name else "attention_overlap"
    for term in ("nfl@logits", f"{kind}@logits+attention", "attention_weight@logits+attention"):
        assert np.isfinite(record[f"loss/{term}"])
    assert 0 < record[f"loss/{kind}@logits+attention"] < 1


def test_the_released_network_trains_with_the_recipe_of_the_other(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path
) -> None:
    recipe = with_overrides(
        small(get_recipe("srafs-segformer-b0-pack"), tiny_recipe), ["model.params.variant=released"]
    )
    assert train(recipe, pack_root, tmp_path / "run") is not None


def test_a_model_without_attention_says_so(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    losses = get_recipe("srafs-segformer-b0-pack").losses
    changes: dict[str, Any] = {"losses": losses, "method": IterativeMethod(), "items": PublishedItems()}
    with pytest.raises(RecipeError, match="attention fields"):
        train(tiny_recipe.model_copy(update=changes), pack_root, tmp_path / "run")
