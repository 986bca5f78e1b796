"""Benchmark of training: the plain ways agree with ours, and the numbers of a run make sense."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from clickwise.benchmark.preparation import (
    STAGES,
    full_points,
    plain_disk_maps,
    plain_next_click,
    rough_guess,
    time_items,
)
from clickwise.cli.main import main
from clickwise.clicks.encoding import disk_maps
from clickwise.clicks.training_click import draw_training_click, training_click_candidates
from clickwise.metrics import iou
from clickwise.training.data import Places, make_items
from clickwise.training.recipe import Recipe


def disc(height: int, width: int) -> np.ndarray:
    ys, xs = np.mgrid[:height, :width]
    return (ys - height / 2) ** 2 + (xs - width / 3) ** 2 < (height / 4) ** 2


def test_plain_click_maps_are_the_same_maps() -> None:
    points = full_points(3, 5, (40, 56))
    points[1, 2:] = -1
    assert torch.equal(plain_disk_maps(points, 5.0, (40, 56)), disk_maps(points, 5.0, (40, 56)))


def test_plain_next_click_has_the_same_sign_and_candidates() -> None:
    rng = np.random.default_rng(0)
    truth = disc(80, 120)
    for _ in range(10):
        probs = rough_guess(truth, rng)
        found = plain_next_click(truth, probs, rng)
        assert found is not None
        candidates = training_click_candidates(truth, probs)
        assert found[0] == candidates.is_positive
        assert candidates.mask[found[1]]
    assert plain_next_click(truth, truth.astype(np.float32), rng) is None
    assert draw_training_click(truth, truth.astype(np.float32), rng) is None


def test_guess_is_rough_but_no_nonsense() -> None:
    truth = disc(200, 300)
    assert 0.5 < iou(truth, rough_guess(truth, np.random.default_rng(1)) > 0.5) < 0.95


def test_stages_sum_to_the_whole(pack_root: Path, tiny_recipe: Recipe) -> None:
    times, made = time_items(make_items(tiny_recipe.data, tiny_recipe.items, Places(pack_root)), (32, 32), 4)
    assert len(made) == 4
    assert set(times.stages) == set(STAGES)
    assert all(value > 0 for value in times.stages.values())
    assert times.items_per_s > 0


def test_command_measures_a_recipe(
    tmp_path: Path, pack_root: Path, tiny_recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe, report = tmp_path / "small.yaml", tmp_path / "report.json"
    recipe.write_text(tiny_recipe.to_yaml())
    words = ["benchmark", str(recipe), "--training", "--steps", "2", "--workers", "0", "--device", "cpu"]
    assert main([*words, "--data-root", str(pack_root), "--json", str(report)]) == 0
    printed = capsys.readouterr().out
    assert "click maps" in printed
    assert "waiting" in printed
    numbers = json.loads(report.read_text())
    assert numbers["batch"] == tiny_recipe.phases[0].batch
    assert 0 <= numbers["wait_share"] <= 1
    assert numbers["step_samples_per_s"] == pytest.approx(1e3 * numbers["batch"] / numbers["step_ms"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "small.yaml"]
