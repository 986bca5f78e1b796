"""Where a run's numbers and pictures go beside its own files: TensorBoard always, others by name.

wandb, mlflow and trackio are built in (each needs its package); others come from installed packages through the entry
point group "clickwise.loggers": name -> a function of (run folder, recipe as plain data) that returns a `RunLogger`.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from clickwise.errors import MissingExtraError, OptionError
from clickwise.nearest import nearest
from clickwise.types import ImageArray

GROUP = "clickwise.loggers"
_PROJECT = "clickwise"


class RunLogger(Protocol):
    """A place for numbers and pictures; only the first process of a run has one."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Numbers by name (``loss/nfl@logits``, ``val/iou@1``) after that step."""
        ...

    def log_picture(self, step: int, name: str, rgb: ImageArray) -> None:
        """A picture (H, W, 3) uint8."""
        ...

    def close(self) -> None:
        """The run ends, or is interrupted."""
        ...


LoggerMaker = Callable[[Path, Mapping[str, Any]], RunLogger]
"""From the run folder, which outlives interruptions, and the recipe as plain data."""


class TensorBoardLogger:
    """Event files under ``tensorboard/``; records after ``step`` of an interrupted run are hidden."""

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `RunLogger`."""
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)

    def log_picture(self, step: int, name: str, rgb: ImageArray) -> None:
        """See `RunLogger`."""
        self._writer.add_image(name, rgb, step, dataformats="HWC")

    def close(self) -> None:
        """See `RunLogger`."""
        self._writer.close()


class WandbLogger:
    """Weights & Biases; a resumed run goes on under the id kept in the run folder."""

    def __init__(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        self._wandb = _imported("wandb")
        name = f"{recipe['name']}-{folder.name}"
        self._run = self._wandb.init(
            project=_PROJECT, name=name, config=dict(recipe), dir=str(folder), id=_kept_id(folder), resume="allow"
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `RunLogger`."""
        self._run.log(dict(numbers), step=step)

    def log_picture(self, step: int, name: str, rgb: ImageArray) -> None:
        """See `RunLogger`."""
        self._run.log({name: self._wandb.Image(rgb)}, step=step)

    def close(self) -> None:
        """See `RunLogger`."""
        self._run.finish()


class MlflowLogger:
    """MLflow, at the server that MLFLOW_TRACKING_URI names (else ./mlruns)."""

    def __init__(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        self._mlflow = _imported("mlflow")
        self._mlflow.set_experiment(_PROJECT)
        kept = folder / "mlflow-run.txt"
        if kept.exists():
            self._mlflow.start_run(run_id=kept.read_text(encoding="utf-8").strip())
        else:
            run = self._mlflow.start_run(run_name=f"{recipe['name']}-{folder.name}")
            kept.write_text(run.info.run_id + "\n", encoding="utf-8")
            self._mlflow.log_dict(dict(recipe), "recipe.yaml")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `RunLogger`. MLflow takes fewer characters in names than we use."""
        self._mlflow.log_metrics({_plain_name(name): value for name, value in numbers.items()}, step=step)

    def log_picture(self, step: int, name: str, rgb: ImageArray) -> None:
        """See `RunLogger`."""
        self._mlflow.log_image(rgb, f"{_plain_name(name)}_{step:07d}.png")

    def close(self) -> None:
        """See `RunLogger`."""
        self._mlflow.end_run()


class TrackioLogger:
    """trackio, a local dashboard with wandb's interface."""

    def __init__(self, folder: Path, recipe: Mapping[str, Any]) -> None:
        self._trackio = _imported("trackio")
        name = f"{recipe['name']}-{folder.name}-{_kept_id(folder)}"
        self._trackio.init(project=_PROJECT, name=name, config=dict(recipe), resume="allow")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """See `RunLogger`."""
        self._trackio.log(dict(numbers), step=step)

    def log_picture(self, step: int, name: str, rgb: ImageArray) -> None:
        """See `RunLogger`."""
        self._trackio.log({name: self._trackio.Image(rgb)}, step=step)

    def close(self) -> None:
        """See `RunLogger`."""
        self._trackio.finish()


BUILT_IN: Mapping[str, LoggerMaker] = MappingProxyType(
    {"mlflow": MlflowLogger, "trackio": TrackioLogger, "wandb": WandbLogger}
)
"""Name for ``--log`` -> maker."""


def get_logger(name: str) -> LoggerMaker:
    """The maker of that name, built in or installed; OptionError naming the nearest ones."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    installed = {point.name: point for point in entry_points(group=GROUP)}
    if name not in installed:
        names = sorted({*BUILT_IN, *installed})
        raise OptionError(
            f"--log got {name!r}; nearest: {nearest(name, names)}. TensorBoard is always on; other loggers come with "
            f"packages that have an entry point in the group {GROUP}"
        )
    maker: LoggerMaker = installed[name].load()
    return maker


def _imported(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise MissingExtraError(package, package, f"--log {package}") from None


def _kept_id(folder: Path) -> str:
    """An id of the run that a resumed one finds again."""
    path = folder / "run-id.txt"
    if not path.exists():
        path.write_text(uuid.uuid4().hex[:12] + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def _plain_name(name: str) -> str:
    return re.sub(r"[^\w\-. /]", "_", name)
