"""The Predictor with all kinds of networks, options and sizes of pictures."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch
from formula_model import FormulaModel, picture

from clickwise.engines.torch import TorchEngine, resolve_device
from clickwise.errors import ClickwiseError, ModelError, OptionError
from clickwise.inference.options import InferenceOptions
from clickwise.inference.predictor import Predictor
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, InteractiveModel, ModelOutput


@pytest.fixture
def model() -> FormulaModel:
    return FormulaModel(bump=15.0)


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1), (3, 5)])
@pytest.mark.parametrize(
    "options", [{}, {"chain": "published"}, {"skip_clicks": -1}, {"skip_clicks": -1, "target_size": 64}]
)
def test_tiny_and_thin_pictures(model: FormulaModel, shape: tuple[int, int], options: dict) -> None:
    predictor = Predictor(model, **options)
    predictor.set_image(np.full((*shape, 3), 200, np.uint8))
    for _ in range(3):
        prediction = predictor.click(shape[1] - 1, shape[0] - 1)
    assert prediction.mask.shape == shape
    assert prediction.mask[-1, -1]


def test_a_hundred_megapixels_cost_what_the_window_costs(model: FormulaModel) -> None:
    image = np.zeros((8000, 12500, 3), np.uint8)
    image[3000:3400, 5000:5600] = 150
    predictor = Predictor(model)
    predictor.set_image(image)
    predictor.set_mask(np.zeros((8000, 12500), bool))
    tracemalloc.start()
    for k in range(3):
        model.calls.clear()
        prediction = predictor.click(5200 + k, 3200)
        assert prediction.box is not None
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 60e6, "a full-frame float map alone would take 400 MB"
    assert held < 20e6
    assert max(model.calls[-1][0].shape[2:]) == 400
    assert prediction.window is not None


def test_whole_picture_is_limited_to_800_but_not_in_the_published_chain(model: FormulaModel) -> None:
    image = np.zeros((400, 1000, 3), np.uint8)
    for chain, expected in ((None, (320, 800)), ("published", (400, 1000)), ("zoom_flip", (320, 800))):
        predictor = Predictor(model, chain=chain)
        predictor.set_image(image)
        predictor.click(5, 5)
        assert tuple(model.calls[-1][0].shape[2:]) == expected


def test_a_window_keeps_its_target_size_above_the_limit(model: FormulaModel) -> None:
    """The published pair of steps crashes here (known_defects, RITM 5)."""
    predictor = Predictor(model, target_size=300, limit_longest_side=100, min_crop_size=40)
    predictor.set_image(picture(240, 320))
    sizes = []
    for x in (96, 100, 240, 20):
        predictor.click(x, 96)
        sizes.append(max(model.calls[-1][0].shape[2:]))
    assert sizes == [100, 300, 300, 300]


class Even(FormulaModel):
    """Takes multiples of 32 only, and has an exception for DAVIS."""

    capabilities = Capabilities(size_divisor=(32, 32), supports_prev_mask=False)
    inference_defaults = InferenceDefaults(
        target_size=(64, 64), skip_clicks=-1, target_size_by_dataset={"DAVIS": (96, 96)}
    )


def test_networks_with_fixed_sizes() -> None:
    for dataset, size in ((None, 64), ("GrabCut", 64), ("DAVIS", 96)):
        model = Even()
        predictor = Predictor(model, chain="published", dataset=dataset)
        predictor.set_image(picture())
        predictor.click(48, 48)
        predictor.click(100, 48)
        assert tuple(model.calls[-1][0].shape[2:]) == (size, size)
        assert (model.calls[-1][1] == 0).all(), "no previous mask for a network without it"
    for options in ({"target_size": 64}, {"skip_clicks": 1}, {"zoom": False}, {"target_size": (60, 64)}):
        with pytest.raises(OptionError, match="target_size"):
            Predictor(Even(), **options)


class AtLeast(FormulaModel):
    capabilities = Capabilities(smallest_size=(32, 48))


def test_networks_with_a_smallest_size() -> None:
    predictor = Predictor(AtLeast())
    predictor.set_image(picture(5, 200))
    for _ in range(3):
        assert predictor.click(30, 2).mask.shape == (5, 200)


def test_coarse_answers_are_enlarged() -> None:
    class Coarse(FormulaModel):
        def predict_logits(self, image: torch.Tensor, prev_mask: torch.Tensor, points: torch.Tensor, gate: Gate):
            full = super().predict_logits(image, prev_mask, points, gate).logits
            return ModelOutput(torch.nn.functional.avg_pool2d(full, 4))

    predictor = Predictor(Coarse())
    predictor.set_image(picture())
    assert predictor.click(48, 48).mask.shape == (120, 160)


def test_tiles_are_averaged(model: FormulaModel) -> None:
    predictor = Predictor(model, chain="crops", crop_size=(50, 70), flip=False)
    predictor.set_image(picture())
    prediction = predictor.click(48, 48)
    total, count = np.zeros((120, 160)), np.zeros((120, 160))
    for y in (0, 35, 70):
        for x in (0, 45, 90):
            tile = torch.from_numpy(picture()[y : y + 50, x : x + 70].transpose(2, 0, 1)[None].astype(np.float32) / 255)
            points = torch.tensor([[[48.0 - y, 48.0 - x, 0], [-1, -1, -1]]])
            total[y : y + 50, x : x + 70] += torch.sigmoid(model(tile, None, points).logits)[0, 0].numpy()
            count[y : y + 50, x : x + 70] += 1
    assert prediction.forwards == 9
    np.testing.assert_allclose(prediction.probs, total / count, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0},
        {"threshold": 1.0},
        {"threshold": "0.5"},
        {"target_size": 0},
        {"target_size": (4,)},
        {"target_size": 1.5},
        {"skip_clicks": -2},
        {"expansion_ratio": 0},
        {"limit_longest_side": 0},
        {"net_clicks_limit": 0},
        {"min_crop_size": 0},
        {"flip": 1},
        {"recompute_thresh_iou": 2},
        {"crop_min_overlap": 1.0},
        {"chain": "zoom_flop"},
    ],
)
def test_unfit_options_name_themselves(model: FormulaModel, options: dict) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        Predictor(model, **options)


def test_misspelt_option(model: FormulaModel) -> None:
    with pytest.raises(OptionError, match=r"treshold.*threshold"):
        Predictor(model, treshold=0.5)
    with pytest.raises(OptionError, match="either"):
        Predictor(model, chain="published", options=InferenceOptions())
    assert Predictor(model, options=InferenceOptions(flip=False), threshold=0.3).options.threshold == 0.3


def test_what_is_no_network() -> None:
    for thing in (None, "clickwise-s", torch.nn.Conv2d(1, 1, 1)):
        with pytest.raises(ClickwiseError, match="load_model"):
            Predictor(thing)  # type: ignore[arg-type]


class Learned(InteractiveModel):
    """Has a parameter and a part that behaves differently in training."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.drop = torch.nn.Conv2d(3, 1, 1), torch.nn.Dropout(0.9)
        self.frozen = torch.nn.BatchNorm2d(3).eval()

    def predict_logits(self, image: torch.Tensor, prev_mask: torch.Tensor, points: torch.Tensor, gate: Gate):
        return ModelOutput(self.conv(self.drop(self.frozen(image))))


