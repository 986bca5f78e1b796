"""``clickwise benchmark RECIPE --training``: samples per second of preparation and step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from clickwise.errors import OutputError

if TYPE_CHECKING:
    from clickwise.benchmark.preparation import TwoWays
    from clickwise.benchmark.training import TrainingBenchmark


def benchmark_recipe(
    name: str, *, data_root: Path | None, device: str, workers: int, steps: int, json_file: Path | None
) -> None:
    """Measure and print. Runs itself again with the allocator settings that training uses."""
    if json_file is not None and not json_file.parent.is_dir():
        raise OutputError(f"--json {json_file}: there is no folder {json_file.parent}; create it first")
    from clickwise.cli.benchmark import progress
    from clickwise.cli.train import chosen_recipe, training_data_root
    from clickwise.training.allocator import restart_with_settings

    restart_with_settings()
    from clickwise.benchmark.training import WARM_UP_STEPS, benchmark_training
    from clickwise.training.launch import RunOptions

    recipe = chosen_recipe(name, [], None)
    options = RunOptions(data_root=training_data_root(data_root), device=device, workers=workers)
    with progress(recipe.name, steps + WARM_UP_STEPS + 3) as on_step:
        result = benchmark_training(recipe, options, steps=steps, on_step=on_step)
    if json_file is not None:
        from clickwise.imaging.atomic import write_text

        write_text(json_file, json.dumps(result.to_dict(), indent=2) + "\n")
    _print(result)


def _print(result: TrainingBenchmark) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    height, width = result.size
    console.print(f"{result.recipe}: preparing one item of {height} x {width}, in one process")
    table = Table()
    table.add_column("stage")
    table.add_column("ms per item", justify="right")
    for stage, value in result.preparation.stages.items():
        table.add_row(stage, f"{value:.1f}")
    console.print(table)
    lines = [
        f"preparation    {result.preparation.items_per_s:.1f} samples/s in one process",
        f"click maps     {_ways(result.click_maps)} (batch of {result.batch}, {2 * result.points_per_sign} points)",
        f"next clicks    {_ways(result.next_clicks)} (batch of {result.batch})",
        f"step           {result.step_ms:.0f} ms, {result.step_samples_per_s:.2f} samples/s; workers: {result.workers}",
        f"waiting        {100 * result.wait_share:.1f} % of the step",
    ]
    for line in lines:
        console.print(line, highlight=False, markup=False)


def _ways(ways: TwoWays) -> str:
    return f"{ways.ours_ms:.1f} ms, the plain way {ways.plain_ms:.0f} ms ({ways.ratio:.1f} x)"
