"""From the data and items of a recipe to a maker of training items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from clickwise.data.augment import Colour, ObjectView
from clickwise.data.datasets.pack import PackDataset
from clickwise.data.focus_items import FocusItemMaker
from clickwise.data.focus_window import FocusWindowRule
from clickwise.data.point_sampler import MultiPointSampler, PointRule
from clickwise.data.published_augment import CHAINS
from clickwise.data.published_items import PublishedItemMaker
from clickwise.data.published_targets import TargetRule
from clickwise.data.start import VariedStart
from clickwise.data.stream import ItemMaker, ObjectItemMaker, WeightedSources
from clickwise.data.suem import Suem
from clickwise.data.targets import WholeOrPart
from clickwise.training.parts.base import Part
from clickwise.training.parts.items import FocusItems, PublishedItems, ViewItems
from clickwise.training.recipe import DataPart


def view_items(items: ViewItems, sources: WeightedSources) -> ObjectItemMaker:
    """Items of our own kind."""
    return ObjectItemMaker(
        sources=sources,
        choice=WholeOrPart(part_prob=items.part_prob, merge_prob=items.merge_prob),
        view=ObjectView(tight_prob=items.tight_prob),
        colour=Colour(),
        start=VariedStart(
            clicks_per_sign=items.clicks_per_sign, several_prob=items.several_prob, rough_prob=items.rough_prob
        ),
    )


def published_items(items: PublishedItems, sources: WeightedSources) -> PublishedItemMaker:
    """Items as RITM's release makes them."""
    return PublishedItemMaker(
        sources=sources,
        sampler=MultiPointSampler(TargetRule(**items.target.model_dump()), PointRule(**items.points.model_dump())),
        chain=CHAINS[items.chain],
        keep_background_prob=items.keep_background_prob,
        min_object_area=items.min_object_area,
        suem=None if items.suem is None else Suem(**items.suem.model_dump()),
    )


def focus_items(items: FocusItems, sources: WeightedSources) -> FocusItemMaker:
    """Items as IGLR's release makes them."""
    return FocusItemMaker(
        sources=sources,
        sampler=MultiPointSampler(TargetRule(**items.target.model_dump()), PointRule(**items.points.model_dump())),
        chain=CHAINS[items.chain],
        window=FocusWindowRule(**items.focus.model_dump()),
        min_area=items.min_area,
        least_component=items.least_component,
        most_share=items.most_share,
    )


ITEMS: Mapping[type[Part], Callable[..., ItemMaker]] = MappingProxyType(
    {FocusItems: focus_items, PublishedItems: published_items, ViewItems: view_items}
)
"""Part in a recipe -> function of (part, sources). A new kind of item is one function and one line here."""


def make_items(data: DataPart, items: Part, data_root: Path) -> ItemMaker:
    """Items of the training split."""
    sources = WeightedSources(PackDataset(data_root / data.folder, split="train"), data.sources)
    return ITEMS[type(items)](items, sources)
