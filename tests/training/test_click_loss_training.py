"""CFR-ICL's method: its loss is the class's, nothing flows between its passes, and one graph lives at a time."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from little import CPU, ROWS, SIZE, Net, Spy, endless, item
from torch import Tensor
from torch.distributed import destroy_process_group
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from clickwise.clicks.training_click import training_click_candidates
from clickwise.data.stream import TrainingItem
from clickwise.errors import RecipeError
from clickwise.losses import NormalizedFocalLoss
from clickwise.losses.iterative_click import ICL_WEIGHTS, IterativeClickLoss
from clickwise.models.interface import ModelOutput
from clickwise.training import loop
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.methods import make_method
from clickwise.training.methods.iterative_click import IterativeClick
from clickwise.training.parts.methods import IterativeClickMethod
from clickwise.training.recipe import Phase, Recipe, with_overrides
from clickwise.training.run_folder import RunFolder
from clickwise.training.step import Round, WeightedLoss, total_loss
from clickwise.training.views import get_view

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "losses.npz")


def always(steps: int, batch: int = 2, **options: Any) -> IterativeClick:
    """A method that makes that many passes, whatever its generator says."""
    method = IterativeClick(IterativeClickMethod(**options), batch=batch, seed=0, rank=0)

    class Fixed:
        bit_generator = method.rounds_rng.bit_generator

        def integers(self, *_bounds: int) -> int:
            return steps - 1

    method.rounds_rng = Fixed()  # type: ignore[assignment]
    return method


def loss_of(part: Round) -> Tensor:
    term = WeightedLoss("nfl", NormalizedFocalLoss(alpha=0.5), 1.0, get_view("logits"))
    return part.weight * total_loss([term], part.output, part.batch)[0]


@pytest.fixture
def model() -> Net:
    torch.manual_seed(0)
    net = Net()
    net.layers[3].p = 0.0
    net.train()
    return net


# Loss


def test_the_published_weights_are_the_default() -> None:
    assert IterativeClickMethod().weights == ICL_WEIGHTS


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_rounds_sum_to_the_golden_loss(steps: int, model: Net) -> None:
    logits = [torch.from_numpy(step) for step in GOLDEN["icl_logits"]]
    target = torch.from_numpy(GOLDEN["label"]).float()
    answers = iter(logits)

    def forward(image: Tensor, prev_mask: Tensor, points: Tensor, *, is_last: bool = True) -> ModelOutput:
        return ModelOutput(next(answers))

    count, _, height, width = target.shape
    picture = TrainingItem(
        image=torch.zeros(3, height, width, dtype=torch.uint8),
        object_mask=target[0],
        ignore_mask=torch.zeros(1, height, width, dtype=torch.bool),
        points=torch.full((2 * ROWS, 3), -1.0),
        prev_mask=torch.zeros(1, height, width),
    )
    items = [TrainingItem(picture.image, t, picture.ignore_mask, picture.points, picture.prev_mask) for t in target]
    rounds = list(always(steps, batch=count).rounds(model, forward, iter(items), CPU))
    total = sum(float(loss_of(part)) for part in rounds)
    assert total == pytest.approx(float(GOLDEN["out__icl_weights_1_2_3"][steps - 1]), rel=1e-5)
    assert total == pytest.approx(float(IterativeClickLoss()(logits[:steps], target)), rel=1e-6)


def test_gradients_are_those_of_the_whole_sum(model: Net) -> None:
    """Backward after each pass, as the loop does it, against the loss class on all answers at once."""
    rounds = []
    for part in always(3).rounds(model, Spy(model), endless(), CPU):
        loss_of(part).backward()
        rounds.append(part)
    found = [p.grad.clone() for p in model.parameters() if p.grad is not None]
    model.zero_grad()
    answers = [model(part.batch.image, part.batch.prev_mask, part.batch.points).logits for part in rounds]
    IterativeClickLoss()(answers, rounds[0].batch.target, rounds[0].batch.ignore_mask).backward()
    again = [p.grad for p in model.parameters() if p.grad is not None]
    assert len(found) == len(again) == 6
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found, again, strict=True))


def test_one_graph_at_a_time(model: Net) -> None:
    """When a pass begins, no tensor that an earlier pass kept for its gradient is alive."""
    alive: set[int] = set()
    at_start: list[int] = []

    class Kept:
        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor
            alive.add(id(self))

        def __del__(self) -> None:
            alive.discard(id(self))

    def forward(image: Tensor, prev_mask: Tensor, points: Tensor, *, is_last: bool = True) -> ModelOutput:
        at_start.append(len(alive))
        output: ModelOutput = model(image, prev_mask, points)
        return output

    with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
        for part in always(3).rounds(model, forward, endless(), CPU):
            assert alive
            loss_of(part).backward()
    assert at_start == [0, 0, 0]


# Passes


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_every_pass_has_gradient_in_train_mode_and_a_growing_weight(steps: int, model: Net) -> None:
    spy = Spy(model)
    rounds = list(always(steps).rounds(model, spy, endless(), CPU))
    assert [part.weight for part in rounds] == [1.0, 2.0, 3.0][:steps]
    assert [part.is_last for part in rounds] == [call.is_last for call in spy.calls]
    assert [part.is_last for part in rounds] == [False, False, True][-steps:], (
        "gradients are exchanged once, at the end"
    )
    assert all(call.with_grad and call.training for call in spy.calls)
    assert all(part.output.logits.requires_grad for part in rounds)
    assert model.layers[1].num_batches_tracked == steps
    assert [part.batch.click_round.tolist() for part in rounds] == [[0, 0], [1, 1], [2, 2]][:steps]


def test_the_soft_answer_goes_in_again_without_its_gradient(model: Net) -> None:
    spy = Spy(model)
    rounds = list(always(3).rounds(model, spy, endless(), CPU))
    assert not spy.calls[0].prev_mask.any()
    for before, part in pairwise(rounds):
        assert torch.equal(part.batch.prev_mask, torch.sigmoid(before.output.logits.detach()))
        assert not part.batch.prev_mask.requires_grad


@pytest.mark.parametrize(("answer", "is_positive"), [(-9.0, True), (9.0, False)])
def test_clicks_are_added_one_by_one_in_unused_rows(model: Net, answer: float, is_positive: bool) -> None:
    spy = Spy(model, answer)
    rounds = list(always(3).rounds(model, spy, endless(), CPU))
    for number, part in enumerate(rounds):
        assert torch.equal(part.batch.points, spy.calls[number].points), "rounds given out stay what they were"
        for sample in range(2):
            start = item(sample).points
            rows = [(0 if is_positive else ROWS) + 1 + c for c in range(number)]
            others = [row for row in range(2 * ROWS) if row not in rows]
            assert torch.equal(part.batch.points[sample, others], start[others])
            probs = np.full((SIZE, SIZE), 1 / (1 + np.exp(-answer)), dtype=np.float32)
            found = training_click_candidates(item(sample).object_mask[0].numpy(), probs)
            for row in rows:
                y, x, _ = part.batch.points[sample, row].tolist()
                assert found.mask[int(y), int(x)]


def test_a_full_half_loses_its_last_point(model: Net) -> None:
    last = list(always(2).rounds(model, Spy(model, -9.0), endless(used=ROWS), CPU))[-1].batch
    changed = (last.points[0] != item(0, used=ROWS).points).any(dim=1).nonzero().flatten().tolist()
    assert changed == [ROWS - 1]


def test_without_random_points_the_first_click_is_that_of_an_empty_mask(model: Net) -> None:
    first = next(iter(always(1, use_random_clicks=False).rounds(model, Spy(model), endless(), CPU))).batch
    for sample in range(2):
        assert (first.points[sample, :, 2] >= 0).nonzero().flatten().tolist() == [0]
        empty = np.zeros((SIZE, SIZE), dtype=np.float32)
        found = training_click_candidates(item(sample).object_mask[0].numpy(), empty)
        y, x, _ = first.points[sample, 0].tolist()
        assert found.is_positive
        assert found.mask[int(y), int(x)]


def test_ignored_pixels_are_clicked_only_by_the_published_rule(model: Net) -> None:
    for on_ignored in (True, False):
        method = always(2, clicks_on_ignored=on_ignored)
        rows = []
        for first in range(0, 60, 2):
            batch = list(method.rounds(model, Spy(model, 9.0), endless(first, ignored=True), CPU))[-1].batch
            rows += batch.points[:, ROWS + 1, 0].tolist()
        assert any(y < 6 for y in rows) == on_ignored


def test_items_stay_as_they_were(model: Net) -> None:
    items = [item(0), item(1)]
    list(always(3, use_random_clicks=False).rounds(model, Spy(model), iter(items), CPU))
    assert torch.equal(items[0].points, item(0).points)


def test_the_number_of_passes_is_uniform_and_alike_on_all_ranks(model: Net) -> None:
    steps, counts = 300, []

    def forward(image: Tensor, prev_mask: Tensor, points: Tensor, *, is_last: bool = True) -> ModelOutput:
        return ModelOutput(prev_mask)

    for rank in (0, 1):
        method = IterativeClick(IterativeClickMethod(), batch=1, seed=7, rank=rank)
        counts.append([len(list(method.rounds(model, forward, endless(), CPU))) for _ in range(steps)])
    assert counts[0] == counts[1]
    shares = np.bincount(counts[0], minlength=4) / steps
    assert shares[0] == 0
    assert np.abs(shares[1:] - 1 / 3).max() < 4.5 * np.sqrt(1 / 3 * 2 / 3 / steps)


def test_ranks_click_at_places_of_their_own(model: Net) -> None:
    def clicks(rank: int) -> Tensor:
        method = IterativeClick(IterativeClickMethod(), batch=2, seed=0, rank=rank)
        spy = Spy(model, -9.0)
        return torch.stack([list(method.rounds(model, spy, endless(), CPU))[-1].batch.points for _ in range(4)])

    assert torch.equal(clicks(0), clicks(0))
    assert not torch.equal(clicks(0), clicks(1))


@pytest.mark.parametrize("assignment", ["method.weights=[]", "method.weights=[1, 0]", "method.weights=[1, -2]"])
def test_weights_without_meaning_are_refused(tiny_recipe: Recipe, assignment: str) -> None:
    recipe = tiny_recipe.model_copy(update={"method": IterativeClickMethod()})
    with pytest.raises(RecipeError, match=r"method\.weights"):
        with_overrides(recipe, [assignment])


# Processes


def test_processes_exchange_gradients_once_per_step(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group of one process; what DDP would send is counted by the pass it belongs to."""
    monkeypatch.setattr(loop, "make_fabric", lambda *_: one_process())
    environment = dict(os.environ)
    recipe = tiny_recipe.model_copy(update={"method": IterativeClickMethod(), "ema_decay": 0.0})
    options = RunOptions(data_root=pack_root, device="cpu", workers=0)
    trainer = Trainer(recipe, RunFolder(tmp_path / "run"), options)
    wrapped = trainer.model._forward_module
    assert isinstance(wrapped, DistributedDataParallel)
    sent: list[bool] = []
    passes: list[bool] = []

    def hook(_state, bucket):  # type: ignore[no-untyped-def]
        sent.append(passes[-1])
        done: Future[Tensor] = Future()
        done.set_result(bucket.buffer())
        return done

    def forward(*inputs: Any, is_last: bool = True, **options: Any) -> ModelOutput:
        passes.append(is_last)
        return Trainer._forward(trainer, *inputs, is_last=is_last, **options)

    wrapped.register_comm_hook(None, hook)
    monkeypatch.setattr(trainer, "_forward", forward)
    try:
        trainer.time_steps(4, lambda: None)
    finally:
        destroy_process_group()
        os.environ.clear()
        os.environ.update(environment)
    assert passes.count(True) == 4
    assert passes.count(False) >= 2
    assert len(sent) >= 4
    assert all(sent), "nothing is sent before the last pass"


