"""Pictures of an evaluation: mean IoU by clicks, and the objects that went worst."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image, ImageDraw

from clickwise.data.sample import Dataset, HasStartMasks
from clickwise.errors import MissingExtraError, OutputError
from clickwise.imaging import overlay, write_bytes, write_image
from clickwise.types import ImageArray, MaskArray

if TYPE_CHECKING:
    from clickwise.evaluation.result import EvaluationResult, ObjectResult
    from clickwise.inference.predictor import Predictor

WORST_SHOWN = 8
_TILE_HEIGHT, _TILE_WIDTH, _CAPTION_HEIGHT, _GAP = 240, 360, 18, 6
_IGNORED_GREY = 128


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


def worst_objects(result: EvaluationResult, count: int = WORST_SHOWN) -> list[int]:
    """Places of the objects with the lowest IoU, averaged over all clicks of the budget, worst first.

    An object that stopped early counts with its last IoU from there on.
    """
    budget = result.protocol.n_clicks

    def mean_iou(place: int) -> float:
        ious = result.objects[place].ious
        return (sum(ious) + ious[-1] * (budget - len(ious))) / budget

    return sorted(range(len(result.objects)), key=mean_iou)[:count]


def plot_worst(
    result: EvaluationResult,
    dataset: Dataset,
    predictor: Predictor,
    folder: Path,
    *,
    label: str = "",
    count: int = WORST_SHOWN,
) -> Path:
    """A contact sheet of the worst objects: picture, answer with clicks, truth (grey = ignored). Returns the file.

    The answers are made again by replaying the recorded clicks, so that no masks need to be kept.
    """
    make_folder(folder)
    places = {sample_id: index for index, sample_id in enumerate(dataset.sample_ids)}
    rows = []
    for number in worst_objects(result, count):
        found = result.objects[number]
        rows.append(_row(found, dataset, places[found.sample_id], predictor))
    path = folder / f"{file_name('worst', result.dataset, label or result.model)}.png"
    write_image(path, np.concatenate(rows))
    return path


def _row(found: ObjectResult, dataset: Dataset, index: int, predictor: Predictor) -> ImageArray:
    sample = dataset.load(index)
    predictor.set_image(sample.image)
    mask: MaskArray = np.zeros(sample.image.shape[:2], dtype=bool)
    start = dataset.start_mask(index) if isinstance(dataset, HasStartMasks) else None
    if start is not None:
        mask = predictor.set_mask(start).mask
    for click in found.clicks:
        mask = predictor.click(click.x, click.y, positive=click.is_positive).mask
    truth = np.where(sample.object_mask(found.object_id), 255, 0).astype(np.uint8)
    truth[sample.ignore_mask()] = _IGNORED_GREY
    scale = max(sample.image.shape[0] / _TILE_HEIGHT, sample.image.shape[1] / _TILE_WIDTH)
    radius = max(1, round(4 * scale))
    shown = [sample.image, overlay(sample.image, mask, found.clicks, alpha=0.5, radius=radius), np.dstack([truth] * 3)]
    several = f" object {found.object_id + 1}" if len(sample.objects) > 1 else ""
    text = f"{found.sample_id}{several}   IoU {100 * found.ious[-1]:.1f} % after {len(found.ious)} clicks"
    return np.concatenate([_caption(text, 3 * (_TILE_WIDTH + _GAP)), _side_by_side(shown)])


def _side_by_side(pictures: Iterable[ImageArray]) -> ImageArray:
    """The pictures scaled into tiles of one size, on white."""
    tiles = []
    for picture in pictures:
        height, width = picture.shape[:2]
        scale = min(_TILE_HEIGHT / height, _TILE_WIDTH / width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST)
        tile = np.full((_TILE_HEIGHT + _GAP, _TILE_WIDTH + _GAP, 3), 255, dtype=np.uint8)
        tile[: size[1], : size[0]] = small
        tiles.append(tile)
    return np.concatenate(tiles, axis=1)


def _caption(text: str, width: int) -> ImageArray:
    """A white strip with black text; letters that Pillow's own font may lack become question marks."""
    strip = Image.new("RGB", (width, _CAPTION_HEIGHT), "white")
    ImageDraw.Draw(strip).text((3, 3), text.encode("ascii", "replace").decode(), fill="black")
    return np.asarray(strip)
