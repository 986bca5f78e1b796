"""SUEM copy-paste: each kind against a slow pixel-by-pixel counterpart, how often each happens, and whole items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import OneSample, rectangle, scene, within

from clickwise.data import suem
from clickwise.data.datasets.pack import PackDataset
from clickwise.data.point_sampler import MultiPointSampler, PointRule
from clickwise.data.published_augment import CHAINS
from clickwise.data.published_items import PublishedItemMaker
from clickwise.data.published_targets import TargetRule
from clickwise.data.sample import Sample
from clickwise.data.stream import TrainingItem, WeightedSources, item_stream
from clickwise.data.suem import Suem, blended, exclusion, mix, pasted, union
from clickwise.errors import OptionError
from clickwise.types import ImageArray, MaskArray

SHAPE = (12, 16)


def picture(rng: np.random.Generator) -> ImageArray:
    return rng.integers(0, 256, (*SHAPE, 3)).astype(np.uint8)


def blob(rng: np.random.Generator) -> MaskArray:
    y, x = rng.integers(0, (SHAPE[0] - 2, SHAPE[1] - 2))
    return rectangle(SHAPE, y, x, y + int(rng.integers(2, 9)), x + int(rng.integers(2, 11)))


@dataclass
class Slow:
    """What a pixel of the new sample is, written out once per kind."""

    image: Callable[[Any, Any, bool, bool, float], Any]
    target: Callable[[bool, bool], bool]
    ignored: Callable[[bool, bool, bool], bool]


KINDS: dict[str, Slow] = {
    "simple": Slow(
        image=lambda here, there, own, foreign, w: w * here + (1 - w) * there if own else there,
        target=lambda own, foreign: own,
        ignored=lambda ignored, own, foreign: False,
    ),
    "exclusion": Slow(
        image=lambda here, there, own, foreign, w: there if foreign else here,
        target=lambda own, foreign: own and not foreign,
        ignored=lambda ignored, own, foreign: ignored and not foreign,
    ),
    "union": Slow(
        image=lambda here, there, own, foreign, w: there if foreign else here,
        target=lambda own, foreign: own or foreign,
        ignored=lambda ignored, own, foreign: ignored and not foreign,
    ),
    "mix": Slow(
        image=lambda here, there, own, foreign, w: w * here + (1 - w) * there if foreign else here,
        target=lambda own, foreign: own,
        ignored=lambda ignored, own, foreign: ignored,
    ),
}


def made(kind: str, sample: Sample, own: MaskArray, there: ImageArray, foreign: MaskArray, weight: float) -> Sample:
    if kind == "simple":
        return pasted(sample, own, there, weight)
    if kind == "mix":
        return mix(sample, own, there, foreign, weight)
    return {"exclusion": exclusion, "union": union}[kind](sample, own, there, foreign)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32 - 1), weight=st.floats(0.5, 1))
@settings(max_examples=20, deadline=None)
def test_each_kind_pixel_by_pixel(kind: str, seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    ignored = blob(rng)
    sample = scene([blob(rng), blob(rng)], ignored=ignored, image=picture(rng))
    own, foreign, there = sample.object_mask(0), blob(rng), picture(rng)
    before = sample.image.copy()
    found, slow = made(kind, sample, own, there, foreign, weight), KINDS[kind]
    ignore = found.ignore_mask()
    mask = found.object_mask(0) if found.objects else np.zeros(SHAPE, dtype=bool)
    for y in range(SHAPE[0]):
        for x in range(SHAPE[1]):
            mine, theirs = bool(own[y, x]), bool(foreign[y, x])
            expected = slow.image(sample.image[y, x].astype(float), there[y, x].astype(float), mine, theirs, weight)
            assert np.abs(found.image[y, x] - expected).max() <= 0.5 + 1e-4
            assert mask[y, x] == slow.target(mine, theirs)
            assert ignore[y, x] == slow.ignored(bool(ignored[y, x]), mine, theirs)
    assert len(found.objects) == int(mask.any())
    assert found.image.dtype == np.uint8
    assert not (mask & ignore).any()
    np.testing.assert_array_equal(sample.image, before)


def test_pixels_without_truth_never_belong_to_the_target() -> None:
    """A foreign object over an ignored region makes it known; elsewhere it stays unknown."""
    rng = np.random.default_rng(0)
    own, ignored, foreign = (rectangle(SHAPE, 0, x, 12, x + 4) for x in (0, 6, 8))
    sample = scene([own], ignored=ignored, image=picture(rng))
    assert union(sample, own, picture(rng), foreign).object_mask(0)[:, 8:10].all()
    assert union(sample, own, picture(rng), foreign).ignore_mask().sum() == 2 * SHAPE[0]


# How often


class Watched:
    """`Suem.apply` with countable pictures; ``foreign`` is the object of every other sample."""

    def __init__(self, options: Suem, foreign: MaskArray | None = None) -> None:
        self.options, self.foreign = options, foreign
        self.own = rectangle(SHAPE, 2, 2, 10, 9)
        self.calls: Counter[str] = Counter()

    def apply(self, rng: np.random.Generator) -> Sample:
        sample = scene([self.own, rectangle(SHAPE, 0, 12, 3, 15)], image=np.full((*SHAPE, 3), 200, dtype=np.uint8))

        def other() -> Sample:
            self.calls["other"] += 1
            foreign = rectangle(SHAPE, 2, 6, 12, 14) if self.foreign is None else self.foreign
            return scene([foreign], image=np.full((*SHAPE, 3), 100, dtype=np.uint8))

        def choose(asked: Sample) -> MaskArray:
            return asked.object_mask(0) if asked.objects else np.zeros(SHAPE, dtype=bool)

        return self.options.apply(sample, rng, other=other, choose=choose)


def kind_of(found: Sample, own: MaskArray) -> str:
    """What was done, told from the result alone (image mixing off)."""
    foreign = rectangle(SHAPE, 2, 6, 12, 14)
    mask = found.object_mask(0)
    simple = "simple+" if found.image[0, 0, 0] == 100 else ""
    if len(found.objects) == 2:
        return "nothing"
    if np.array_equal(mask, own & ~foreign):
        return simple + "exclusion"
    if np.array_equal(mask, own | foreign):
        return simple + "union"
    assert np.array_equal(mask, own)
    outside = found.image[11, 13, 0]  # on the foreign object, off the own one
    return simple + ("mix" if outside not in (100, 200) else "alone")


def test_shares_of_the_kinds() -> None:
    draws = 1500
    watched = Watched(Suem(copy_paste_prob=0.5, image_mix_prob=0.0))
    rng = np.random.default_rng(1)
    found = Counter(kind_of(watched.apply(rng), watched.own) for _ in range(draws))
    assert within(found["nothing"] / draws, 0.25, draws)
    for kind in ("exclusion", "union"):
        assert within(found[kind] / draws, 0.25 / 3, draws)
        assert within(found["simple+" + kind] / draws, 0.25 / 3, draws)
    assert within(found["mix"] / draws, 0.25 / 3, draws)
    # After the first kind both pictures are equal outside the object, where mixing therefore shows nothing.
    assert within(found["simple+alone"] / draws, 0.25 + 0.25 / 3, draws)


def test_whole_pictures_are_blended_with_the_heavier_weight_on_the_own() -> None:
    draws = 1500
    watched = Watched(Suem(copy_paste_prob=0.0, image_mix_prob=0.4))
    rng = np.random.default_rng(2)
    images = [watched.apply(rng).image for _ in range(draws)]
    values = np.array([image[0, 0, 0] for image in images])
    assert all((image == image[0, 0, 0]).all() for image in images)
    mixed = values[values != 200]
    assert within(watched.calls["other"] / draws, 0.4, draws)
    assert 150 <= mixed.min() < 155
    assert 195 < mixed.max() < 200
    assert abs(mixed.mean() - 175) < 4.5 * (50 / np.sqrt(12)) / np.sqrt(len(mixed)) + 0.5


def test_off_means_untouched_and_undrawn() -> None:
    watched = Watched(Suem(copy_paste_prob=0.0, image_mix_prob=0.0))
    sample = watched.apply(np.random.default_rng(0))
    assert len(sample.objects) == 2
    assert watched.calls["other"] == 0


@pytest.mark.parametrize(("left", "kept"), [(20, False), (21, True)])
def test_a_foreign_object_must_leave_enough_of_the_target(
    left: int, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else another one is tried, five times in all; then the sample stays as it is, with all its objects."""
    own = rectangle(SHAPE, 2, 2, 10, 9)
    foreign = np.ones(SHAPE, dtype=bool)
    foreign.flat[np.flatnonzero(own)[:left]] = False
    monkeypatch.setattr(suem, "_weight", lambda rng: 0.75)
    watched = Watched(Suem(copy_paste_prob=1.0, image_mix_prob=0.0), foreign)
    monkeypatch.setattr(suem, "pasted", lambda sample, *_: sample)
    sample = watched.apply(np.random.default_rng(3))
    assert watched.calls["other"] == 1 + (1 if kept else 5)
    assert len(sample.objects) == (1 if kept else 2)


