"""What is logged: IoU after each click round, rates, speed; the line on a terminal; curves of all validations."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clickwise.evaluation.ranks import Ranks
from clickwise.losses import make_loss
from clickwise.models.interface import ModelOutput
from clickwise.training import loop, progress
from clickwise.training.curve_picture import curve_picture
from clickwise.training.journal import StepRecord
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.optim import make_optimizer, rates, set_rate
from clickwise.training.parts.methods import IterativeClickMethod, IterativeMethod
from clickwise.training.progress import duration, training_progress
from clickwise.training.recipe import OptimizerPart, Phase, Recipe
from clickwise.training.run_folder import RunFolder
from clickwise.training.step import Batch, Round, WeightedLoss
from clickwise.training.validation import iou_curves
from clickwise.training.views import get_view


def batch(click_round: list[int]) -> Batch:
    """Items of 4 x 4 pixels whose object is the left half."""
    count = len(click_round)
    target = torch.zeros(count, 1, 4, 4)
    target[..., :2] = 1
    nothing = torch.zeros_like(target)
    rounds = torch.tensor(click_round)
    return Batch(nothing.expand(-1, 3, -1, -1), nothing, torch.zeros(count, 2, 3), target, nothing.bool(), rounds)


def answer(columns: int, count: int) -> torch.Tensor:
    """Logits that say that so many columns from the left are object: IoU columns / 2 up to 2."""
    logits = torch.full((count, 1, 4, 4), -5.0)
    logits[..., :columns] = 5.0
    return logits


def test_iou_after_every_click_round() -> None:
    record = StepRecord(keeps_answers=True)
    for columns in (0, 1, 2):
        record.saw(answer(columns, 2))
    record.add(Round(batch([2, 2]), ModelOutput(answer(2, 2))), torch.tensor(1.5), {"nfl": torch.tensor(0.5)})
    numbers = record.numbers([], {"ema_iou": 0.75}, Ranks())
    assert [numbers[f"iou/round{k}"] for k in range(3)] == [0.0, 0.5, 1.0]
    assert (numbers["loss"], numbers["loss/nfl"], numbers["metric/ema_iou"]) == (1.5, 0.5, 0.75)
    assert "iou/round3" not in numbers


def test_slots_at_different_clicks_and_parts_of_a_batch() -> None:
    record = StepRecord(keeps_answers=True)
    for number, columns in enumerate((1, 2)):
        record.saw(answer(columns, 2))
        found = Round(batch([0, 1]), ModelOutput(answer(columns, 2)), is_last=number == 1, is_last_of_part=True)
        record.add(found, torch.tensor(1.0), {"nfl": torch.tensor(float(number))})
    numbers = record.numbers([], {}, Ranks())
    assert (numbers["iou/round0"], numbers["iou/round1"]) == (0.75, 0.75)
    assert (numbers["loss"], numbers["loss/nfl"]) == (2.0, 0.5)


@pytest.mark.parametrize("method", [IterativeMethod(max_next_clicks=2, min_next_clicks=2), IterativeClickMethod()])
def test_a_run_logs_rounds_rates_and_speed(
    method: Any, tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)
    recipe = tiny_recipe.model_copy(update={"method": method, "phases": (Phase(size=32, batch=2, samples=6),)})
    Trainer(recipe, RunFolder(tmp_path / "run"), RunOptions(pack_root, "cpu", workers=0)).run(resume=False)
    lines = list(RunFolder(tmp_path / "run").records())
    most = 3 if isinstance(method, IterativeMethod) else len(method.weights)
    assert {name for line in lines for name in line if name.startswith("iou/")} == {
        f"iou/round{k}" for k in range(most)
    }
    assert all("iou/round0" in line for line in lines)
    for line in lines:
        assert line["lr"] == pytest.approx(recipe.optimizer.lr * line["rate_factor"])
        assert line["samples_per_s"] > 0
        assert 0 <= line["wait_share"] <= 1


def test_rates_tell_the_lowest_group() -> None:
    class Two(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slow, self.fast = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)

    options = OptimizerPart(lr=0.1, lr_multipliers={"slow": 0.01})
    optimizer = make_optimizer(Two(), options)  # type: ignore[arg-type]
    set_rate(optimizer, 0.5)
    assert rates(optimizer, options.lr) == pytest.approx({"lr": 0.05, "lr/lowest": 0.0005})


def test_losses_go_on_where_they_were() -> None:
    from clickwise.training.state import loss_states, restore_losses

    def term() -> WeightedLoss:
        return WeightedLoss("nfl@logits", make_loss("nfl"), 1.0, get_view("logits"))

    torch.manual_seed(0)
    logits, target = torch.randn(3, 2, 1, 8, 8).unbind(0)[0], torch.ones(2, 1, 8, 8)
    straight, resumed = term(), term()
    straight.loss(logits, target)
    restore_losses([resumed], loss_states([straight]))
    for one in (straight, resumed):
        one.loss(2 * logits, target)
    assert straight.loss.log_state() == resumed.loss.log_state()
    restore_losses([resumed], None)  # a checkpoint of a former version


# Terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_line_on_a_terminal_and_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = {"loss": 0.12345, "metric/ema_iou": 0.876, "samples_per_s": 10.0}
    for stream, is_shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(progress.sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", "140")
        monkeypatch.setenv("TERM", "xterm")
        with training_progress(12000, 4000, shown=True) as line:
            line.advance(2000)
            line.show(numbers)
        said = stream.getvalue()
        assert bool(said) == is_shown
        if is_shown:
            for words in ("6000/12000", "loss 0.1235", "IoU 0.876", "10 samples/s", "10 min left"):
                assert words in said, words
        with training_progress(10, 0, shown=False) as line:
            line.advance(1)
        assert stream.getvalue() == said, "other processes write nothing"


def test_durations() -> None:
    assert [duration(s) for s in (5, 61, 3700, 90061)] == ["1 min", "1 min", "1 h 1 min", "1 d 1 h"]


# Curves


def test_curves_are_read_back_from_the_log(tmp_path: Path) -> None:
    lines = [
        {"step": 1, "loss": 1.0},
        {"step": 2, "val/iou@1": 0.5, "val/iou@2": 0.75},
        {"step": 4, "val/iou@1": 0.625},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 5, "val/i')
    assert iou_curves(RunFolder(tmp_path).records()) == [[0.5, 0.75], [0.625]]


def test_the_newest_curve_is_drawn_over_paler_ones() -> None:
    empty = curve_picture([], "nothing yet")
    one = curve_picture([[0.5, 0.8, 0.9]], "a")
    two = curve_picture([[0.5, 0.8, 0.9], [0.7, 0.9, 0.95]], "a")
    assert empty.shape == one.shape == two.shape
    assert empty.dtype == np.uint8
    newest = np.array([0, 90, 160])
    dark = [int((picture == newest).all(axis=2).sum()) for picture in (empty, one, two)]
    assert dark[0] == 0
    assert min(dark[1:]) > 100
    rows = [np.nonzero((picture == newest).all(axis=2))[0].mean() for picture in (one, two)]
    assert rows[1] < rows[0], "a better curve stands higher"
    assert curve_picture([[0.5]], "one click").shape == one.shape
