"""Findings for people: tables that are Markdown at the same time, one picture, one JSON file."""

from __future__ import annotations

import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clickwise.evaluation.plots import file_name, make_folder, need_matplotlib
from clickwise.evaluation.result import EvaluationResult
from clickwise.evaluation.robustness.comparison import CLICKS_SHOWN, TARGETS, Difference, Finding, Robustness
from clickwise.evaluation.robustness.conditions import PLAIN
from clickwise.imaging import write_bytes, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from rich.table import Table

_WIDTH = 1000
"""Of the console that lays tables out; they are as wide as what they hold."""
_UNKNOWN = "-"
_MEASURES = {
    "area_share": "share of the picture",
    "thickness": "thickness",
    "fine_share": "share in fine structure",
    "parts": "parts",
    "hole_share": "holes",
    "rim_share": "share of the picture's rim",
    "contrast": "contrast across the outline",
    "weak_share": "share of weak outline",
}


def text(found: Robustness, label: str = "") -> str:
    """All tables of one model on one data set: conditions, what goes with hard objects, the worst of them."""
    from rich.console import Console

    heading = f"{label or found.model} on {found.dataset}: {found.plain.protocol.n_clicks} clicks, seed {found.seed}"
    buffer = io.StringIO()
    console = Console(file=buffer, width=_WIDTH, color_system=None)
    parts: list[Table | str] = [heading, conditions_table(found), _explanation(found), hardness_table(found)]
    if found.worst:
        parts += ["The worst objects:", worst_table(found)]
    for part in parts:
        console.print(part, markup=False, highlight=False, soft_wrap=isinstance(part, str))
        console.print()
    # The style pads the first and last line of a table with blanks; a page has no use for them.
    lines = [line.rstrip() for line in buffer.getvalue().splitlines()]
    kept = [line for i, line in enumerate(lines) if line or (i and lines[i - 1])]
    return "\n".join(kept).strip() + "\n"


def _table(columns: Sequence[str], left: int = 1) -> Table:
    from rich.box import MARKDOWN
    from rich.table import Table

    table = Table(box=MARKDOWN)
    for number, name in enumerate(columns):
        table.add_column(name, justify="left" if number < left else "right", no_wrap=True)
    return table


def conditions_table(found: Robustness) -> Table:
    """A row per condition: objects, NoC with standard errors, objects never at 90 %, IoU by clicks, the difference."""
    budget = found.plain.protocol.n_clicks
    clicks = [k for k in CLICKS_SHOWN if k <= budget]
    columns = ["condition", "objects", *(f"NoC@{100 * t:.0f}" for t in TARGETS), "never 90"]
    table = _table([*columns, *(f"IoU@{k}" for k in clicks), "NoC@90 against", "IoU@1 against"])
    table.add_row(PLAIN, *_scores(found.plain, clicks), "", "")
    for finding in found.findings:
        differences = _signed(finding.noc_difference(0.90), 2), _signed(finding.iou_difference(1), 1, 100)
        table.add_row(finding.condition.name, *_scores(finding.result, clicks), *differences)
    return table


def hardness_table(found: Robustness) -> Table:
    """Rank correlation of each measure with how hard objects are."""
    table = _table(["measure", "rank correlation with 1 - IoU"])
    for name, value in found.hardness.items():
        table.add_row(_MEASURES[name], _UNKNOWN if math.isnan(value) else f"{value:+.2f}")
    return table


def worst_table(found: Robustness) -> Table:
    """A row per object: clicks, IoU, what is wrong at the end and what the object looks like."""
    columns = [
        "rank",
        "picture",
        "object",
        "traits",
        "first fault",
        "last fault",
        "clicks to 90",
        "IoU first",
        "IoU last",
    ]
    table = _table([*columns, "missed %", "extra %", "at edge %", "area %", "fine %", "parts", "contrast"], left=6)
    for failure in found.worst:
        shape = failure.shape
        table.add_row(
            f"{failure.rank}",
            failure.sample_id,
            f"{failure.object_id + 1}",
            ", ".join(failure.traits) or _UNKNOWN,
            failure.first.fault,
            failure.last.fault,
            "never" if failure.clicks is None else f"{failure.clicks}",
            *(_percent(value) for value in (failure.first_iou, failure.last_iou)),
            *(
                _percent(value)
                for value in (failure.last.missed_share, failure.last.extra_share, failure.last.edge_share)
            ),
            *(_percent(value) for value in (shape.area_share, shape.fine_share)),
            f"{shape.parts}",
            _UNKNOWN if math.isnan(shape.contrast) else f"{shape.contrast:.0f}",
        )
    return table


def _scores(result: EvaluationResult, clicks: Sequence[int]) -> list[str]:
    """The cells of a row that stand without comparison."""
    count = len(result.objects)
    if not count:
        return ["0", *[_UNKNOWN] * (len(TARGETS) + 1 + len(clicks))]
    cells = [f"{count}"]
    for target in TARGETS:
        error = result.noc_standard_error(target)
        cells.append(f"{result.noc(target):.2f}" + ("" if math.isnan(error) else f" ± {error:.2f}"))
    return [*cells, f"{result.nof_strict(0.90)}", *(f"{100 * result.iou_at(k):.1f}" for k in clicks)]


