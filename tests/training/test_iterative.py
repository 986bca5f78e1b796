"""RITM's iterative method: where its clicks go, what its inner rounds leave untouched, and exact resume."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from little import CPU, ROWS, SIZE, Net, Spy, endless, item
from torch import Tensor

from clickwise.clicks.training_click import training_click_candidates
from clickwise.data.stream import TrainingItem
from clickwise.errors import RecipeError
from clickwise.models.interface import Gate, ModelOutput
from clickwise.models.registry import build_model
from clickwise.training import loop
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.methods import METHODS, make_method
from clickwise.training.methods.iterative import Iterative
from clickwise.training.parts.items import PointsPart, PublishedItems
from clickwise.training.parts.methods import AnyMethod, IterativeMethod
from clickwise.training.recipe import LossTerm, ModelPart, Phase, Recipe
from clickwise.training.run_folder import RunFolder
from clickwise.training.start_weights import thaw
from clickwise.training.step import Batch, Forward, Round

TENSORS = tuple(name for name in Batch.__slots__ if name != "focus")


def always(rounds: int, **options: Any) -> Iterative:
    """A method that plays that many rounds, whatever its generator says."""
    method = Iterative(IterativeMethod(max_next_clicks=rounds, **options), batch=2, seed=0, rank=0)

    class Fixed:
        bit_generator = method.rounds_rng.bit_generator

        def integers(self, *_bounds: int) -> int:
            return rounds

    method.rounds_rng = Fixed()  # type: ignore[assignment]
    return method


def take(method: Iterative, spy: Spy, items: Iterator[TrainingItem]) -> Batch:
    part = only_round(method, spy.model, spy, items)
    assert part.output.logits.requires_grad
    return part.batch


def only_round(method: Iterative, model: Net, forward: Forward, items: Iterator[TrainingItem]) -> Round:
    [part] = method.rounds(model, forward, items, CPU)
    return part


@pytest.fixture
def model() -> Net:
    torch.manual_seed(0)
    net = Net()
    net.train()
    return net


# Clicks


@pytest.mark.parametrize(("answer", "is_positive"), [(-9.0, True), (9.0, False)])
def test_clicks_fill_their_half_from_the_end_and_carry_their_number(
    model: Net, answer: float, is_positive: bool
) -> None:
    spy = Spy(model, answer)
    batch = take(always(3), spy, endless())
    assert len(spy.calls) == 4
    for number, call in enumerate(spy.calls):
        for sample in range(2):
            expected = item(sample).points
            rows = [(ROWS if is_positive else 2 * ROWS) - c for c in range(1, number + 1)]
            others = [row for row in range(2 * ROWS) if row not in rows]
            assert torch.equal(call.points[sample, others], expected[others])
            probs = np.full((SIZE, SIZE), 1 / (1 + np.exp(-answer)), dtype=np.float32)
            found = training_click_candidates(item(sample).object_mask[0].numpy(), probs)
            assert found.is_positive == is_positive
            for c, row in enumerate(rows, start=1):
                y, x, order = call.points[sample, row].tolist()
                assert order == c
                assert found.mask[int(y), int(x)]
    assert torch.equal(batch.points, spy.calls[-1].points)
    assert batch.click_round.tolist() == [3, 3]


def test_a_random_point_is_overwritten_only_when_all_rows_are_used(model: Net) -> None:
    batch = take(always(2), Spy(model, -9.0), endless(used=ROWS))
    assert batch.points[0, :, 2].tolist() == [100, 100, 100, 2, 1] + [100] * ROWS


def test_a_perfect_answer_gets_no_click() -> None:
    class Perfect(Net):
        def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
            truth = torch.stack([item(seed).object_mask for seed in range(2)]).float()
            return ModelOutput(truth * 20 - 10 + 0 * self.layers[0].bias.sum())

    perfect = Perfect().train()
    batch = take(always(3), Spy(perfect), endless())
    assert torch.equal(batch.points, torch.stack([item(seed).points for seed in range(2)]))


@pytest.mark.parametrize("on_ignored", [True, False])
def test_ignored_pixels_are_background_by_the_published_rule(model: Net, on_ignored: bool) -> None:
    """Everything but the disc is wrong; only the published rule may click in the ignored rows."""
    method = always(1, clicks_on_ignored=on_ignored)
    in_ignored = 0
    for first in range(0, 60, 2):
        batch = take(method, Spy(model, 9.0), endless(first, ignored=True))
        in_ignored += int((batch.points[:, -1, 0] < 6).sum())
    assert (in_ignored > 0) == on_ignored


def test_the_item_itself_stays_as_it_was(model: Net) -> None:
    items = [item(0), item(1)]
    take(always(2), Spy(model), iter(items))
    assert torch.equal(items[0].points, item(0).points)


def test_more_rounds_than_rows_is_an_error(model: Net) -> None:
    with pytest.raises(RecipeError, match=r"max_next_clicks is 6.*5 clicks per sign"):
        take(always(6), Spy(model), endless())


# Rounds


def test_the_soft_answer_is_the_next_previous_mask(model: Net) -> None:
    spy = Spy(model)
    batch = take(always(3), spy, endless())
    assert not spy.calls[0].prev_mask.any()
    for before, after in zip(spy.calls, spy.calls[1:], strict=False):
        assert torch.equal(after.prev_mask, torch.sigmoid(before.logits))
    assert torch.equal(batch.prev_mask, spy.calls[-1].prev_mask)
    assert len(batch.prev_mask.unique()) > 2


def test_inner_rounds_run_in_eval_mode_without_gradient_and_leave_no_trace(model: Net) -> None:
    spy = Spy(model)
    statistics = {name: value.clone() for name, value in model.named_buffers()}
    kept: list[dict[str, Tensor]] = []
    forward = spy.__call__

    def watched(image: Tensor, prev_mask: Tensor, points: Tensor) -> ModelOutput:
        kept.append({name: value.clone() for name, value in model.named_buffers()})
        return forward(image, prev_mask, points)

    part = only_round(always(3), model, watched, endless())
    batch, output = part.batch, part.output
    assert [call.with_grad for call in spy.calls] == [False] * 3 + [True]
    assert [call.training for call in spy.calls] == [False] * 3 + [True]
    assert model.training
    for before in kept:
        assert all(torch.equal(before[name], value) for name, value in statistics.items())
    assert model.layers[1].num_batches_tracked == 1
    assert not batch.prev_mask.requires_grad
    assert all(not call.logits.requires_grad for call in spy.calls[:-1])
    assert output.logits.requires_grad


def test_gradient_is_that_of_the_last_pass_alone(model: Net) -> None:
    model.layers[3].p = 0.0
    part = only_round(always(3), model, Spy(model), endless())
    batch, output = part.batch, part.output
    output.logits.square().mean().backward()
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    model(batch.image, batch.prev_mask.clone(), batch.points).logits.square().mean().backward()
    again = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(found) == len(again) == 6
    assert all(torch.equal(a, b) for a, b in zip(found, again, strict=True))


def test_a_failing_round_leaves_train_mode(model: Net) -> None:
    def fails(image: Tensor, prev_mask: Tensor, points: Tensor) -> ModelOutput:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        only_round(always(1), model, fails, endless())
    assert model.training


def test_the_number_of_rounds_is_uniform_and_alike_on_all_ranks(model: Net) -> None:
    steps = 300
    rounds = []
    for rank in (0, 1):
        method = Iterative(IterativeMethod(max_next_clicks=3), batch=1, seed=7, rank=rank)
        method._play = lambda *_: None  # type: ignore[method-assign]
        rounds.append([int(take(method, Spy(model), endless()).click_round[0]) for _ in range(steps)])
    assert rounds[0] == rounds[1]
    shares = np.bincount(rounds[0], minlength=4) / steps
    assert len(shares) == 4
    assert np.abs(shares - 0.25).max() < 4.5 * np.sqrt(0.25 * 0.75 / steps)


def test_ranks_and_seeds_click_at_places_of_their_own(model: Net) -> None:
    def clicks(seed: int, rank: int) -> Tensor:
        method = Iterative(IterativeMethod(max_next_clicks=3), batch=2, seed=seed, rank=rank)
        return torch.stack([take(method, Spy(model, -9.0), endless()).points for _ in range(6)])

    assert torch.equal(clicks(0, 0), clicks(0, 0))
    assert not torch.equal(clicks(0, 0), clicks(0, 1))
    assert not torch.equal(clicks(0, 0), clicks(1, 0))


def test_without_rounds_it_is_plain_training(model: Net) -> None:
    spy = Spy(model)
    batch = take(Iterative(IterativeMethod(max_next_clicks=0), batch=2, seed=0, rank=0), spy, endless())
    assert len(spy.calls) == 1
    assert not batch.prev_mask.any()
    assert batch.image.max() <= 1
    assert batch.target.dtype == torch.float32


@pytest.mark.parametrize("prob", [0.0, 0.5, 1.0])
def test_previous_masks_are_dropped_per_picture(model: Net, prob: float) -> None:
    method = always(1, prev_mask_drop_prob=prob)
    dropped = []
    for _ in range(60):
        batch = take(method, Spy(model, 9.0), endless())
        dropped += [not mask.any() for mask in batch.prev_mask]
    assert abs(np.mean(dropped) - prob) <= 4.5 * np.sqrt(prob * (1 - prob) / 120)
    assert batch.points[0, 2 * ROWS - 1, 2] == 1, "the clicks stay"


def test_soft_targets_reach_the_loss(model: Net) -> None:
    soft = item(0)
    soft.object_mask = soft.object_mask.float() * 0.7
    batch = take(always(1), Spy(model, -9.0), iter([soft, soft]))
    assert batch.target.max() == torch.tensor(0.7)
    assert batch.points[0, ROWS - 1, 2] == 1


# Resume


def test_state_survives_a_file_and_gives_the_identical_next_batch(model: Net) -> None:
    options = IterativeMethod(max_next_clicks=3, prev_mask_drop_prob=0.3)
    method = make_method(options, batch=2, seed=1, rank=1)
    for _ in range(5):
        only_round(method, model, Spy(model), endless())
    buffer = io.BytesIO()
    torch.save(method.state_dict(), buffer)
    buffer.seek(0)
    resumed = make_method(options, batch=2, seed=1, rank=1)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    for step in range(6):
        batches = []
        for each in (method, resumed):
            torch.manual_seed(step)
            frozen = {name: value.clone() for name, value in model.state_dict().items()}
            batches.append(only_round(each, model, Spy(model), endless(100 * step)).batch)
            model.load_state_dict(frozen)
        for name in TENSORS:
            assert torch.equal(getattr(batches[0], name), getattr(batches[1], name)), name


def test_every_method_part_has_its_class() -> None:
    union, _ = get_args(AnyMethod)
    assert set(METHODS) == set(get_args(union))
    assert isinstance(make_method(IterativeMethod(), batch=1, seed=0, rank=0), Iterative)


def records(folder: Path) -> list[dict[str, float]]:
    """What decides a run, per step; running means that are only logged may begin anew."""
    kept = {"step", "samples", "loss", "loss/nfl@logits", "loss/bce@aux_logits", "rate_factor", "grad_norm"}
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key in kept} for line in lines]


def test_a_run_of_ritm_stopped_after_every_step_equals_an_uninterrupted_one(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    changes: dict[str, Any] = {
        "model": ModelPart(architecture="ritm-hrnet18s"),
        "items": PublishedItems(min_object_area=20, points=PointsPart(max_num_points=6)),
        "method": IterativeMethod(max_next_clicks=2),
        "losses": (LossTerm(loss="nfl"), LossTerm(loss="bce", weight=0.4, output="aux_logits")),
        "phases": (Phase(size=(64, 64), batch=2, samples=4),),
        "ema_decay": 0.0,
    }
    recipe = tiny_recipe.model_copy(update=changes)

    def train(name: str, *, resume: bool = False, stop_after_s: float = 0.0) -> Path | None:
        folder = RunFolder(tmp_path / name)
        options = RunOptions(data_root=pack_root, device="cpu", workers=0, stop_after_s=stop_after_s)
        trainer = Trainer(recipe, folder, options)
        return trainer.run(resume=resume)

    whole = train("whole")
    parts = train("parts", stop_after_s=1e-9)
    while parts is None:
        parts = train("parts", resume=True, stop_after_s=1e-9)
    assert records(tmp_path / "parts") == records(tmp_path / "whole")
    assert [len(record) for record in records(tmp_path / "whole")] == [7, 7]
    assert whole is not None
    assert whole.read_bytes() == parts.read_bytes()


def test_parts_that_never_run_stay_out_of_training() -> None:
    """RITM's query and key take no gradient: a distributed step must not wait for one."""
    model = build_model("ritm-hrnet18s")
    thaw(model, ())
    still = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert still
    assert all(name.startswith(("head.attention.query", "head.attention.key")) for name in still)
    thaw(model, ("backbone",))
    assert not any(p.requires_grad for p in model.backbone.parameters())  # type: ignore[union-attr]
