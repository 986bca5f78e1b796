"""Published items: which views are kept, which objects stay, and that item i depends on the seed and i alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import OneSample, rectangle, scene, within

from clickwise.data.datasets.pack import PackDataset
from clickwise.data.point_sampler import MultiPointSampler, PointRule
from clickwise.data.published_augment import CHAINS, Chain, RandomCrop
from clickwise.data.published_items import (
    PublishedItemMaker,
    object_areas,
    owned_layers,
    without_objects,
)
from clickwise.data.published_targets import TargetRule
from clickwise.data.sample import ObjectRef, Sample
from clickwise.data.stream import TrainingItem, WeightedSources, item_stream, stack_items
from clickwise.types import Size

SHAPE = (40, 56)
LEFT, RIGHT = rectangle(SHAPE, 8, 4, 30, 22), rectangle(SHAPE, 12, 30, 26, 50)


def crop(size: Size) -> Chain:
    return Chain((RandomCrop(size),))


def maker(sample: Sample, chain: Callable[[Size], Chain] = crop, **options: object) -> PublishedItemMaker:
    return PublishedItemMaker(OneSample(sample), MultiPointSampler(), chain, **options)  # type: ignore[arg-type]


def equal(first: TrainingItem, second: TrainingItem) -> bool:
    assert first.focus is None
    assert second.focus is None
    names = [field.name for field in fields(TrainingItem) if field.name != "focus"]
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in names)


# Surgery on samples


def test_areas_do_not_count_ignored_pixels() -> None:
    sample = scene([LEFT, RIGHT], ignored=rectangle(SHAPE, 0, 10, 40, 34))
    assert object_areas(sample).tolist() == [sample.object_mask(0).sum(), sample.object_mask(1).sum()]
    united = replace(
        sample,
        layers=(LEFT * 7 + RIGHT * 9).astype(np.int32)[:, :, None],
        objects=(ObjectRef(0, (7, 9)), ObjectRef(0, (4,))),
        ignored=(),
    )
    assert object_areas(united).tolist() == [LEFT.sum() + RIGHT.sum(), 0]


def test_labels_of_nobody_disappear() -> None:
    sample = scene([LEFT, RIGHT], ignored=rectangle(SHAPE, 0, 0, 4, 56))
    sample.layers[35:, :, :] = 200
    before = sample.layers.copy()
    layers = owned_layers(sample)
    np.testing.assert_array_equal(sample.layers, before)
    assert not layers[35:].any()
    np.testing.assert_array_equal(layers[:35], before[:35])


def test_children_of_a_removed_object_go_to_its_parent() -> None:
    """0 > (1 > (2 > (3, 4)), 5); without 1 and 2 the objects 3, 4, 5 hang on 0; without 0 as well they are roots."""
    sample = scene([LEFT] * 6, [None, 0, 1, 2, 2, 0])
    seen, kept = without_objects(sample, [1, 2])
    assert kept == (0, 3, 4, 5)
    assert [ref.parent for ref in seen.objects] == [None, 0, 0, 0]
    assert seen.objects[0].children == (1, 2, 3)
    assert [ref.layer for ref in seen.objects] == [0, 3, 4, 5]
    seen, kept = without_objects(sample, [0, 1, 2])
    assert kept == (3, 4, 5)
    assert seen.root_ids == (0, 1, 2)
    whole, kept = without_objects(sample, [])
    assert whole.objects == sample.objects


# Items


def test_an_item_is_what_its_parts_say() -> None:
    image = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
    sample = scene([LEFT], ignored=rectangle(SHAPE, 0, 0, 40, 8), image=image)
    item = maker(sample).make(np.random.default_rng(1), SHAPE)
    assert torch.equal(item.image, torch.from_numpy(image.transpose(2, 0, 1)))
    np.testing.assert_array_equal(item.object_mask[0], sample.object_mask(0))
    np.testing.assert_array_equal(item.ignore_mask[0], sample.ignore_mask())
    assert item.prev_mask.shape == (1, *SHAPE)
    assert not item.prev_mask.any()
    assert item.points.shape == (48, 3)


@pytest.mark.parametrize("prob", [0.0, 0.4, 1.0, -1.0])
def test_a_view_without_object_stays_with_its_probability(prob: float) -> None:
    size, draws = (36, 52), 600
    corner = rectangle(SHAPE, 0, 0, 2, 56)  # in view for two of five rows of crops
    made = maker(scene([corner]), keep_background_prob=prob, min_object_area=1)
    rng = np.random.default_rng(2)
    empty = np.mean([not made.make(rng, size).object_mask.any() for _ in range(draws)])
    keep = 1.0 if prob < 0 else prob
    seen = 2 / 5
    expected = (1 - seen) * keep / (1 - (1 - seen) * (1 - keep))
    assert within(empty, expected, draws)


def test_a_picture_without_objects_is_a_background_sample() -> None:
    item = maker(scene([], image=np.zeros((*SHAPE, 3), dtype=np.uint8))).make(np.random.default_rng(0), SHAPE)
    assert not item.object_mask.any()
    assert (item.points[:24] == -1).all()


def test_the_search_for_an_object_ends() -> None:
    hidden = scene([LEFT], ignored=np.ones(SHAPE, dtype=bool))
    assert not maker(hidden).make(np.random.default_rng(0), SHAPE).object_mask.any()


def test_objects_below_the_least_area_are_no_targets_nor_background() -> None:
    sample = scene([LEFT, RIGHT])
    made = maker(sample, min_object_area=int(RIGHT.sum()) + 1)
    rng = np.random.default_rng(3)
    for _ in range(10):
        np.testing.assert_array_equal(made.make(rng, SHAPE).object_mask[0], LEFT)
    nothing_left = maker(sample, min_object_area=10_000)
    clicks = torch.cat([nothing_left.make(rng, SHAPE).points for _ in range(40)])
    clicks = clicks[clicks[:, 0] >= 0].long()
    assert len(clicks) > 20
    assert not (LEFT | RIGHT)[clicks[:, 0], clicks[:, 1]].any()


def test_soft_targets_are_interpolated_masks() -> None:
    sampler = MultiPointSampler(TargetRule(soft_targets=True), PointRule())
    made = PublishedItemMaker(OneSample(scene([LEFT, RIGHT])), sampler, CHAINS["sbd"], min_object_area=60)
    values = set()
    for seed in range(8):
        item = made.make(np.random.default_rng(seed), SHAPE)
        assert item.object_mask.dtype == torch.float32
        assert 0 <= item.object_mask.min() <= item.object_mask.max() <= 1
        values |= set(item.object_mask.unique().tolist())
    assert len(values) > 10


def test_a_removed_object_does_not_shift_soft_masks() -> None:
    sampler = MultiPointSampler(TargetRule(soft_targets=True), PointRule())
    tiny = rectangle(SHAPE, 0, 0, 2, 2)
    made = PublishedItemMaker(OneSample(scene([tiny, RIGHT])), sampler, crop, min_object_area=10)
    item = made.make(np.random.default_rng(0), SHAPE)
    np.testing.assert_array_equal(item.object_mask[0].numpy(), RIGHT)


# Reproducible streams


@dataclass
class Drawn:
    """A source that draws one of many scenes."""

    def draw(self, rng: np.random.Generator) -> Sample:
        y, x = int(rng.integers(20)), int(rng.integers(30))
        image = rng.integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
        return scene([rectangle(SHAPE, y, x, y + 14, x + 20), LEFT], image=image)


@pytest.mark.parametrize("chain", sorted(CHAINS))
def test_item_i_depends_on_seed_and_i_alone(chain: str) -> None:
    made = PublishedItemMaker(Drawn(), MultiPointSampler(), CHAINS[chain], 0.05, 20)
    here = list(islice(item_stream(made, seed=5, size=(32, 32), first=0), 8))
    in_processes = list(islice(item_stream(made, seed=5, size=(32, 32), first=0, workers=2), 8))
    assert all(equal(a, b) for a, b in zip(here, in_processes, strict=True))
    later = next(item_stream(made, seed=5, size=(32, 32), first=3, step=4))
    assert equal(here[3], later)
    assert not equal(here[0], here[1])
    assert not equal(here[0], next(item_stream(made, seed=6, size=(32, 32), first=0)))


def test_items_of_the_training_pack(data_root: Path) -> None:
    if not (data_root / "train" / "manifest.json").exists():
        pytest.skip(f"{data_root} holds no training pack")
    sources = WeightedSources(PackDataset(data_root / "train", split="train"), {"ccp": 0.5, "coco": 0.5})
    sampler = MultiPointSampler(TargetRule(use_hierarchy=True, merge_objects_prob=0.5), PointRule(prob_gamma=0.8))
    made = PublishedItemMaker(sources, sampler, CHAINS["coco_lvis"], 0.05, 80)
    batch = stack_items(list(islice(item_stream(made, seed=0, size=(320, 480), first=0), 12)))
    assert batch.image.shape == (12, 3, 320, 480)
    assert not (batch.object_mask & batch.ignore_mask).any()
    for mask, ignore, points in zip(batch.object_mask, batch.ignore_mask, batch.points, strict=True):
        for row, (y, x, order) in enumerate(points.tolist()):
            if order >= 0:
                assert bool(mask[0, int(y), int(x)]) == (row < 24)
                assert not ignore[0, int(y), int(x)]