def test_an_empty_sample_passes_with_an_empty_object() -> None:
    rng = np.random.default_rng(0)
    empty, stranger = scene([], image=picture(rng)), scene([blob(rng)], image=picture(rng))

    def choose(sample: Sample) -> MaskArray:
        return sample.object_mask(0) if sample.objects else np.zeros(SHAPE, dtype=bool)

    found = Suem(1.0, 0.0).apply(empty, rng, other=lambda: stranger, choose=choose)
    assert not found.objects
    np.testing.assert_array_equal(found.image, stranger.image)
    back = Suem(1.0, 0.0).apply(stranger, rng, other=lambda: empty, choose=choose)
    assert len(back.objects) == 1, "a foreign sample without object changes nothing"


def test_blending_rounds() -> None:
    first, second = np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 1, 3), np.uint8)
    assert blended(first, second, 0.75)[0, 0].tolist() == [191] * 3
    assert blended(first, second, 1.0)[0, 0].tolist() == [255] * 3


def test_options_without_meaning() -> None:
    for options in ({"copy_paste_prob": 1.5}, {"image_mix_prob": -0.1}):
        with pytest.raises(OptionError, match="share"):
            Suem(**options)
    sampler = MultiPointSampler(TargetRule(soft_targets=True), PointRule())
    with pytest.raises(OptionError, match="soft_targets"):
        PublishedItemMaker(
            OneSample(scene([], image=picture(np.random.default_rng()))), sampler, CHAINS["sbd"], suem=Suem()
        )


