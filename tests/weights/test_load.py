"""Names, published files and everything that can be wrong with them."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import clickwise
from clickwise.errors import CheckpointError, OptionError, UnknownModelError, WeightsMissingError
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model
from clickwise.weights import zoo
from clickwise.weights.adapters import adapter_for_architecture, adapters
from clickwise.weights.load import list_models, load_model
from clickwise.weights.published import read_published

GOLDEN = Path(__file__).parents[1] / "golden"
HRNET = "isegm.model.is_hrnet_model.HRNetModel"
DEEPLAB = "isegm.model.is_deeplab_model.DeeplabModel"
SMALL = {
    "width": 18, "ocr_width": 48, "small": True, "with_prev_mask": True, "with_aux_output": True,
    "use_leaky_relu": True, "use_rgb_conv": False, "use_disks": True, "norm_radius": 5,
}  # fmt: skip


@pytest.fixture(scope="module")
def model() -> InteractiveModel:
    torch.manual_seed(0)
    return build_model("ritm-hrnet18s")


@pytest.fixture(scope="module")
def entries(model: InteractiveModel) -> dict[str, Tensor]:
    return published_entries(model)


def published_entries(model: InteractiveModel) -> dict[str, Tensor]:
    adapter = adapter_for_architecture(model.architecture)
    assert adapter is not None
    return OrderedDict((adapter.published_name(name), value) for name, value in model.state_dict().items())


def published_config(class_path: str, **params: Any) -> dict[str, Any]:
    described = {name: {"type": "builtin", "value": value, "specified": True} for name, value in params.items()}
    return {"class": class_path, "params": described}


def save(path: Path, entries: dict[str, Tensor], config: Any = "none", **options: Any) -> Path:
    content = entries if config == "none" else {"state_dict": entries, "config": config}
    torch.save(content, path, **options)
    return path


def agree(found: InteractiveModel, expected: InteractiveModel) -> None:
    ours = expected.state_dict()
    assert all(torch.equal(value, ours[name]) for name, value in found.state_dict().items())
    inputs = torch.rand(1, 3, 20, 28), torch.rand(1, 1, 20, 28), torch.tensor([[[4.0, 5, 0], [-1, -1, -1]]])
    with torch.no_grad():
        assert torch.equal(found(*inputs).logits, expected(*inputs).logits)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before zip"])
def test_published_file_with_config(zipped: bool, model: Any, entries: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "a.b.pth", entries, published_config(HRNET, **SMALL), _use_new_zipfile_serialization=zipped)
    loaded = load_model(path)
    assert loaded.architecture == "ritm-hrnet18s"
    assert not loaded.training
    assert loaded.params == model.params
    agree(loaded, model)
    assert not any(tensor.is_meta for tensor in (*loaded.parameters(), *loaded.buffers()))


def test_configured_options_count(model: Any, entries: Any, tmp_path: Path) -> None:
    config = published_config(HRNET, **{**SMALL, "norm_radius": 7, "use_disks": False, "binary_prev_mask": True})
    params = load_model(save(tmp_path / "m.pth", entries, config)).params
    assert (params["click_radius"], params["click_maps"], params["binary_prev_mask"]) == (7.0, "tanh", True)


@pytest.mark.parametrize("config", ["none", None, {}, {"class": "my.own.Model", "params": {}}, "HRNet", 3])
def test_with_architecture_the_config_may_say_nothing(config: Any, model: Any, entries: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "m.pth", entries, config)
    agree(load_model(path, architecture="ritm-hrnet18s"), model)
    with pytest.raises(CheckpointError, match="architecture='ritm-hrnet18s'"):
        load_model(path)


def test_shapes_tell_what_the_config_does_not(tmp_path: Path) -> None:
    model = build_model("ritm-hrnet18s", with_prev_mask=False, ocr_width=16)
    loaded = load_model(save(tmp_path / "m.pth", published_entries(model)), architecture="ritm-hrnet18s")
    assert (loaded.params["with_prev_mask"], loaded.params["ocr_width"]) == (False, 16)


@pytest.mark.parametrize(
    ("shapes", "architecture"),
    [(path.name, path.stem.replace("_itermask", "")) for path in sorted(GOLDEN.glob("*.json"))],
)
def test_shapes_alone_name_one_architecture(shapes: str, architecture: str) -> None:
    """Every published list of entries is recognised by exactly one adapter, and as what it is."""
    entries = {name: tuple(shape) for name, shape in json.loads((GOLDEN / shapes).read_text("utf-8")).items()}
    found = []
    for adapter in adapters():
        with contextlib.suppress(CheckpointError):
            found.append(adapter.identify(None, entries))
    (name,) = [name for name in found if name is not None]
    words = {"base": "b", "large": "l", "huge": "h", "small": "s"}
    assert name == "-".join(words.get(word, word) for word in architecture.split("_"))


@pytest.mark.parametrize(
    "params", [{"fusion": "conv_stem"}, {"fusion": "rgb_stem", "with_prev_mask": False}, {"ocr_width": 0}], ids=str
)
def test_variants_come_back(params: dict[str, Any], tmp_path: Path) -> None:
    model = build_model("ritm-hrnet18s", **params)
    agree(load_model(save(tmp_path / "m.pth", published_entries(model)), architecture="ritm-hrnet18s"), model)


def test_deeplab_file(tmp_path: Path) -> None:
    model = build_model("ritm-resnet34", channels=32)
    given = {"backbone": "resnet34", "deeplab_ch": 32, "aspp_dropout": 0.3, "norm_radius": 5, "use_disks": True}
    loaded = load_model(save(tmp_path / "m.pth", published_entries(model), published_config(DEEPLAB, **given)))
    assert loaded.params["aspp_dropout"] == 0.3
    agree(loaded, model)


def test_half_precision_is_upcast(entries: Any, tmp_path: Path) -> None:
    halves = {name: value.half() if value.is_floating_point() else value for name, value in entries.items()}
    loaded = load_model(save(tmp_path / "m.pth", halves), architecture="ritm-hrnet18s")
    assert {value.dtype for value in loaded.parameters()} == {torch.float32}
    assert (
        load_model(tmp_path / "m.pth", architecture="ritm-hrnet18s", dtype=torch.float64).image_mean.dtype
        == torch.float64
    )


def test_names_behind_module_and_bare_safetensors(model: Any, entries: Any, tmp_path: Path) -> None:
    wrapped = {f"module.{name}": value for name, value in entries.items()}
    agree(load_model(save(tmp_path / "m.pth", wrapped), architecture="ritm-hrnet18s"), model)
    save_file({name: value.contiguous() for name, value in entries.items()}, tmp_path / "m.safetensors")
    agree(load_model(tmp_path / "m.safetensors", architecture="ritm-hrnet18s"), model)


def test_entries_that_never_run_may_be_missing(model: Any, entries: Any, tmp_path: Path) -> None:
    fewer = {n: v for n, v in entries.items() if "f_pixel" not in n and "f_object" not in n and "tracked" not in n}
    loaded = load_model(save(tmp_path / "m.pth", fewer), architecture="ritm-hrnet18s")
    inputs = torch.rand(1, 3, 20, 28), None, torch.tensor([[[4.0, 5, 0], [-1, -1, -1]]])
    with torch.no_grad():
        assert torch.equal(loaded(*inputs).logits, model(*inputs).logits)


def test_counters_are_not_read(entries: Any, tmp_path: Path) -> None:
    changed = {n: v + 7 if n.endswith("num_batches_tracked") else v for n, v in entries.items()}
    state = load_model(save(tmp_path / "m.pth", changed), architecture="ritm-hrnet18s").state_dict()
    assert {int(v) for n, v in state.items() if n.endswith("num_batches_tracked")} == {0}


def test_the_differences_are_listed(entries: Any, tmp_path: Path) -> None:
    changed = dict(entries)
    del changed["feature_extractor.conv1.weight"]
    changed["feature_extractor.extra.weight"] = torch.zeros(1)
    changed["feature_extractor.bn1.bias"] = torch.zeros(3)
    with pytest.raises(CheckpointError) as caught:
        load_model(save(tmp_path / "m.pth", changed), architecture="ritm-hrnet18s")
    message = str(caught.value)
    assert "1 missing (feature_extractor.conv1.weight)" in message
    assert "extra.weight" in message
    assert "1 of another shape (feature_extractor.bn1.bias is (3,), expected (64,))" in message
    assert "\n" not in message


def test_wrong_architecture(entries: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "m.pth", entries, published_config(HRNET, **SMALL))
    with pytest.raises(CheckpointError, match="config says ritm-hrnet18s, not ritm-hrnet18;"):
        load_model(path, architecture="ritm-hrnet18")
    bare = save(tmp_path / "bare.pth", entries)
    for other in ("ritm-hrnet18", "ritm-resnet34", "clickwise-s"):
        with pytest.raises(CheckpointError, match=r"bare\.pth"):
            load_model(bare, architecture=other)
    with pytest.raises(UnknownModelError, match="ritm-hrnet18s"):
        load_model(bare, architecture="ritm-hrnet18x")


def test_our_own_file_of_another_architecture(model: Any, tmp_path: Path) -> None:
    from clickwise.weights.checkpoint import save_checkpoint

    save_checkpoint(model, tmp_path / "m.safetensors")
    with pytest.raises(CheckpointError, match="holds ritm-hrnet18s, not ritm-hrnet32"):
        load_model(tmp_path / "m.safetensors", architecture="ritm-hrnet32")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (published_config(HRNET, **{**SMALL, "width": 48}), "width 48"),
        (published_config(DEEPLAB, backbone="resnet50"), "resnet50"),
        (published_config(HRNET, **{**SMALL, "clicks_groups": [[1], 5]}), "clicks_groups"),
    ],
)
def test_networks_that_we_do_not_have(config: Any, message: str, entries: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        load_model(save(tmp_path / "m.pth", entries, config))


@pytest.mark.parametrize(
    "changed", [{"width": None}, {"ocr_width": "many"}, {"norm_mean_std": 3}, {"norm_radius": []}], ids=str
)
def test_configs_that_make_no_sense(changed: dict[str, Any], tmp_path: Path) -> None:
    config = published_config(HRNET, **{**SMALL, **changed})
    path = save(tmp_path / "m.pth", {"maps_transform.0.weight": torch.zeros(16, 3, 1, 1)}, config)
    with pytest.raises(CheckpointError, match="make no sense"):
        load_model(path)


def test_a_list_of_checkpoints(entries: Any, tmp_path: Path) -> None:
    torch.save([{"state_dict": entries, "config": None}] * 2, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="list of 2 checkpoints"):
        load_model(tmp_path / "m.pth")


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch evil",)


@pytest.mark.parametrize("writer", ["torch", "torch before zip", "pickle"])
def test_code_never_runs(writer: str, entries: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    content = {"state_dict": dict(list(entries.items())[:2]), "config": {"class": HRNET, "params": {"x": Evil()}}}
    path = tmp_path / "m.pth"
    if writer == "pickle":
        path.write_bytes(pickle.dumps({"x": Evil()}, protocol=2))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=writer == "torch")
    with pytest.raises(CheckpointError, match=r"refused|not a readable checkpoint"):
        load_model(path, architecture="ritm-hrnet18s")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before zip"])
@pytest.mark.parametrize("share", [0.0, 0.0001, 0.01, 0.5, 0.98])
def test_truncated(zipped: bool, share: float, entries: Any, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(entries, buffer, _use_new_zipfile_serialization=zipped)
    path = tmp_path / "m.pth"
    path.write_bytes(buffer.getvalue()[: int(share * buffer.tell())])
    with pytest.raises(CheckpointError, match=r"truncated|is empty"):
        load_model(path, architecture="ritm-hrnet18s")


@pytest.mark.parametrize(
    "content",
    [[], 3, "text", {}, {"state_dict": {}}, {"state_dict": 3}, {"a": "b"}, {1: torch.zeros(1)}, torch.zeros(2)],
)
def test_other_content(content: Any, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "m.pth")
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "m.pth", architecture="ritm-hrnet18s")


@pytest.mark.parametrize(
    "content", [b"", b"x", b"not a checkpoint at all", b"\x89PNG\r\n\x1a\n" + bytes(100), bytes(50)]
)
def test_other_files(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_model(path, architecture="ritm-hrnet18s")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no file"):
        load_model(tmp_path / "nothing.pth")
    with pytest.raises(CheckpointError, match="no file"):
        load_model("nothing.pth")
    with pytest.raises(CheckpointError, match="folder"):
        load_model(tmp_path)


def test_golden_files_of_the_published_format(golden: Path) -> None:
    """Complete configs, a few entries only: what is missing is named; no foreign module is imported."""
    with pytest.raises(CheckpointError, match=r"ritm-hrnet18: 18\d\d missing|ritm-hrnet18: 15\d\d missing"):
        load_model(golden / "checkpoint_format_ritm.pth")
    published = read_published(golden / "checkpoint_format_vit.pth")
    assert published.config is not None
    assert published.config.class_path == "isegm.model.is_plainvit_model.PlainVitModel"
    assert "head_params" in published.config.params
    assert not any(name.startswith("isegm") for name in sys.modules)


def test_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Any, entries: Any) -> None:
    monkeypatch.setenv("CLICKWISE_MODEL_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    name, alias = "ritm-hrnet18s-cocolvis", "coco_lvis_h18s_itermask"
    for known in (name, alias, f"{alias}.pth"):
        with pytest.raises(WeightsMissingError, match=f"clickwise download {name}"):
            load_model(known)
    save(tmp_path / zoo.get(name).file, entries, published_config(HRNET, **SMALL))
    for known in (name, alias, f"{alias}.pth"):
        agree(load_model(known), model)
    with pytest.raises(CheckpointError, match="weights of ritm-hrnet18s, not of ritm-hrnet18"):
        load_model(name, architecture="ritm-hrnet18")


def test_names_that_are_no_weights() -> None:
    with pytest.raises(UnknownModelError, match="is an architecture, not weights; weights for it: ritm-hrnet18-"):
        load_model("ritm-hrnet18")
    with pytest.raises(UnknownModelError, match="no weights are known"):
        load_model("ritm-resnet34")
    with pytest.raises(UnknownModelError, match="nearest: ritm-hrnet18s-cocolvis"):
        load_model("ritm-hrnet18s-cocolvid")
    with pytest.raises(UnknownModelError) as caught:
        load_model("clickwise-x")
    assert str(caught.value).count("clickwise-s") == 1


def test_list_models() -> None:
    names = list_models()
    assert names == sorted(set(names)) == clickwise.list_models()
    assert {"ritm-hrnet18s", "ritm-hrnet18s-cocolvis", "ritm-resnet34", "clickwise-s"} <= set(names)


def test_options_that_make_no_sense(entries: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "m.pth", entries)
    with pytest.raises(OptionError, match="dtype"):
        load_model(path, architecture="ritm-hrnet18s", dtype=torch.int64)
    with pytest.raises(OptionError, match="variants"):
        load_model(path, architecture="ritm-hrnet18s", variant="paper")
    with pytest.raises(OptionError, match="device"):
        load_model(path, architecture="ritm-hrnet18s", device="toaster")


def test_loading_leaves_the_random_state_and_the_file_alone(entries: Any, tmp_path: Path) -> None:
    path = save(tmp_path / "m.pth", copy.deepcopy(entries))
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    loaded = load_model(path, architecture="ritm-hrnet18s")
    assert torch.equal(torch.rand(4), expected)
    before = path.read_bytes()
    with torch.no_grad():
        for value in loaded.state_dict().values():
            value.zero_()
    assert path.read_bytes() == before
    assert all(parameter.requires_grad for name, parameter in loaded.named_parameters() if "attention" not in name)
