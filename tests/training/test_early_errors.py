"""What is wrong with recipe, data or checkpoint is said before anything is written, in the reader's words."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from clickwise.cli.train import chosen_recipe
from clickwise.data.stream import item_stream
from clickwise.errors import CheckpointError, ClickwiseError, DatasetError, OptionError, OutputError, RecipeError
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.parts.data import MixedData, PackData, SetShare
from clickwise.training.recipe import Recipe, ValidationPart, checked_recipe, with_overrides
from clickwise.training.run_folder import RunFolder


def train(recipe: Recipe, folder: Path, root: Path, *, resume: bool = False, **options: object) -> Path | None:
    return Trainer(recipe, RunFolder(folder), RunOptions(root, "cpu", **{"workers": 0, **options})).run(resume=resume)


@pytest.fixture
def bad_root(pack_root: Path, tmp_path: Path) -> Path:
    """The miniature pack with a value without meaning in one mask."""
    root = tmp_path / "bad"
    shutil.copytree(pack_root, root)
    mask = sorted((root / "train" / "masks").iterdir())[0]
    picture = Image.open(mask)
    picture.putpixel((40, 40), 9)
    picture.save(mask)
    return root


def test_a_bad_mask_is_named_before_anything_is_written(tiny_recipe: Recipe, bad_root: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"masks/.*9"):
        train(tiny_recipe, tmp_path / "run", bad_root)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_worker_says_what_the_reader_says(workers: int) -> None:
    class Refusing:
        sources = None

        def make(self, rng: object, size: object) -> object:
            raise DatasetError("a.png holds the value 9")

    with pytest.raises(DatasetError) as caught:
        next(item_stream(Refusing(), seed=0, size=(8, 8), first=0, workers=workers))
    assert str(caught.value) == "a.png holds the value 9"


def test_a_wrong_validation_set_is_named_before_training(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    data = MixedData(sets=(SetShare(dataset=str(pack_root / "train")),), validation="Nope:val")
    recipe = tiny_recipe.model_copy(update={"data": data, "validation": ValidationPart(pictures=2)})
    with pytest.raises(ClickwiseError, match="Nope"):
        train(recipe, tmp_path / "run", pack_root)
    assert not (tmp_path / "run").exists()


def test_a_run_survives_a_resume_that_does_not_fit(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    assert train(tiny_recipe, tmp_path / "run", pack_root, stop_after_s=1e-9) is None
    noted = (tmp_path / "run" / "recipe.yaml").read_bytes()
    other = with_overrides(tiny_recipe, ["model.params.attention_width=12"])
    with pytest.raises(CheckpointError, match=r"does not fit.*--set of model") as caught:
        train(other, tmp_path / "run", pack_root, resume=True)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "run" / "recipe.yaml").read_bytes() == noted
    assert train(tiny_recipe, tmp_path / "run", pack_root, resume=True) is not None


def test_resume_names_the_recipe_that_it_goes_on_with(tiny_recipe: Recipe, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (tmp_path / "recipe.yaml").write_text(tiny_recipe.to_yaml())
    with pytest.raises(OptionError, match="run of tiny, not of clickwise-s"):
        chosen_recipe("clickwise-s", [], folder)
    assert chosen_recipe(None, [], folder).name == "tiny"
    assert chosen_recipe(str(tmp_path / "recipe.yaml"), [], folder).name == "tiny"


def test_a_start_that_failed_is_no_run(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "metrics.jsonl").touch()
    assert train(tiny_recipe, folder, pack_root, stop_after_s=1e-9) is None
    with pytest.raises(OutputError, match="already holds a run"):
        train(tiny_recipe, folder, pack_root)


@pytest.mark.parametrize(
    ("assignment", "words"),
    [
        ("seed=-1", "seed"),
        ("losses=[]", "losses"),
        ("phases=[]", "phases"),
        ("phases.0.size=0", r"phases\.0\.size \(got 0\).*above 0"),
        ("phases.0.size=[64, 0]", r"phases\.0\.size.*above 0"),
        ("phases.0.size=[64]", r"phases\.0\.size"),
        ("method.human_clicks.jiter=0.1", "jitter"),
        ("seed.x=1", "holds a single value, 3"),
    ],
)
def test_values_without_meaning_are_refused_by_name(tiny_recipe: Recipe, assignment: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        with_overrides(tiny_recipe, [assignment])
    assert "nearest: ;" not in str(caught.value)


def test_values_of_parts_that_are_off_switch_them_on(tiny_recipe: Recipe) -> None:
    changed = with_overrides(tiny_recipe, ["method.human_clicks.jitter=0.1", "precision=32"])
    assert changed.method.human_clicks is not None
    assert changed.method.human_clicks.jitter == 0.1
    assert changed.precision == "32"
    again = with_overrides(tiny_recipe, ["method.human_clicks={}", "method.human_clicks.jitter=0.2"])
    assert again.method.human_clicks is not None
    assert again.method.human_clicks.jitter == 0.2


def test_text_that_is_no_yaml_is_refused() -> None:
    with pytest.raises(RecipeError, match="no YAML"):
        Recipe.from_yaml("name: [")
    with pytest.raises(RecipeError):
        checked_recipe(None)


def test_misspelt_sources_and_parameters_are_refused(tiny_recipe: Recipe, pack_root: Path, tmp_path: Path) -> None:
    misspelt = tiny_recipe.model_copy(update={"data": PackData(sources={"disks": 1.0})})
    with pytest.raises(DatasetError, match=r"no source 'disks'.*nearest: discs"):
        train(misspelt, tmp_path / "run", pack_root)
    nothing = tiny_recipe.model_copy(update={"data": PackData(sources={"discs": 0.0})})
    with pytest.raises(DatasetError, match="no source has a weight above 0"):
        train(nothing, tmp_path / "run", pack_root)
    rates = with_overrides(tiny_recipe, ["optimizer.lr_multipliers={encodr: 0.1}"])
    with pytest.raises(RecipeError, match=r"names 'encodr'.*nearest: encoder"):
        train(rates, tmp_path / "run", pack_root)


_RUN = """
import sys, torch
from pathlib import Path
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.recipe import Recipe
from clickwise.training.run_folder import RunFolder
torch.set_num_threads(1)
recipe = Recipe.from_yaml(Path(sys.argv[1]).read_text())
options = RunOptions(data_root=Path(sys.argv[3]), device="cpu", workers=1, checkpoint_every_s=1e9)
Trainer(recipe, RunFolder(Path(sys.argv[2])), options).run(resume=False)
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="process groups are POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_whole_job_leaves_a_checkpoint(
    tiny_recipe: Recipe, pack_root: Path, tmp_path: Path, number: signal.Signals
) -> None:
    """As SLURM and torchrun send it: to the workers too."""
    recipe = with_overrides(tiny_recipe, ["phases.0.samples=200000"])
    (tmp_path / "given.yaml").write_text(recipe.to_yaml())
    run = tmp_path / "run"
    command = [sys.executable, "-c", _RUN, str(tmp_path / "given.yaml"), str(run), str(pack_root)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    metrics = run / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_size):
        time.sleep(0.05)
    os.killpg(process.pid, number)
    _, said = process.communicate(timeout=45)  # less than workers outlive a signal: the main process ends them
    assert "KeyboardInterrupt" in said, said
    assert (run / "checkpoint.pt").is_file()
