"""IGLR's method: gates, windows with the clicks made on the way, gradients of both stages, and exact resume."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from little import CPU, ROWS, Net, item
from torch import Tensor

from clickwise.data.stream import FocusItem, TrainingItem
from clickwise.data.trimap import boundary_trimap
from clickwise.errors import RecipeError
from clickwise.losses import make_loss
from clickwise.models.interface import Gate, ModelOutput
from clickwise.models.registry import build_model
from clickwise.recipes import get_recipe
from clickwise.training import loop
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.methods import make_method
from clickwise.training.methods.focus_iterative import FocusIterative
from clickwise.training.methods.iterative import Iterative
from clickwise.training.parts.items import FocusItems, FocusPart, PointsPart
from clickwise.training.parts.methods import FocusIterativeMethod, IterativeMethod
from clickwise.training.recipe import Phase, Recipe
from clickwise.training.run_folder import RunFolder
from clickwise.training.step import Batch, FocusBatch, Round, TwoStages, WeightedLoss, total_loss
from clickwise.training.views import get_view

WINDOW = (4.0, 2.0, 20.0, 14.0)
"""x1, y1, x2, y2 in a view of 24 x 24."""


def with_window(seed: int) -> TrainingItem:
    """The item of that number and a window of it at another size (random contents)."""
    rng = np.random.default_rng(1000 + seed)
    made = item(seed)
    made.focus = FocusItem(
        roi=torch.tensor(WINDOW) + seed % 3,
        image=torch.from_numpy(rng.integers(0, 255, (3, 16, 32)).astype(np.uint8)),
        object_mask=torch.from_numpy(rng.random((1, 16, 32)) < 0.5),
        ignore_mask=torch.from_numpy(rng.random((1, 16, 32)) < 0.1),
        trimap=torch.from_numpy(rng.random((1, 16, 32)).astype(np.float32)),
    )
    return made


def endless(first: int = 0) -> Iterator[TrainingItem]:
    while True:
        yield with_window(first)
        first += 1


@dataclass
class Call:
    gate: Gate
    focus: FocusBatch | None
    points: Tensor
    with_grad: bool


@dataclass
class Spy:
    """A forward pass that remembers what it was asked; the answer is always empty, so every click is positive."""

    model: Net
    calls: list[Call] = field(default_factory=list)

    def __call__(
        self,
        image: Tensor,
        prev_mask: Tensor,
        points: Tensor,
        *,
        gate: Gate = None,
        focus: FocusBatch | None = None,
        is_last: bool = True,
    ) -> ModelOutput:
        output: ModelOutput = self.model(image, prev_mask, points)
        output.logits = output.logits * 0 - 9
        self.calls.append(Call(gate, focus, points.clone(), torch.is_grad_enabled()))
        return output


def always(rounds: int, kind: type[Iterative] = FocusIterative) -> Iterative:
    """A method that plays that many rounds, whatever its generator says."""
    method = kind(FocusIterativeMethod(max_next_clicks=rounds), batch=2, seed=0, rank=0)

    class Fixed:
        bit_generator = method.rounds_rng.bit_generator

        def integers(self, *_bounds: int) -> int:
            return rounds

    method.rounds_rng = Fixed()  # type: ignore[assignment]
    return method


def played(rounds: int, kind: type[Iterative] = FocusIterative) -> tuple[Spy, Round]:
    torch.manual_seed(0)
    spy = Spy(Net().train())
    [part] = always(rounds, kind).rounds(spy.model, spy, endless(), CPU)
    return spy, part


# Gates, clicks and windows


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_the_gate_opens_after_the_first_pass(rounds: int) -> None:
    spy, _ = played(rounds)
    assert [call.gate for call in spy.calls] == [0.0] + [1.0] * rounds
    assert [call.with_grad for call in spy.calls] == [False] * rounds + [True]


@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_only_the_last_pass_looks_at_windows(rounds: int) -> None:
    spy, part = played(rounds)
    assert [call.focus is not None for call in spy.calls] == [False] * rounds + [True]
    focus = spy.calls[-1].focus
    assert focus is not None
    assert part.batch.focus is focus
    for number in range(2):
        given = with_window(number).focus
        assert given is not None
        torch.testing.assert_close(focus.image[number], given.image.float() / 255)
        assert torch.equal(focus.target[number], given.object_mask.float())
        assert torch.equal(focus.ignore_mask[number], given.ignore_mask)
        assert torch.equal(focus.trimap[number], given.trimap)
        assert focus.roi[number].tolist() == [number, *given.roi.tolist()]


@pytest.mark.parametrize("rounds", [0, 3])
def test_windows_hold_all_clicks_made_on_the_way(rounds: int) -> None:
    spy, part = played(rounds)
    focus = part.batch.focus
    assert focus is not None
    assert torch.equal(part.batch.points, spy.calls[-1].points)
    seen = 0
    for number in range(2):
        x1, y1, x2, y2 = focus.roi[number, 1:].tolist()
        for row in range(2 * ROWS):
            y, x, order = part.batch.points[number, row].tolist()
            if max(y, x) < 0:
                assert focus.points[number, row].tolist() == [y, x, order]
                continue
            mapped = [(y - y1) * 16 / (y2 - y1), (x - x1) * 32 / (x2 - x1), order]
            torch.testing.assert_close(focus.points[number, row], torch.tensor(mapped))
            seen += int(order in range(1, 4))
    assert seen == 2 * rounds


def test_clicks_are_those_of_the_plain_method() -> None:
    class Plain(Iterative):
        def __init__(self, options: IterativeMethod, **shares: int) -> None:
            super().__init__(options, **shares)

    (ours, _), (theirs, _) = played(3), played(3, Plain)
    assert len(ours.calls) == len(theirs.calls) == 4
    for mine, other in zip(ours.calls, theirs.calls, strict=True):
        assert torch.equal(mine.points, other.points)
    assert theirs.calls[-1].gate is None


def test_items_without_windows_say_so() -> None:
    method = make_method(FocusIterativeMethod(), batch=1, seed=0, rank=0)
    assert isinstance(method, FocusIterative)
    net = Net()
    with pytest.raises(RecipeError, match="without windows; use items of the kind 'focus'"):
        next(iter(method.rounds(net, Spy(net), iter([item(0)]), CPU)))


# The network


def terms() -> list[WeightedLoss]:
    found = get_recipe("iglr-segformer-b0-pack").losses
    return [WeightedLoss(t.loss, make_loss(t.loss, **t.options), t.weight, get_view(t.output)) for t in found]


def fixed_batch(side: int = 32) -> Batch:
    """Two discs on noise, windows about them."""
    rng = np.random.default_rng(0)
    ys, xs = np.mgrid[:side, :side]
    disc = torch.from_numpy(((ys - 15) ** 2 + (xs - 17) ** 2 < 9**2).astype(np.float32)).expand(2, 1, side, side)
    image = torch.from_numpy(rng.random((2, 3, side, side)).astype(np.float32)) * 0.4 + 0.5 * disc
    points = torch.full((2, 8, 3), -1.0)
    points[:, 0] = torch.tensor((15.0, 17.0, 0.0))
    edge = torch.from_numpy(boundary_trimap(disc[0, 0].numpy() > 0)).float().expand(2, 1, side, side)
    nothing = torch.zeros(2, 1, side, side, dtype=torch.bool)
    roi = torch.tensor([(0.0, 0, 0, side, side), (1.0, 0, 0, side, side)])
    focus = FocusBatch(image, points, roi, disc, edge, nothing)
    return Batch(image, torch.zeros(2, 1, side, side), points, disc, nothing, torch.zeros(2), focus)


def test_both_stages_learn_a_fixed_batch() -> None:
    """All losses are finite and fall, and no parameter is left without gradient (processes would wait for it)."""
    torch.manual_seed(0)
    model = TwoStages(build_model("iglr-segformer-b0")).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    batch, history = fixed_batch(), []
    for step in range(14):
        output = model(batch.image, batch.prev_mask, batch.points, float(step % 2), batch.focus)
        loss, parts = total_loss(terms(), output, batch)
        optimizer.zero_grad()
        loss.backward()
        assert not [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
        if step % 2:
            refiner = [p.grad.abs().max() for n, p in model.named_parameters() if n.startswith("network.refiner")]
            assert min(refiner) > 0
        optimizer.step()
        history.append([float(value) for value in (loss.detach(), *parts.values())])
    start, end = np.mean(history[:2], axis=0), np.mean(history[-2:], axis=0)
    assert np.isfinite(history).all()
    assert start[0] < 2.5, "the first layers of a random network must not answer with certainty"
    assert (end < 0.8 * start).all(), (start, end)


# Runs


@pytest.fixture
def iglr_recipe(tiny_recipe: Recipe) -> Recipe:
    """IGLR's recipe on the miniature pack, two steps at 32 x 32."""
    recipe = get_recipe("iglr-segformer-b0-pack")
    changes: dict[str, Any] = {
        "data": tiny_recipe.data,
        "items": FocusItems(
            min_area=20,
            least_component=15,
            points=PointsPart(max_num_points=6, first_click_center=True),
            focus=FocusPart(small_area=60, least_side=8),
        ),
        "phases": (Phase(size=32, batch=2, samples=4),),
        "validation": tiny_recipe.validation,
        "precision": "32",
    }
    return recipe.model_copy(update=changes)


