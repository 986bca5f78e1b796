"""Views, starts and streams of training items."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clickwise.clicks.sampling import DepthRule, draw_error_click, empty_points, put_click, region_depth
from clickwise.data.augment import Colour, ObjectView, ViewParams, view_image, view_mask, view_target
from clickwise.data.sample import ObjectRef, Sample
from clickwise.data.start import VariedStart, rough_mask
from clickwise.data.stream import ItemDataset, ObjectItemMaker, WeightedSources, item_stream
from clickwise.data.targets import Target, WholeOrPart


def sample_with_parts() -> Sample:
    layers = np.zeros((40, 50, 1), np.int32)
    layers[5:15, 5:15], layers[20:35, 10:20], layers[10:30, 30:45], layers[:, 49] = 1, 2, 3, 9
    rng = np.random.default_rng(1)
    return Sample(
        sample_id="made",
        image=rng.integers(0, 255, (40, 50, 3)).astype(np.uint8),
        layers=layers,
        objects=(
            ObjectRef(0, (1,), parent=3),
            ObjectRef(0, (2,), parent=3),
            ObjectRef(0, (3,)),
            ObjectRef(0, (1, 2), children=(0, 1)),
        ),
        ignored=(ObjectRef(0, (9,)),),
    )


@dataclass
class OneSample:
    """Every index gives the same sample; two sources."""

    loaded: list[int] = field(default_factory=list)

    def load(self, index: int) -> Sample:
        self.loaded.append(index)
        return sample_with_parts()

    def indices_by_source(self) -> dict[str, list[int]]:
        return {"a": [0, 1], "b": [2], "c": [3]}


def maker(weights: Mapping[str, float] | None = None) -> ObjectItemMaker:
    sources = WeightedSources(OneSample(), weights or {"a": 1.0, "b": 1.0})
    return ObjectItemMaker(sources, WholeOrPart(), ObjectView(), Colour(), VariedStart())


def test_targets_are_wholes_parts_and_unions_in_their_shares() -> None:
    sample, rng = sample_with_parts(), np.random.default_rng(0)
    sizes = [int(WholeOrPart(part_prob=0.5, merge_prob=0.2).choose(sample, rng).object_mask.sum()) for _ in range(4000)]
    shares = {size: sizes.count(size) / len(sizes) for size in set(sizes)}
    # Roots: 3 (300 px) and the union of 1 and 2 (250 px); both together 550; parts of 100 and 150 px.
    expected = {550: 0.2, 300: 0.4, 250: 0.2, 100: 0.1, 150: 0.1}
    assert shares == pytest.approx(expected, abs=0.03)


def test_target_regions_are_disjoint() -> None:
    target = WholeOrPart().choose(sample_with_parts(), np.random.default_rng(0))
    assert not (target.object_mask & target.ignore_mask).any()
    assert not (target.object_mask & target.other_mask).any()
    assert target.ignore_mask[:, 49].all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_picture_and_mask_stay_together_under_any_view(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((60, 80), bool)
    mask[20:45, 15:60] = True
    image = np.repeat(mask[:, :, None] * np.uint8(255), 3, axis=2)
    params = ObjectView().draw(mask, (64, 96), rng)
    seen = view_image(image, params)[:, :, 0] > 127
    expected = view_mask(mask, params)
    inside = ~view_mask(np.zeros_like(mask), params, outside=True)
    assert seen.shape == (64, 96)
    assert (seen[inside] != expected[inside]).mean() < 0.01


def test_a_pixel_goes_where_the_matrix_says() -> None:
    mask = np.zeros((30, 40), bool)
    mask[12, 7] = True
    params = ViewParams(np.array([[2.0, 0.0, 3.0], [0.0, 2.0, -1.0]]), (64, 90))
    ys, xs = np.nonzero(view_mask(mask, params))
    assert (ys.mean(), xs.mean()) == (2 * 12 - 1, 2 * 7 + 3)


def test_outside_of_the_picture_has_no_truth() -> None:
    target = Target(*(np.zeros((10, 10), bool) for _ in range(3)))
    shifted = view_target(target, ViewParams(np.array([[1.0, 0.0, 5.0], [0.0, 1.0, 0.0]]), (10, 10)))
    assert shifted.ignore_mask[:, :4].all()
    assert not shifted.ignore_mask[:, 6:].any()


def test_first_clicks_lie_where_they_should() -> None:
    sample, rng = sample_with_parts(), np.random.default_rng(2)
    for _ in range(200):
        target = WholeOrPart().choose(sample, rng)
        start = VariedStart().draw(target, rng)
        half = len(start.points) // 2
        used = start.points[:, 0] >= 0
        assert used.any()
        if not start.prev_mask.any():
            assert used[:half].any(), "without a mask to correct there is a positive click"
            for y, x, _order in start.points[:half][used[:half]]:
                assert target.object_mask[int(y), int(x)]
        for y, x, _order in start.points[half:][used[half:]]:
            assert not target.object_mask[int(y), int(x)]
        assert sorted(start.points[used, 2].tolist()) == list(range(used.sum()))


def test_rough_masks_are_rough_but_related() -> None:
    mask = np.zeros((96, 96), bool)
    mask[20:70, 30:80] = True
    ious = []
    for seed in range(60):
        rough = rough_mask(mask, np.random.default_rng(seed))
        assert rough.dtype == np.float32
        assert rough.min() >= 0
        assert rough.max() <= 1
        guess = rough > 0.5
        ious.append((guess & mask).sum() / (guess | mask).sum())
    assert 0.6 < np.mean(ious) < 0.95
    assert min(ious) < 0.75


def test_error_click_is_on_the_deeper_error() -> None:
    missed, extra = np.zeros((40, 40), bool), np.zeros((40, 40), bool)
    missed[5:16, 5:16], extra[25:30, 25:30] = True, True
    rng = np.random.default_rng(0)
    click = draw_error_click(missed, extra, DepthRule(centre_prob=1.0), rng)
    assert click is not None
    assert click.is_positive
    assert click.place == (10, 10)
    click = draw_error_click(extra, missed, DepthRule(centre_prob=0.0, floor=0.5), rng)
    assert click is not None
    assert not click.is_positive
    assert region_depth(missed)[click.place] > 0.5 * region_depth(missed).max()
    nothing = np.zeros((4, 4), bool)
    assert draw_error_click(nothing, nothing, DepthRule(), rng) is None


def test_clicks_fill_their_half_and_overwrite_its_last_row_when_full() -> None:
    points = empty_points(2)
    for order, positive in enumerate([True, True, True, False]):
        put_click(points, (order, order + 1), is_positive=positive)
    assert points.tolist() == [[0, 1, 0], [2, 3, 2], [3, 4, 2], [-1, -1, -1]]


def test_item_depends_on_seed_and_number_alone() -> None:
    a = [ItemDataset(maker(), seed=5, size=(32, 32))[i] for i in range(6)]
    b = list(islice(item_stream(maker(), seed=5, size=(32, 32), first=2, step=2, workers=1), 2))
    for item, again in zip((a[2], a[4]), b, strict=True):
        assert torch.equal(item.image, again.image)
        assert torch.equal(item.points, again.points)
        assert torch.equal(item.object_mask, again.object_mask)
    assert not torch.equal(a[0].image, ItemDataset(maker(), seed=6, size=(32, 32))[0].image)


def test_sources_are_drawn_by_weight() -> None:
    sources = WeightedSources(dataset := OneSample(), {"a": 3.0, "c": 1.0})
    rng = np.random.default_rng(0)
    for _ in range(2000):
        sources.draw(rng)
    shares = np.bincount(dataset.loaded, minlength=4) / 2000
    assert shares == pytest.approx([0.375, 0.375, 0.0, 0.25], abs=0.04)


def test_colours_keep_shape_and_stay_close() -> None:
    image = np.full((20, 30, 3), 128, np.uint8)
    for seed in range(50):
        changed = Colour().apply(image, np.random.default_rng(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8


def test_turned_views() -> None:
    """A quarter or half turn on top of the usual view: the directions of the axes tell which."""
    mask = np.zeros((60, 80), bool)
    mask[20:45, 15:60] = True
    plain, turned = ObjectView(rotation_prob=0), ObjectView(rotation_prob=0, turn_prob=1)
    directions = set()
    for seed in range(40):
        rng = np.random.default_rng(seed)
        (xx, xy), (yx, yy) = turned.draw(mask, (64, 64), rng).matrix[:, :2]
        directions.add((round(np.sign(yx)) if abs(yx) > abs(yy) else 0, round(np.sign(yy)) if abs(yy) > abs(yx) else 0))
        assert max(abs(xx), abs(xy)) > 20 * min(abs(xx), abs(xy))
        still = plain.draw(mask, (64, 64), np.random.default_rng(seed)).matrix
        assert still[1, 1] > 0
    assert directions == {(1, 0), (-1, 0), (0, -1)}


def test_damaged_pictures() -> None:
    """Each kind of damage alone, against what it must do to a fine pattern."""
    image = np.full((64, 64, 3), 60, np.uint8)
    image[::2] = 200
    quiet = {"prob": 0.0, "gray_prob": 0.0, "blur_prob": 0.0, "jpeg_prob": 0.0}
    rng = np.random.default_rng(0)
    assert (Colour(**quiet).apply(image, rng) == image).all()

    shrunk = Colour(**quiet, shrink_prob=1, shrink=4).apply(image, rng)
    assert shrunk.shape == image.shape
    assert shrunk.std() < 0.7 * image.std()
    assert abs(shrunk.mean() - image.mean()) < 3

    noise = Colour(**quiet, noise_prob=1, noise=25).apply(image, rng).astype(float) - image
    assert 1 < noise.std() < 26
    assert abs(noise.mean()) < 1.5

    qualities = [Colour(**{**quiet, "jpeg_prob": 1.0}, worst_jpeg=worst) for worst in (8, 80)]
    errors = [max(np.abs(c.apply(image, rng).astype(float) - image).mean() for _ in range(20)) for c in qualities]
    assert errors[0] > 2 * errors[1]
