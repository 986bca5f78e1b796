"""Training curves of several run folders in one picture: python3 tools/plot_runs.py OUT.png RUN..."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

_LOSS = "loss/nfl@logits"
_FIRST, _LAST = "iou/round0", "iou/round3"
_WINDOW = 15
"""Logged steps that a running mean takes together."""


def main() -> None:
    """Read metrics.jsonl of each run and draw loss and IoU against samples."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    figure = Figure(figsize=(11, 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    losses, ious = figure.subplots(1, 2)
    for run in arguments.runs:
        records = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
        name = run.name.removeprefix("compare-")
        [line] = losses.plot(*smoothed(records, _LOSS), label=name)
        ious.plot(*smoothed(records, _LAST), color=line.get_color(), label=name)
        ious.plot(*smoothed(records, _FIRST), color=line.get_color(), linestyle=":")
    losses.set(xlabel="samples", ylabel="normalised focal loss (running mean)")
    ious.set(
        xlabel="samples",
        ylabel="IoU in training (running mean)",
        title="dotted: no click on an error yet; solid: three",
    )
    for axes in (losses, ious):
        axes.grid(alpha=0.3)
    losses.legend(fontsize="small")
    figure.savefig(arguments.picture, metadata={"Software": None})


def smoothed(records: list[dict[str, float]], key: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples and running means of one logged number."""
    found = [(r["samples"], r[key]) for r in records if key in r]
    samples, values = (np.array(side, dtype=float) for side in zip(*found, strict=True))
    width = min(_WINDOW, len(values))
    kernel = np.ones(width) / width
    return np.convolve(samples, kernel, mode="valid"), np.convolve(values, kernel, mode="valid")


if __name__ == "__main__":
    main()
