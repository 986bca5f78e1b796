"""Two processes, parts of a batch, slices of weights, forgotten activations: the update is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from scale_jobs import Job, evaluate_shipped, still, train, validate_untrained

from clickwise.evaluation.result import read_results
from clickwise.recipes import get_recipe
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.parts.items import FocusItems, FocusPart, PointsPart
from clickwise.training.parts.methods import IterativeClickMethod, IterativeMethod, RollingMethod
from clickwise.training.recipe import LossTerm, ModelPart, OptimizerPart, Phase, Recipe, SchedulePart
from clickwise.training.run_folder import RunFolder
from clickwise.weights.load import load_model

TOLERANCE = 1e-5
RUNNING = ("/k", "/m")
"""Running means over calls of a loss, for the log alone."""
VIT = {"image_size": [64, 64], "neck_channels": [16, 16, 16, 16], "head_channels": 16}
BATCH, STEPS = 4, 3
METHODS = {
    "iterative": IterativeMethod(max_next_clicks=2, prev_mask_drop_prob=0.3),
    "rolling": RollingMethod(life=(0.0, 1.0)),
    "iterative_click": IterativeClickMethod(),
}


@pytest.fixture(scope="module")
def recipes(tiny_data: Any) -> dict[str, Recipe]:
    """A ViT (LayerNorm) with each method, and IGLR with its windows and its loss over the whole batch."""
    common: dict[str, Any] = {
        "data": tiny_data,
        "optimizer": OptimizerPart(lr=0.05, clip_norm=1.0),
        "schedule": SchedulePart(),
        "ema_decay": 0.5,
        "precision": "32",
    }
    plain = Recipe(
        name="vit",
        seed=3,
        model=ModelPart(architecture="simpleclick-vit-xtiny", params=VIT),
        method=RollingMethod(),
        losses=(LossTerm(loss="nfl", options={"alpha": 0.5}),),
        phases=(Phase(size=64, batch=BATCH, samples=BATCH * STEPS),),
        validation={"pictures": 0},
        **common,
    )
    made = {name: plain.model_copy(update={"method": method}) for name, method in METHODS.items()}
    windows = FocusItems(
        min_area=20,
        least_component=15,
        points=PointsPart(max_num_points=6, first_click_center=True),
        focus=FocusPart(small_area=60, least_side=8),
    )
    focus = {"items": windows, "phases": (Phase(size=32, batch=BATCH, samples=2 * BATCH),)}
    published = get_recipe("iglr-segformer-b0-pack")
    made["focus"] = published.model_copy(update={**common, **focus, "validation": plain.validation})
    return made


@pytest.fixture(scope="module")
def alone(recipes: dict[str, Recipe], pack_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every recipe in one process, with the whole batch."""
    root = tmp_path_factory.mktemp("alone")
    for name, recipe in recipes.items():
        train(Job(recipe), pack_root, root / name)
    validate_untrained(pack_root, root / "validated")
    evaluate_shipped(pack_root, root / "evaluated.json")
    return root


