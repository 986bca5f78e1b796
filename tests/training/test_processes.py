"""Two processes on one machine share a batch and stay in step."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from clickwise.training.recipe import Phase, Recipe


def torchrun(recipe: Path, output: Path, pack_root: Path, *options: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [
        "-m",
        "clickwise",
        "train",
        str(recipe),
        "--data-root",
        str(pack_root),
        "--output",
        str(output),
        "--device",
        "cpu",
    ]
    subprocess.run(
        [*command, "--workers", "0", *options],
        check=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "CLICKWISE_KEEP_ALLOCATOR": "1"},
        timeout=300,
    )


def test_two_processes_train_one_model_and_resume(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    phases = (Phase(size=32, batch=2, samples=2), Phase(size=64, batch=2, samples=2))
    tiny_recipe = tiny_recipe.model_copy(update={"phases": phases})
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(tiny_recipe.to_yaml())
    torchrun(recipe, tmp_path / "run", pack_root, "--stop-after", "0.001")
    torchrun(recipe, tmp_path / "run", pack_root, "--resume")
    states = [torch.load(tmp_path / "run" / name, weights_only=True) for name in ("checkpoint.pt", "checkpoint.pt.1")]
    assert states[0]["position"]["samples"] == tiny_recipe.total_samples
    assert states[0]["position"]["steps"] == states[1]["position"]["steps"] == 2
    assert "model" not in states[1], "weights lie in the main checkpoint alone"
    assert (tmp_path / "run" / "weights.safetensors").exists()
