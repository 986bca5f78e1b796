"""Our own file format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from clickwise.errors import CheckpointError, ModelError, OutputError
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model
from clickwise.weights.checkpoint import read_checkpoint, read_header, save_checkpoint
from clickwise.weights.load import load_model

ARCHITECTURE = "ritm-hrnet18s"


@pytest.fixture(scope="module")
def model() -> InteractiveModel:
    torch.manual_seed(0)
    return build_model(ARCHITECTURE, with_prev_mask=False)


def test_the_header_rebuilds_the_module(model: InteractiveModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(model, path, info={"licence": "CC0-1.0", "noc": {"GrabCut": 2.5}, "trained_on": "nichts, später"})
    header = read_header(path)
    assert header is not None
    assert (header.architecture, header.variant) == (ARCHITECTURE, None)
    assert header.params == model.params
    assert header.info == {"licence": "CC0-1.0", "noc": {"GrabCut": 2.5}, "trained_on": "nichts, später"}
    loaded = load_model(path)
    assert loaded.params == model.params
    assert not loaded.capabilities.supports_prev_mask


def test_other_programs_can_read_it(model: InteractiveModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(model, path)
    entries = load_file(path)
    own = {name: value for name, value in model.state_dict().items() if "num_batches_tracked" not in name}
    assert entries.keys() == own.keys()
    assert all(torch.equal(entries[name], own[name]) for name in own)
    assert read_checkpoint(path).entries.keys() == own.keys()
    with safe_open(str(path), framework="pt") as handle:
        assert json.loads(handle.metadata()["clickwise"])["format"] == 1


def test_half_precision_is_half_the_size_and_comes_back_as_fp32(model: InteractiveModel, tmp_path: Path) -> None:
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_checkpoint(model, whole)
    save_checkpoint(model, half, dtype=torch.float16)
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    loaded = load_model(half)
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32, torch.int64}
    weight = model.state_dict()["backbone.conv1.weight"]
    assert torch.equal(loaded.state_dict()["backbone.conv1.weight"], weight.half().float())
    assert load_model(half, dtype=torch.float16).state_dict()["backbone.conv1.weight"].dtype == torch.float16


def test_values_too_large_for_half_precision_are_an_error(tmp_path: Path) -> None:
    model = build_model(ARCHITECTURE)
    model.get_parameter("head.classify.bias").data.fill_(1e6)
    with pytest.raises(CheckpointError, match=r"head\.classify\.bias.*1e\+06"):
        save_checkpoint(model, tmp_path / "m.safetensors", dtype=torch.float16)
    assert not list(tmp_path.iterdir())


def test_channels_last_weights_are_stored_alike(model: InteractiveModel, tmp_path: Path) -> None:
    plain, last = tmp_path / "plain.safetensors", tmp_path / "last.safetensors"
    save_checkpoint(model, plain)
    other = load_model(plain).to(memory_format=torch.channels_last)
    save_checkpoint(other, last)
    assert plain.read_bytes() == last.read_bytes()


def test_an_older_file_survives_a_failure(model: InteractiveModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(model, path)
    before = path.read_bytes()
    with pytest.raises(ModelError, match="plain data"):
        save_checkpoint(model, path, info={"when": object()})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    with pytest.raises(OutputError):
        save_checkpoint(model, tmp_path / "no" / "folder.safetensors")


def test_a_module_without_a_name_is_an_error(tmp_path: Path) -> None:
    model = build_model(ARCHITECTURE)
    model.architecture = ""
    with pytest.raises(ModelError, match="architecture"):
        save_checkpoint(model, tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"format": 2, "architecture": ARCHITECTURE, "params": {}}, "format version 2.*update clickwise"),
        ({"format": 1, "params": {}}, "damaged header"),
        ({"format": 1, "architecture": 3, "params": {}}, "damaged header"),
        ([1], "damaged header"),
        ({"format": 1, "architecture": "no-such", "params": {}}, "no architecture is called 'no-such'"),
        ({"format": 1, "architecture": ARCHITECTURE, "params": {"colour": 1}}, "no parameter 'colour'"),
        ({"format": 1, "architecture": ARCHITECTURE, "params": {"ocr_width": "x"}}, "cannot be built"),
    ],
)
def test_strange_headers_are_errors(metadata: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"clickwise": json.dumps(metadata)})
    with pytest.raises(CheckpointError, match=message):
        load_model(path)


@pytest.mark.parametrize("keep", [3, 9, 100, 20_000, -1])
def test_truncated_files_are_errors(keep: int, model: InteractiveModel, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_checkpoint(model, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError):
        load_model(path)