@pytest.fixture(scope="module")
def together(recipes: dict[str, Recipe], pack_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in two processes, each with half of it; started once for all."""
    root = tmp_path_factory.mktemp("together")
    jobs = {name: Job(recipe) for name, recipe in recipes.items()}
    jobs["sharded"] = Job(recipes["iterative"], strategy="fsdp")
    for name, is_cut in (("adam", False), ("adam_cut", True)):
        jobs[name] = Job(recipes["iterative"], strategy="fsdp", is_cut=is_cut, keeps_optimizer=True)
    torch.save(jobs, root / "jobs.pt")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(Path(__file__).with_name("scale_jobs.py")), str(root / "jobs.pt"), str(pack_root), str(root)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, timeout=280, capture_output=True, text=True)
    assert (root / "done").exists(), done.stderr[-6000:]
    return root


def state(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(run / "checkpoint.pt", weights_only=True)
    return found


def records(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def assert_same_run(ours: Path, theirs: Path) -> None:
    """Weights, their average, momentum and logged numbers agree to rounding."""
    one, other = state(ours), state(theirs)
    assert one["position"]["steps"] == other["position"]["steps"] >= 2
    for kind in (lambda s: s["model"], lambda s: s["average"]["values"]):
        assert kind(one).keys() == kind(other).keys()
        for name, value in kind(one).items():
            assert (value - kind(other)[name]).abs().max() < TOLERANCE, name
    for number, entry in one["optimizer"]["state"].items():
        found = other["optimizer"]["state"][number]["momentum_buffer"]
        assert (entry["momentum_buffer"] - found).abs().max() < TOLERANCE
    for line, expected in zip(records(ours), records(theirs), strict=True):
        assert line.keys() == expected.keys()
        for name in line:
            if name.startswith(("loss", "iou", "lr", "grad_norm")) and not name.endswith(RUNNING):
                assert line[name] == pytest.approx(expected[name], abs=1e-4), name


@pytest.mark.parametrize("name", [*METHODS, "focus"])
def test_two_processes_make_the_update_of_one(name: str, alone: Path, together: Path) -> None:
    assert_same_run(together / name, alone / name)
    start = state(alone / name)["optimizer"]["state"]
    assert max(float(entry["momentum_buffer"].abs().max()) for entry in start.values()) > 1e-3, "something is learned"


def test_slices_of_weights_make_the_same_update_and_ordinary_files(alone: Path, together: Path) -> None:
    assert_same_run(together / "sharded", alone / "iterative")
    model = load_model(str(together / "sharded" / "weights.safetensors"))
    expected = state(together / "sharded")["average"]["values"]
    assert all(torch.equal(value, expected[name]) for name, value in model.state_dict().items())


def test_a_sharded_run_cut_after_every_step_equals_an_uninterrupted_one(together: Path) -> None:
    whole, cut = (together / name for name in ("adam", "adam_cut"))
    assert (whole / "weights.safetensors").read_bytes() == (cut / "weights.safetensors").read_bytes()
    assert state(whole)["optimizer"]["state"][0].keys() == {"step", "exp_avg", "exp_avg_sq"}


def test_a_sharded_run_goes_on_in_one_process(
    recipes: dict[str, Recipe], together: Path, pack_root: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    for name in ("checkpoint.pt", "recipe.yaml"):
        (tmp_path / "run" / name).write_bytes((together / "sharded" / name).read_bytes())
    with still():
        trainer = Trainer(recipes["iterative"], RunFolder(tmp_path / "run"), RunOptions(pack_root, "cpu", workers=0))
        assert trainer.run(resume=True) is not None
    assert all(
        torch.equal(value, trainer.network.state_dict()[name])
        for name, value in state(tmp_path / "run")["model"].items()
    )


def test_a_signal_to_one_process_stops_all_with_a_checkpoint(together: Path) -> None:
    positions = [
        torch.load(together / "interrupted" / name, weights_only=True)["position"]
        for name in ("checkpoint.pt", "checkpoint.pt.1")
    ]
    assert [position["steps"] for position in positions] == [1, 1]


def test_shared_validation_gives_the_numbers_of_one_process(alone: Path, together: Path) -> None:
    [ours], [theirs] = records(together / "validated"), records(alone / "validated")
    assert {name for name in ours if name.startswith("val/")} >= {"val/noc90", "val/iou@1", "val/iou@2"}
    assert ours == theirs


def test_evaluation_over_processes_is_that_of_one(alone: Path, together: Path) -> None:
    [ours], [theirs] = (read_results(root / "evaluated.json") for root in (together, alone))
    assert ours.objects == theirs.objects
    assert (ours.processes, theirs.processes) == (2, 1)


@pytest.mark.parametrize("name", METHODS)
def test_parts_of_a_batch_make_the_same_update(
    name: str, recipes: dict[str, Recipe], alone: Path, pack_root: Path, tmp_path: Path
) -> None:
    optimizer = recipes[name].optimizer.model_copy(update={"accumulate": 2})
    train(Job(recipes[name].model_copy(update={"optimizer": optimizer})), pack_root, tmp_path / "run")
    assert_same_run(tmp_path / "run", alone / name)
