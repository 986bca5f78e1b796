"""What a checkpoint holds, and that those of former versions still open."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clickwise.errors import MissingExtraError, OptionError, RecipeError
from clickwise.training.interrupt import Interrupt
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.parts.methods import IterativeMethod, RollingMethod
from clickwise.training.recipe import Phase, Recipe
from clickwise.training.run_folder import RunFolder
from clickwise.training.state import random_state, restore_random_state


def train(recipe: Recipe, folder: Path, pack_root: Path, *, resume: bool = False, **options: Any) -> Path | None:
    return Trainer(recipe, RunFolder(folder), RunOptions(pack_root, "cpu", workers=0, **options)).run(resume=resume)


@pytest.mark.parametrize("method", [RollingMethod(), IterativeMethod()])
def test_a_checkpoint_of_a_former_version_goes_on(
    method: Any, tiny_recipe: Recipe, pack_root: Path, tmp_path: Path
) -> None:
    """Those had one generator for all items, no state of losses, and the model in every process's file."""
    recipe = tiny_recipe.model_copy(update={"method": method, "phases": (Phase(size=32, batch=2, samples=4),)})
    assert train(recipe, tmp_path, pack_root, stop_after_s=1e-9) is None
    file = tmp_path / "checkpoint.pt"
    state = torch.load(file, weights_only=True)
    assert {"losses", "torch_rng"} <= state.keys()
    del state["losses"], state["method"]["seed"], state["method"]["step"]
    generator = str(np.random.default_rng(0).bit_generator.state).replace("'", '"')
    state["method"]["rng" if isinstance(method, RollingMethod) else "clicks_rng"] = generator
    torch.save(state, file)
    assert train(recipe, tmp_path, pack_root, resume=True) is not None
    assert torch.load(file, weights_only=True)["position"]["samples"] == recipe.total_samples


def test_processes_hold_their_own_part_and_share_the_rest(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.save_checkpoint({"position": {"steps": 3}, "model": {"a": torch.ones(2)}, "method": {"seed": 0}}, 0)
    folder.save_checkpoint({"position": {"steps": 3}, "method": {"seed": 1}}, 1)
    state = folder.load_checkpoint(1)
    assert state is not None
    assert state["method"] == {"seed": 1}
    assert torch.equal(state["model"]["a"], torch.ones(2))


def test_generators_of_cpu_and_gpu_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = {"state": torch.arange(16, dtype=torch.uint8)}
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda _device: gpu["state"].clone())
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, _device: gpu.update(state=state))
    device = torch.device("cuda", 0)
    state = random_state(device)
    expected = torch.rand(3)
    gpu["state"] = torch.zeros(16, dtype=torch.uint8)
    restore_random_state(state, device)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(gpu["state"], torch.arange(16, dtype=torch.uint8))
    on_cpu = random_state(torch.device("cpu"))
    assert "cuda_rng" not in on_cpu
    restore_random_state(on_cpu, device)  # a run that moves to a GPU


def test_a_batch_that_does_not_divide_is_refused(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    optimizer = tiny_recipe.optimizer.model_copy(update={"accumulate": 4})
    with pytest.raises(RecipeError, match="batch 2 does not divide"):
        train(tiny_recipe.model_copy(update={"optimizer": optimizer}), tmp_path, pack_root)


def test_slices_need_several_processes(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="--devices 2"):
        train(tiny_recipe, tmp_path, pack_root, strategy="fsdp")


def test_a_wrong_logger_is_found_before_training(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OptionError, match="wandb"):
        train(tiny_recipe, tmp_path / "a", pack_root, loggers=("wandbb",))
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(MissingExtraError, match="trackio"):
        train(tiny_recipe, tmp_path / "b", pack_root, loggers=("trackio",))
    assert not list(tmp_path.rglob("metrics.jsonl")), "the folder may be used again without --resume"


def test_a_second_signal_stops_at_once_but_an_echo_does_not() -> None:
    alone, under_torchrun = Interrupt(), Interrupt(echo_s=60.0)
    for interrupt in (alone, under_torchrun):
        interrupt.handle(signal.SIGTERM, None)
        assert interrupt.asked
    with pytest.raises(KeyboardInterrupt):
        alone.handle(signal.SIGTERM, None)
    under_torchrun.handle(signal.SIGTERM, None)
