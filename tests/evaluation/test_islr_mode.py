"""``--mode ISLR`` and its options reach IGLR's chain; NoBRS runs the coarse network alone."""

from __future__ import annotations

import pytest
from memory_data import MemoryDataset, SmallModel, make_sample

from clickwise import evaluate
from clickwise.errors import ModelError, OptionError
from clickwise.evaluation.chain_choice import chosen_chain, inference_options, mode_label, mode_names
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.models.iglr import IGLR_DEFAULTS
from clickwise.models.interface import InferenceDefaults
from clickwise.models.registry import build_model

OPTIONS = {"infer_size": 64, "target_crop_r": 1.5, "focus_crop_r": 1.2}


def test_mode_and_defaults() -> None:
    assert "ISLR" in mode_names()
    assert mode_label(chosen_chain(IGLR_DEFAULTS, EvaluationProtocol())) == "ISLR"
    assert chosen_chain(IGLR_DEFAULTS, EvaluationProtocol(mode="NoBRS")) == "zoom_flip"
    options = inference_options(IGLR_DEFAULTS, EvaluationProtocol(mode="islr", chain_options=OPTIONS))
    assert (options.chain, dict(options.extra)) == ("ISLR", OPTIONS)
    assert (options.target_size, options.min_crop_size, options.zoom_prob_thresh) == ((256, 256), 10, 0.49)
    with pytest.raises(OptionError, match=r"ask for one by --mode"):
        chosen_chain(InferenceDefaults(), EvaluationProtocol(chain_options={"focus_crop_r": 1.2}))


@pytest.mark.parametrize(("mode", "options"), [("ISLR", OPTIONS), (None, OPTIONS), ("NoBRS", {})])
def test_evaluation_runs(mode: str | None, options: dict[str, float]) -> None:
    protocol = EvaluationProtocol(n_clicks=3, mode=mode, chain_options=options)
    result = evaluate(build_model("iglr-segformer-b0"), MemoryDataset([make_sample(0)]), protocol=protocol)
    assert result.protocol.inference["chain"] == ("zoom_flip" if mode == "NoBRS" else "ISLR")
    assert 0 <= result.iou_at(3) <= 1


def test_network_without_refiner_is_an_error() -> None:
    with pytest.raises((OptionError, ModelError), match="refiner"):
        evaluate(SmallModel(), MemoryDataset([make_sample(0)]), protocol=EvaluationProtocol(n_clicks=1, mode="ISLR"))
