"""``clickwise benchmark``: milliseconds per click by stage, against plain eager fp32, in one run; or of training."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Annotated

import typer

from clickwise.cli.options import DeviceOption
from clickwise.errors import OutputError

if TYPE_CHECKING:
    from clickwise.benchmark.clicks import ClickBenchmark


def benchmark(
    model: Annotated[
        str,
        typer.Argument(help="Weights, a file, or an architecture (random weights); with --training a recipe."),
    ],
    engine: Annotated[str, typer.Option("--engine", help="What is measured against the baseline: torch.")] = "torch",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the numbers to this file.")
    ] = None,
    clicks: Annotated[int, typer.Option("--clicks", min=1, help="Clicks on the bundled sample.")] = 5,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="How often all clicks are measured.")] = 7,
    device: DeviceOption = "auto",
    training: Annotated[
        bool, typer.Option("--training", help="Measure training with the recipe MODEL: data preparation and step.")
    ] = False,
    data_root: Annotated[
        Path | None, typer.Option("--data-root", metavar="DIR", help="For --training; default $CLICKWISE_DATA.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=0, help="For --training: processes that prepare items.")] = 1,
    steps: Annotated[int, typer.Option("--steps", min=1, help="For --training: steps that are measured.")] = 5,
) -> None:
    """Measure a click on the bundled sample: window and crop, network, mask; medians over repeats.

    The baseline runs the same weights and chain in eager fp32 and finds the same previous mask at each click.
    """
    if training:
        from clickwise.cli.benchmark_training import benchmark_recipe

        benchmark_recipe(model, data_root=data_root, device=device, workers=workers, steps=steps, json_file=json_file)
        return
    from clickwise.benchmark.clicks import benchmark_clicks
    from clickwise.benchmark.contenders import check_engine, load_subject

    check_engine(engine)
    if json_file is not None and not json_file.parent.is_dir():
        raise OutputError(f"--json {json_file}: there is no folder {json_file.parent}; create it first")
    subject = load_subject(model, device)
    with progress(model, repeats) as on_step:
        result = benchmark_clicks(subject, engine, clicks=clicks, repeats=repeats, on_step=on_step)
    if json_file is not None:
        from clickwise.imaging.atomic import write_text

        write_text(json_file, json.dumps(result.to_dict(), indent=2) + "\n")
    _print(result, str(subject.model.device))


@contextmanager
def progress(title: str, steps: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda: None
        return
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(title, total=steps)
        yield lambda: bar.advance(task)


def _print(result: ClickBenchmark, device: str) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(
        title=f"{result.model}, {len(result.contender)} clicks on {device}: milliseconds per click",
        title_justify="left",
    )
    for title in ("stage", "eager fp32", f"engine {result.engine}"):
        table.add_column(title, justify="left" if title == "stage" else "right")
    for stage in ("prepare", "network", "paste", "total"):
        values = [fmean(getattr(click, stage) for click in clicks) for clicks in (result.baseline, result.contender)]
        table.add_row(stage, *(f"{value:.1f}" for value in values), end_section=stage == "paste")
    console.print(table)
    agreement = result.iou_agreement
    lines = [
        f"faster by          {result.ratio:.2f} x",
        "mask agreement     random weights, masks mean nothing"
        if agreement is None
        else f"mask agreement     IoU {fmean(agreement):.4f} (least {min(agreement):.4f})",
        f"logit error        {100 * result.logit_error:.3g} % of the largest logit",
        f"outside network    {100 * result.outside_network_share:.1f} %",
        f"roofline           {100 * result.roofline_share:.1f} % of {result.roof_gflops:.0f} GFLOP/s "
        f"({result.gflops:.1f} GFLOP per click)",
        f"peak memory        {'unknown' if result.peak_mb is None else f'{result.peak_mb:.0f} MB'}",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False)
