"""A run folder: recipe as text, metrics as JSON lines, TensorBoard, checkpoint, weights, pictures of predictions."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import torch
from torch import Tensor

from clickwise.errors import CheckpointError, OutputError, RecipeError
from clickwise.models.interface import InteractiveModel
from clickwise.training.recipe import Recipe

_RECIPE, _METRICS, _CHECKPOINT, _WEIGHTS = "recipe.yaml", "metrics.jsonl", "checkpoint.pt", "weights.safetensors"


class Advance(Protocol):
    """A progress bar."""

    def advance(self, samples: int) -> None:
        """So many more samples are done."""
        ...


class RunFolder:
    """Files of one run, written beside and renamed; a resumed run cuts its logs back to the checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metrics: Any = None
        self._board: Any = None

    @property
    def weights_file(self) -> Path:
        """Latest weights in our own format (the averaged ones where the recipe averages)."""
        return self.path / _WEIGHTS

    def create(self, recipe: Recipe, *, resume: bool) -> None:
        """Make the folder and note the recipe; OutputError when a run is there already and resume is off."""
        self.path.mkdir(parents=True, exist_ok=True)
        if not resume and (self.path / _METRICS).exists():
            raise OutputError(f"{self.path} already holds a run; go on with --resume or choose another --output")
        self._write(_RECIPE, recipe.to_yaml().encode())

    def recipe(self) -> Recipe:
        """The recipe noted in the folder; RecipeError when there is no run to go on with."""
        return Recipe.from_yaml(read_text(self.path / _RECIPE))

    def open_logs(self, step: int, *, is_main: bool = True) -> None:
        """Open the logs, cut back to records up to ``step``. Processes other than the main one log nothing."""
        if not is_main:
            return
        path = self.path / _METRICS
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
            self._write(_METRICS, "".join(line + "\n" for line in kept).encode())
        self._metrics = path.open("a", encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=step + 1)
        except ImportError:
            self._board = None

    def log(self, step: int, samples: int, numbers: Mapping[str, float]) -> None:
        """One record of named numbers."""
        if self._metrics is None:
            return
        self._metrics.write(json.dumps({"step": step, "samples": samples, **numbers}) + "\n")
        self._metrics.flush()
        if self._board is not None:
            for name, value in numbers.items():
                self._board.add_scalar(name, value, step)

    def log_picture(self, step: int, name: str, rgb: Any) -> None:
        """A picture (H, W, 3) uint8: as a file under pictures/ and in TensorBoard."""
        from PIL import Image

        target = self.path / "pictures"
        target.mkdir(exist_ok=True)
        Image.fromarray(rgb).save(target / f"{name}_{step:07d}.jpg", quality=85)
        if self._board is not None:
            self._board.add_image(name, rgb, step, dataformats="HWC")

    def save_checkpoint(self, state: Mapping[str, Any], rank: int) -> None:
        """Replace the checkpoint of one process.

        The main process (rank 0) writes last and decides which step counts. The others keep their previous file too: a
        kill between the writes leaves them one step of saving ahead.
        """
        path = self._checkpoint(rank)
        beside = path.with_name(path.name + ".part")
        torch.save(dict(state), beside)
        if rank and path.exists():
            path.replace(path.with_name(path.name + ".previous"))
        beside.replace(path)

    def load_checkpoint(self, rank: int = 0) -> dict[str, Any] | None:
        """The last checkpoint of one process at the step of the main one, or None if there is none yet."""
        if not self._checkpoint(0).exists():
            return None
        state = _read_checkpoint(self._checkpoint(0))
        if rank == 0:
            return state
        step = state["position"]["steps"]
        path = self._checkpoint(rank)
        for candidate in (path, path.with_name(path.name + ".previous")):
            if candidate.exists():
                own = _read_checkpoint(candidate)
                if own["position"]["steps"] == step:
                    return own
        raise CheckpointError(
            f"{path} is not at step {step} of the main checkpoint; resume with as many processes as the run began with"
        )

    def _checkpoint(self, rank: int) -> Path:
        return self.path / (_CHECKPOINT if rank == 0 else f"{_CHECKPOINT}.{rank}")

    def save_weights(
        self, model: InteractiveModel, weights: Mapping[str, Tensor], recipe: Recipe, samples: int
    ) -> Path:
        """Write weights in our own format, with the recipe's name and the samples seen."""
        from clickwise.weights.checkpoint import save_checkpoint

        averaged = copy.deepcopy(model)
        averaged.load_state_dict(weights)
        info = {"recipe": recipe.name, "samples": samples, "seed": recipe.seed}
        save_checkpoint(averaged, self.weights_file, info=info)
        return self.weights_file

    @contextmanager
    def progress(self, total: int, done: int) -> Iterator[Advance]:
        """A bar over samples, shown only on a terminal."""
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("samples", total=total, completed=done)

            class Bar:
                def advance(self, samples: int) -> None:
                    bar.advance(task, samples)

            yield Bar()

    def _write(self, name: str, content: bytes) -> None:
        beside = self.path / f"{name}.part"
        try:
            beside.write_bytes(content)
            beside.replace(self.path / name)
        except OSError as error:
            raise OutputError(
                f"cannot write {self.path / name} ({error.strerror}); free space or choose another --output"
            ) from None


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, UnpicklingError, EOFError, OSError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"{path} cannot be read ({first}); remove it to start the run again") from None
    return state


def read_text(path: Path) -> str:
    """A text file, or RecipeError naming it."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not text"
        raise RecipeError(f"{path} cannot be read ({reason}); name a recipe.yaml or the folder of a run") from None


def _step_of(line: str) -> int:
    try:
        step: int = json.loads(line)["step"]
    except (ValueError, KeyError):
        return sys.maxsize
    return step
