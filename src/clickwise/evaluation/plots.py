"""Curves of an evaluation: mean IoU by clicks."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from clickwise.errors import MissingExtraError, OutputError
from clickwise.imaging import write_bytes

if TYPE_CHECKING:
    from clickwise.evaluation.result import EvaluationResult


def need_matplotlib() -> None:
    """Raise MissingExtraError when matplotlib is not installed; called before the long work starts."""
    try:
        import_module("matplotlib")
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots", "--plots") from error


def make_folder(folder: Path) -> None:
    """Make a folder for pictures, or OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}; give another") from error


def file_name(*parts: str) -> str:
    """A file name made of labels: everything but letters, digits, dot, dash and underscore becomes a dash."""
    return "_".join(re.sub(r"[^\w.-]+", "-", part).strip("-.") or "model" for part in parts)


def plot_curves(
    results: Sequence[EvaluationResult], folder: Path, labels: Mapping[str, str] | None = None
) -> list[Path]:
    """One PNG per data set with mean IoU by clicks, a line per model. Returns the files.

    labels: model -> what to call it in the legend.

    Raises MissingExtraError or OutputError.
    """
    need_matplotlib()
    make_folder(folder)
    written = []
    for dataset in dict.fromkeys(r.dataset for r in results):
        written.append(folder / f"{file_name('iou', dataset)}.png")
        write_bytes(written[-1], _curves_png([r for r in results if r.dataset == dataset], dataset, labels or {}))
    return written


def _curves_png(results: Sequence[EvaluationResult], dataset: str, labels: Mapping[str, str]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(7, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for result in results:
        curve = [100 * value for value in result.iou_curve()]
        label = f"{labels.get(result.model, result.model)} ({len(result.objects)} objects)"
        axes.plot(range(1, len(curve) + 1), curve, marker="o", markersize=3, label=label.replace("$", r"\$"))
    axes.set(xlabel="clicks", ylabel="mean IoU, %", title=dataset.replace("$", r"\$"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(top=100)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
