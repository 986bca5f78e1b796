"""From the data and items of a recipe to a maker of training items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from clickwise.data.augment import Colour, ObjectView
from clickwise.data.composite import Composites
from clickwise.data.datasets.plain_pack import read_pictures
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.focus_items import FocusItemMaker
from clickwise.data.focus_window import FocusWindowRule
from clickwise.data.held_out import HeldOutOf
from clickwise.data.mixture import Mixture, Share
from clickwise.data.point_sampler import MultiPointSampler, PointRule
from clickwise.data.published_augment import CHAINS
from clickwise.data.published_items import PublishedItemMaker
from clickwise.data.published_targets import TargetRule
from clickwise.data.sample import Dataset
from clickwise.data.start import VariedStart
from clickwise.data.stream import ItemMaker, ObjectItemMaker, SampleSource, WeightedSources
from clickwise.data.suem import Suem
from clickwise.data.targets import WholeOrPart
from clickwise.training.parts.base import Part
from clickwise.training.parts.clicks import human_rule
from clickwise.training.parts.data import MixedData, PackData, SetShare
from clickwise.training.parts.items import FocusItems, PublishedItems, ViewItems


@dataclass(frozen=True)
class Places:
    """Where data lie on this machine: root holds a folder per data set; by_key: keys of config.yml, which win.

    encoders: pre-trained encoders that config.yml names, which win over those below the root.
    """

    root: Path
    by_key: Mapping[str, Path] = field(default_factory=dict)
    encoders: Mapping[str, Path] = field(default_factory=dict)


def view_items(items: ViewItems, sources: SampleSource) -> ObjectItemMaker:
    """Items of our own kind."""
    return ObjectItemMaker(
        sources=sources,
        choice=WholeOrPart(part_prob=items.part_prob, merge_prob=items.merge_prob),
        view=ObjectView(tight_prob=items.tight_prob, turn_prob=items.turn_prob),
        colour=Colour(
            jpeg_prob=items.jpeg_prob,
            worst_jpeg=items.worst_jpeg,
            noise_prob=items.noise_prob,
            shrink_prob=items.shrink_prob,
        ),
        start=VariedStart(
            clicks_per_sign=items.clicks_per_sign, several_prob=items.several_prob, rough_prob=items.rough_prob
        ),
        composites=Composites(items.background_prob, items.occluder_prob)
        if items.background_prob or items.occluder_prob
        else None,
    )


def _sampler(items: PublishedItems | FocusItems) -> MultiPointSampler:
    points = {**items.points.model_dump(), "human_clicks": human_rule(items.points.human_clicks)}
    return MultiPointSampler(TargetRule(**items.target.model_dump()), PointRule(**points))


def published_items(items: PublishedItems, sources: SampleSource) -> PublishedItemMaker:
    """Items as RITM's release makes them."""
    return PublishedItemMaker(
        sources=sources,
        sampler=_sampler(items),
        chain=CHAINS[items.chain],
        keep_background_prob=items.keep_background_prob,
        min_object_area=items.min_object_area,
        suem=None if items.suem is None else Suem(**items.suem.model_dump()),
    )


def focus_items(items: FocusItems, sources: SampleSource) -> FocusItemMaker:
    """Items as IGLR's release makes them."""
    return FocusItemMaker(
        sources=sources,
        sampler=_sampler(items),
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


def pack_sources(data: PackData, places: Places) -> WeightedSources:
    """The training split of a pack."""
    return WeightedSources(read_pictures(places.root / data.folder, split="train"), data.sources)


def mixed_sources(data: MixedData, places: Places) -> Mixture:
    """Several sets."""
    shares = [
        Share(_opened(part, places), part.weight, hold_out=part.hold_out, is_weighted=part.weighted)
        for part in data.sets
    ]
    return Mixture(shares, data.duplicate_iou)


SOURCES: Mapping[type[Part], Callable[..., SampleSource]] = MappingProxyType(
    {MixedData: mixed_sources, PackData: pack_sources}
)
"""Part in a recipe -> function of (part, places). A new kind of source is one function and one line here."""


def make_items(data: Part, items: Part, places: Places) -> ItemMaker:
    """Items to train on."""
    return ITEMS[type(items)](items, SOURCES[type(data)](data, places))


_SPREAD = 32
"""Samples of each set that are read before training; `clickwise data check` reads all."""


def check_sources(sources: SampleSource) -> None:
    """Read some samples of every set, evenly spread, so that what is wrong with all or many of them shows at once.

    DatasetError from the first one that cannot be read.
    """
    for dataset in sources.datasets:
        for index in np.unique(np.linspace(0, len(dataset) - 1, _SPREAD).round().astype(int)):
            dataset.load(int(index))


def validation_set(data: Part, places: Places, pictures: int) -> Dataset | None:
    """What training validates on: held-out samples or a set that the recipe names; None when there is neither."""
    if isinstance(data, PackData):
        return HeldOutOf([read_pictures(places.root / data.folder, split="val")], "held out", pictures=pictures)
    assert isinstance(data, MixedData)
    if data.validation is not None:
        named = open_dataset(data.validation, places.root, places.by_key)
        return HeldOutOf([named], named.name, pictures=pictures, everything=True)
    held_out = [_opened(part, places) for part in data.sets if part.hold_out]
    found = HeldOutOf(held_out, "held out", pictures=pictures)
    return found if len(found) else None


def _opened(part: SetShare, places: Places) -> Dataset:
    return open_dataset(part.dataset, places.root, places.by_key, part.options)
