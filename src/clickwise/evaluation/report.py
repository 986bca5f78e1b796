"""Tables as the field prints them (protocol 5.3), and beneath them what it leaves out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from clickwise.data.datasets.registry import find_entry
from clickwise.evaluation.chain_choice import mode_label
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.result import EvaluationResult
from clickwise.metrics.iou import BOUNDARY_SHARE

_FIRST_WIDTH, _DATASET_WIDTH, _SCORE_WIDTH, _SPC_WIDTH, _TIME_WIDTH = 13, 11, 9, 7, 9
_UNKNOWN = "?"
_CHECKPOINT_SUFFIXES = (".pth", ".pt", ".safetensors")
OUTLINE_TEXT = (
    f" BIoU: IoU of bands of {100 * BOUNDARY_SHARE:g} % of the diagonal along the outlines, in %; "
    "ASSD: mean distance of outlines in pixels."
)
CLICKS_SHOWN = (1, 2, 3, 5, 10, 20)
"""Numbers of clicks of the IoU@k columns (RITM's --print-ious)."""


class Table:
    """Prints head and rows one by one, so that a long run shows each row as it is ready.

    models: those of all rows; with several the first column names the model, else the chain.
    """

    def __init__(self, models: Sequence[str], datasets: Sequence[str], protocol: EvaluationProtocol) -> None:
        self.labels = short_names(models)
        self.protocol = protocol
        self._several = len(self.labels) > 1
        self._first = max(_FIRST_WIDTH, *(len(m) + 2 for m in self.labels.values())) if self._several else _FIRST_WIDTH
        self._second = max(_DATASET_WIDTH, *(len(d) + 2 for d in datasets))

    @property
    def heading(self) -> str:
        """``Eval results for model: NAME``."""
        return f"Eval results for model{'s' if self._several else ''}: {', '.join(self.labels.values())}"

    def label_of(self, model: str) -> str:
        """What a model is called in the table."""
        return self.labels[model]

    def head(self) -> str:
        """Heading, rule, column names, rule."""
        targets, clicks = self.protocol.table_thresholds, self.protocol.n_clicks
        cells = [f"NoC@{_percent(t)}%" for t in targets]
        cells += [f">={clicks}@{_percent(t)}%" for t in targets if t > 0.80]
        line = self._line("Model" if self._several else "BRS Type", "Dataset", cells, "SPC,s", "Time")
        return "\n".join([self.heading, "-" * len(line), line, "-" * len(line)])

    def row(self, result: EvaluationResult) -> str:
        """NoC, NoF as the field counts it, seconds per click, time."""
        targets, answers = self.protocol.table_thresholds, self.protocol.answers
        cells = [f"{result.noc(t):.2f}" if answers(t) else _UNKNOWN for t in targets]
        cells += [f"{result.nof(t)}" if answers(t) else _UNKNOWN for t in targets if t > 0.80]
        return self._line(
            self._label(result), result.dataset, cells, f"{result.spc:.3f}", _time(result.elapsed_seconds)
        )

    def more_head(self) -> str:
        """Column names of what the field leaves out: objects never reached, mean IoU after k clicks, standard error."""
        targets = [t for t in self.protocol.table_thresholds if t > 0.80]
        cells = [f"NoF@{_percent(t)}%" for t in targets] + [f"IoU@{k}" for k in self._clicks()] + ["SE NoC90"]
        line = self._line("Model" if self._several else "BRS Type", "Dataset", cells)
        return "\n".join([line, "-" * len(line)])

    def more_row(self, result: EvaluationResult) -> str:
        """The row below `more_head`; IoU in per cent."""
        answers, curve = self.protocol.answers, result.iou_curve()
        targets = [t for t in self.protocol.table_thresholds if t > 0.80]
        cells = [f"{result.nof_strict(t)}" if answers(t) else _UNKNOWN for t in targets]
        cells += [f"{100 * curve[k - 1]:.2f}" if k <= len(curve) else _UNKNOWN for k in self._clicks()]
        error = result.noc_standard_error(0.90) if answers(0.90) else None
        cells += [_UNKNOWN if error is None or error != error else f"{error:.2f}"]
        return self._line(self._label(result), result.dataset, cells)

    def outline_head(self) -> str:
        """Column names of the outlines' scores: boundary IoU and average symmetric surface distance after k clicks."""
        cells = [f"{name}@{k}" for name in ("BIoU", "ASSD") for k in self._clicks()]
        line = self._line("Model" if self._several else "BRS Type", "Dataset", cells)
        return "\n".join([line, "-" * len(line)])

    def outline_row(self, result: EvaluationResult) -> str:
        """The row below `outline_head`; boundary IoU in per cent, distances in pixels."""
        cells = []
        for factor, curve in ((100, result.boundary_iou_curve()), (1, result.surface_distance_curve())):
            shown = [factor * curve[k - 1] if k <= len(curve) else math.nan for k in self._clicks()]
            cells += [_UNKNOWN if math.isnan(value) else f"{value:.2f}" for value in shown]
        return self._line(self._label(result), result.dataset, cells)

    def _clicks(self) -> list[int]:
        return [k for k in CLICKS_SHOWN if k <= self.protocol.n_clicks]

    def _label(self, result: EvaluationResult) -> str:
        if self._several:
            return self.labels[result.model]
        return self.protocol.mode or mode_label(str(result.protocol.inference.get("chain", "")))

    def _line(self, first: str, dataset: str, cells: Sequence[str], spc: str = "", time: str = "") -> str:
        columns = [f"{first:^{self._first}}", f"{dataset:^{self._second}}", *(f"{c:^{_SCORE_WIDTH}}" for c in cells)]
        if spc:
            columns += [f"{spc:^{_SPC_WIDTH}}", f"{time:^{_TIME_WIDTH}}"]
        return "|" + "|".join(columns) + "|"


def table(results: Sequence[EvaluationResult]) -> str:
    """The whole table of results that share a protocol."""
    form = Table([r.model for r in results], [r.dataset for r in results], results[0].protocol)
    return "\n".join([form.head(), *(form.row(r) for r in results), "", remainder(form, results)])


def remainder(form: Table, results: Sequence[EvaluationResult]) -> str:
    """What follows the field's table: the further columns, the protocol, and remarks."""
    lines = [form.more_head(), *(form.more_row(r) for r in results), ""]
    if form.protocol.boundary:
        lines += [form.outline_head(), *(form.outline_row(r) for r in results), ""]
    return "\n".join(
        [*lines, protocol_text(form.protocol), *dict.fromkeys(note for r in results for note in remarks(r))]
    )


def protocol_text(protocol: EvaluationProtocol) -> str:
    """The protocol in one line."""
    if protocol.early_stop:
        stop = f"objects stop at IoU {protocol.target_iou:g} after at least {protocol.min_n_clicks} clicks"
    else:
        stop = "all clicks are made"
    mode = f", mode {protocol.mode}" if protocol.mode else ""
    options = "".join(f", {name} {value}" for name, value in sorted(protocol.chain_options.items()))
    human = f", human clicks (seed {protocol.click_seed})" if protocol.human_clicks is not None else ""
    return (
        f"Protocol: {protocol.n_clicks} clicks per object, {stop}; threshold {protocol.threshold:g}; "
        f"eval mode {protocol.eval_mode}{mode}{options}{human}. "
        ">=N@t counts objects whose NoC is N, NoF@t those that never reach t."
        + (OUTLINE_TEXT if protocol.boundary else "")
    )


def remarks(result: EvaluationResult) -> list[str]:
    """What a reader should know: another number of objects than published, masks to start from, empty masks."""
    entry, count = find_entry(result.dataset), len(result.objects)
    notes = []
    if entry is not None and entry.objects not in (0, count):
        notes.append(f"Note: {result.dataset} has {count} objects here; published results use {entry.objects}.")
    starts = [o.start_iou for o in result.objects if o.start_iou is not None]
    if starts:
        mean = 100 * sum(starts) / len(starts)
        notes.append(f"Note: clicks on {result.dataset} start from masks, {len(starts)} with mean IoU {mean:.2f}.")
    empty = sum(bool(o.distances) and math.isinf(o.distances[-1]) for o in result.objects)
    if empty:
        notes.append(f"Note: ASSD leaves out {empty} of {count} objects of {result.dataset}, whose last mask is empty.")
    return notes


def short_names(models: Sequence[str]) -> dict[str, str]:
    """Model as given -> its name in tables: files by their stem, unless two would be called the same."""
    stems = {m: Path(m).stem if Path(m).suffix in _CHECKPOINT_SUFFIXES else m for m in models}
    shared = {stem for stem in stems.values() if list(stems.values()).count(stem) > 1}
    return {model: model if stem in shared else stem for model, stem in stems.items()}


def _percent(threshold: float) -> str:
    return f"{round(100 * threshold, 2):g}"


def _time(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}"
