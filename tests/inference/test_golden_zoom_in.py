"""ZoomIn, the longest-side limit and tile offsets against the published implementation (golden zoom_in.npz, exact)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from clickwise.clicks.click import Click, ClickList
from clickwise.inference.chains.zoom_flip import decided_view
from clickwise.inference.options import InferenceOptions
from clickwise.inference.steps import FixedCrops, ResizeLongest, ZoomIn, half_open, inclusive
from clickwise.inference.window import WindowMap

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "zoom_in.npz")
CASES = json.loads(str(GOLDEN["cases_json"]))


def clicks_from(rows: list[list[float]]) -> ClickList:
    return ClickList(Click(x, y, bool(positive)) for positive, y, x in rows)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_four_successive_steps(case: int) -> None:
    height, width = CASES[case]["image_hw"]
    params = CASES[case]["params"]
    options = InferenceOptions(limit_longest_side=None, keep_stale_window=True, **params)
    zoom, window = ZoomIn.from_options(options), None
    for step in CASES[case]["steps"]:
        known = None
        if step["prev_probs"] is not None:
            mask = np.unpackbits(GOLDEN[step["prev_probs"]], axis=-1)[:, :width]
            known = WindowMap.from_full(mask.astype(np.float32) * np.float32(0.9))
        clicks = clicks_from(step["clicks"])
        decision = zoom.decide((height, width), clicks, known, window)
        window = decision.window
        assert window == (None if step["roi"] is None else half_open(step["roi"]))
        assert decision.changed == step["image_changed"]
        view = decided_view((height, width), options, decision)
        assert list(view.size) == step["out_hw"]
        seen = np.array([(c.is_positive, c.y, c.x) for c in view.clicks(clicks)], dtype=float)
        np.testing.assert_allclose(seen, np.array(step["clicks_out"], dtype=float), atol=1e-6)
        back = view.unmap_clicks(view.clicks(clicks))
        np.testing.assert_allclose([(c.x, c.y) for c in back], [(c.x, c.y) for c in clicks], atol=1e-9)


def test_longest_side_limit() -> None:
    for case in json.loads(str(GOLDEN["limit_longest_side_json"])):
        view = ResizeLongest(case["max_size"]).view(tuple(case["image_hw"]))
        assert list(view.size) == case["out_hw"]
        clicks = ClickList(
            Click(x, y, bool(out[0])) for (y, x), out in zip(case["clicks_in"], case["clicks_out"], strict=True)
        )
        seen = [(c.y, c.x) for c in view.clicks(clicks)]
        np.testing.assert_allclose(seen, [out[1:] for out in case["clicks_out"]], atol=1e-6)


def test_tile_offsets() -> None:
    for key, offsets in json.loads(str(GOLDEN["crops_offsets_json"])).items():
        length, crop, overlap = key.split("_")
        assert FixedCrops.offsets(int(length), int(crop), float(overlap)) == offsets


def test_inclusive_and_half_open_undo_each_other() -> None:
    assert inclusive(half_open((3, 7, 1, 9))) == (3, 7, 1, 9)
    assert half_open((3, 7, 1, 9)) == (1, 3, 10, 8)
