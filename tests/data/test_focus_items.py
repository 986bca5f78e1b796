"""Items with a window: which targets pass, what the window holds, and that item i depends on the seed and i alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from itertools import islice

import numpy as np
import pytest
import torch
from scenes import OneSample, rectangle, scene

from clickwise.data.focus_items import FocusItemMaker
from clickwise.data.focus_window import FocusWindowRule, image_in_window, mask_in_window, without_small_components
from clickwise.data.point_sampler import MultiPointSampler, PointRule
from clickwise.data.published_augment import CHAINS, Chain, RandomCrop
from clickwise.data.published_targets import TargetRule
from clickwise.data.sample import Sample
from clickwise.data.stream import FocusItem, TrainingItem, item_stream, stack_items
from clickwise.data.trimap import boundary_trimap
from clickwise.errors import DatasetError, OptionError
from clickwise.types import Size

SHAPE = (64, 80)
LARGE, SMALL = rectangle(SHAPE, 10, 8, 50, 38), rectangle(SHAPE, 20, 50, 30, 60)
SAMPLER = MultiPointSampler(TargetRule(), PointRule(first_click_center=True))


def crop(size: Size) -> Chain:
    return Chain((RandomCrop(size),))


def maker(sample: Sample, chain: Callable[[Size], Chain] = crop, **options: object) -> FocusItemMaker:
    limits: dict[str, object] = {"min_area": 50, "least_component": 40, "sampler": SAMPLER}
    window = FocusWindowRule(small_area=400, least_side=8)
    return FocusItemMaker(OneSample(sample), chain=chain, window=window, **{**limits, **options})  # type: ignore[arg-type]


def items(made: FocusItemMaker, count: int, size: Size = SHAPE) -> list[TrainingItem]:
    rng = np.random.default_rng(1)
    return [made.make(rng, size) for _ in range(count)]


def window_of(item: TrainingItem) -> FocusItem:
    assert item.focus is not None
    return item.focus


def places(points: torch.Tensor) -> torch.Tensor:
    """Whole (y, x) of the rows that are used."""
    return points[points[:, 0] >= 0][:, :2].long()


# Targets


def test_small_components_leave_the_target_and_get_no_positive_points() -> None:
    both = scene([LARGE | SMALL])
    negatives = []
    for item in items(maker(both, least_component=101), 60):
        np.testing.assert_array_equal(item.object_mask[0], LARGE)
        y, x = places(item.points[:24]).unbind(1)
        assert len(y)
        assert LARGE[y, x].all()
        negatives.append(places(item.points[24:]))
    y, x = torch.cat(negatives).unbind(1)
    assert not LARGE[y, x].any()
    assert all((item.object_mask[0].numpy() == (LARGE | SMALL)).all() for item in items(maker(both), 5))


def test_the_first_click_is_central_and_first() -> None:
    for item in items(maker(scene([LARGE])), 20):
        orders = item.points[item.points[:, 0] >= 0][:, 2].tolist()
        assert orders[0] == 0
        assert set(orders[1:]) <= {100}
        y, x = item.points[0, :2].tolist()
        # Deeper than 1/1.7 of the greatest depth, for an object that may have been eroded by three pixels.
        assert 10 + 7 <= y <= 49 - 7
        assert 8 + 7 <= x <= 37 - 7


@dataclass
class Several:
    """One sample after the other, counted."""

    samples: list[Sample]
    drawn: int = 0

    def draw(self, rng: np.random.Generator) -> Sample:
        self.drawn += 1
        return self.samples[(self.drawn - 1) % len(self.samples)]


@pytest.mark.parametrize(
    ("limits", "refused"),
    [
        ({"min_area": 1199, "least_component": 0}, SMALL),
        ({"min_area": 50, "least_component": 101}, SMALL),
        ({"most_share": 0.3, "least_component": 0}, rectangle(SHAPE, 0, 0, 20, 80)),
        ({"least_component": 0}, np.zeros(SHAPE, dtype=bool)),
    ],
)
def test_targets_out_of_bounds_draw_another_sample(limits: dict[str, float], refused: np.ndarray) -> None:
    source = Several([scene([refused]), scene([LARGE])])
    made = replace(maker(scene([LARGE]), **limits), sources=source)
    assert all((item.object_mask[0].numpy() == LARGE).all() for item in items(made, 5))
    assert source.drawn == 10


def test_limits_are_exclusive() -> None:
    area = int(LARGE.sum())
    assert items(maker(scene([LARGE]), min_area=area - 1), 1)
    with pytest.raises(
        DatasetError, match=r"64 x 80 none had a target of more than 1200 pixels.*lower items\.min_area"
    ):
        items(maker(scene([LARGE]), min_area=area), 1)
    with pytest.raises(DatasetError):
        items(maker(scene([LARGE]), most_share=area / LARGE.size), 1)


def test_pictures_without_objects_are_never_items() -> None:
    with pytest.raises(DatasetError):
        items(maker(scene([], image=np.zeros((*SHAPE, 3), dtype=np.uint8))), 1)


def test_parts_cut_out_of_a_hierarchy_are_no_regions_of_their_own() -> None:
    """Parent, child, grandchild: RITM would ask for a negative point in each cut-out part and beside each node."""
    nested = scene([LARGE, rectangle(SHAPE, 10, 8, 50, 26), rectangle(SHAPE, 10, 8, 30, 26)], [None, 0, 1])
    rule = TargetRule(use_hierarchy=True, hierarchy_stop_prob=0.2)
    assert any(rule.choose(nested, np.random.default_rng(seed)).required_negatives for seed in range(10))
    made = maker(nested, sampler=MultiPointSampler(rule, PointRule()))
    for seed in range(20):
        chosen = made._target(nested, np.random.default_rng(seed))
        assert chosen is not None
        assert chosen.required_negatives == ()


def test_soft_targets_say_so() -> None:
    with pytest.raises(OptionError, match=r"soft_targets is on.*switch it off"):
        maker(scene([LARGE]), sampler=MultiPointSampler(TargetRule(soft_targets=True), PointRule()))


# Windows


def test_windows_show_their_part_of_the_view() -> None:
    image = np.random.default_rng(0).integers(0, 255, (*SHAPE, 3)).astype(np.uint8)
    ignored = rectangle(SHAPE, 0, 20, 64, 24)
    sample = scene([LARGE, SMALL], ignored=ignored, image=image)
    for item in items(maker(sample), 30):
        focus, target = window_of(item), item.object_mask[0].numpy()
        x0, y0, x1, y1 = (int(edge) for edge in focus.roi)
        assert 0 <= x0 < x1 <= SHAPE[1]
        assert 0 <= y0 < y1 <= SHAPE[0]
        np.testing.assert_array_equal(item.image, image.transpose(2, 0, 1))
        np.testing.assert_array_equal(item.ignore_mask[0], ignored)
        assert not (target & ignored).any()
        window = (x0, y0, x1, y1)
        np.testing.assert_array_equal(focus.image, image_in_window(image, window, SHAPE).transpose(2, 0, 1))
        np.testing.assert_array_equal(focus.object_mask[0], mask_in_window(target, window, SHAPE))
        band = mask_in_window(boundary_trimap(target), window, SHAPE)
        trimap = focus.trimap[0].numpy()
        np.testing.assert_array_equal((trimap > 0.503), band)
        assert focus.trimap.dtype == torch.float32
        assert trimap.min() >= 0
        assert trimap.max() <= 1
        sees_ignored = x0 < 24 and x1 > 20
        assert focus.ignore_mask.any() == sees_ignored


def test_views_of_other_sizes_have_windows_of_their_size() -> None:
    for size in ((32, 32), (48, 64)):
        item = items(maker(scene([LARGE]), CHAINS["aligned"]), 1, size)[0]
        focus = window_of(item)
        assert focus.image.shape == (3, *size)
        assert focus.object_mask.shape == focus.ignore_mask.shape == focus.trimap.shape == (1, *size)
        assert focus.roi.shape == (4,)


def test_targets_stay_whole_when_all_components_are_large() -> None:
    for item in items(maker(scene([LARGE, SMALL]), CHAINS["aligned"]), 20, (40, 40)):
        mask = item.object_mask[0].numpy()
        np.testing.assert_array_equal(without_small_components(mask, 40), mask)
        assert 50 < mask.sum() < 0.85 * mask.size


# Streams


def same(first: TrainingItem, second: TrainingItem) -> bool:
    names = [field.name for field in fields(TrainingItem) if field.name != "focus"]
    return all(torch.equal(getattr(first, n), getattr(second, n)) for n in names) and all(
        torch.equal(getattr(window_of(first), f.name), getattr(window_of(second), f.name)) for f in fields(FocusItem)
    )


def test_item_i_depends_on_seed_and_i_alone() -> None:
    made = maker(scene([LARGE, SMALL]), CHAINS["aligned"])

    def stream(first: int, workers: int = 0, seed: int = 5) -> list[TrainingItem]:
        return list(islice(item_stream(made, seed=seed, size=(40, 40), first=first, workers=workers), 4))

    whole = stream(0)
    assert all(same(a, b) for a, b in zip(whole, stream(0, workers=2), strict=True))
    assert all(same(a, b) for a, b in zip(whole[2:], stream(2), strict=False))
    assert not any(same(a, b) for a, b in zip(whole, stream(0, seed=6), strict=True))


def test_stacked_items_keep_their_windows() -> None:
    made = items(maker(scene([LARGE, SMALL])), 3)
    batch = stack_items(made)
    assert batch.image.shape == (3, 3, *SHAPE)
    assert batch.focus is not None
    assert batch.focus.roi.shape == (3, 4)
    for number, item in enumerate(made):
        for field in fields(FocusItem):
            assert torch.equal(getattr(batch.focus, field.name)[number], getattr(window_of(item), field.name))
    made[1].focus = None
    assert stack_items(made).focus is None