# Items


@dataclass
class Drawn:
    """A source of many scenes, each of one object on a picture of its own grey."""

    size: tuple[int, int] = (40, 56)

    def draw(self, rng: np.random.Generator) -> Sample:
        y, x = int(rng.integers(20)), int(rng.integers(30))
        image = np.full((*self.size, 3), rng.integers(0, 255), dtype=np.uint8)
        return scene([rectangle(self.size, y, x, y + 14, x + 20), rectangle(self.size, 0, 0, 9, 9)], image=image)


def equal(first: TrainingItem, second: TrainingItem) -> bool:
    names = [field.name for field in fields(TrainingItem) if isinstance(getattr(first, field.name), torch.Tensor)]
    return all(torch.equal(getattr(first, name), getattr(second, name)) for name in names)


def test_item_i_depends_on_seed_and_i_alone() -> None:
    maker = PublishedItemMaker(Drawn(), MultiPointSampler(), CHAINS["coco_lvis"], 0.05, 20, suem=Suem())
    here = list(islice(item_stream(maker, seed=5, size=(32, 32), first=0), 12))
    in_processes = list(islice(item_stream(maker, seed=5, size=(32, 32), first=0, workers=2), 12))
    assert all(equal(a, b) for a, b in zip(here, in_processes, strict=True))
    assert equal(here[3], next(item_stream(maker, seed=5, size=(32, 32), first=3, step=4)))
    without = list(islice(item_stream(replace(maker, suem=None), seed=5, size=(32, 32), first=0), 12))
    assert not all(equal(a, b) for a, b in zip(here, without, strict=True))


def test_an_object_below_the_least_area_may_come_of_it() -> None:
    """The release does not check again; positive points then lie on what is left."""
    maker = PublishedItemMaker(Drawn(), MultiPointSampler(), CHAINS["coco_lvis"], 0.0, 81, suem=Suem(1.0, 0.0))
    areas = []
    for seed in range(60):
        item = maker.make(np.random.default_rng(seed), (40, 56))
        areas.append(int(item.object_mask.sum()))
        for y, x, order in item.points[:24].tolist():
            assert order < 0 or item.object_mask[0, int(y), int(x)]
    assert 0 < min(areas) < 81


def test_items_of_the_training_pack(data_root: Path) -> None:
    if not (data_root / "train" / "manifest.json").exists():
        pytest.skip(f"{data_root} holds no training pack")
    sources = WeightedSources(PackDataset(data_root / "train", split="train"), {"ccp": 0.5, "coco": 0.5})
    maker = PublishedItemMaker(sources, MultiPointSampler(), CHAINS["coco_lvis"], 0.05, 80, suem=Suem())
    for item in islice(item_stream(maker, seed=0, size=(224, 224), first=0), 10):
        assert item.image.shape == (3, 224, 224)
        assert not (item.object_mask & item.ignore_mask).any()
        for row, (y, x, order) in enumerate(item.points.tolist()):
            if order >= 0:
                assert bool(item.object_mask[0, int(y), int(x)]) == (row < 24)
                assert not item.ignore_mask[0, int(y), int(x)]
