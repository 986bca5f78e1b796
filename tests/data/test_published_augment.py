"""The published random views: what each step draws, and what it does to picture, labels and soft masks alike."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes import within
from scipy import stats

from clickwise.data.published_augment import (
    CHAINS,
    BrightnessContrast,
    Flips,
    Mirror,
    PadTo,
    QuarterTurns,
    RandomCrop,
    Rescale,
    ResizeTo,
    RgbShift,
    ShiftRotate,
    StretchedFrame,
)
from clickwise.data.published_steps import Cropped, Framed, Padded, Resized, Shifted, Toned, Turned, Warped

SIZE = (30, 44)


def labelled(size: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Layers (H, W, 2) of blocks of labels 0..5, and a picture whose channels show the layers (times 40)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 6, (-(-size[0] // 8), -(-size[1] // 8), 2))
    layers = coarse.repeat(8, axis=0).repeat(8, axis=1)[: size[0], : size[1]].astype(np.int32)
    image = np.concatenate([layers * 40, layers[:, :, :1] * 0], axis=2).astype(np.uint8)
    return image, layers


def smooth_places(layers: np.ndarray, reach: int) -> np.ndarray:
    """Pixels whose neighbours up to ``reach`` away all hold their label, in each layer."""
    same = np.ones(layers.shape, dtype=bool)
    padded = np.pad(layers, ((reach, reach), (reach, reach), (0, 0)), constant_values=-1)
    for dy in range(2 * reach + 1):
        for dx in range(2 * reach + 1):
            same &= padded[dy : dy + layers.shape[0], dx : dx + layers.shape[1]] == layers
    return same


GEOMETRY = {name: len(chain(SIZE).steps) - 2 * (not name.endswith("validation")) for name, chain in CHAINS.items()}


@given(
    name=st.sampled_from(sorted(CHAINS)),
    height=st.integers(3, 9).map(lambda blocks: 8 * blocks),
    width=st.integers(3, 9).map(lambda blocks: 8 * blocks),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=80, deadline=None)
def test_labels_and_soft_masks_follow_the_picture(name: str, height: int, width: int, seed: int) -> None:
    chain = CHAINS[name](SIZE)
    moves = type(chain)(chain.steps[: GEOMETRY[name]])
    image, layers = labelled((height, width), seed)
    view = moves.draw((height, width), np.random.default_rng(seed))
    seen, labels = view.image(image), view.labels(layers)
    assert seen.shape == (*SIZE, 3)
    assert labels.shape == (*SIZE, 2)
    assert labels.dtype == np.int32
    assert set(np.unique(labels)) <= {0, *np.unique(layers)}
    # Two interpolations reach two pixels far; that of the aligned chain enlarges up to six times.
    smooth = smooth_places(labels, 4 if name == "aligned" else 2)
    shown = np.abs(seen[:, :, :2].astype(int) - labels * 40)
    assert (shown[smooth] <= 1).all()
    soft = view.soft((layers[:, :, 0] == 3).astype(np.float32))
    assert soft.dtype == np.float32
    assert soft.min() >= 0
    assert soft.max() <= 1
    inner = smooth[:, :, 0]
    assert (np.abs(soft - (labels[:, :, 0] == 3))[inner] <= 0.02).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 90), (200, 3), (31, 45)])
@pytest.mark.parametrize("name", sorted(CHAINS))
def test_pictures_of_any_size_fill_the_crop(name: str, size: tuple[int, int]) -> None:
    view = CHAINS[name](SIZE).draw(size, np.random.default_rng(0))
    assert view.image(np.zeros((*size, 3), dtype=np.uint8)).shape == (*SIZE, 3)
    assert view.labels(np.zeros((*size, 7), dtype=np.int32)).shape == (*SIZE, 7)
    assert view.soft(np.zeros(size, dtype=np.float32)).shape == SIZE


def test_the_same_parameters_give_the_same_view() -> None:
    image, layers = labelled((50, 60), 0)
    for chain in CHAINS.values():
        first, second = (chain(SIZE).draw((50, 60), np.random.default_rng(3)) for _ in range(2))
        assert first == second
        np.testing.assert_array_equal(first.image(image), second.image(image))
        np.testing.assert_array_equal(first.labels(layers), second.labels(layers))
        assert chain(SIZE).draw((50, 60), np.random.default_rng(4)) != first


def test_chains_are_the_published_ones() -> None:
    assert CHAINS["coco_lvis"](SIZE).steps == (
        Rescale((0.75, 1.40)),
        Mirror(0.5),
        PadTo(SIZE),
        RandomCrop(SIZE),
        BrightnessContrast((-0.25, 0.25), (-0.15, 0.40), 0.75),
        RgbShift(10, 0.75),
    )
    assert CHAINS["sbd"](SIZE).steps == (
        Rescale((0.75, 1.25)),
        Mirror(0.5, vertical_too=True),
        QuarterTurns(0.5),
        ShiftRotate(0.03, 3, 0.75),
        PadTo(SIZE),
        RandomCrop(SIZE),
        BrightnessContrast((-0.25, 0.25), (-0.15, 0.40), 0.75),
        RgbShift(10, 0.75),
    )
    assert CHAINS["aligned"](SIZE).steps == (
        StretchedFrame(mean=0.8, deviation=0.4, limits=(0.3, 1.3)),
        ResizeTo(SIZE),
        Flips(0.3),
        BrightnessContrast((-0.25, 0.25), (-0.15, 0.40), 0.75),
        RgbShift(10, 0.75),
    )
    assert CHAINS["coco_lvis_validation"](SIZE).steps == (PadTo(SIZE), RandomCrop(SIZE))
    assert CHAINS["sbd_validation"](SIZE).steps == (Rescale((0.75, 1.25)), PadTo(SIZE), RandomCrop(SIZE))


# What is drawn


def test_rescale_is_uniform_and_rounds() -> None:
    rng, draws = np.random.default_rng(0), 3000
    sizes = np.array([Rescale((0.75, 1.40)).draw((1000, 500), rng).size for _ in range(draws)])
    factors = sizes[:, 0] / 1000
    assert factors.min() >= 0.75
    assert factors.max() <= 1.40
    assert np.abs(sizes[:, 1] - 500 * factors).max() <= 0.76
    for quarter in range(4):
        low = 0.75 + quarter * 0.1625
        assert within(((factors >= low) & (factors < low + 0.1625)).mean(), 0.25, draws)
    assert Rescale((0.1, 0.1)).draw((3, 2), rng).size == (1, 1)


def test_mirrors_and_turns_have_their_shares() -> None:
    rng, draws = np.random.default_rng(1), 4000
    kinds = [Mirror().draw(SIZE, rng) for _ in range(draws)]
    assert within(np.mean([kind is None for kind in kinds]), 0.5, draws)
    assert {kind for kind in kinds if kind} == {Turned(SIZE, mirror_x=True)}
    kinds = [Mirror(vertical_too=True).draw(SIZE, rng) for _ in range(draws)]
    for mirror_x, mirror_y in ((True, False), (False, True), (True, True)):
        share = np.mean([kind == Turned(SIZE, mirror_x=mirror_x, mirror_y=mirror_y) for kind in kinds])
        assert within(share, 1 / 6, draws)
    kinds = [QuarterTurns().draw(SIZE, rng) for _ in range(draws)]
    assert within(np.mean([kind is None for kind in kinds]), 0.5, draws)
    for quarters in range(4):
        turned = Turned(SIZE[::-1] if quarters % 2 else SIZE, quarters=quarters)
        assert within(np.mean([kind == turned for kind in kinds]), 1 / 8, draws)


def test_shift_and_rotation_stay_small_and_fill_their_range() -> None:
    rng, draws = np.random.default_rng(2), 3000
    kinds = [ShiftRotate().draw((101, 201), rng) for _ in range(draws)]
    found = [kind for kind in kinds if kind is not None]
    assert within(len(found) / draws, 0.75, draws)
    matrices = np.array([kind.matrix for kind in found if isinstance(kind, Warped)])
    angles = np.rad2deg(np.arctan2(matrices[:, 0, 1], matrices[:, 0, 0]))
    np.testing.assert_allclose(np.linalg.det(matrices[:, :, :2]), 1)
    moved = matrices @ np.array([100, 50, 1]) - np.array([100, 50])
    for values, most in ((angles, 3), (moved[:, 0], 0.03 * 201), (moved[:, 1], 0.03 * 101)):
        assert 0.98 * most < np.abs(values).max() <= most
        assert within((values < 0).mean(), 0.5, len(values))
        assert within((np.abs(values) < most / 2).mean(), 0.5, len(values))


def test_crops_are_uniform_over_all_places() -> None:
    rng, draws = np.random.default_rng(3), 3000
    places = [RandomCrop((30, 44)).draw((32, 45), rng) for _ in range(draws)]
    for top in range(3):
        for left in range(2):
            share = np.mean([place == Cropped((30, 44), top, left) for place in places])
            assert within(share, 1 / 6, draws)


def test_padding_is_centred_and_only_where_needed() -> None:
    rng = np.random.default_rng(0)
    assert PadTo((30, 44)).draw((25, 50), rng) == Padded((30, 50), top=2, left=0)
    assert PadTo((30, 44)).draw((30, 44), rng) is None
    padded = Padded((30, 50), top=2, left=0).labels(np.ones((25, 50, 3), dtype=np.int32))
    assert padded.sum() == 25 * 50 * 3
    assert (padded[2:27] == 1).all()


def test_stretched_frames_have_independent_truncated_normal_sides() -> None:
    rng, draws = np.random.default_rng(6), 4000
    frames = [StretchedFrame().draw((1000, 500), rng) for _ in range(draws)]
    shares = np.array([(frame.size[0] / 1000, frame.size[1] / 500) for frame in frames])
    assert shares.min() >= 0.298
    assert shares.max() <= 1.3
    assert abs(np.corrcoef(shares.T)[0, 1]) < 0.08
    expected = stats.truncnorm((0.3 - 0.8) / 0.4, (1.3 - 0.8) / 0.4, loc=0.8, scale=0.4)
    for axis in (0, 1):
        for limit in (0.5, 0.8, 1.0, 1.2):
            assert within((shares[:, axis] < limit).mean(), expected.cdf(limit), draws)


def test_stretched_frames_lie_anywhere_in_the_picture_or_around_it() -> None:
    """Below 1 all places are equally likely; above 1 all of the picture is in view, up to the one spare pixel."""
    rng = np.random.default_rng(7)
    starts: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(4000):
        frame = StretchedFrame().draw((100, 200), rng)
        assert isinstance(frame, Framed)
        for length, start, side in zip(frame.size, (frame.top, frame.left), (100, 200), strict=True):
            if length < side:
                assert 0 <= start <= side - length
                if length < side - 30:
                    starts[False].append(start / (side - length))
            else:
                assert side - length - 1 <= start <= 1
                if length > side + 20:
                    starts[True].append((start - 1) / (side - length - 2))
    for found in starts.values():
        for quarter in (0.25, 0.5, 0.75):
            assert abs(np.mean(np.array(found) < quarter) - quarter) < 0.04


def test_flips_are_independent() -> None:
    rng, draws = np.random.default_rng(8), 4000
    kinds = [Flips().draw(SIZE, rng) for _ in range(draws)]
    for mirror_x, mirror_y in ((True, False), (False, True), (True, True)):
        share = np.mean([kind == Turned(SIZE, mirror_x=mirror_x, mirror_y=mirror_y) for kind in kinds])
        assert within(share, (0.3 if mirror_x else 0.7) * (0.3 if mirror_y else 0.7), draws)
    assert within(np.mean([kind is None for kind in kinds]), 0.49, draws)


def test_colours_have_their_shares_and_ranges() -> None:
    rng, draws = np.random.default_rng(4), 3000
    tones = [BrightnessContrast().draw(SIZE, rng) for _ in range(draws)]
    shifts = [RgbShift().draw(SIZE, rng) for _ in range(draws)]
    for kinds in (tones, shifts):
        assert within(np.mean([kind is None for kind in kinds]), 0.25, draws)
    brightness = np.array([kind.brightness for kind in tones if isinstance(kind, Toned)])
    contrast = np.array([kind.contrast for kind in tones if isinstance(kind, Toned)])
    channels = np.array([kind.shifts for kind in shifts if isinstance(kind, Shifted)])
    for values, low, high in ((brightness, -0.25, 0.25), (contrast, -0.15, 0.40), (channels.ravel(), -10, 10)):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert within((values < (low + high) / 2).mean(), 0.5, len(values))
    assert abs(np.corrcoef(channels.T)[0, 1]) < 0.1


# What is applied, against slow second versions


def test_tones_and_shifts_pixel_by_pixel() -> None:
    image = np.random.default_rng(5).integers(0, 256, (6, 7, 3)).astype(np.uint8)
    toned = Toned((6, 7), brightness=0.1, contrast=0.3).image(image)
    shifted = Shifted((6, 7), (9.6, -4.2, 0.0)).image(image)
    for y in range(6):
        for x in range(7):
            for channel, shift in enumerate((9.6, -4.2, 0.0)):
                value = float(image[y, x, channel])
                assert toned[y, x, channel] == np.clip(np.rint(value * 1.3 + 25.5), 0, 255)
                assert shifted[y, x, channel] == np.clip(np.rint(value + shift), 0, 255)
    mask = np.ones((6, 7, 1), dtype=np.int32)
    assert Toned((6, 7), 0.1, 0.3).labels(mask) is mask


@pytest.mark.parametrize("new", [(5, 9), (11, 13), (1, 1), (7, 8)])
def test_resized_labels_take_the_nearest_centre(new: tuple[int, int]) -> None:
    layers = np.random.default_rng(6).integers(0, 90_000, (7, 8, 3)).astype(np.int32)
    found = Resized(new).labels(layers)
    for y in range(new[0]):
        for x in range(new[1]):
            old_y, old_x = (y + 0.5) * 7 / new[0] - 0.5, (x + 0.5) * 8 / new[1] - 0.5
            near = [
                layers[r, c]
                for r in range(7)
                for c in range(8)
                if abs(r - old_y) <= 0.5 + 1e-9 and abs(c - old_x) <= 0.5 + 1e-9
            ]
            assert any((found[y, x] == value).all() for value in near)


@pytest.mark.parametrize(("top", "left"), [(-2, -1), (1, 2), (-2, 3), (2, -3), (0, 0), (9, 0)])
def test_frames_pixel_by_pixel(top: int, left: int) -> None:
    layers = np.arange(1, 21, dtype=np.int32).reshape(4, 5, 1)
    found = Framed((6, 7), top, left).labels(layers)
    for y in range(6):
        for x in range(7):
            inside = 0 <= y + top < 4 and 0 <= x + left < 5
            assert found[y, x, 0] == (layers[y + top, x + left, 0] if inside else 0)


def test_turns_pixel_by_pixel() -> None:
    layers = np.arange(12, dtype=np.int32).reshape(3, 4, 1)
    for mirror_x in (False, True):
        for mirror_y in (False, True):
            turned = Turned((4, 3), mirror_x=mirror_x, mirror_y=mirror_y, quarters=1).labels(layers)
            for y in range(4):
                for x in range(3):
                    row, column = x, 3 - y  # a quarter turn counter-clockwise
                    row, column = (2 - row if mirror_y else row), (3 - column if mirror_x else column)
                    assert turned[y, x, 0] == layers[row, column, 0]


def test_warped_labels_take_the_nearest_pixel_and_zero_outside() -> None:
    layers = np.random.default_rng(7).integers(1, 70_000, (20, 26, 5)).astype(np.int32)
    drawn = ShiftRotate(shift=0.1, degrees=20, prob=1).draw((20, 26), np.random.default_rng(8))
    assert isinstance(drawn, Warped)
    found = drawn.labels(layers)
    linear, offset = np.array(drawn.matrix)[:, :2], np.array(drawn.matrix)[:, 2]
    wrong = outside = 0
    for y in range(20):
        for x in range(26):
            from_x, from_y = np.linalg.inv(linear) @ (np.array([x, y]) - offset)
            row, column = round(from_y), round(from_x)
            inside = 0 <= row < 20 and 0 <= column < 26
            outside += not inside
            expected = layers[row, column] if inside else np.zeros(5)
            wrong += not np.array_equal(found[y, x], expected)
    assert outside > 20
    assert wrong <= 8, "OpenCV rounds source places to 1/32 pixel or so"
