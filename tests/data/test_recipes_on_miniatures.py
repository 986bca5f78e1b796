"""Published recipes on miniatures of their data sets: they open, give items, and train from the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from miniatures import blob, instance_mat, regions, save

from clickwise.data.stream import item_stream
from clickwise.recipes import RECIPES, get_recipe
from clickwise.training.data import Places, make_items
from clickwise.training.parts.data import MixedData
from clickwise.training.recipe import with_overrides

SIZE = (72, 96)
BOXES = ((8, 8, 40, 60), (50, 12, 90, 64))


def picture(seed: int) -> np.ndarray:
    """Noise with two brighter boxes."""
    image = np.random.default_rng(seed).integers(0, 90, (*SIZE, 3), dtype=np.uint8)
    for value, box in enumerate(BOXES):
        image[blob(box, SIZE)] = (220, 180 - 60 * value, 40 * value)
    return image


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """COCO+LVIS in our form, with stuff; SBD; Pascal VOC. Three pictures each."""
    root = tmp_path_factory.mktemp("data")
    labels = regions(*BOXES, size=SIZE)
    lines: list[dict[str, object]] = [{"format": "clickwise-cocolvis", "version": 1}]
    for number in range(3):
        name = f"00000000000{number}"
        save(root / "COCO_LVIS" / "train" / "images" / f"{name}.jpg", picture(number))
        layer = np.where(labels == 0, np.where(np.arange(SIZE[0])[:, None] > 66, 3, 0), labels).astype(np.uint8)
        save(root / "COCO_LVIS" / "train" / "masks" / f"{name}_0.png", layer)
        lines.append({"id": name, "instances": 2, "objects": [[0, 1, None], [0, 2, None], [0, 3, None]]})
        save(root / "SBD" / "img" / f"2008_{number}.jpg", picture(number))
        instance_mat(root / "SBD" / "inst" / f"2008_{number}.mat", labels)
        save(root / "PascalVOC" / "JPEGImages" / f"2007_{number}.jpg", picture(number))
        save(root / "PascalVOC" / "SegmentationObject" / f"2007_{number}.png", labels)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (root / "COCO_LVIS" / "train" / "annotations.jsonl").write_text(text)
    (root / "SBD" / "train.txt").write_text("".join(f"2008_{number}\n" for number in range(3)))
    lists = root / "PascalVOC" / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("".join(f"2007_{number}\n" for number in range(3)))
    return root


HERE = {"COCO_LVIS:train", "SBD:train", "PascalVOC:train"}


def sets_of(name: str) -> set[str]:
    data = get_recipe(name).data
    return {part.dataset for part in data.sets} if isinstance(data, MixedData) else set()


@pytest.mark.parametrize("name", [name for name in RECIPES if sets_of(name) and sets_of(name) <= HERE])
def test_recipes_open_and_give_items(name: str, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    recipe = get_recipe(name)
    area = "items.min_area=40" if name.startswith("iglr") else "items.min_object_area=40"
    changes = ["items.least_component=0", "items.most_share=1"] if name.startswith("iglr") else []
    items = with_overrides(recipe, [area, *changes]).items
    maker = make_items(recipe.data, items, Places(root))
    for item in islice(item_stream(maker, seed=1, size=(48, 64), first=0), 2):
        assert tuple(item.image.shape) == (3, 48, 64)
        assert tuple(item.points.shape) == (2 * items.points.max_num_points, 3)
    assert recipe.data.sets[0].dataset != "PascalVOC:train" or len(maker.sources.shares) == 2


@pytest.mark.parametrize("name", ["ritm-hrnet18s-cocolvis", "ritm-hrnet18s-sbd"])
def test_a_short_run_from_the_command_line(name: str, root: Path, tmp_path: Path) -> None:
    """Two steps of the real network, from random weights."""
    sizes = ["phases.0.size=[32, 48]", "phases.0.batch=2", "phases.0.samples=4", "items.min_object_area=10"]
    changes = [*sizes, "model.encoder_weights=null", "optimizer.lr=1e-4"]
    done = run_command(name, changes, root, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert "lr: 0.0001" in (tmp_path / "run" / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("optimizer.lrr=1", ["optimizer.lrr", "lr"]),
        ("optimizer.lr=1e-4", ["encoder weights", "model.encoder_weights=null"]),
    ],
)
def test_what_is_missing_or_misspelt_is_one_line(change: str, words: list[str], root: Path, tmp_path: Path) -> None:
    done = run_command("ritm-hrnet18s-sbd", [change], root, tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (tmp_path / "run").exists()


def run_command(name: str, changes: list[str], root: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    words = [
        sys.executable,
        "-m",
        "clickwise",
        "train",
        name,
        "--data-root",
        str(root),
        "--output",
        str(folder / "run"),
    ]
    sets = [word for change in changes for word in ("--set", change)]
    return subprocess.run(
        [*words, *sets, "--device", "cpu", "--workers", "0"],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
    )
