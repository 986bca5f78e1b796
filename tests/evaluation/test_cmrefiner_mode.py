"""``--mode CMRefiner-V2`` and SRAFS's own chain in an evaluation."""

from __future__ import annotations

import pytest
from memory_data import MemoryDataset, SmallModel, make_sample

from clickwise import evaluate
from clickwise.evaluation.chain_choice import chosen_chain, inference_options, mode_label, mode_names
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.models.registry import build_model
from clickwise.models.srafs import SRAFS_DEFAULTS


def test_mode_and_defaults() -> None:
    assert "CMRefiner-V2" in mode_names()
    assert mode_label(chosen_chain(SRAFS_DEFAULTS, EvaluationProtocol())) == "CMRefiner-V2"
    assert chosen_chain(SRAFS_DEFAULTS, EvaluationProtocol(mode="NoBRS")) == "zoom_flip"
    for dataset, side in (("GrabCut", 448), ("DAVIS", 672)):
        options = inference_options(SRAFS_DEFAULTS, EvaluationProtocol(mode="cmrefiner-v2"), dataset)
        assert (options.chain, options.target_size, options.skip_clicks) == ("CMRefiner-V2", (side, side), -1)
    fixed = inference_options(SRAFS_DEFAULTS, EvaluationProtocol(eval_mode="fixed256"))
    assert (fixed.chain, fixed.target_size) == ("CMRefiner-V2", (256, 256))


@pytest.mark.parametrize("mode", ["CMRefiner-V2", None, "NoBRS", "RGB-BRS"])
def test_evaluation_runs(mode: str | None) -> None:
    protocol = EvaluationProtocol(n_clicks=3, mode=mode, eval_mode="fixed64")
    result = evaluate(build_model("srafs-segformer-b0"), MemoryDataset([make_sample(0)]), protocol=protocol)
    expected = {"NoBRS": "zoom_flip", "RGB-BRS": "RGB-BRS"}.get(mode or "", "CMRefiner-V2")
    assert result.protocol.inference["chain"] == expected
    assert 0 <= result.iou_at(3) <= 1


def test_every_network_can_run_the_chain() -> None:
    protocol = EvaluationProtocol(n_clicks=2, mode="CMRefiner-V2")
    result = evaluate(SmallModel(), MemoryDataset([make_sample(0)]), protocol=protocol)
    assert result.protocol.inference["chain"] == "CMRefiner-V2"
