"""The evaluation's click rule: golden clicks, a slow second implementation, and what must always hold."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import distance_transform_edt

from clickwise.clicks.click import Click, ClickList
from clickwise.clicks.depth import _measured_peak, bounding_box, deepest_pixel
from clickwise.clicks.next_click import ClickSimulator, error_regions, next_click
from clickwise.errors import MaskError

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "next_click.npz")
HEIGHT, WIDTH = 96, 128


def golden_predictions():
    packed = np.unpackbits(GOLDEN["pred_packed"], axis=-1)[..., :WIDTH]
    return packed.reshape(tuple(GOLDEN["pred_shape"])).astype(bool)


# ---------------------------------------------------------------------------------------------------------------------
# Slow and obvious: every pixel against every pixel outside.


def slow_squared_depth(region):
    """Squared distance of each pixel of the region to the nearest pixel outside it or outside the image."""
    height, width = region.shape
    outside = [(y, x) for y in range(height) for x in range(width) if not region[y, x]]
    squared = np.zeros(region.shape, dtype=np.int64)
    for y in range(height):
        for x in range(width):
            if region[y, x]:
                to_border = min(y + 1, x + 1, height - y, width - x) ** 2
                squared[y, x] = min([to_border, *((y - v) ** 2 + (x - u) ** 2 for v, u in outside)])
    return squared


def slow_next_click(object_mask, pred_mask, ignore_mask, history):
    depth = {
        True: slow_squared_depth(object_mask & ~pred_mask & ~ignore_mask),
        False: slow_squared_depth(~object_mask & pred_mask & ~ignore_mask),
    }
    for click in history:
        depth[True][int(click.y), int(click.x)] = depth[False][int(click.y), int(click.x)] = 0
    is_positive = depth[True].max() > depth[False].max()
    for y in range(object_mask.shape[0]):
        for x in range(object_mask.shape[1]):
            if depth[is_positive][y, x] == depth[is_positive].max():
                return Click(x, y, bool(is_positive))
    raise AssertionError


# ---------------------------------------------------------------------------------------------------------------------
# Golden


def test_all_golden_clicks_exactly():
    predictions, clicks = golden_predictions(), GOLDEN["clicks"]
    for case, truth in enumerate(GOLDEN["gt"]):
        simulator = ClickSimulator(truth == 1, truth == -1)
        for step, (is_positive, y, x) in enumerate(clicks[case].tolist()):
            given_click = simulator.next_click(predictions[case, step])
            assert given_click == Click(x, y, bool(is_positive)), (case, step)


def test_golden_depths():
    predictions = golden_predictions()
    for case, truth in enumerate(GOLDEN["gt"]):
        barred = []
        for step in range(10):
            regions = error_regions(truth == 1, predictions[case, step], truth == -1)
            peaks = [deepest_pixel(region, barred) for region in regions]
            depths = [np.sqrt(peak.squared_depth) if peak else 0 for peak in peaks]
            np.testing.assert_allclose(depths, GOLDEN["max_dist_fn_fp"][case, step], rtol=1e-5)
            barred.append(tuple(GOLDEN["clicks"][case, step, 1:].tolist()))


# ---------------------------------------------------------------------------------------------------------------------
# Second opinion and properties

masks = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: st.tuples(*(arrays(np.bool_, shape) for _ in range(3)))
)


@given(masks, st.integers(0, 4))
@settings(max_examples=120, deadline=None)
def test_equals_brute_force_over_several_clicks(three, more):
    object_mask, pred_mask, ignore_mask = three
    simulator = ClickSimulator(object_mask, ignore_mask)
    for _ in range(1 + more):
        expected = slow_next_click(object_mask, pred_mask, ignore_mask, simulator.clicks)
        assert simulator.next_click(pred_mask) == expected


@given(masks)
@settings(max_examples=100, deadline=None)
def test_a_click_lies_in_the_error_and_has_its_sign(three):
    object_mask, pred_mask, ignore_mask = three
    missed, extra = error_regions(object_mask, pred_mask, ignore_mask)
    click = next_click(object_mask, pred_mask, ignore_mask=ignore_mask)
    if missed.any() or extra.any():
        assert (missed if click.is_positive else extra)[click.y, click.x]
    else:
        assert click == Click(0, 0, is_positive=False)


@given(masks)
@settings(max_examples=50, deadline=None)
def test_all_error_pixels_of_the_larger_error_are_clicked_once(three):
    object_mask, pred_mask, ignore_mask = three
    simulator = ClickSimulator(object_mask, ignore_mask)
    wrong = (object_mask ^ pred_mask) & ~ignore_mask
    clicks = [simulator.next_click(pred_mask) for _ in range(int(wrong.sum()))]
    assert {(c.y, c.x) for c in clicks} == set(map(tuple, np.argwhere(wrong).tolist()))
    assert simulator.next_click(pred_mask) == Click(0, 0, is_positive=False)


def smooth_region(rng, height, width, share):
    noise = np.fft.irfft2(
        np.fft.rfft2(rng.normal(size=(height, width))) * np.exp(-np.hypot(*np.ogrid[:height, : width // 2 + 1]) / 3),
        s=(height, width),
    )
    return noise > np.quantile(noise, 1 - share)


def squared_depth_by_scipy(region):
    """Exact: squares of the integer offsets to the nearest outside pixel that SciPy names."""
    padded = np.pad(region, 1)
    nearest = distance_transform_edt(padded, return_distances=False, return_indices=True)
    return ((nearest - np.indices(padded.shape)) ** 2).sum(axis=0)[1:-1, 1:-1]


@pytest.mark.parametrize("shape", [(60, 900), (1000, 20), (1021, 64), (300, 400), (1200, 900), (40, 2500), (1500, 31)])
@pytest.mark.parametrize("kind", ["blob", "all", "slivers"])
def test_large_regions_are_exact(shape, kind):
    rng = np.random.default_rng(sum(shape))
    region = {
        "blob": lambda: smooth_region(rng, *shape, 0.6),
        "all": lambda: np.ones(shape, dtype=bool),
        "slivers": lambda: rng.random(shape) < 0.4,
    }[kind]()
    squared = squared_depth_by_scipy(region)
    barred = []
    for _ in range(4):
        peak = deepest_pixel(region, barred)
        assert peak.squared_depth == squared.max()
        assert (peak.y, peak.x) == divmod(int(squared.argmax()), shape[1])
        barred.append((peak.y, peak.x))
        squared[peak.y, peak.x] = 0


@pytest.mark.parametrize("error", [0.5, 30.0])
def test_measuring_anew_undoes_any_error_within_its_bound(error):
    rng = np.random.default_rng(8)
    region = smooth_region(rng, 90, 120, 0.7)
    squared = squared_depth_by_scipy(region)
    expected = (squared.max(), *divmod(int(squared.argmax()), 120))
    for _ in range(20):
        approximate = np.where(region, np.maximum(squared + rng.uniform(-error, error, region.shape), 0.1), 0)
        assert _measured_peak(np.pad(region, 1).view(np.uint8), approximate, error) == expected


def test_the_box_is_half_open_and_may_be_missing():
    region = np.zeros((6, 8), dtype=bool)
    assert bounding_box(region) is None
    assert deepest_pixel(region) is None
    region[2:4, 3:8] = True
    assert bounding_box(region) == (3, 2, 8, 4)
    assert deepest_pixel(region[:, ::2].copy()) is not None


def test_non_contiguous_masks_work():
    truth = np.zeros((10, 12), dtype=bool)
    truth[2:8, 2:9] = True
    assert next_click(truth.T, np.zeros((12, 10), dtype=bool)) == next_click(truth.T.copy(), np.zeros((12, 10), bool))
    assert next_click(truth[:, ::2], np.zeros((10, 6), dtype=bool)).is_positive


def test_a_simulator_can_start_from_a_history_and_forget_it():
    truth, nothing = np.ones((5, 5), dtype=bool), np.zeros((5, 5), dtype=bool)
    user = ClickSimulator(truth, clicks=[Click(2, 2)])
    assert user.next_click(nothing) != Click(2, 2)
    assert isinstance(user.clicks, ClickList)
    user.reset()
    assert user.next_click(nothing) == Click(2, 2)


def test_masks_of_another_size_or_type_are_named():
    truth = np.ones((5, 5), dtype=bool)
    with pytest.raises(MaskError, match=r"pred_mask is 4 x 5, object_mask 5 x 5"):
        next_click(truth, np.ones((4, 5), dtype=bool))
    with pytest.raises(MaskError, match=r"ignore_mask is a 2-D array of uint8; expected"):
        ClickSimulator(truth, np.ones((5, 5), dtype=np.uint8))
    with pytest.raises(MaskError, match="object_mask is a 3-D array"):
        ClickSimulator(np.ones((5, 5, 1), dtype=bool))
