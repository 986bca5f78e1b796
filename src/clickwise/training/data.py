"""From the data and items of a recipe to a maker of training items."""

from __future__ import annotations

from pathlib import Path

from clickwise.data.augment import Colour, ObjectView
from clickwise.data.datasets.pack import PackDataset
from clickwise.data.start import VariedStart
from clickwise.data.stream import ItemMaker, ObjectItemMaker, WeightedSources
from clickwise.data.targets import WholeOrPart
from clickwise.training.recipe import DataPart, ViewItems


def make_items(data: DataPart, items: ViewItems, data_root: Path) -> ItemMaker:
    """Items of the training split."""
    sources = WeightedSources(PackDataset(data_root / data.folder, split="train"), data.sources)
    return ObjectItemMaker(
        sources=sources,
        choice=WholeOrPart(part_prob=items.part_prob, merge_prob=items.merge_prob),
        view=ObjectView(tight_prob=items.tight_prob),
        colour=Colour(),
        start=VariedStart(
            clicks_per_sign=items.clicks_per_sign, several_prob=items.several_prob, rough_prob=items.rough_prob
        ),
    )
