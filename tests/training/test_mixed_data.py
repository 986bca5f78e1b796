"""Training on several data sets at once: names, folders, config.yml, validation on what they hold out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise.data.held_out import is_held_out
from clickwise.errors import DatasetError, RecipeError
from clickwise.training.data import Places, make_items, validation_set
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.parts.data import MixedData, SetShare
from clickwise.training.recipe import Phase, Recipe, ValidationPart, with_overrides
from clickwise.training.run_folder import RunFolder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """images/ and masks/: forty grey discs on white; about one is held out."""
    root = tmp_path_factory.mktemp("plain") / "discs"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    ys, xs = np.mgrid[:64, :64]
    disc = (ys - 32) ** 2 + (xs - 32) ** 2 < 300
    names = [f"n{i}" for i in range(200)]
    for name in [n for n in names if is_held_out(n)][:2] + [n for n in names if not is_held_out(n)][:6]:
        Image.fromarray(np.where(disc, 90, 255).astype(np.uint8)).save(root / "images" / f"{name}.png")
        Image.fromarray(disc.astype(np.uint8) * 255).save(root / "masks" / f"{name}.png")
    return root


def mixed(recipe: Recipe, *sets: SetShare, **more: object) -> Recipe:
    data = MixedData(sets=sets, **more)
    return recipe.model_copy(update={"data": data, "phases": (Phase(size=64, batch=2, samples=4),)})


def test_a_run_on_a_pack_and_a_folder(pack_root: Path, folder: Path, tiny_recipe: Recipe, tmp_path: Path) -> None:
    sets = (SetShare(dataset=str(pack_root / "train"), weight=1.0), SetShare(dataset=str(folder), weight=2.0))
    recipe = mixed(tiny_recipe, *sets, duplicate_iou=0.9).model_copy(
        update={"validation": ValidationPart(pictures=2, n_clicks=2)}
    )
    run = RunFolder(tmp_path / "run")
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    weights = Trainer(recipe, run, RunOptions(data_root=pack_root, device="cpu", workers=0)).run(resume=False)
    assert weights is not None
    assert weights.is_file()
    records = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert any("val/noc90" in record for record in records)


def test_what_is_validated_on(pack_root: Path, folder: Path, tiny_recipe: Recipe) -> None:
    places = Places(pack_root)
    held_out = validation_set(mixed(tiny_recipe, SetShare(dataset=str(folder))).data, places, 10)
    assert held_out is not None
    assert all(is_held_out(name) for name in held_out.sample_ids)
    none = mixed(tiny_recipe, SetShare(dataset=str(folder), hold_out=False))
    assert validation_set(none.data, places, 10) is None
    named = mixed(tiny_recipe, SetShare(dataset=str(folder)), validation=str(folder))
    found = validation_set(named.data, places, 10)
    assert found is not None
    assert len(found) == 8
    fewer = validation_set(named.data, places, 3)
    assert fewer is not None
    assert list(fewer.sample_ids) == list(found.sample_ids)[:3], "the same ones, however many"
    assert all(len(fewer.load(i).objects) == 1 for i in range(3))


def test_config_yml_names_the_folder_of_a_set(folder: Path, tiny_recipe: Recipe, tmp_path: Path) -> None:
    recipe = mixed(tiny_recipe, SetShare(dataset="Berkeley", hold_out=False))
    with pytest.raises(DatasetError, match="Berkeley"):
        make_items(recipe.data, recipe.items, Places(tmp_path))
    config = tmp_path / "paths.yml"
    config.write_text(f"BERKELEY_PATH: {folder}\n")
    options = RunOptions(data_root=tmp_path, config=config)
    item = make_items(recipe.data, recipe.items, options.places()).make(np.random.default_rng(0), (32, 32))
    assert item.image.shape == (3, 32, 32)


def test_misspelt_keys_name_the_nearest(tiny_recipe: Recipe, folder: Path) -> None:
    recipe = mixed(tiny_recipe, SetShare(dataset=str(folder)))
    with pytest.raises(RecipeError, match=r"data\.sets\.0\.wait.*weight"):
        with_overrides(recipe, ["data.sets.0.wait=2"])
    with pytest.raises(RecipeError, match=r"data\.sets\.0\.weight"):
        with_overrides(recipe, ["data.sets.0.weight=-1"])
    assert with_overrides(recipe, ["data.sets.0.weight=3"]).data.sets[0].weight == 3
    changed = with_overrides(recipe, ["data.sets.0.options.stuf_prob=1"])
    with pytest.raises(DatasetError, match="stuf_prob"):
        make_items(changed.data, changed.items, Places(folder))
