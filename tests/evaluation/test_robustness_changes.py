"""Changed pictures and rough starts: what they do, against slow second implementations."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace

import numpy as np
import pytest
import slow_robustness as slow
from memory_data import MemoryDataset, ellipse, make_dataset, make_sample
from PIL import Image

from clickwise.evaluation.robustness import picture_changes, rough_starts
from clickwise.evaluation.robustness.changed import ChangedDataset, changed, usable_units
from clickwise.evaluation.robustness.conditions import CONDITIONS, Condition, condition_rng
from clickwise.evaluation.robustness.rough_starts import ROUGH_IOU, SMALLEST_AREA

PICTURES = [c for c in CONDITIONS if c.picture is not None]
STARTS = [c for c in CONDITIONS if c.start is not None]


def smooth_sample():
    """A picture without grain, 24 x 32, for JPEG and blur."""
    ys, xs = np.mgrid[:24, :32]
    image = np.stack([ys * 8, xs * 7, 255 - ys * 5 - xs * 3], axis=2).astype(np.uint8)
    return replace(make_sample(0, (24, 32)), image=image)


def done(change, sample, seed: int = 0) -> np.ndarray:
    result = change(sample, np.random.default_rng(seed))
    assert result.image.dtype == np.uint8
    assert result.image.flags["C_CONTIGUOUS"]
    return result.image


def test_gray_dark_and_low_contrast_level_by_level() -> None:
    sample = make_sample(1)
    for y, x in [(0, 0), (7, 9), (20, 30)]:
        red, green, blue = (int(v) for v in sample.image[y, x])
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        assert done(picture_changes.gray, sample)[y, x].tolist() == pytest.approx([luma] * 3, abs=1)
        assert done(picture_changes.dark, sample)[y, x].tolist() == [slow.srgb_dark(v, 0.1) for v in (red, green, blue)]
        low = [round(128 + (v - 128) / 4) for v in (red, green, blue)]
        assert done(picture_changes.low_contrast, sample)[y, x].tolist() == low
    every = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    levels = done(picture_changes.dark, replace(sample, image=every))[:, :, 0].ravel()
    assert levels.tolist() == [slow.srgb_dark(v, 0.1) for v in range(256)]
    assert levels[-1] == 89


def test_noise_has_its_width_and_is_clipped() -> None:
    flat = replace(make_sample(0), image=np.full((80, 80, 3), 128, np.uint8))
    change = done(picture_changes.noise, flat).astype(float) - 128
    assert abs(change.mean()) < 0.6
    assert change.std() == pytest.approx(25, rel=0.03)
    assert np.array_equal(done(picture_changes.noise, flat), done(picture_changes.noise, flat))
    assert not np.array_equal(done(picture_changes.noise, flat), done(picture_changes.noise, flat, seed=1))
    white = replace(flat, image=np.full((9, 9, 3), 255, np.uint8))
    assert set(np.unique(done(picture_changes.noise, white) == 255)) == {True, False}


def test_jpeg_is_what_another_library_makes_of_it() -> None:
    sample = smooth_sample()
    packed = io.BytesIO()
    Image.fromarray(sample.image).save(packed, "JPEG", quality=picture_changes.JPEG_QUALITY)
    other = np.asarray(Image.open(packed)).astype(int)
    assert np.abs(done(picture_changes.jpeg, sample) - other).mean() < 3
    assert np.abs(done(picture_changes.jpeg, sample).astype(int) - sample.image).mean() > 3


def test_blur_small_and_rotated() -> None:
    sample = smooth_sample()
    assert np.abs(done(picture_changes.blur, sample) - slow.blurred(sample.image, 1.0)).max() <= 1.5
    wide = replace(sample, image=np.random.default_rng(0).integers(0, 256, (20, 500, 3), dtype=np.uint8))
    assert np.abs(done(picture_changes.blur, wide) - slow.blurred(wide.image, 3.0)).max() <= 3
    small = picture_changes.small(sample, np.random.default_rng(0))
    assert np.abs(small.image - slow.averaged(sample.image, 4)).max() <= 0.51
    assert np.array_equal(small.layers, sample.layers[2::4, 2::4])
    turned = picture_changes.rotated(sample, np.random.default_rng(0))
    for y, x in [(0, 0), (3, 20), (23, 31)]:
        assert np.array_equal(turned.image[31 - x, y], sample.image[y, x])
        assert np.array_equal(turned.layers[31 - x, y], sample.layers[y, x])


@pytest.mark.parametrize("condition", PICTURES, ids=lambda c: c.name)
def test_every_change_of_a_picture_changes_it_and_leaves_the_original_alone(condition: Condition) -> None:
    sample = make_sample(3)
    image, layers = sample.image.copy(), sample.layers.copy()
    changed = condition.picture(sample, np.random.default_rng(0))
    assert np.array_equal(sample.image, image)
    assert np.array_equal(sample.layers, layers)
    assert changed.image.shape[:2] == changed.layers.shape[:2]
    assert changed.image.shape != image.shape or not np.array_equal(changed.image, image)
    assert (changed.sample_id, changed.objects, changed.ignored) == (sample.sample_id, sample.objects, sample.ignored)
    tiny = replace(sample, image=image[:1, :1], layers=layers[:1, :1])
    assert condition.picture(tiny, np.random.default_rng(0)).image.shape == (1, 1, 3)


def shapes_to_start_from() -> list[tuple[np.ndarray, np.ndarray]]:
    """Round, small, at the rim, in two parts, filling nearly all; with and without ignored pixels."""
    size = (30, 40)
    none, band = np.zeros(size, bool), np.zeros(size, bool)
    band[:, 18:20] = True
    round_one, small = ellipse(size, 18, 14, 12, 9), np.zeros(size, bool)
    small[4:8, 30:35] = True
    rim, nearly = np.zeros(size, bool), np.ones(size, bool)
    rim[:20, :15] = True
    nearly[0, 0] = False
    two = small | ellipse(size, 10, 20, 5, 5)
    return [(round_one, none), (round_one & ~band, band), (small, none), (rim, none), (nearly, none), (two, none),
            (~none, none)]  # fmt: skip


@pytest.mark.parametrize("condition", STARTS, ids=lambda c: c.name)
@pytest.mark.parametrize("case", range(7))
def test_rough_starts_have_the_iou_of_the_published_ones(condition: Condition, case: int) -> None:
    truth, ignored = shapes_to_start_from()[case]
    assert truth.sum() >= SMALLEST_AREA
    found = []
    for seed in range(3):
        mask = condition.start(truth, ignored, np.random.default_rng(seed))
        assert mask.shape == truth.shape
        assert mask.dtype == bool
        found.append(mask)
        assert ROUGH_IOU[0] <= slow.iou(mask, truth, ignored) <= ROUGH_IOU[1]
    assert np.array_equal(found[0], condition.start(truth, ignored, np.random.default_rng(0)))
    assert not np.array_equal(found[0], found[1])


def test_grown_adds_the_nearest_shrunk_removes_the_outermost_and_a_part_lies_beyond_a_line() -> None:
    truth, ignored = shapes_to_start_from()[0]
    inside, outside = slow.pixels(truth), slow.pixels(~truth)
    rng = np.random.default_rng
    grown = rough_starts.grown(truth, ignored, rng(0))
    far = {p: min((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 for q in inside) for p in outside}
    assert (grown & truth).sum() == truth.sum()
    assert max(far[p] for p in outside if grown[p]) <= min(far[p] for p in outside if not grown[p])
    shrunk = rough_starts.shrunk(truth, ignored, rng(0))
    deep = {p: min((p[0] - q[0]) ** 2 + (p[1] - q[1]) ** 2 for q in outside) for p in inside}
    assert not (shrunk & ~truth).any()
    assert max(deep[p] for p in inside if not shrunk[p]) <= min(deep[p] for p in inside if shrunk[p])
    left = rough_starts.part_missing(truth, ignored, rng(0))
    generator = rng(0)
    generator.uniform()
    angle = generator.uniform(0, 2 * np.pi)
    along = {(y, x): x * np.cos(angle) + y * np.sin(angle) for y, x in inside}
    assert not (left & ~truth).any()
    assert max(along[p] for p in inside if not left[p]) <= min(along[p] for p in inside if left[p])
    wobbly = rough_starts.wobbly(truth, ignored, rng(0))
    assert (wobbly & ~truth).any()
    assert (truth & ~wobbly).any()


def test_ignored_pixels_follow_their_distance() -> None:
    truth, ignored = shapes_to_start_from()[1]
    grown = rough_starts.grown(truth, ignored, np.random.default_rng(0))
    assert grown[14, 18:20].all()  # between two halves of the object
    assert not grown[0, 18:20].any()


# --------------------------------------------------------------------------- data under a condition


def condition(name: str) -> Condition:
    return next(c for c in CONDITIONS if c.name == name)


@pytest.mark.parametrize("one", PICTURES, ids=lambda c: c.name)
def test_a_data_set_under_a_condition_holds_the_changed_pictures(one: Condition) -> None:
    base = make_dataset(2)
    data = ChangedDataset(base, [(0, 0), (1, 1)], one, seed=5)
    for index, object_id in ((1, 1), (0, 0)):
        sample = base.samples[index]
        expected = one.picture(sample, condition_rng(5, one.name, sample.sample_id, object_id))
        assert np.array_equal(data.load(index).image, expected.image)
        assert np.array_equal(data.load(index).layers, expected.layers)


class WithStarts(MemoryDataset):
    def start_mask(self, index: int) -> np.ndarray:
        return np.roll(self.samples[index].object_mask(0), 2, axis=1)


def test_a_data_set_under_no_condition_is_what_it_was() -> None:
    base = make_dataset(2)
    data = ChangedDataset(base, [(0, 0), (0, 1), (1, 1)])
    assert (len(data), data.name) == (3, "memory")
    assert len(set(data.sample_ids)) == 3
    assert data.load(2) is base.samples[1]
    assert data.start_mask(2) is None


def test_the_start_mask_of_a_data_set_is_turned_and_shrunk_with_its_picture() -> None:
    base = WithStarts([make_sample(0)])
    start = base.start_mask(0)
    for name, expected in (("rotated", np.rot90(start)), ("small", start[2::4, 2::4]), ("gray", start)):
        data = ChangedDataset(base, [(0, 0)], condition(name))
        assert np.array_equal(data.start_mask(0), expected)
        assert data.load(0).layers.shape[2] == 1
    assert not np.array_equal(ChangedDataset(base, [(0, 0)], condition("start-grown")).start_mask(0), start)


def test_a_rough_start_is_made_for_the_object_in_question_and_depends_on_names_alone() -> None:
    base = make_dataset(2)
    units = [(i, k) for i in range(2) for k in range(2)]
    data = ChangedDataset(base, units, condition("start-wobbly"), seed=4)
    for index, (number, object_id) in enumerate(units):
        sample = base.samples[number]
        truth, ignored = sample.object_mask(object_id), sample.ignore_mask()
        assert ROUGH_IOU[0] <= slow.iou(data.start_mask(index), truth, ignored) <= ROUGH_IOU[1]
        alone = ChangedDataset(base, [(number, object_id)], condition("start-wobbly"), seed=4)
        assert np.array_equal(alone.start_mask(0), data.start_mask(index))
    first = condition_rng(0, "noise", "a", 0).random()
    others = [(1, "noise", "a", 0), (0, "blur", "a", 0), (0, "noise", "b", 0), (0, "noise", "a", 1)]
    assert first not in [condition_rng(*other).random() for other in others]


def test_other_processes_can_be_given_every_condition_that_changes_something() -> None:
    base = make_dataset(1)
    for one in CONDITIONS:
        if not one.is_choice:
            data = pickle.loads(pickle.dumps(ChangedDataset(base, [(0, 1)], one, seed=2)))
            assert np.array_equal(data.load(0).image, ChangedDataset(base, [(0, 1)], one, seed=2).load(0).image)


def test_objects_that_become_too_small_are_left_out() -> None:
    sample = make_sample(0, (40, 56), ignored=False)
    layers = sample.layers.copy()
    layers[:, 35:] = 0
    layers[2:4, 50:52] = 2
    data = MemoryDataset([replace(sample, layers=layers)])
    units = [(0, 0), (0, 1)]
    assert usable_units(ChangedDataset(data, units), 1) == [(0, 0), (1, 1)]
    assert usable_units(ChangedDataset(data, units, condition("start-part")), SMALLEST_AREA) == [(0, 0)]
    small = condition("small")
    area = small.picture(data.samples[0], np.random.default_rng(0)).object_mask(0).sum()
    assert usable_units(ChangedDataset(data, units, small), int(area) + 1) == []
    assert changed(data.samples[0], None, 0, small, np.random.default_rng(0))[1] is None