def train(recipe: Recipe, root: Path, folder: Path, *, resume: bool = False, stop_after_s: float = 0.0) -> Path | None:
    options = RunOptions(data_root=root, device="cpu", workers=0, stop_after_s=stop_after_s)
    return Trainer(recipe, RunFolder(folder), options).run(resume=resume)


def records(folder: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "s_per" not in key and "wait" not in key} for line in lines]


def test_a_run_stopped_after_every_step_equals_an_uninterrupted_one(
    iglr_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    whole = train(iglr_recipe, pack_root, tmp_path / "whole")
    parts = train(iglr_recipe, pack_root, tmp_path / "parts", stop_after_s=1e-9)
    assert parts is None
    while parts is None:
        parts = train(iglr_recipe, pack_root, tmp_path / "parts", resume=True, stop_after_s=1e-9)
    assert whole is not None
    assert whole.read_bytes() == parts.read_bytes()
    losses = {"loss/nfl@logits", "loss/bce@boundary_logits", "loss/weighted_nfl@refined_logits+trimap"}
    for ours, theirs in zip(records(tmp_path / "whole"), records(tmp_path / "parts"), strict=True):
        assert losses <= set(ours)
        assert all(ours[name] == theirs[name] for name in (*losses, "loss", "grad_norm"))


def test_the_network_sees_gates_and_windows_in_a_run(
    iglr_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = type(build_model("iglr-segformer-b0"))
    asked: list[Any] = []
    real_look, real_refine = kind.predict_logits, kind.refine

    def look(self: Any, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        asked.append(gate)
        return real_look(self, image, prev_mask, points, gate)

    def refine(self: Any, *args: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        asked.append("refine")
        return real_refine(self, *args)

    monkeypatch.setattr(kind, "predict_logits", look)
    monkeypatch.setattr(kind, "refine", refine)
    recipe = iglr_recipe.model_copy(update={"phases": (Phase(size=32, batch=2, samples=10),)})
    train(recipe, pack_root, tmp_path / "run")
    steps = " ".join(map(str, asked)).split("refine")
    assert len(steps) == 6
    assert steps.pop() == ""
    allowed = ["0.0" + " 1.0" * rounds for rounds in range(4)]
    assert {step.strip() for step in steps} <= set(allowed)
    assert len({step.strip() for step in steps}) > 1


def test_each_loss_sees_its_own_stage_and_truth() -> None:
    batch = fixed_batch()
    assert batch.focus is not None
    output = ModelOutput(*(torch.randn(2, 1, 32, 32) for _ in range(6)))
    batch.focus.trimap, batch.focus.ignore_mask = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32) < 0.5
    expected = {
        "logits": (output.logits, batch.target, batch.ignore_mask),
        "boundary_logits": (output.boundary_logits, batch.focus.trimap, batch.focus.ignore_mask),
        "refined_logits+trimap": (
            output.refined_logits, batch.focus.target, batch.focus.ignore_mask, batch.focus.trimap,
        ),
    }  # fmt: skip
    for name, tensors in expected.items():
        found = get_view(name)(output, batch)
        assert all(torch.equal(a, b) for a, b in zip(found, tensors, strict=True)), name
