"""IGLR's chain: windows and merging against the release's numbers, the whole chain against its 12-click traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from clickwise.clicks.click import Click
from clickwise.clicks.encoding import disk_maps
from clickwise.engines.torch import TorchEngine
from clickwise.errors import OptionError
from clickwise.inference.focus import FocusRule, box_in_view, changed_component, focus_window, progressive_merge
from clickwise.inference.predictor import Predictor
from clickwise.models.iglr import IGLR_DEFAULTS
from clickwise.models.interface import Capabilities, Gate, InteractiveModel, ModelOutput, gate_values
from clickwise.models.registry import build_model
from clickwise.models.roi_align import roi_align

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = np.load(GOLDEN / "iglr_roi_cases.npz")


def ends(box: tuple[int, int, int, int]) -> list[int]:
    """(y1, y2, x1, x2)."""
    return [box[1], box[3], box[0], box[2]]


@pytest.mark.parametrize("rule", ["v1", "v2", "object", "click"])
@pytest.mark.parametrize("case", range(13))
def test_golden_focus_windows(case: int, rule: FocusRule) -> None:
    threshold = 0.5 if rule == "v2" else 0.49
    before, after = CASES["prev"][case] > threshold, CASES["pred"][case] > threshold
    y, x = CASES["click_yx"][case]
    y1, y2, x1, x2 = (int(v) for v in CASES["global_roi"][case])
    found = focus_window(before, after, Click(x, y), (x1, y1, x2, y2), ratio=CASES["ratio"][case], rule=rule)
    assert ends(found) == CASES[rule if rule in ("object", "click") else f"focus_{rule}"][case].tolist()
    if rule == "v1":
        mapped = box_in_view(found, (x1, y1, x2, y2), (256, 256))
        np.testing.assert_allclose(mapped[[1, 3, 0, 2]], CASES["mapped_v1"][case], atol=1e-6)


@pytest.mark.parametrize("case", range(13))
def test_golden_progressive_merge(case: int) -> None:
    before, after = CASES["prev"][case] > 0.49, CASES["pred"][case] > 0.49
    y, x = CASES["click_yx"][case]
    merged = progressive_merge(before, after, Click(x, y), published=True)
    np.testing.assert_array_equal(merged, np.load(GOLDEN / "iglr_masks.npz")["progressive"][case] > 0)
    if changed_component(before, after, Click(x, y)) is None:
        np.testing.assert_array_equal(progressive_merge(before, after, Click(x, y)), before)


def test_window_is_never_empty() -> None:
    before, after = np.zeros((40, 60), bool), np.zeros((40, 60), bool)
    before[2:20, 2:20] = after[2:20, 2:20] = True
    after[4:8, 4:8] = False
    found = focus_window(before, after, Click(50, 30), (45, 25, 60, 40), ratio=0.1, rule="object")
    assert found == (50, 30, 51, 31)


class StandIn(InteractiveModel):
    """The formula of the golden traces in a network's place; remembers what it was given."""

    capabilities = Capabilities(has_refiner=True, has_gate=True)
    inference_defaults = IGLR_DEFAULTS

    def __init__(self) -> None:
        super().__init__()
        self.points: list[Tensor] = []
        self.focus_points: list[Tensor] = []
        self.rois: list[Tensor] = []
        self.gates: list[Gate] = []

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        self.points.append(points)
        self.gates.append(gate)
        disks = disk_maps(points, 25, (image.shape[2], image.shape[3]))
        strength = gate_values(gate, points)[:, None, None, None]
        logits = 10 * (image.mean(1, keepdim=True) - 0.5) + 2 * strength * (prev_mask - 0.5)
        logits = logits + 4 * (disks[:, :1] - disks[:, 1:]) + torch.linspace(-0.5, 0.5, image.shape[3])
        return ModelOutput(logits, feature=image[:, :, ::4, ::4])

    def refine(
        self, image_focus: Tensor, points_focus: Tensor, feature: Tensor, logits: Tensor, roi: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.focus_points.append(points_focus)
        self.rois.append(roi)
        coarse = roi_align(logits[:1], roi, (256, 256))
        disks = disk_maps(points_focus, 9, (256, 256))
        refined = coarse + 2 * (image_focus.mean(1, keepdim=True) - 0.5) + disks[:, :1] - disks[:, 1:]
        return refined, coarse, coarse


@pytest.mark.parametrize("flip", [False, True])
def test_golden_trace_of_twelve_clicks(flip: bool) -> None:
    trace = np.load(GOLDEN / f"iglr_predictor_trace{'_flip' if flip else ''}.npz")
    model = StandIn()
    # The stand-in has no parameters, so the engine is given the CPU.
    predictor = Predictor(TorchEngine(model), chain="published", flip=flip)
    predictor.set_image(trace["image"])
    for k, (sign, y, x) in enumerate(trace["clicks_sign_y_x"]):
        prediction = predictor.click(float(x), float(y), bool(sign > 0))
        seen, focus = predictor.state.memory
        assert ends(seen) == trace["global_roi_y1y2x1x2"][k].tolist(), k
        assert ends(focus) == trace["focus_roi_y1y2x1x2"][k].tolist(), k
        np.testing.assert_allclose(model.rois[k][0], trace["roi_in_net_b_x1y1x2y2"][k], atol=1e-3)
        np.testing.assert_allclose(prediction.probs[::4, ::4], trace["prob_sub4"][k], atol=1e-4)
        found = prediction.probs.mean(), prediction.mask.mean()
        np.testing.assert_allclose(found, trace["mean_and_area"][k], atol=1e-4)
        assert model.gates[k] == (0.0 if k == 0 else 1.0)
        if k == 2:
            np.testing.assert_allclose(model.points[k], trace["points_click3"], atol=1e-4)
            np.testing.assert_allclose(model.focus_points[k], trace["focus_points_click3"], atol=1e-4)


def picture() -> np.ndarray:
    rng = np.random.default_rng(3)
    image = rng.integers(0, 90, (90, 120, 3), dtype=np.uint8)
    image[20:60, 20:60] += 120
    image[30:50, 80:110] += 120
    return image


def test_start_mask_changes_only_under_the_click() -> None:
    start = np.zeros((90, 120), bool)
    start[25:55, 25:55] = True
    start[70:80, 5:15] = True
    whole, parts = (Predictor(StandIn(), extra={"progressive_merge": merge}) for merge in (False, True))
    for predictor in (whole, parts):
        predictor.set_image(picture())
        predictor.set_mask(start)
        predictor.click(95, 40)
    component = changed_component(start, whole.prediction.mask, Click(95, 40))
    assert component is not None
    np.testing.assert_array_equal(parts.prediction.mask, start | component)
    assert parts.prediction.mask[75, 10]
    assert parts.engine.model.gates == [1.0]


def test_undo_and_replay_give_the_same() -> None:
    predictor = Predictor(StandIn())
    predictor.set_image(picture())
    for k in range(13):
        latest = predictor.click(20 + 5 * k, 25 + k, k % 3 != 1)
    before = latest.probs
    predictor.undo()
    np.testing.assert_array_equal(predictor.redo().probs, before)
    predictor.undo()
    np.testing.assert_array_equal(predictor.click(80, 37, True).probs, before)


def test_late_clicks_change_the_window_only() -> None:
    predictor = Predictor(StandIn())
    predictor.set_image(picture())
    for k in range(12):
        before = predictor.prediction.probs
        latest = predictor.click(22 + 3 * k, 25 + k)
        x0, y0, x1, y1 = predictor.state.memory[1]
        outside = np.ones((90, 120), bool)
        outside[y0:y1, x0:x1] = False
        if k >= 10:
            np.testing.assert_allclose(latest.probs[outside], before[outside], atol=1e-6)


@pytest.mark.parametrize("extra", [{"infer_size": 0}, {"focus_crop_r": -1.0}, {"target_crop_r": "x"}])
def test_bad_options(extra: dict[str, object]) -> None:
    predictor = Predictor(StandIn(), extra=extra)
    predictor.set_image(picture())
    with pytest.raises(OptionError, match=f"{next(iter(extra))} is .*expected a number"):
        predictor.click(5, 5)


def test_network_without_refiner_is_an_error() -> None:
    predictor = Predictor(build_model("clickwise-s"), chain="ISLR")
    predictor.set_image(picture())
    with pytest.raises(OptionError, match="needs a network with a refiner"):
        predictor.click(5, 5)


def test_real_network_and_plain_mode() -> None:
    model = build_model("iglr-segformer-b0")
    for options in ({"extra": {"infer_size": 64}}, {"chain": "zoom_flip", "target_size": (64, 64)}):
        predictor = Predictor(model, **options)
        predictor.set_image(picture())
        predictor.click(40, 40)
        assert np.isfinite(predictor.click(70, 40, False).probs).all()
