"""The whole chain against the published implementation with a formula as network (golden predictor_chain.npz)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from formula_model import FormulaModel

from clickwise.inference.predictor import Predictor
from clickwise.inference.steps import inclusive

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "predictor_chain.npz")
CONFIGS = json.loads(str(GOLDEN["configs_json"]))
TRUTH = np.unpackbits(GOLDEN["gt_packed"], axis=-1)[..., :480]


def predictor_of(config: dict) -> Predictor:
    options = {"flip": config["with_flip"], "zoom": config["zoom_in_params"] is not None}
    options |= config["zoom_in_params"] or {}
    published = config.get("predictor_params", {})
    options["limit_longest_side"] = published.get("max_size")
    options["net_clicks_limit"] = published.get("net_clicks_limit")
    return Predictor(FormulaModel(), chain="published", **options)


@pytest.mark.parametrize("name", CONFIGS)
def test_eight_clicks_on_four_images(name: str) -> None:
    predictor = predictor_of(CONFIGS[name])
    clicks, ious, rois = (GOLDEN[f"{name}__{key}"] for key in ("clicks", "iou", "roi"))
    for i, channel in enumerate(GOLDEN["image0"]):
        image = np.dstack([channel, np.full_like(channel, 64), np.full_like(channel, 32)])
        predictor.set_image(image)
        for k in range(clicks.shape[1]):
            positive, y, x = clicks[i, k]
            prediction = predictor.click(float(x), float(y), bool(positive))
            np.testing.assert_allclose(prediction.probs[::24, ::24], GOLDEN[f"{name}__prob_sub24"][i, k], atol=1e-4)
            truth = TRUTH[i] > 0
            iou = (prediction.mask & truth).sum() / (prediction.mask | truth).sum()
            assert iou == pytest.approx(ious[i, k], abs=1e-3)
            region = (-1, -1, -1, -1) if prediction.window is None else inclusive(prediction.window)
            assert np.abs(np.subtract(region, rois[i, k])).max() <= 1
            assert prediction.forwards == GOLDEN[f"{name}__forwards"][i, k]
