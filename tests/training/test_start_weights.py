"""What training starts from: public encoder files, whole earlier weights, and what is said when they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clickwise.errors import CheckpointError, UnknownModelError, WeightsMissingError
from clickwise.models.backbones.swin import Swin
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model
from clickwise.recipes import FAMILIES, get_recipe
from clickwise.training.data import Places
from clickwise.training.launch import RunOptions
from clickwise.training.recipe import ModelPart
from clickwise.training.start_weights import PUBLISHED_KEYS, load_start
from clickwise.weights.checkpoint import save_checkpoint

VIT: dict[str, Any] = {"image_size": [64, 64]}
SWIN: dict[str, Any] = {"width": 16, "depths": [2, 2, 2, 2], "heads": [1, 2, 4, 8], "window": 4}


def built(architecture: str, seed: int = 0, **params: Any) -> InteractiveModel:
    torch.manual_seed(seed)
    return build_model(architecture, **params)


def mae_file(path: Path, model: InteractiveModel) -> dict[str, Tensor]:
    """A public MAE file as the pre-training publishes it: under "model", 14 x 14 positions, norm and class token."""
    torch.manual_seed(9)
    own = model.get_submodule("backbone").state_dict()
    entries = {name: torch.randn_like(value) for name, value in own.items() if name != "pos_embed"}
    width = own["pos_embed"].shape[2]
    entries |= {"pos_embed": torch.randn(1, 197, width), "cls_token": torch.zeros(1, 1, width)}
    entries |= {"norm.weight": torch.ones(width), "norm.bias": torch.zeros(width)}
    torch.save({"model": entries}, path)
    return entries


# Encoder


def test_a_file_that_config_yml_names_wins(tmp_path: Path) -> None:
    model = built("simpleclick-vit-xtiny", **VIT)
    entries = mae_file(tmp_path / "elsewhere.pth", model)
    (tmp_path / "config.yml").write_text("IMAGENET_PRETRAINED_MODELS: {MAE_BASE: elsewhere.pth, MAE_LARGE: ''}\n")
    places = RunOptions(tmp_path / "data", config=tmp_path / "config.yml").places()
    part = ModelPart(architecture="simpleclick-vit-xtiny", encoder_weights="weights/mae_pretrain_vit_base.pth")
    load_start(model, part, places)
    assert torch.equal(model.state_dict()["backbone.blocks.3.mlp.fc1.weight"], entries["blocks.3.mlp.fc1.weight"])
    with pytest.raises(CheckpointError, match="mae_pretrain_vit_large"):
        load_start(model, part.model_copy(update={"encoder_weights": "weights/mae_pretrain_vit_large.pth"}), places)


def test_every_file_of_the_table_is_asked_for_by_a_recipe() -> None:
    asked = {get_recipe(name).model.encoder_weights for family in FAMILIES.values() for name in family}
    assert {f"weights/{file}" for file in PUBLISHED_KEYS} <= asked


@pytest.mark.parametrize("architecture", ["simpleclick-vit-xtiny", "icmformer-vit-xtiny"])
@pytest.mark.parametrize("is_absolute", [False, True])
def test_mae_file(architecture: str, is_absolute: bool, tmp_path: Path) -> None:
    model = built(architecture, **VIT)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    entries = mae_file(tmp_path / "mae.pth", model)
    place = str(tmp_path / "mae.pth") if is_absolute else "mae.pth"
    load_start(model, ModelPart(architecture=architecture, encoder_weights=place), Places(tmp_path))
    state = model.state_dict()
    assert torch.equal(state["backbone.blocks.3.mlp.fc1.weight"], entries["blocks.3.mlp.fc1.weight"])
    assert torch.equal(state["backbone.patch_embed.proj.bias"], entries["patch_embed.proj.bias"])
    assert torch.equal(state["backbone.pos_embed"][:, 0], entries["pos_embed"][:, 0])
    assert not torch.equal(state["backbone.pos_embed"], before["backbone.pos_embed"])
    others = [name for name in state if not name.startswith("backbone.")]
    assert others
    assert all(torch.equal(state[name], before[name]) for name in others)


def test_swin_file(tmp_path: Path) -> None:
    model = built("icmformer-swin-s", **SWIN)
    public = Swin(width=16, depths=(2, 2, 2, 2), heads=(1, 2, 4, 8), window=7, drop_path=0.0).state_dict()
    torch.save({"model": {**public, "head.weight": torch.zeros(21841, 128)}}, tmp_path / "swin.pth")
    load_start(model, ModelPart(architecture="icmformer-swin-s", encoder_weights="swin.pth"), Places(tmp_path))
    found = model.state_dict()["backbone.layers.2.blocks.1.mlp.fc2.weight"]
    assert torch.equal(found, public["layers.2.blocks.1.mlp.fc2.weight"])


def test_an_encoder_file_of_another_size_or_none_at_all(tmp_path: Path) -> None:
    mae_file(tmp_path / "mae.pth", built("simpleclick-vit-xtiny", **VIT))
    model = built("icmformer-vit-b", width=64, depth=8, heads=2, neck_channels=[8, 8, 8, 8], **VIT)
    for name, words in (("mae.pth", "same backbone size"), ("gone.pth", "there is no file")):
        with pytest.raises(CheckpointError, match=f"encoder weights.*{words}"):
            load_start(model, ModelPart(architecture="icmformer-vit-b", encoder_weights=name), Places(tmp_path))


def test_nothing_is_needed_from_scratch(tmp_path: Path) -> None:
    model, other = built("simpleclick-vit-xtiny", **VIT), built("simpleclick-vit-xtiny", **VIT)
    load_start(model, ModelPart(architecture="simpleclick-vit-xtiny"), Places(tmp_path / "nowhere"))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


# Whole networks


@pytest.mark.parametrize("is_absolute", [False, True])
def test_own_weights(is_absolute: bool, tmp_path: Path) -> None:
    earlier, model = built("simpleclick-vit-xtiny", 1, **VIT), built("simpleclick-vit-xtiny", 2, **VIT)
    save_checkpoint(earlier, tmp_path / "earlier.safetensors", info={})
    place = str(tmp_path / "earlier.safetensors") if is_absolute else "earlier.safetensors"
    before = torch.get_rng_state()
    load_start(model, ModelPart(architecture="simpleclick-vit-xtiny", start_weights=place), Places(tmp_path))
    assert torch.equal(torch.get_rng_state(), before), "the seed alone decides what follows"
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), earlier.parameters(), strict=True))
    assert all(p.requires_grad for p in model.parameters())


def test_weights_of_another_name_for_the_same_network(tmp_path: Path) -> None:
    """CFR-ICL starts from SimpleClick's weights."""
    earlier, model = built("simpleclick-vit-xtiny", 1, **VIT), built("simpleclick-vit-xtiny", 2, **VIT)
    save_checkpoint(earlier, tmp_path / "e.safetensors", info={})
    part = ModelPart(architecture="cfr-icl-vit-h", start_weights="e.safetensors")
    load_start(model, part, Places(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), earlier.parameters(), strict=True))