def _signed(difference: Difference, digits: int, factor: float = 1) -> str:
    if math.isnan(difference.mean):
        return _UNKNOWN
    mean, error = factor * difference.mean, factor * difference.standard_error
    return f"{mean:+.{digits}f}" + ("" if math.isnan(error) else f" ± {error:.{digits}f}")


def _percent(value: float) -> str:
    return _UNKNOWN if math.isnan(value) else f"{100 * value:.1f}"


def _explanation(found: Robustness) -> str:
    """What the conditions do and what the columns hold, one line each."""
    lines = [f"{f.condition.name}: {f.condition.says}{_remark(f, len(found.plain.objects))}" for f in found.findings]
    lines.append(
        "against: conditions that change something against plain on the same objects, paired; chosen objects against "
        "all others. ± is the standard error. IoU in %. never 90: objects that do not reach 90 % in the budget."
    )
    return "\n".join(lines)


def _remark(finding: Finding, count: int) -> str:
    start = finding.start_iou
    text = "" if start is None else f" (mean {100 * start:.1f} %)"
    left_out = count - len(finding.result.objects)
    return text if finding.condition.is_choice or not left_out else f"{text} ({left_out} too small, left out)"


def write_json(path: str | os.PathLike[str], results: Sequence[Robustness], command: str = "") -> None:
    """Write ``{"results": [...]}`` in one atomic step; ``command`` leads here again. Raises OutputError."""
    values: dict[str, object] = {"results": [found.as_plain() for found in results]}
    if command:
        values["command"] = command
    write_text(path, json.dumps(values, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def plot_conditions(results: Sequence[Robustness], folder: Path, labels: dict[str, str] | None = None) -> list[Path]:
    """One PNG per data set: NoC@90 under each condition and what it costs, with standard errors, a colour per model.

    labels: model -> what to call it. Returns the files. Raises MissingExtraError or OutputError.
    """
    need_matplotlib()
    make_folder(folder)
    written = []
    for dataset in dict.fromkeys(found.dataset for found in results):
        written.append(folder / f"{file_name('robustness', dataset)}.png")
        write_bytes(written[-1], _png([r for r in results if r.dataset == dataset], dataset, labels or {}))
    return written


def _png(results: Sequence[Robustness], dataset: str, labels: dict[str, str]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = [PLAIN, *(f.condition.name for f in results[0].findings)]
    figure = Figure(figsize=(10, 1.3 + 0.3 * len(names)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    scores, costs = figure.subplots(1, 2, sharey=True)
    for number, found in enumerate(results):
        shift = 0.5 * ((number + 0.5) / len(results) - 0.5)
        label = labels.get(found.model, found.model).replace("$", r"\$")
        _dots(scores, costs, found, names, shift, label, f"C{number}")
    counts = [len(results[0].plain.objects), *(len(f.result.objects) for f in results[0].findings)]
    scores.set_yticks(range(len(names)), [f"{name} ({count})" for name, count in zip(names, counts, strict=True)])
    scores.set_ylim(len(names) - 0.4, -0.6)
    budget = results[0].plain.protocol.n_clicks
    scores.set(xlabel=f"clicks to 90 % IoU (at most {budget})", title=dataset.replace("$", r"\$"))
    costs.set(xlabel="more clicks than plain (chosen objects: than the others)")
    costs.axvline(0, color="0.4", linewidth=0.8)
    for axes in (scores, costs):
        axes.grid(alpha=0.3)
        for line in _group_ends(results[0]):
            axes.axhline(line + 0.5, color="0.7", linewidth=0.8, linestyle=":")
    if len(results) > 1:
        figure.legend(*scores.get_legend_handles_labels(), loc="outside upper center", ncols=3, fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _dots(
    scores: Axes, costs: Axes, found: Robustness, names: Sequence[str], shift: float, label: str, colour: str
) -> None:
    """NoC@90 and differences of one model as dots with bars of one standard error."""
    style: dict[str, Any] = {"fmt": "o", "markersize": 4, "capsize": 2, "color": colour, "linewidth": 1}
    known = [(0, found.plain), *((names.index(f.condition.name), f.result) for f in found.findings)]
    rows = [(place, result) for place, result in known if result.objects]
    scores.errorbar(
        [result.noc(0.90) for _, result in rows],
        [place + shift for place, _ in rows],
        xerr=[_finite(result.noc_standard_error(0.90)) for _, result in rows],
        label=label,
        **style,
    )
    pairs = [(names.index(f.condition.name), f.noc_difference(0.90)) for f in found.findings]
    pairs = [(place, difference) for place, difference in pairs if not math.isnan(difference.mean)]
    costs.errorbar(
        [difference.mean for _, difference in pairs],
        [place + shift for place, _ in pairs],
        xerr=[_finite(difference.standard_error) for _, difference in pairs],
        **style,
    )


def _finite(error: float) -> float:
    return 0.0 if math.isnan(error) else error


def _group_ends(found: Robustness) -> list[int]:
    """Rows after which a group of conditions ends, plain being row 0."""
    groups = [PLAIN, *(f.condition.group for f in found.findings)]
    return [row for row in range(len(groups) - 1) if groups[row] != groups[row + 1]]
