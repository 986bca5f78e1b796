"""Cascade-forward refinement against the published implementation with a formula as network, and by its own rules."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from formula_model import FormulaModel

from clickwise.errors import OptionError
from clickwise.inference.chains.cascade import CascadeOptions, changed_pixels
from clickwise.inference.options import InferenceOptions
from clickwise.inference.predictor import Predictor
from clickwise.inference.steps import inclusive
from clickwise.inference.window import WindowMap
from clickwise.models.interface import Capabilities

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "predictor_chain_cfr.npz")
CONFIGS = json.loads(str(GOLDEN["configs_json"]))
TRUTH = np.unpackbits(GOLDEN["gt_packed"], axis=-1)[..., :480] > 0


def picture(number: int) -> np.ndarray:
    channel = GOLDEN["image0"][number]
    return np.dstack([channel, np.full_like(channel, 64), np.full_like(channel, 32)])


def predictor_of(extra: dict, model: FormulaModel | None = None, **settings) -> Predictor:
    model = model or FormulaModel()
    settings = {"target_size": (448, 448), "skip_clicks": -1, **settings}
    options = InferenceOptions.for_model(
        model.inference_defaults, published=True, chain="cascade", extra=extra, **settings
    )
    return Predictor(model, options=options)


@pytest.mark.parametrize("name", CONFIGS)
def test_golden(name: str) -> None:
    config = CONFIGS[name]
    given = config["predictor_params"]
    extra = {
        "cf_n": given["cascade_step"] - 1,
        "cf_click": given["cascade_clicks"],
        "acf": given["cascade_adaptive"],
    }
    predictor = predictor_of(extra, flip=config["with_flip"], **config["zoom_in_params"])
    clicks, ious, rois = (GOLDEN[f"{name}__{key}"] for key in ("clicks", "iou", "roi"))
    for i in range(len(clicks)):
        predictor.set_image(picture(i))
        for k, (positive, y, x) in enumerate(clicks[i]):
            prediction = predictor.click(float(x), float(y), bool(positive))
            assert prediction.forwards == GOLDEN[f"{name}__forwards"][i, k]
            np.testing.assert_allclose(prediction.probs[::24, ::24], GOLDEN[f"{name}__prob_sub24"][i, k], atol=1e-4)
            iou = (prediction.mask & TRUTH[i]).sum() / (prediction.mask | TRUTH[i]).sum()
            assert iou == pytest.approx(ious[i, k], abs=1e-3)
            assert prediction.window is not None
            assert np.abs(np.subtract(inclusive(prediction.window), rois[i, k])).max() <= 1


def test_without_refinement_it_is_the_common_chain() -> None:
    none = predictor_of({"cf_n": 0})
    plain = Predictor(FormulaModel(), options=none.options.with_(chain="zoom_flip"))
    for predictor in (plain, none):
        predictor.set_image(picture(0))
    for x, y in ((240, 180), (100, 80)):
        assert np.array_equal(plain.click(x, y).probs, none.click(x, y).probs)
        assert none.prediction.forwards == 1


def test_a_mask_from_outside_counts_in_the_first_pass() -> None:
    model = FormulaModel()
    predictor = predictor_of({"cf_n": 2}, model)
    predictor.set_image(picture(0))
    mask = np.zeros((360, 480), dtype=bool)
    mask[100:200, 100:260] = True
    predictor.set_mask(mask)
    model.calls.clear()
    predictor.click(150, 150)
    assert len(model.calls) == 3
    assert model.calls[0][1].max() == 1.0
    assert not np.array_equal(model.calls[1][1].numpy(), model.calls[0][1].numpy())


def test_undo_goes_back_over_all_passes() -> None:
    predictor = predictor_of({"cf_n": 3, "cf_click": 20})
    predictor.set_image(picture(1))
    first = predictor.click(240, 180).probs
    predictor.click(30, 30, positive=False)
    assert np.array_equal(predictor.undo().probs, first)


def test_adaptive_stops_when_the_mask_rests() -> None:
    model = FormulaModel(mask_weight=0.0)  # the mask fed back changes nothing but the window
    predictor = predictor_of({"cf_n": 9, "acf": True}, model)
    predictor.set_image(picture(0))
    assert 2 <= predictor.click(240, 180).forwards <= 4


def test_changed_pixels() -> None:
    before = np.zeros((30, 40), dtype=np.float32)
    after = before.copy()
    before[3:8, 4:9], after[5:10, 4:9] = 0.8, 0.5
    pair = WindowMap.from_full(before), WindowMap.from_full(after)
    assert changed_pixels(*pair, 0.49) == 20
    assert changed_pixels(*pair, 0.6) == 25
    assert changed_pixels(pair[0], WindowMap.empty((30, 40)), 0.49) == 25


def test_a_network_without_previous_mask_is_refused() -> None:
    class NoMask(FormulaModel):
        capabilities = Capabilities(supports_prev_mask=False)

    predictor = predictor_of({"cf_n": 1}, NoMask())
    predictor.set_image(picture(0))
    with pytest.raises(OptionError, match="takes no previous mask"):
        predictor.click(240, 180)
    assert len(predictor.state.clicks) == 0
    plain = predictor_of({"cf_n": 0}, NoMask())
    plain.set_image(picture(0))
    assert plain.click(240, 180).forwards == 1


@pytest.mark.parametrize("extra", [{"cf_n": -1}, {"cf_n": 1.5}, {"cf_click": -1}, {"cf_click": True}, {"acf": 1}])
def test_wrong_options(extra: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(extra))):
        CascadeOptions.from_extra(extra)


def test_options_of_other_chains_are_left_alone() -> None:
    assert CascadeOptions.from_extra({"infer_size": 256, "cf_n": 2}) == CascadeOptions(cf_n=2)
