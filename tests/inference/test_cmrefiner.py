"""SRAFS's chain: the common one with a gate by number of clicks; attention fields of the latest click."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from formula_model import FormulaModel
from torch import Tensor

from clickwise.errors import OptionError
from clickwise.inference.attention import attention_pictures
from clickwise.inference.chains import get_chain
from clickwise.inference.predictor import Predictor
from clickwise.models.interface import Capabilities, Gate, InteractiveModel, ModelOutput
from clickwise.models.registry import build_model
from clickwise.models.srafs import SRAFS_DEFAULTS

SETTINGS: dict[str, Any] = {"target_size": (64, 64), "skip_clicks": -1}


class Gated(FormulaModel):
    """Remembers its gates."""

    capabilities = Capabilities(has_gate=True)
    inference_defaults = SRAFS_DEFAULTS

    def __init__(self) -> None:
        super().__init__(bump=10.0)
        self.gates: list[Gate] = []

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        self.gates.append(gate)
        return super().predict_logits(image, prev_mask, points, gate)


def photo(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (50, 70, 3)).astype(np.uint8)


def test_defaults_are_the_published_ones() -> None:
    predictor = Predictor(Gated())
    assert get_chain(predictor.options.chain) is get_chain("CMRefiner-V2")
    assert predictor.options.target_size == (448, 448)
    assert predictor.options.skip_clicks == -1
    assert Predictor(Gated(), dataset="DAVIS").options.target_size == (672, 672)
    assert Predictor(Gated(), chain="published").options.limit_longest_side is None


def test_the_gate_follows_the_number_of_clicks() -> None:
    model = Gated()
    predictor = Predictor(model, **SETTINGS)
    predictor.set_image(photo())
    predictor.click(30, 20)
    predictor.click(50, 30, positive=False)
    predictor.click(10, 30)
    assert model.gates == [0.0, 1.0, 1.0]
    assert model.calls[-1][2][0, :, 2].tolist() == [0, 2, 1, -1], "orders are click numbers"
    predictor.undo()
    predictor.undo()
    predictor.click(12, 30)
    assert model.gates[3:] == [1.0]
    predictor.set_mask(np.eye(50, 70, dtype=bool))
    predictor.click(12, 30)
    assert model.gates[4:] == [1.0], "a start mask counts as an earlier click"


def test_it_is_the_common_chain_otherwise() -> None:
    found = []
    for chain in ("CMRefiner-V2", "zoom_flip"):
        predictor = Predictor(FormulaModel(bump=10.0), chain=chain, **SETTINGS)
        predictor.set_image(photo())
        predictor.click(30, 20)
        found.append(predictor.click(50, 30, positive=False).probs)
    assert np.array_equal(*found)


@pytest.fixture(scope="module")
def srafs() -> InteractiveModel:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model("srafs-segformer-b0")


def test_its_network_gets_the_same_gate_by_itself(srafs: InteractiveModel) -> None:
    found = []
    for chain in ("CMRefiner-V2", "zoom_flip"):
        predictor = Predictor(srafs, chain=chain, **SETTINGS)
        predictor.set_image(photo())
        predictor.click(30, 20)
        found.append(predictor.click(50, 30, positive=False).probs)
    np.testing.assert_allclose(*found, atol=1e-5)


def test_attention_of_the_latest_click(srafs: InteractiveModel) -> None:
    predictor = Predictor(srafs, **SETTINGS)
    predictor.set_image(photo())
    predictor.click(30, 20)
    (first, _), before = attention_pictures(predictor), predictor.state
    assert np.allclose(first.weights, 1), "one positive click"
    probs = predictor.click(40, 30).probs
    pictures = attention_pictures(predictor)
    assert len(pictures) == 2
    for picture in pictures:
        assert 0 <= picture.overlap <= 1
        for field in (picture.object_field, picture.background_field, picture.weights):
            assert field.shape == (50, 70)
            assert field.dtype == np.float32
            assert 0 <= field.min() <= field.max() <= 1 + 1e-6
    assert pictures[0].weights.std() > 0.01
    assert np.array_equal(predictor.prediction.probs, probs), "looking changes nothing"
    predictor.undo()
    assert predictor.state is before
    again = attention_pictures(predictor)[0]
    assert np.array_equal(again.background_field, first.background_field)


def test_attention_of_an_empty_and_of_a_full_mask(srafs: InteractiveModel) -> None:
    for threshold, empty in ((0.999, "object_field"), (1e-6, "background_field")):
        predictor = Predictor(srafs, **SETTINGS, threshold=threshold)
        predictor.set_image(photo())
        predictor.click(30, 20)
        for picture in attention_pictures(predictor):
            assert picture.overlap == 0
            assert not getattr(picture, empty).any()


def test_what_has_no_attention_says_so(srafs: InteractiveModel) -> None:
    predictor = Predictor(srafs, **SETTINGS)
    predictor.set_image(photo())
    with pytest.raises(OptionError, match="click first"):
        attention_pictures(predictor)
    other = Predictor(srafs, chain="zoom_flip", **SETTINGS)
    other.set_image(photo())
    other.click(30, 20)
    with pytest.raises(OptionError, match="CMRefiner-V2"):
        attention_pictures(other)
    without = Predictor(Gated(), **SETTINGS)
    without.set_image(photo())
    without.click(30, 20)
    with pytest.raises(OptionError, match="no attention fields"):
        attention_pictures(without)
