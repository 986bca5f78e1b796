"""Two processes on one machine share a batch and stay in step."""

import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from clickwise.training.recipe import Recipe


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
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(tiny_recipe.to_yaml())
    torchrun(recipe, tmp_path / "run", pack_root, "--stop-after", "0.001")
    torchrun(recipe, tmp_path / "run", pack_root, "--resume")
    states = [torch.load(tmp_path / "run" / name, weights_only=True) for name in ("checkpoint.pt", "checkpoint.pt.1")]
    assert states[0]["position"]["samples"] == tiny_recipe.total_samples
    assert states[0]["position"]["steps"] == states[1]["position"]["steps"] == 10
    assert "model" not in states[1], "weights lie in the main checkpoint alone"
    assert (tmp_path / "run" / "weights.safetensors").exists()
    lines = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == sorted({line["step"] for line in lines}), "only one process logs"
