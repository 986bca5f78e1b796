"""Validation looks at held-out pictures only, logs numbers and pictures, and leaves training untouched."""

import json
from pathlib import Path

import torch

from clickwise.data.datasets.pack import HeldOutObjects
from clickwise.data.held_out import is_held_out
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.recipe import Recipe, ValidationPart
from clickwise.training.run_folder import RunFolder


def test_objects_are_held_out_roots(pack_root: Path) -> None:
    dataset = HeldOutObjects(pack_root / "train", pictures=10)
    assert len(dataset) == 2
    assert all(is_held_out(name) for name in dataset.sample_ids)
    for index in range(len(dataset)):
        sample = dataset.load(index)
        assert len(sample.objects) == 1
        assert sample.objects[0].values == (1, 2), "the only root of these pictures is the union of both discs"
        assert sample.object_mask(0).sum() >= 100


def test_validation_logs_and_changes_nothing(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    plain = tiny_recipe.model_copy(update={"phases": tiny_recipe.phases[:1]})
    validated = plain.model_copy(update={"validation": ValidationPart(every_samples=6, pictures=2, n_clicks=3)})
    files = {}
    for name, recipe in (("plain", plain), ("validated", validated)):
        folder = RunFolder(tmp_path / name)
        trainer = Trainer(recipe, folder, RunOptions(data_root=pack_root, device="cpu", workers=0))
        trainer.run(resume=False)
        state = folder.load_checkpoint()
        assert state is not None
        files[name] = state["model"]
    assert all(torch.equal(files["plain"][key], files["validated"][key]) for key in files["plain"])
    lines = [json.loads(line) for line in (tmp_path / "validated/metrics.jsonl").read_text().splitlines()]
    scores = [line for line in lines if "val/noc90" in line]
    assert [line["samples"] for line in scores] == [6, 12, 12]
    assert all(1 <= line["val/noc85"] <= line["val/noc90"] <= line["val/noc95"] <= 3 for line in scores)
    assert all(0 <= line["val/iou@1"] <= 1 for line in scores)
    assert len(list((tmp_path / "validated/pictures").glob("held_out_*.jpg"))) == 2