def test_a_network_in_training_is_lent_and_returned_as_it_was() -> None:
    model = Learned().train()
    model.frozen.eval()
    predictor = Predictor(model, zoom=False)
    predictor.set_image(picture())
    np.testing.assert_array_equal(predictor.click(4, 4).probs, predictor.click(4, 4).probs)
    assert model.training
    assert model.drop.training
    assert not model.frozen.training


@pytest.mark.parametrize("flip", [True, False])
def test_a_network_may_change_its_input(flip: bool) -> None:
    class InPlace(FormulaModel):
        def predict_logits(self, image: torch.Tensor, prev_mask: torch.Tensor, points: torch.Tensor, gate: Gate):
            logits = image[:, :1] * 4
            image.zero_(), prev_mask.zero_()
            return ModelOutput(logits)

    predictor = Predictor(InPlace(), zoom=False, flip=flip)
    predictor.set_image(picture())
    np.testing.assert_array_equal(predictor.click(4, 4).probs, predictor.click(40, 40).probs)


def test_half_precision_networks_answer_in_float32() -> None:
    engine = TorchEngine(Learned().eval().bfloat16())
    output = engine.run(torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8), torch.full((1, 2, 3), -1.0))
    assert output.logits.dtype == torch.float32
    autocast = TorchEngine(Learned().eval(), precision="bf16", channels_last=True)
    plain = TorchEngine(autocast.model)
    image, points = torch.rand(2, 3, 8, 8), torch.full((2, 2, 3), -1.0)
    torch.testing.assert_close(
        autocast.run(image, None, points).logits, plain.run(image, None, points).logits, atol=0.05, rtol=0.05
    )


def test_devices() -> None:
    assert resolve_device("cpu").type == "cpu"
    assert resolve_device("auto").type in ("cpu", "cuda", "mps")
    for name in ("gpu", "cuda:x", "cpu:0:1", "cuda:99"):
        with pytest.raises(OptionError, match=name):
            resolve_device(name)
    with pytest.raises(OptionError, match="precision"):
        TorchEngine(FormulaModel(), precision="fp8")  # type: ignore[arg-type]
    with pytest.raises(ModelError):
        TorchEngine("clickwise-s")  # type: ignore[arg-type]


@pytest.mark.parametrize("has_gate", [True, False])
def test_whatever_mask_there_is_opens_the_gate(has_gate: bool) -> None:
    """Without being told, a network with a gate takes a first click for one without a mask, and ignores the mask."""
    gates: list[Gate] = []

    class Gated(FormulaModel):
        capabilities = Capabilities(has_gate=has_gate)

        def predict_logits(self, image, prev_mask, points, gate) -> ModelOutput:
            gates.append(gate)
            return super().predict_logits(image, prev_mask, points, gate)

    predictor = Predictor(Gated())
    predictor.set_image(picture())
    predictor.click(48, 48)
    predictor.set_mask(np.ones((120, 160), bool))
    predictor.click(48, 48)
    opened = 1.0 if has_gate else None
    assert gates == [None, opened]
    gates.clear()
    predictor = Predictor(Gated(), chain="cascade", extra={"cf_n": 1})
    predictor.set_image(picture())
    predictor.click(48, 48)
    assert gates == [None, opened], "the second pass sees the mask of the first"
    predictor.click(100, 90)
    assert gates[2:] == [opened]