def one_process() -> Any:
    fabric = Fabric(accelerator="cpu", strategy="ddp", devices=1, precision="32-true")
    fabric.launch()
    return fabric


# Resume


def test_state_survives_a_file(model: Net) -> None:
    def batches(method: Any, items: Iterator[TrainingItem]) -> list[Tensor]:
        return [part.batch.points for _ in range(4) for part in method.rounds(model, Spy(model, -9.0), items, CPU)]

    method = make_method(IterativeClickMethod(), batch=2, seed=1, rank=1)
    batches(method, endless())
    buffer = io.BytesIO()
    torch.save(method.state_dict(), buffer)
    buffer.seek(0)
    resumed = make_method(IterativeClickMethod(), batch=2, seed=1, rank=1)
    resumed.load_state_dict(torch.load(buffer, weights_only=True))
    one, other = batches(method, endless(50)), batches(resumed, endless(50))
    assert len(one) == len(other)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_run_stopped_after_every_step_equals_an_uninterrupted_one(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    phases = (Phase(size=64, batch=2, samples=6),)
    recipe = tiny_recipe.model_copy(update={"method": IterativeClickMethod(), "phases": phases, "ema_decay": 0.0})

    def train(name: str, *, resume: bool = False, stop_after_s: float = 0.0) -> Path | None:
        options = RunOptions(data_root=pack_root, device="cpu", workers=0, stop_after_s=stop_after_s)
        return Trainer(recipe, RunFolder(tmp_path / name), options).run(resume=resume)

    whole = train("whole")
    parts = train("parts", stop_after_s=1e-9)
    while parts is None:
        parts = train("parts", resume=True, stop_after_s=1e-9)
    assert whole is not None
    assert whole.read_bytes() == parts.read_bytes()
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert len(lines) == 3
    assert all(np.isfinite(line["loss"]) for line in lines)
