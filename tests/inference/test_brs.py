from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formula_model import FormulaModel

from clickwise.clicks.click import Click, ClickList
from clickwise.clicks.encoding import mirrored, points_array
from clickwise.engines.torch import TorchEngine
from clickwise.errors import OptionError
from clickwise.evaluation.chain_choice import chain_of_mode, mode_names
from clickwise.inference.brs import (
    Objective,
    click_squares,
    disagreement,
    input_penalty,
    minimise,
    scale_bias_penalty,
)
from clickwise.inference.chains import brs as chain_module
from clickwise.inference.predictor import Predictor
from clickwise.models.interface import FeatureModel, InteractiveModel
from clickwise.models.registry import build_model

FEATURE_MODES = ("f-BRS-A", "f-BRS-B", "f-BRS-C")
MODES = ("RGB-BRS", "DistMap-BRS", *FEATURE_MODES)


def torch_of(arrays: Any, name: str) -> torch.Tensor:
    return torch.from_numpy(arrays[name])


def objective_of(kind: str, golden: Path) -> tuple[Objective, Any]:
    """The objectives of brs.npz."""
    arrays = np.load(golden / "brs.npz")

    def input_answer(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        bias = x.view(1, 3, 24, 32)
        both = torch.cat([bias, bias.flip(3)])
        return torch_of(arrays, "base") + both.mean(1, keepdim=True), input_penalty(both)

    def feature_answer(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        scale, bias = x.view(2, 1, 6, 1, 1)
        features = torch_of(arrays, "feat") * (1 + scale) + bias
        return (features * torch_of(arrays, "feat_weight")).sum(1, keepdim=True), scale_bias_penalty(scale, bias)

    answer = input_answer if kind == "input" else feature_answer
    return Objective(answer, torch_of(arrays, "pos_mask"), torch_of(arrays, "neg_mask")), arrays


@pytest.mark.parametrize("kind", ["input", "scale_bias"])
def test_golden_objective(kind: str, golden: Path) -> None:
    objective, arrays = objective_of(kind, golden)
    for x, loss, gradient in zip(arrays[f"{kind}_x"], arrays[f"{kind}_loss"], arrays[f"{kind}_grad"], strict=True):
        value, found = objective(x.astype(np.float64))
        assert value == pytest.approx(loss, rel=1e-5)
        np.testing.assert_allclose(found, gradient, atol=1e-5)


@pytest.mark.parametrize("kind", ["input", "scale_bias"])
def test_golden_minimiser(kind: str, golden: Path) -> None:
    objective, arrays = objective_of(kind, golden)
    end = minimise(objective, np.zeros(arrays[f"{kind}_x"].shape[1]), 20)
    final, calls, best = arrays[f"{kind}_lbfgs"]
    assert objective.best_value == pytest.approx(best, abs=1e-2)
    assert abs(objective.calls - calls) <= 3
    again, _ = objective_of(kind, golden)
    assert again(end)[0] == pytest.approx(final, abs=1e-2)


def test_golden_data_term(golden: Path) -> None:
    arrays = np.load(golden / "losses.npz")
    found = disagreement(*(torch_of(arrays, name) for name in ("logit", "brs_pos_mask", "brs_neg_mask")))
    np.testing.assert_allclose([float(x) for x in found], arrays["out__brs"], rtol=1e-5)


def test_clicks_satisfied_stop_at_once_and_cost_no_gradient() -> None:
    ones = torch.ones(1, 1, 4, 4)
    objective = Objective(lambda x: (x.sum() * 0 + 5 * ones, x.sum() * 0), ones, 0 * ones)
    _, gradient = objective(np.ones(3))
    assert not gradient.any()


def test_nothing_found_is_no_reason_to_stop() -> None:
    """Two empty masks in a row: a published run would divide 0 by 0 here."""
    ones = torch.ones(1, 1, 4, 4)
    objective = Objective(lambda x: (x.mean() - 5 * ones, x.sum() * 0), ones, 0 * ones)
    for _ in range(2):
        _, gradient = objective(np.ones(3))
        assert gradient.any()


def test_squares_at_the_border_are_cut_not_lost() -> None:
    clicks = ClickList([Click(0, 0, True), Click(9.6, 4, True), Click(3, 7.4, False), Click(40, 40, False)])
    positives, negatives = click_squares(clicks, (8, 10), mirror=True)
    expected = torch.zeros(8, 10)
    expected[:2, :2] = 1
    expected[3:6, 9:] = 1
    assert torch.equal(positives[0, 0], expected)
    assert positives[1, 0, :2, 8:].all()
    assert positives[1, 0, 3:6, :1].all()
    assert negatives[0, 0].sum() == 6
    assert negatives[0, 0, 6:, 2:5].all()
    assert torch.equal(negatives[1, 0], negatives[0, 0].flip(1))


def tame(model: InteractiveModel) -> InteractiveModel:
    """Scales the last convolution: random weights give logits of 1000, where a sigmoid has no gradient left."""
    last = [module for module in model.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight /= model(torch.rand(1, 3, 40, 56), None, torch.full((1, 2, 3), -1.0)).logits.std()
    return model


@pytest.fixture(scope="module")
def hrnet() -> InteractiveModel:
    torch.manual_seed(0)
    return tame(build_model("ritm-hrnet18s"))


@pytest.fixture(scope="module")
def deeplab() -> InteractiveModel:
    torch.manual_seed(0)
    return tame(build_model("ritm-resnet34"))


@pytest.fixture(scope="module")
def small() -> InteractiveModel:
    torch.manual_seed(0)
    return tame(build_model("clickwise-s"))


@pytest.fixture(scope="module")
def picture() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, (40, 56, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def iglr() -> InteractiveModel:
    torch.manual_seed(0)
    return tame(build_model("iglr-segformer-b0"))


CLICKS = ((20, 18, True), (40, 6, False), (30, 30, True))


def clicked(predictor: Predictor, picture: np.ndarray[Any, Any], count: int = 2) -> Predictor:
    predictor.set_image(picture)
    for click in CLICKS[:count]:
        predictor.click(*click)
    return predictor


def objective_at_clicks(predictor: Predictor, probs: np.ndarray[Any, Any]) -> float:
    """Data term on the full frame; the zoom is off, so that frame and view agree."""
    maps = click_squares(predictor.state.clicks, predictor.size, mirror=False)
    return float(disagreement(torch.logit(torch.from_numpy(probs).double()[None, None]), *maps)[0])


@pytest.mark.parametrize(
    ("architecture", "mode"),
    [
        ("ritm-hrnet18s", "DistMap-BRS"),
        ("ritm-hrnet18s", "f-BRS-B"),
        ("ritm-hrnet18s", "f-BRS-C"),
        ("ritm-resnet34", "f-BRS-A"),
        ("clickwise-s", "RGB-BRS"),
        ("clickwise-s", "DistMap-BRS"),
        ("clickwise-s", "f-BRS-B"),
        ("iglr-segformer-b0", "RGB-BRS"),
        ("iglr-segformer-b0", "DistMap-BRS"),
    ],
)
def test_answers_agree_better_with_the_clicks(
    mode: str,
    architecture: str,
    hrnet: InteractiveModel,
    deeplab: InteractiveModel,
    small: InteractiveModel,
    iglr: InteractiveModel,
    picture: np.ndarray[Any, Any],
) -> None:
    models = {"ritm-hrnet18s": hrnet, "ritm-resnet34": deeplab, "clickwise-s": small, "iglr-segformer-b0": iglr}
    model = models[architecture]
    settings: dict[str, Any] = {"zoom": False, "extra": {"brs_calls": 3, "brs_min_iou_diff": 0.0}}
    if mode in FEATURE_MODES and architecture == "clickwise-s":
        with pytest.raises(OptionError, match="RGB-BRS"):
            clicked(Predictor(model, chain=mode, **settings), picture)
        return
    plain = clicked(Predictor(model, chain="zoom_flip", zoom=False), picture, 1)
    refined = clicked(Predictor(model, chain=mode, **settings), picture, 1)
    np.testing.assert_allclose(plain.prediction.probs, refined.prediction.probs, atol=1e-6)
    plain.click(*CLICKS[1])
    refined.click(*CLICKS[1])
    before = objective_at_clicks(plain, plain.prediction.probs)
    after = objective_at_clicks(refined, refined.prediction.probs)
    assert after < before
    assert 1 < refined.prediction.forwards <= 6
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_gate_opens_with_the_second_click_or_a_mask(
    iglr: InteractiveModel, picture: np.ndarray[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    gates: list[Any] = []
    original = type(iglr).logits_from_maps  # type: ignore[attr-defined]

    def watched(self: Any, image: Any, mask: Any, maps: Any, gate: Any = None) -> Any:
        gates.append(gate)
        return original(self, image, mask, maps, gate)

    monkeypatch.setattr(type(iglr), "logits_from_maps", watched)
    settings: dict[str, Any] = {"zoom": False, "extra": {"brs_calls": 1}}
    predictor = clicked(Predictor(iglr, chain="DistMap-BRS", **settings), picture, 1)
    assert gates == [0.0]
    gates.clear()
    predictor.click(*CLICKS[1])
    assert set(gates) == {1.0}
    gates.clear()
    predictor.set_mask(np.ones(picture.shape[:2], dtype=bool))
    predictor.click(*CLICKS[0])
    assert gates == [1.0]


def test_a_model_that_looks_at_the_clicks_otherwise_too(small: InteractiveModel, picture: np.ndarray[Any, Any]) -> None:
    """As SRAFS: its masks are made of mask and clicks once per click, and go in instead of the previous mask."""
    asked: list[Any] = []

    class Pointed(type(small)):  # type: ignore[misc]
        def mask_maps(self, image: Any, prev_mask: Any, points: Any, gate: Any) -> Any:
            asked.append((tuple(prev_mask.shape), tuple(points.shape), gate, torch.is_grad_enabled()))
            return 0 * prev_mask + 0.25, 0.5

        def logits_from_maps(self, image: Any, prev_mask: Any, click_maps: Any, gate: Any = None) -> Any:
            assert gate == 0.5
            assert bool((prev_mask == 0.25).all())
            return super().logits_from_maps(image, prev_mask, click_maps)

    model = Pointed(disk_radius=5.0, attention_width=192, attention_blocks=3, decoder_widths=(96, 64, 48, 24)).eval()
    model.load_state_dict(small.state_dict())
    clicked(Predictor(model, chain="RGB-BRS", zoom=False, extra={"brs_calls": 2}), picture, 2)
    assert len(asked) == 2
    assert asked[0][0] == (2, 1, 40, 56)
    assert asked[0][2:] == (None, False)


@pytest.mark.parametrize("architecture", ["ritm-hrnet18s", "ritm-resnet34"])
@pytest.mark.parametrize("place", ["A", "B", "C"])
@torch.no_grad()
def test_the_two_halves_make_the_whole(
    place: Any, architecture: str, hrnet: InteractiveModel, deeplab: InteractiveModel
) -> None:
    model = hrnet if architecture == "ritm-hrnet18s" else deeplab
    assert isinstance(model, FeatureModel)
    image, mask = torch.rand(1, 3, 33, 46), torch.rand(1, 1, 33, 46)
    points = torch.from_numpy(points_array(ClickList([Click(5, 7, True)])))[None]
    features, carried = model.features_at(place, model.normalised(image), mask, model.click_maps(points, (33, 46)))
    found = model.logits_after(place, features, carried, (33, 46))
    assert torch.allclose(found, model(image, mask, points).logits, atol=1e-4)
    channels = {
        "ritm-hrnet18s": {"A": 270, "B": 270, "C": 96},
        "ritm-resnet34": {"A": 512, "B": 160, "C": 128},
    }
    assert features.shape[1] == channels[architecture][place]


@pytest.mark.parametrize("mode", ["DistMap-BRS", "f-BRS-B"])
def test_undo_restores_everything(mode: str, hrnet: InteractiveModel, picture: np.ndarray[Any, Any]) -> None:
    settings: dict[str, Any] = {"target_size": (40, 56), "min_crop_size": 20, "extra": {"brs_calls": 2}}
    predictor = clicked(Predictor(hrnet, chain=mode, **settings), picture, 2)
    before = predictor.state
    third = predictor.click(*CLICKS[2]).probs
    predictor.undo()
    assert predictor.state is before
    np.testing.assert_array_equal(predictor.click(*CLICKS[2]).probs, third)


def test_variables_go_on_from_click_to_click(hrnet: InteractiveModel, picture: np.ndarray[Any, Any]) -> None:
    predictor = clicked(Predictor(hrnet, chain="f-BRS-B", zoom=False, extra={"brs_calls": 3}), picture, 2)
    memory = predictor.state.memory
    assert memory.values.any()
    starts = []
    original = chain_module.minimise
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chain_module, "minimise", lambda o, start, n: (starts.append(start), original(o, start, n))[1])
        predictor.click(*CLICKS[2])
    np.testing.assert_array_equal(starts[0], memory.values)


def test_late_clicks_do_not_reach_the_network(hrnet: InteractiveModel, picture: np.ndarray[Any, Any]) -> None:
    settings: dict[str, Any] = {"zoom": False, "net_clicks_limit": 2, "extra": {"brs_calls": 2}}
    predictor = clicked(Predictor(hrnet, chain="f-BRS-B", **settings), picture, 1)
    assert predictor.state.memory.features is None
    predictor.click(*CLICKS[1])
    kept = predictor.state.memory.features
    assert kept is not None
    calls = []
    hook = hrnet.backbone.register_forward_hook(lambda *args: calls.append(1))
    predictor.click(*CLICKS[2])
    hook.remove()
    assert not calls
    assert predictor.state.memory.features[0] is kept[0]


def test_input_variables_begin_anew_in_another_region(small: InteractiveModel, picture: np.ndarray[Any, Any]) -> None:
    method = chain_module.InputMethod("RGB-BRS", on_image=True)
    predictor = clicked(Predictor(small, chain="RGB-BRS", zoom=False, extra={"brs_calls": 2}), picture, 2)
    memory = predictor.state.memory
    count = len(memory.values)
    assert count == 3 * 40 * 56
    np.testing.assert_array_equal(method.start(count, memory, memory.view), memory.values)
    other = type(memory.view)((40, 56), (0, 0, 28, 20), (40, 56))
    assert not method.start(count, memory, other).any()


def test_flip_average_is_symmetric(hrnet: InteractiveModel, picture: np.ndarray[Any, Any]) -> None:
    """f-BRS on the mirrored picture gives the mirrored answer, clicks between pixels included."""
    settings: dict[str, Any] = {"zoom": False, "extra": {"brs_calls": 3}}
    found = []
    for mirror in (False, True):
        predictor = Predictor(hrnet, chain="f-BRS-C", **settings)
        predictor.set_image(picture[:, ::-1].copy() if mirror else picture)
        for x, y, positive in CLICKS[:2]:
            predictor.click(55 - x if mirror else x, y, positive)
        found.append(predictor.prediction.probs)
    np.testing.assert_allclose(found[1][:, ::-1], found[0], atol=2e-3)
    assert mirrored(torch.tensor([[[1.0, 2.0, 0.0]]]), 56)[0, 0, 1] == 53


def test_modes_of_the_command_line() -> None:
    assert set(MODES) <= set(mode_names())
    for mode in MODES:
        assert chain_of_mode(mode.lower().replace("-", "_")) == mode


def test_what_cannot_work_is_said(hrnet: InteractiveModel, picture: np.ndarray[Any, Any]) -> None:
    with pytest.raises(OptionError, match="entered behind its click maps"):
        clicked(Predictor(FormulaModel(), chain="DistMap-BRS"), picture, 1)
    for extra in ({"brs_calls": 0}, {"brs_min_iou_diff": 2}, {"brs_scale_activation": "relu"}):
        with pytest.raises(OptionError, match=next(iter(extra))):
            clicked(Predictor(hrnet, chain="f-BRS-B", extra=extra), picture, 1)

    class Bare:
        name = "bare"
        capabilities, inference_defaults = hrnet.capabilities, hrnet.inference_defaults
        run = TorchEngine(hrnet).run

    with pytest.raises(OptionError, match="gradients"):
        clicked(Predictor(Bare(), chain="f-BRS-B"), picture, 1)
    with pytest.raises(OptionError, match="no place C; use f-BRS-A, f-BRS-B, RGB-BRS, DistMap-BRS or NoBRS"):
        clicked(Predictor(build_model("ritm-hrnet18s", ocr_width=0), chain="f-BRS-C"), picture, 1)
    assert not torch.is_inference_mode_enabled()