def test_a_file_without_config(tmp_path: Path) -> None:
    earlier, model = built("clickwise-s", 1), built("clickwise-s", 2)
    torch.save(earlier.state_dict(), tmp_path / "bare.pth")
    load_start(model, ModelPart(architecture="clickwise-s", start_weights="bare.pth"), Places(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), earlier.parameters(), strict=True))


def test_bundled_weights_by_name(tmp_path: Path) -> None:
    model = built("clickwise-s")
    before = [p.clone() for p in model.parameters()]
    load_start(model, ModelPart(architecture="clickwise-s", start_weights="clickwise-s"), Places(tmp_path))
    assert not all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


def test_what_does_not_fit_is_refused_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CLICKWISE_MODEL_DIR", raising=False)
    save_checkpoint(built("simpleclick-vit-xtiny", 1, **VIT), tmp_path / "e.safetensors", info={})
    model = built("simpleclick-vit-xtiny", 2, image_size=[96, 96])
    before = [p.clone() for p in model.parameters()]
    cases: list[tuple[str, type[Exception], str]] = [
        ("e.safetensors", CheckpointError, r"e\.safetensors .*1 entries differ \(backbone\.pos_embed\).*model\.params"),
        ("gone.safetensors", CheckpointError, r"no file .*gone\.safetensors"),
        ("runs/gone", CheckpointError, r"no file .*runs/gone"),
        ("simpleclick-vit-z", UnknownModelError, "nearest"),
        ("clickwise-s", CheckpointError, "not of simpleclick-vit-xtiny|differ"),
        ("simpleclick-vit-h-cocolvis", WeightsMissingError, "clickwise download|not of"),
    ]
    for name, kind, words in cases:
        with pytest.raises(kind, match=words) as caught:
            load_start(model, ModelPart(architecture="simpleclick-vit-xtiny", start_weights=name), Places(tmp_path))
        assert "\n" not in str(caught.value)
    part = ModelPart(architecture="simpleclick-vit-h", start_weights="simpleclick-vit-h-cocolvis")
    with pytest.raises(WeightsMissingError, match=r"clickwise download.*model\.start_weights"):
        load_start(model, part, Places(tmp_path))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), before, strict=True))


def test_start_weights_win_over_an_encoder_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ``--weights`` did: no recipe has to be rid of its encoder file first. Paths count from here or the root."""
    earlier, model = built("clickwise-s", 1), built("clickwise-s", 2)
    here = tmp_path / "here"
    here.mkdir()
    torch.save(earlier.state_dict(), here / "earlier.pth")
    monkeypatch.chdir(here)
    part = ModelPart(architecture="clickwise-s", encoder_weights="missing.pth", start_weights="earlier.pth")
    load_start(model, part, Places(tmp_path / "elsewhere"))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), earlier.parameters(), strict=True))
