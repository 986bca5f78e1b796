"""A run that is stopped or killed goes on with the very same samples, clicks and losses."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from clickwise.errors import CheckpointError, OutputError, RecipeError
from clickwise.training import loop
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.recipe import Recipe
from clickwise.training.run_folder import RunFolder


def records(folder: Path) -> list[dict[str, float]]:
    """The loss curve: step, samples and loss of each record."""
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k in {"step", "samples", "loss", "grad_norm"}} for line in lines
    ]


def train(recipe: Recipe, folder: Path, pack_root: Path, *, resume: bool = False, **options: object) -> Path | None:
    run = RunFolder(folder)
    trainer = Trainer(recipe, run, RunOptions(data_root=pack_root, device="cpu", workers=0, **options))
    return trainer.run(resume=resume)


@pytest.fixture(autouse=True)
def _log_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "_LOG_EVERY_STEPS", 1)


def test_same_seed_same_curve_and_weights(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    first = train(tiny_recipe, tmp_path / "a", pack_root)
    second = train(tiny_recipe, tmp_path / "b", pack_root)
    assert records(tmp_path / "a") == records(tmp_path / "b")
    assert first is not None
    assert second is not None
    assert first.read_bytes() == second.read_bytes()


def test_stopped_after_every_step_equals_uninterrupted(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    whole = train(tiny_recipe, tmp_path / "whole", pack_root)
    parts = train(tiny_recipe, tmp_path / "parts", pack_root, stop_after_s=1e-9)
    tries = 0
    while parts is None:
        parts = train(tiny_recipe, tmp_path / "parts", pack_root, resume=True, stop_after_s=1e-9)
        tries += 1
        assert tries < 20
    assert tries >= 8
    assert records(tmp_path / "parts") == records(tmp_path / "whole")
    assert whole is not None
    assert parts.read_bytes() == whole.read_bytes()


def test_another_seed_gives_another_curve(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    train(tiny_recipe, tmp_path / "a", pack_root)
    train(tiny_recipe.model_copy(update={"seed": 4}), tmp_path / "b", pack_root)
    assert records(tmp_path / "a") != records(tmp_path / "b")


_RUN = """
import sys, torch
from pathlib import Path
from clickwise.training import loop
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.recipe import (Recipe)
from clickwise.training.run_folder import RunFolder
torch.set_num_threads(1)
loop._LOG_EVERY_STEPS = 1
recipe = Recipe.from_yaml(Path(sys.argv[1]).read_text())
folder = RunFolder(Path(sys.argv[2]))
options = RunOptions(data_root=Path(sys.argv[3]), device="cpu", workers=1, checkpoint_every_s=0.2)
trainer = Trainer(recipe, folder, options)
trainer.run(resume=True)
"""


def killed_and_finished(recipe: Recipe, pack_root: Path, folder: Path, delays: list[float]) -> None:
    """Run in a process of its own, killed so many seconds after each new checkpoint, then left to finish."""
    folder.mkdir(parents=True)
    (folder / "given.yaml").write_text(recipe.to_yaml())
    command = [sys.executable, "-c", _RUN, str(folder / "given.yaml"), str(folder), str(pack_root)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    checkpoint = folder / "checkpoint.pt"
    for delay in delays:
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(command, env=environment, start_new_session=True)
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns > before:
                break
            time.sleep(0.01)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    subprocess.run(command, check=True, env=environment, timeout=300)


def test_killed_without_warning_equals_uninterrupted(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    recipe = tiny_recipe.model_copy(update={"phases": (tiny_recipe.phases[0].model_copy(update={"samples": 60}),)})
    train(recipe, tmp_path / "whole", pack_root)
    killed_and_finished(recipe, pack_root, tmp_path / "killed", [0.1])
    assert records(tmp_path / "killed") == records(tmp_path / "whole")


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_killed_at_ten_random_moments_equals_uninterrupted(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path
) -> None:
    recipe = tiny_recipe.model_copy(update={"phases": (tiny_recipe.phases[0].model_copy(update={"samples": 1200}),)})
    train(recipe, tmp_path / "whole", pack_root)
    killed_and_finished(recipe, pack_root, tmp_path / "killed", np.random.default_rng().uniform(0, 0.6, 10).tolist())
    assert records(tmp_path / "killed") == records(tmp_path / "whole")


def test_ctrl_c_finishes_the_step_and_leaves_a_checkpoint(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_step = Trainer._step

    def step_then_ctrl_c(self: Trainer, *args: object) -> None:
        real_step(self, *args)  # type: ignore[arg-type]
        if self.position.steps == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "_step", step_then_ctrl_c)
    with pytest.raises(KeyboardInterrupt):
        train(tiny_recipe, tmp_path / "run", pack_root)
    state = RunFolder(tmp_path / "run").load_checkpoint()
    assert state is not None
    assert state["position"]["steps"] == 3


def test_a_second_run_does_not_overwrite_the_first(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    train(tiny_recipe, tmp_path / "run", pack_root)
    with pytest.raises(OutputError, match="--resume"):
        train(tiny_recipe, tmp_path / "run", pack_root)


def test_truncated_checkpoint_and_missing_run_say_so(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    train(tiny_recipe, tmp_path / "run", pack_root)
    checkpoint = tmp_path / "run" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        train(tiny_recipe, tmp_path / "run", pack_root, resume=True)
    with pytest.raises(RecipeError, match=r"recipe\.yaml"):
        RunFolder(tmp_path / "nowhere").recipe()


def test_weights_are_the_averaged_ones_and_load(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    from clickwise.weights.load import load_model

    weights = train(tiny_recipe, tmp_path / "run", pack_root)
    assert weights is not None
    model = load_model(str(weights))
    state = RunFolder(tmp_path / "run").load_checkpoint()
    assert state is not None
    for name, value in model.state_dict().items():
        assert torch.equal(value, state["average"]["values"][name])
    assert not torch.equal(model.state_dict()["head.weight"], state["model"]["head.weight"])
