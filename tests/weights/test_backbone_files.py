"""Public ImageNet files, made here with their names and shapes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from clickwise.errors import CheckpointError, ModelError
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model
from clickwise.weights.backbone_files import load_backbone


@pytest.fixture
def hrnet() -> InteractiveModel:
    return build_model("ritm-hrnet18s")


def backbone_entries(model: InteractiveModel) -> dict[str, Tensor]:
    state = model.get_submodule("backbone").state_dict()
    return {name: torch.rand_like(value) if value.is_floating_point() else value + 5 for name, value in state.items()}


@pytest.mark.parametrize("wrap", [None, "model", "state_dict"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_hrnet(wrap: str | None, prefix: str, hrnet: InteractiveModel, tmp_path: Path) -> None:
    entries = backbone_entries(hrnet)
    others = {
        "classifier.weight": torch.zeros(1000, 2048),
        "incre_modules.0.0.conv1.weight": torch.zeros(3),
        "last_layer.0.weight": torch.rand(270, 270, 1, 1),
        "last_layer.3.weight": torch.rand(19, 270, 1, 1),
    }
    content = {prefix + name: value for name, value in {**entries, **others}.items()}
    torch.save({wrap: content} if wrap else content, tmp_path / "h.pth")
    bias = hrnet.get_parameter("head.auxiliary.0.bias").clone()
    report = load_backbone(hrnet, tmp_path / "h.pth")
    assert report is not None
    assert "last_layer.0.weight" in report.used
    assert set(report.ignored) == {"classifier.weight", "incre_modules.0.0.conv1.weight", "last_layer.3.weight"}
    assert report.kept == ()
    assert str(len(report.used)) in report.summary()
    state = hrnet.state_dict()
    assert all(
        torch.equal(state[f"backbone.{name}"], value) for name, value in entries.items() if "tracked" not in name
    )
    assert torch.equal(state["head.auxiliary.0.weight"], others["last_layer.0.weight"])
    assert torch.equal(state["head.auxiliary.0.bias"], bias)


def test_resnet(tmp_path: Path) -> None:
    model = build_model("ritm-resnet34")
    entries = backbone_entries(model)
    del entries["layer4.2.bn2.bias"]
    torch.save({**entries, "fc.weight": torch.zeros(1000, 512)}, tmp_path / "r.pth")
    report = load_backbone(model, tmp_path / "r.pth")
    assert report is not None
    assert report.ignored == ("fc.weight",)
    assert report.kept == ("layer4.2.bn2.bias",)
    assert "layer4.2.bn2.bias" in report.summary()
    assert torch.equal(model.state_dict()["backbone.conv1.weight"], entries["conv1.weight"])


def test_another_size_changes_nothing(hrnet: InteractiveModel, tmp_path: Path) -> None:
    torch.save(backbone_entries(build_model("ritm-hrnet32")), tmp_path / "h.pth")
    before = {name: value.clone() for name, value in hrnet.state_dict().items()}
    with pytest.raises(CheckpointError, match=r"h\.pth: .*has shape \(32,.*expects \(18,"):
        load_backbone(hrnet, tmp_path / "h.pth")
    assert all(torch.equal(value, before[name]) for name, value in hrnet.state_dict().items())


def test_files_that_are_no_backbone(hrnet: InteractiveModel, tmp_path: Path) -> None:
    torch.save({"some.weight": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no entry fits"):
        load_backbone(hrnet, tmp_path / "x.pth")
    torch.save({"epoch": 3}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no tensors"):
        load_backbone(hrnet, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no file"):
        load_backbone(hrnet, tmp_path / "nothing.pth")


def test_a_model_without_encoder(tmp_path: Path) -> None:
    class Bare:
        architecture = "bare"

    with pytest.raises(ModelError, match="takes no backbone file"):
        load_backbone(Bare(), tmp_path / "x.pth")  # type: ignore[arg-type]
