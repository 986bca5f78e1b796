"""A run folder: recipe as text, metrics as JSON lines, TensorBoard, checkpoint, weights, pictures of predictions."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from clickwise.errors import CheckpointError, OutputError, RecipeError
from clickwise.models.interface import InteractiveModel
from clickwise.training.loggers import RunLogger, TensorBoardLogger, get_logger
from clickwise.training.recipe import Recipe

_RECIPE, _METRICS, _CHECKPOINT, _WEIGHTS = "recipe.yaml", "metrics.jsonl", "checkpoint.pt", "weights.safetensors"


class RunFolder:
    """Files of one run, written beside and renamed; a resumed run cuts its logs back to the checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metrics: Any = None
        self._loggers: list[RunLogger] = []

    @property
    def weights_file(self) -> Path:
        """Latest weights in our own format (the averaged ones where the recipe averages)."""
        return self.path / _WEIGHTS

    def create(self, recipe: Recipe, *, resume: bool) -> None:
        """Make the folder and note the recipe; OutputError when a run is there already and resume is off."""
        metrics = self.path / _METRICS
        has_begun = self._checkpoint(0).exists() or (metrics.exists() and metrics.stat().st_size > 0)
        if not resume and has_begun:
            raise OutputError(f"{self.path} already holds a run; go on with --resume or choose another --output")
        self.path.mkdir(parents=True, exist_ok=True)
        self._write(_RECIPE, recipe.to_yaml().encode())

    def recipe(self) -> Recipe:
        """The recipe noted in the folder; RecipeError when there is no run to go on with."""
        return Recipe.from_yaml(read_text(self.path / _RECIPE))

    def open_logs(self, step: int, recipe: Recipe, loggers: Sequence[str] = ()) -> None:
        """Open the logs, cut back to records up to ``step``; loggers: names of those wanted beside TensorBoard.

        For the first process only; in others nothing is open, and nothing logged. Raises OptionError for an unknown
        logger, MissingExtraError for one whose package is missing.
        """
        makers = [get_logger(name) for name in loggers]
        path = self.path / _METRICS
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
            self._write(_METRICS, "".join(line + "\n" for line in kept).encode())
        self._loggers = [make(self.path, recipe.model_dump(mode="json")) for make in makers]
        with suppress(ImportError):
            self._loggers.append(TensorBoardLogger(self.path, step))
        self._metrics = path.open("a", encoding="utf-8")

    def close_logs(self) -> None:
        """Write out what is still held back; nothing happens where no log is open."""
        for logger in self._loggers:
            logger.close()
        if self._metrics is not None:
            self._metrics.close()
        self._metrics, self._loggers = None, []

    def log(self, step: int, samples: int, numbers: Mapping[str, float]) -> None:
        """One record of named numbers."""
        if self._metrics is None:
            return
        self._metrics.write(json.dumps({"step": step, "samples": samples, **numbers}) + "\n")
        self._metrics.flush()
        for logger in self._loggers:
            logger.log(step, numbers)

    def records(self) -> Iterator[dict[str, float]]:
        """All records so far, oldest first; a line that a kill left unfinished is passed over."""
        path = self.path / _METRICS
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            with suppress(ValueError):
                yield json.loads(line)

    def log_picture(self, step: int, name: str, rgb: Any) -> None:
        """A picture (H, W, 3) uint8: as a file under pictures/, and to the loggers."""
        from PIL import Image

        target = self.path / "pictures"
        target.mkdir(exist_ok=True)
        Image.fromarray(rgb).save(target / f"{name}_{step:07d}.jpg", quality=85)
        for logger in self._loggers:
            logger.log_picture(step, name, rgb)

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
        """The last checkpoint of one process at the step of the main one, or None if there is none yet.

        Weights and optimiser lie in the main one only; each process has its position, method and generators.
        """
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
                    return {**state, **own}
        raise CheckpointError(
            f"{path} is not at step {step} of the main checkpoint; resume with as many processes as the run began with"
        )

    def _checkpoint(self, rank: int) -> Path:
        return self.path / (_CHECKPOINT if rank == 0 else f"{_CHECKPOINT}.{rank}")

    def save_weights(self, model: InteractiveModel, recipe: Recipe, samples: int) -> Path:
        """Write a model in our own format, with the recipe's name and the samples seen."""
        from clickwise.weights.checkpoint import save_checkpoint

        save_checkpoint(model, self.weights_file, info={"recipe": recipe.name, "samples": samples, "seed": recipe.seed})
        return self.weights_file

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
