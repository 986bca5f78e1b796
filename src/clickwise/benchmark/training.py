"""``clickwise benchmark RECIPE --training``: preparation and step of a recipe's training on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from clickwise.benchmark.preparation import PreparationTimes, TwoWays, time_click_maps, time_items, time_next_clicks
from clickwise.training.data import make_items
from clickwise.training.launch import RunOptions
from clickwise.training.loop import Trainer
from clickwise.training.recipe import Recipe
from clickwise.training.run_folder import RunFolder
from clickwise.types import Size

WARM_UP_STEPS = 2


@dataclass(frozen=True)
class TrainingBenchmark:
    """What was measured; ``points_per_sign`` and ``batch`` are the recipe's.

    step_ms: median step. wait_share: share of all steps' time spent waiting for items.
    """

    recipe: str
    size: Size
    batch: int
    points_per_sign: int
    workers: int
    preparation: PreparationTimes
    click_maps: TwoWays
    next_clicks: TwoWays
    step_ms: float
    wait_share: float

    @property
    def step_samples_per_s(self) -> float:
        """Samples per second of the whole step, waiting included."""
        return 1e3 * self.batch / self.step_ms

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        numbers = asdict(self)
        numbers["step_samples_per_s"] = self.step_samples_per_s
        for name, ways in (("click_maps", self.click_maps), ("next_clicks", self.next_clicks)):
            numbers[name]["ratio"] = ways.ratio
        return numbers


def benchmark_training(
    recipe: Recipe,
    options: RunOptions,
    *,
    steps: int = 10,
    items: int = 56,
    on_step: Callable[[], None] = lambda: None,
) -> TrainingBenchmark:
    """Measure the first phase of a recipe. ``on_step`` is called once per step and once per part before."""
    phase = recipe.phases[0]
    size = phase.height_width
    preparation, made = time_items(make_items(recipe.data, recipe.items, options.places()), size, items, recipe.seed)
    on_step()
    points_per_sign = made[0].points.shape[0] // 2
    click_maps = time_click_maps(phase.batch, points_per_sign, size)
    on_step()
    masks = [item.object_mask[0].numpy() > 0.5 for item in made if item.object_mask.any()]
    next_clicks = time_next_clicks([masks[i % len(masks)] for i in range(phase.batch)])
    on_step()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe, RunFolder(Path(folder)), options)
        times = trainer.time_steps(WARM_UP_STEPS + steps, on_step)[WARM_UP_STEPS:]
    return TrainingBenchmark(
        recipe=recipe.name,
        size=size,
        batch=phase.batch,
        points_per_sign=points_per_sign,
        workers=options.workers,
        preparation=preparation,
        click_maps=click_maps,
        next_clicks=next_clicks,
        step_ms=1e3 * median(t.seconds for t in times),
        wait_share=sum(t.waited for t in times) / sum(t.seconds for t in times),
    )
