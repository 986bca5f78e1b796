"""Evaluation by the cascade-forward chain, asked for by its options or by name."""

from __future__ import annotations

import pytest
from memory_data import MemoryDataset, SmallModel, make_sample

from clickwise import evaluate
from clickwise.errors import OptionError
from clickwise.evaluation.chain_choice import inference_options
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.models.interface import InferenceDefaults

OWN = InferenceDefaults(target_size=(448, 448), skip_clicks=-1)


def test_the_cascade_is_found_by_its_options() -> None:
    protocol = EvaluationProtocol(chain_options={"cf_n": 2, "cf_click": 3, "acf": True})
    options = inference_options(OWN, protocol)
    assert (options.chain, dict(options.extra)) == ("cascade", {"cf_n": 2, "cf_click": 3, "acf": True})
    result = evaluate(
        SmallModel(), MemoryDataset([make_sample(0)]), protocol=EvaluationProtocol(n_clicks=1, mode="cascade")
    )
    assert result.protocol.inference["chain"] == "cascade"
    with pytest.raises(OptionError, match="cf_n is -1"):
        evaluate(SmallModel(), MemoryDataset([make_sample(0)]), protocol=EvaluationProtocol(chain_options={"cf_n": -1}))
