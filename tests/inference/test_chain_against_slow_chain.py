"""The chain that works on windows gives what a chain on full frames gives, over many settings and random sessions."""

from __future__ import annotations

import numpy as np
import pytest
from formula_model import FormulaModel
from slow_chain import SlowChain

from clickwise.clicks.click import Click, ClickList
from clickwise.inference.predictor import Predictor
from clickwise.inference.steps import ZoomIn
from clickwise.inference.window import WindowMap

SETTINGS = {
    "published_defaults": {},
    "limited": {"limit_longest_side": 90},
    "from_first_click": {"skip_clicks": -1, "target_size": 100},
    "repeat": {"skip_clicks": 0, "target_size": (70, 90), "min_crop_size": 20},
    "exact": {"skip_clicks": -1, "target_size": (64, 96), "min_crop_size": 30},
    "small_target": {"target_size": 40, "min_crop_size": 30},
    "large_target": {"target_size": 333, "min_crop_size": 10, "expansion_ratio": 1.1},
    "restless": {"skip_clicks": -1, "recompute_thresh_iou": 1.0, "exclusive_edge": False, "min_crop_size": 40},
    "no_flip": {"flip": False, "min_crop_size": 50, "target_size": 120},
    "few_clicks": {"net_clicks_limit": 2, "min_crop_size": 50},
    "no_zoom": {"zoom": False, "limit_longest_side": 77},
    "stale": {"keep_stale_window": True, "min_crop_size": 40, "zoom_prob_thresh": 0.8, "limit_longest_side": None},
}


def blobs(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A smooth random picture whose red channel decides the formula's answer."""
    coarse = rng.random((height // 16 + 2, width // 16 + 2))
    ys, xs = np.linspace(0, coarse.shape[0] - 1.001, height), np.linspace(0, coarse.shape[1] - 1.001, width)
    y0, x0 = ys.astype(int), xs.astype(int)
    fy, fx = (ys - y0)[:, None], (xs - x0)[None]
    red = (coarse[np.ix_(y0, x0)] * (1 - fy) + coarse[np.ix_(y0 + 1, x0)] * fy) * (1 - fx)
    red += (coarse[np.ix_(y0, x0 + 1)] * (1 - fy) + coarse[np.ix_(y0 + 1, x0 + 1)] * fy) * fx
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    image[..., 0] = np.clip(40 + 160 * red**2, 0, 255)
    return image


@pytest.mark.parametrize("start", ["nothing", "mask", "soft_mask"])
@pytest.mark.parametrize("name", SETTINGS)
def test_random_sessions(name: str, start: str) -> None:
    rng = np.random.default_rng([*SETTINGS].index(name))
    height, width = (int(v) for v in rng.integers(90, 170, 2))
    image = blobs(rng, height, width)
    model = FormulaModel(bump=8.0, mask_weight=4.0)
    predictor = Predictor(model, **{"limit_longest_side": None, **SETTINGS[name]})
    predictor.set_image(image)
    slow = SlowChain(model, image, predictor.options)
    if start != "nothing":
        mask = np.zeros((height, width), bool if start == "mask" else np.float32)
        mask[30:61, 22:40] = 1 if start == "mask" else rng.random((31, 18))
        predictor.set_mask(mask)
        slow.set_mask(mask)
    for k in range(5):
        x, y = rng.integers(0, width - 1) + rng.choice([0, 0.25]), float(rng.integers(0, height))
        prediction = predictor.click(float(x), y, positive=bool(k == 0 or rng.random() < 0.5))
        expected = slow.predict(prediction.clicks)
        np.testing.assert_allclose(prediction.probs, expected, atol=2e-5)
        region = (
            None if slow.region is None else (slow.region[2], slow.region[0], slow.region[3] + 1, slow.region[1] + 1)
        )
        assert prediction.window == region
        sure = np.abs(expected - 0.49) > 1e-5
        np.testing.assert_array_equal(prediction.mask[sure], (expected > 0.49)[sure])


def test_emptied_mask_does_not_squeeze_the_result_into_the_old_window() -> None:
    """Published quirk: once the mask is empty, the whole frame's result is pasted into the window of before."""
    image = np.full((120, 150, 3), 40, np.uint8)
    outcomes = {}
    for keep in (True, False):
        model = FormulaModel(bump=12.0)
        predictor = Predictor(model, keep_stale_window=keep, min_crop_size=40, limit_longest_side=None)
        predictor.set_image(image)
        predictor.click(30, 30)
        predictor.click(34, 30)
        for _ in range(2):
            predictor.click(32, 30, positive=False)
        assert predictor.prediction.box is None
        outcomes[keep] = predictor.click(120, 90)
    assert outcomes[False].mask[90, 120]
    assert not outcomes[True].mask[90, 120]


@pytest.mark.parametrize("start", [False, True])
def test_small_object_is_predicted_again_zoomed(start: bool) -> None:
    """skip_clicks 0: the first pass sees the whole frame; a small object found there is predicted once more, zoomed."""
    image = np.full((140, 170, 3), 40, np.uint8)
    image[20:41, 30:55, 0] = 150
    model = FormulaModel(bump=8.0, mask_weight=4.0)
    predictor = Predictor(model, skip_clicks=0, target_size=100, min_crop_size=40, limit_longest_side=None)
    predictor.set_image(image)
    slow = SlowChain(model, image, predictor.options)
    if start:  # an empty mask to begin with: nothing to zoom to, but the order of clicks counts from one
        predictor.set_mask(np.zeros((140, 170), bool))
        slow.set_mask(np.zeros((140, 170), bool))
    forwards = []
    for x, y, positive in ((40, 30, True), (100, 100, False), (54, 40, True)):
        prediction = predictor.click(x, y, positive)
        np.testing.assert_allclose(prediction.probs, slow.predict(prediction.clicks), atol=2e-5)
        forwards.append(prediction.forwards)
    assert forwards == [2, 1, 1]


@pytest.mark.parametrize("exclusive", [True, False])
def test_click_on_the_last_row_of_the_window(exclusive: bool) -> None:
    """Published quirk: it counts as outside, so the window is chosen anew although it would still do."""
    zoom = ZoomIn(exclusive_edge=exclusive, min_crop_size=10, skip_clicks=0, recompute_thresh_iou=0.0)
    full = np.zeros((100, 100), np.float32)
    full[40:60, 40:60] = 1
    known, window = WindowMap.from_full(full), (30, 30, 80, 80)
    for x, y in ((79, 50), (50, 79)):
        decision = zoom.decide((100, 100), ClickList([Click(x, y)]), known, window)
        assert decision.changed is exclusive
        assert (decision.window == window) is not exclusive
    assert not zoom.decide((100, 100), ClickList([Click(78, 78)]), known, window).changed
    assert not zoom.decide((100, 100), ClickList([Click(50, 50), Click(90, 90, False)]), known, window).changed
