"""Training items as RITM's release makes them (protocol 1.2): a random view, small objects out, target and points."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from clickwise.data.point_sampler import MultiPointSampler
from clickwise.data.published_augment import Chain, View
from clickwise.data.sample import ObjectRef, Sample
from clickwise.data.stream import SampleSource, TrainingItem
from clickwise.data.suem import Suem
from clickwise.errors import OptionError
from clickwise.types import LabelArray, ProbsArray, Size

_TRIES = 50
"""Views tried until an object is left; then the last one stays as a background sample. (The release has no limit.)"""


@dataclass(frozen=True)
class PublishedItemMaker:
    """An `ItemMaker`.

    chain: crop size -> steps, for example one of `CHAINS`. keep_background_prob: chance that a view without any object
    is kept as a background sample (negative: always) instead of drawing another view. min_object_area: objects of
    fewer pixels in the view are no targets; what is removed leaves its label, so it is not background either.
    suem: copy-paste with other samples of the same sources, each viewed and cleaned as the first. They are drawn as the
    first is: our sources' shares say what the data consist of. (The release draws them uniformly within one data set
    and leaves aside its weights, which say how difficult a sample is; within a source ours are uniform too.)
    """

    sources: SampleSource
    sampler: MultiPointSampler
    chain: Callable[[Size], Chain]
    keep_background_prob: float = 0.0
    min_object_area: int = 0
    suem: Suem | None = None

    def __post_init__(self) -> None:
        if self.suem is not None and self.sampler.target.soft_targets:
            raise OptionError("soft_targets and suem are both on, but pasted objects have sharp masks; leave one out")

    def make(self, rng: np.random.Generator, size: Size) -> TrainingItem:
        """See `ItemMaker`. object_mask is float32 when the sampler's targets are soft; prev_mask is zero."""
        original = self.sources.draw(rng)
        seen, kept, view = self._seen(original, rng, size)
        if self.suem is not None:
            seen = self.suem.apply(
                seen,
                rng,
                other=lambda: self._seen(self.sources.draw(rng), rng, size)[0],
                choose=lambda sample: np.asarray(self.sampler.target.choose(sample, rng).target, dtype=np.bool_),
            )

        def soft_mask(object_id: int) -> ProbsArray:
            return view.soft(original.object_mask(kept[object_id]).astype(np.float32))

        chosen, points = self.sampler.sample(seen, rng, soft_mask)
        return TrainingItem(
            image=torch.from_numpy(np.ascontiguousarray(seen.image.transpose(2, 0, 1))),
            object_mask=torch.from_numpy(chosen.target)[None],
            ignore_mask=torch.from_numpy(chosen.ignore_mask)[None],
            points=torch.from_numpy(points),
            prev_mask=torch.zeros((1, *size), dtype=torch.float32),
        )

    def _seen(self, original: Sample, rng: np.random.Generator, size: Size) -> tuple[Sample, tuple[int, ...], View]:
        return seen_sample(
            original,
            self.chain(size),
            rng,
            keep_background_prob=self.keep_background_prob,
            min_object_area=self.min_object_area,
        )


def seen_sample(
    original: Sample,
    chain: Chain,
    rng: np.random.Generator,
    *,
    keep_background_prob: float = 0.0,
    min_object_area: int = 0,
) -> tuple[Sample, tuple[int, ...], View]:
    """A view of a sample as a sample of its own: small objects out. Also the former number of each object, the view.

    The view shows some object, or it stays as background; options as in `PublishedItemMaker`.
    """
    view, layers, areas = _view(original, chain, rng, keep_background_prob)
    gone = np.flatnonzero(areas < max(1, min_object_area)).tolist()
    seen, kept = without_objects(replace(original, image=view.image(original.image), layers=layers), gone)
    return seen, kept, view


def _view(
    original: Sample, chain: Chain, rng: np.random.Generator, keep_background_prob: float
) -> tuple[View, LabelArray, NDArray[np.int64]]:
    """A view with an object in it, or one that stays as background; its layers, and the area of each object."""
    owned = owned_layers(original)
    height, width, _ = original.image.shape
    for _ in range(_TRIES):
        view = chain.draw((height, width), rng)
        layers = view.labels(owned)
        areas = object_areas(replace(original, layers=layers))
        if areas.any() or not original.objects:
            break
        if keep_background_prob < 0 or rng.random() < keep_background_prob:
            break
    return view, layers, areas


def owned_layers(sample: Sample) -> LabelArray:
    """Label layers in which values that belong to no object and no ignored region are 0."""
    layers = sample.layers.copy()
    refs = (*sample.objects, *sample.ignored)
    for number in range(layers.shape[2]):
        owned = [value for ref in refs if ref.layer == number for value in ref.values]
        layer = layers[:, :, number]
        layer[~np.isin(layer, owned)] = 0
    return layers


def object_areas(sample: Sample) -> NDArray[np.int64]:
    """Pixels of each object, ignored ones not counted. Reads the layers, never the image."""
    valid = ~sample.ignore_mask()
    counts = []
    for number in range(sample.layers.shape[2]):
        values, pixels = np.unique(sample.layers[:, :, number][valid], return_counts=True)
        counts.append(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
    areas = [sum(counts[ref.layer].get(value, 0) for value in ref.values) for ref in sample.objects]
    return np.array(areas, dtype=np.int64)


def without_objects(sample: Sample, gone: Collection[int]) -> tuple[Sample, tuple[int, ...]]:
    """The sample without some objects, and the former number of each that is left.

    Children of a removed object go to its parent. Labels stay in the layers.
    """
    kept = tuple(number for number in range(len(sample.objects)) if number not in gone)
    renumbered = {old: new for new, old in enumerate(kept)}

    def parent_of(number: int) -> int | None:
        parent = sample.objects[number].parent
        while parent is not None and parent in gone:
            parent = sample.objects[parent].parent
        return None if parent is None else renumbered[parent]

    parents = [parent_of(number) for number in kept]
    objects = tuple(
        ObjectRef(
            layer=sample.objects[old].layer,
            values=sample.objects[old].values,
            parent=parents[new],
            children=tuple(child for child, parent in enumerate(parents) if parent == new),
        )
        for new, old in enumerate(kept)
    )
    return replace(sample, objects=objects), kept
