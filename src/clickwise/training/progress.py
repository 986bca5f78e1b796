"""The line of a training run on a terminal: share done, loss, IoU, samples per second, time left."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol


class TrainingProgress(Protocol):
    """Where a run stands, shown to whoever watches."""

    def advance(self, samples: int) -> None:
        """So many more samples are done."""
        ...

    def show(self, numbers: Mapping[str, float]) -> None:
        """The latest numbers of the log."""
        ...


@contextmanager
def training_progress(total: int, done: int, *, shown: bool) -> Iterator[TrainingProgress]:
    """A line over ``total`` samples, on a terminal and if ``shown``; otherwise nothing is written at all."""
    if not (shown and sys.stderr.isatty()):
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=Console(stderr=True), expand=True) as bar:
        yield _Line(bar, bar.add_task("samples", total=total, completed=done, numbers="", left=""))


class _Silent:
    def advance(self, samples: int) -> None:
        pass

    def show(self, numbers: Mapping[str, float]) -> None:
        pass


class _Line:
    def __init__(self, bar: Any, task: Any) -> None:
        self._bar, self._task = bar, task

    def advance(self, samples: int) -> None:
        self._bar.advance(self._task, samples)

    def show(self, numbers: Mapping[str, float]) -> None:
        task = self._bar.tasks[self._task]
        speed = numbers.get("samples_per_s", 0.0)
        left = f"{duration((task.total - task.completed) / speed)} left" if speed > 0 else ""
        self._bar.update(self._task, numbers=summary(numbers), left=left)


def summary(numbers: Mapping[str, float]) -> str:
    """The few numbers worth a glance."""
    words = [
        f"loss {numbers['loss']:.4g}" if "loss" in numbers else "",
        f"IoU {numbers['metric/ema_iou']:.3f}" if "metric/ema_iou" in numbers else "",
        f"{numbers['samples_per_s']:.3g} samples/s" if "samples_per_s" in numbers else "",
    ]
    return ", ".join(filter(None, words))


def duration(seconds: float) -> str:
    """90061 -> "1 d 1 h"; 3700 -> "1 h 1 min"; 61 -> "1 min"."""
    minutes = int(seconds // 60)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {rest} min" if hours else f"{max(1, rest)} min"
