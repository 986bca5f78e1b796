"""Numbers and pictures reach every logger that was asked for; a missing package or a wrong name says what to do."""

from __future__ import annotations

import json
import sys
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pytest

from clickwise.errors import MissingExtraError, OptionError
from clickwise.training import loggers
from clickwise.training.loggers import BUILT_IN, get_logger
from clickwise.training.recipe import Recipe
from clickwise.training.run_folder import RunFolder

NUMBERS = {"loss": 0.5, "val/iou@1": 0.25, "loss/weighted_nfl@refined_logits+trimap": 1.0}
PICTURE = np.zeros((4, 6, 3), dtype=np.uint8)


@pytest.fixture(params=sorted(BUILT_IN))
def package(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """A stand-in for the package of a built-in logger, under its name."""
    fake = MagicMock(spec=ModuleType, name=request.param)
    fake.__name__ = request.param
    calls = {
        "wandb": ("init", "Image"),
        "trackio": ("init", "log", "finish", "Image"),
        "mlflow": ("set_experiment", "start_run", "log_dict", "log_metrics", "log_image", "end_run"),
    }
    for name in calls[request.param]:
        setattr(fake, name, MagicMock())
    if request.param == "mlflow":
        fake.start_run.return_value.info.run_id = "run-7"
    monkeypatch.setitem(sys.modules, request.param, fake)
    return fake


def told(package: MagicMock) -> tuple[Any, Any, Any]:
    """(call with numbers, call with the picture, call that ends) of a stand-in."""
    if package.__name__ == "mlflow":
        return package.log_metrics.call_args, package.log_image.call_args, package.end_run
    target = package.init.return_value if package.__name__ == "wandb" else package
    numbers, picture = target.log.call_args_list
    return numbers, picture, target.finish


def test_numbers_pictures_and_the_end_arrive(package: MagicMock, tiny_recipe: Recipe, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.open_logs(0, tiny_recipe, [package.__name__])
    run.log(7, 70, NUMBERS)
    run.log_picture(7, "held_out", PICTURE)
    run.close_logs()
    numbers, picture, ended = told(package)
    names = {"loss", "val/iou_1", "loss/weighted_nfl_refined_logits_trimap"}
    assert set(numbers.args[0]) == (names if package.__name__ == "mlflow" else set(NUMBERS))
    assert sorted(numbers.args[0].values()) == sorted(NUMBERS.values())
    assert numbers.kwargs["step"] == 7
    assert "held_out" in str(picture.args)
    ended.assert_called_once_with()
    assert [json.loads(line)["loss"] for line in (tmp_path / "metrics.jsonl").read_text().splitlines()] == [0.5]


def test_a_resumed_run_is_the_same_run(package: MagicMock, tiny_recipe: Recipe, tmp_path: Path) -> None:
    for _ in range(2):
        run = RunFolder(tmp_path)
        run.open_logs(0, tiny_recipe, [package.__name__])
        run.close_logs()
    if package.__name__ == "mlflow":
        assert package.start_run.call_args.kwargs == {"run_id": "run-7"}
        return
    first, second = package.init.call_args_list
    key = "id" if package.__name__ == "wandb" else "name"
    assert first.kwargs[key] == second.kwargs[key]
    assert second.kwargs["resume"] == "allow"
    assert first.kwargs["config"]["name"] == "tiny"


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_missing_package_names_the_pip_line(
    name: str, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf'pip install "clickwise\[{name}\]"'):
        RunFolder(tmp_path).open_logs(0, tiny_recipe, [name])


def test_a_wrong_name_names_the_nearest() -> None:
    with pytest.raises(OptionError, match="nearest: wandb"):
        get_logger("wand")


class Remembering:
    """A logger as another package would bring it."""

    def __init__(self, folder: Path, recipe: Any) -> None:
        self.seen: list[Any] = [folder.name, recipe["name"]]
        made.append(self)

    def log(self, step: int, numbers: Any) -> None:
        self.seen.append((step, dict(numbers)))

    def log_picture(self, step: int, name: str, rgb: Any) -> None:
        self.seen.append((step, name, rgb.shape))

    def close(self) -> None:
        self.seen.append("closed")


made: list[Remembering] = []


def test_other_packages_bring_loggers(tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", f"{__name__}:Remembering", loggers.GROUP)
    monkeypatch.setattr(loggers, "entry_points", lambda group: EntryPoints([point] if group == loggers.GROUP else []))
    run = RunFolder(tmp_path / "run")
    run.create(tiny_recipe, resume=False)
    run.open_logs(0, tiny_recipe, ["mine"])
    run.log(1, 2, {"loss": 3.0})
    run.log_picture(1, "held_out", PICTURE)
    run.close_logs()
    assert made[-1].seen == ["run", "tiny", (1, {"loss": 3.0}), (1, "held_out", (4, 6, 3)), "closed"]


def test_tensorboard_is_always_there(tiny_recipe: Recipe, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = RunFolder(tmp_path)
    run.open_logs(0, tiny_recipe)
    run.log(3, 30, {"loss": 0.25})
    run.log_picture(3, "noc_curve", PICTURE)
    run.close_logs()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in board.Scalars("loss")] == [(3, 0.25)]
    assert board.Tags()["images"] == ["noc_curve"]
