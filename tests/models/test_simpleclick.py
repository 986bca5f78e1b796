from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from base import ModelContract
from deterministic_fill import fill_value, golden_inputs
from golden_model import filled
from torch import Tensor

from clickwise.errors import CheckpointError, OptionError
from clickwise.models.backbones.vit import Attention, Windows, resized_positions
from clickwise.models.complexity import complexity, shape_only
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model, get_architecture
from clickwise.weights.adapters import adapter_for_architecture
from clickwise.weights.load import load_model

PUBLISHED = {
    "simpleclick-vit-xtiny": "xtiny",
    "simpleclick-vit-b": "base",
    "simpleclick-vit-l": "large",
    "simpleclick-vit-h": "huge",
    "cfr-icl-vit-h": "huge",
}
STAGES = {
    "patch_embed_coords": "click_embed",
    "backbone.patch_embed": "backbone.patch_embed",
    "neck.down_4": "neck.down_4",
    "neck.down_8": "neck.down_8",
    "neck.down_16": "neck.down_16",
    "neck.down_32": "neck.down_32",
}
"""Published stage -> the module of ours with the same output."""


class TestXtiny(ModelContract):
    architecture = "simpleclick-vit-xtiny"
    sizes = ((64, 96), (464, 240), (48, 80))


class TestXtinyWithoutPreviousMask(TestXtiny):
    params = {"with_prev_mask": False, "image_size": [224, 224], "upsample": 2}  # noqa: RUF012
    exportable = False  # the same graph as above; tracing is slow


class TestXtinyUpsampledFourTimes(TestXtiny):
    params = {"upsample": 4, "head_channels": 32, "global_attention": True}  # noqa: RUF012
    exportable = False  # the same graph as above; tracing is slow


def published_shapes(size: str, golden: Path) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = json.loads((golden / f"simpleclick_vit_{size}.json").read_text())
    return shapes


@pytest.mark.parametrize("architecture", ["simpleclick-vit-xtiny", "simpleclick-vit-b"])
@torch.no_grad()
def test_golden_outputs(architecture: str, golden: Path) -> None:
    model = filled(architecture)
    expected = np.load(golden / f"simpleclick_vit_{PUBLISHED[architecture]}.npz")
    stages: dict[str, Tensor] = {}
    for name, ours in STAGES.items():
        model.get_submodule(ours).register_forward_hook(
            lambda module, inputs, out, name=name: stages.update({name: out.detach()})
        )
    for height, width in ((672, 448), (448, 448)):
        tensors = {name: torch.from_numpy(value) for name, value in golden_inputs(height, width).items()}
        logits = model(tensors["image"], tensors["prev_mask"], tensors["points"]).logits.numpy()
        for name, numbers in zip(
            expected[f"stage_names_{height}x{width}"], expected[f"stage_mean_std_absmax_{height}x{width}"], strict=True
        ):
            if name in stages:
                x = stages[name]
                found = [x.mean(), x.std(), x.abs().max()]
                np.testing.assert_allclose(found, numbers, rtol=1e-3, atol=1e-4, err_msg=f"first difference at {name}")
        assert np.abs(logits[:, :, ::8, ::8] - expected[f"instances_sub8_{height}x{width}"]).max() <= 1e-4
        stats = logits.mean(), logits.std(), logits.min(), logits.max()
        np.testing.assert_allclose(stats, expected[f"instances_stats_{height}x{width}"], atol=1e-4)


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_names_and_shapes_of_all_sizes(architecture: str, golden: Path) -> None:
    with torch.device("meta"):
        state = build_model(architecture).state_dict()
    adapter = adapter_for_architecture(architecture)
    assert adapter is not None
    published = published_shapes(PUBLISHED[architecture], golden)
    ours = {adapter.published_name(name): list(value.shape) for name, value in state.items()}
    assert ours == {name: shape for name, shape in published.items() if not adapter.never_runs(adapter.our_name(name))}
    assert all(adapter.our_name(adapter.published_name(name)) == name for name in state)
    assert all(adapter.published_name(adapter.our_name(name)) == name for name in published)
    dead = sorted(published.keys() - ours.keys())
    assert {".".join(name.split(".")[:2]) for name in dead} == {
        "backbone.cls_token",
        "backbone.fc_norm",
        "backbone.head",
        "head.up_conv1",
        "head.up_conv2",
    }


@pytest.mark.parametrize(
    ("architecture", "millions", "published_giga"),
    [
        ("simpleclick-vit-xtiny", 3.85, 4.96),
        ("simpleclick-vit-b", 97.07, 80.76),
        ("cfr-icl-vit-h", 660.7, 700.0),
    ],
)
def test_parameters_and_multiply_adds(architecture: str, millions: float, published_giga: float) -> None:
    parameters, multiply_adds = complexity(get_architecture(architecture))
    assert parameters / 1e6 == pytest.approx(millions, abs=0.1)
    assert multiply_adds is not None
    # Published: the head's fusing convolution runs at the finest size for all four levels, ours at each level's own.
    width = shape_only(architecture).head.fuse.out_channels
    grids = [(448 // stride) ** 2 for stride in (4, 8, 16, 32)]
    saved = sum(grids[0] - grid for grid in grids) * width**2
    assert (multiply_adds + saved) / 1e9 == pytest.approx(published_giga, rel=0.005)


def published_file(golden: Path, path: Path, *, without: tuple[str, ...] = (), config: Any = None) -> Path:
    """An xtiny file as it is published: all entries, dead ones too."""
    entries = {
        name: fill_value(name, torch.zeros(shape))
        for name, shape in published_shapes("xtiny", golden).items()
        if not name.startswith(without or ("-",))
    }
    torch.save({"config": config, "state_dict": entries}, path)
    return path


@torch.no_grad()
@pytest.mark.parametrize("without", [(), ("backbone.cls_token", "backbone.fc_norm", "backbone.head", "head.up_conv")])
def test_published_file_with_or_without_dead_entries(without: tuple[str, ...], golden: Path, tmp_path: Path) -> None:
    path = published_file(golden, tmp_path / "xtiny.pth", without=without)
    loaded = load_model(path, architecture="simpleclick-vit-xtiny")
    inputs = ModelContract.inputs(64, 96)
    assert torch.equal(loaded(*inputs).logits, filled("simpleclick-vit-xtiny")(*inputs).logits)


def test_published_file_lacking_what_runs(golden: Path, tmp_path: Path) -> None:
    path = published_file(golden, tmp_path / "short.pth", without=("head.fusion_conv",))
    with pytest.raises(
        CheckpointError, match=r"2 missing \(head.fusion_conv.conv.bias, head.fusion_conv.conv.weight\)"
    ):
        load_model(path, architecture="simpleclick-vit-xtiny")


def test_config_decides(golden: Path, tmp_path: Path) -> None:
    def param(value: Any) -> dict[str, Any]:
        return {"type": "builtin", "value": value, "specified": True}

    config = {
        "class": "isegm.model.is_plainvit_model.PlainVitModel",
        "params": {
            "backbone_params": param({"img_size": [448, 448], "embed_dim": 160, "depth": 8}),
            "norm_radius": param(3),
            "use_disks": param(True),
            "random_split": param(True),
        },
    }
    path = published_file(golden, tmp_path / "configured.pth", config=config)
    model = load_model(path)
    assert model.architecture == "simpleclick-vit-xtiny"
    assert (model.params["click_radius"], model.params["global_attention"]) == (3.0, True)
    with pytest.raises(CheckpointError, match="config says simpleclick-vit-xtiny, not simpleclick-vit-b"):
        load_model(path, architecture="simpleclick-vit-b")
    with pytest.raises(CheckpointError, match="looks like architecture='simpleclick-vit-xtiny'"):
        load_model(published_file(golden, tmp_path / "bare.pth"))


def test_published_config_of_the_release(golden: Path) -> None:
    from clickwise.weights.published import read_published

    file = read_published(golden / "checkpoint_format_vit.pth")
    adapter = adapter_for_architecture("simpleclick-vit-b")
    assert adapter is not None
    assert file.config is not None
    assert adapter.identify(file.config, {}) == "simpleclick-vit-b"
    shapes = {name: tuple(shape) for name, shape in published_shapes("base", golden).items()}
    assert adapter.identify(None, shapes) == "simpleclick-vit-b"
    own = {**get_architecture("simpleclick-vit-b").params}
    assert {**own, **adapter.params(file.config, shapes)} == own
    assert {**own, **adapter.params(None, shapes)} == own


def test_a_huge_file_is_that_of_both_architectures(golden: Path) -> None:
    adapter = adapter_for_architecture("cfr-icl-vit-h")
    shapes = {name: tuple(shape) for name, shape in published_shapes("huge", golden).items()}
    assert adapter is not None
    assert adapter.identify(None, shapes) == adapter.same_network["cfr-icl-vit-h"] == "simpleclick-vit-h"  # type: ignore[attr-defined]
    assert build_on_meta("cfr-icl-vit-h").inference_defaults.chain == "cascade"
    assert build_on_meta("simpleclick-vit-h").inference_defaults.chain == "zoom_flip"


def build_on_meta(architecture: str) -> InteractiveModel:
    with torch.device("meta"):
        return build_model(architecture)


@torch.no_grad()
def test_mae_file_starts_the_backbone(tmp_path: Path) -> None:
    from clickwise.weights.backbone_files import load_backbone

    model = build_model("simpleclick-vit-xtiny")
    width = 160
    entries = {name: fill_value(name, value) for name, value in model.backbone.state_dict().items()}  # type: ignore[union-attr,operator]
    small = torch.randn(1, 1 + 14 * 14, width)
    entries |= {"pos_embed": small, "cls_token": torch.zeros(1, 1, width), "norm.weight": torch.ones(width)}
    torch.save({"model": entries}, tmp_path / "mae.pth")
    report = load_backbone(model, tmp_path / "mae.pth")
    assert report is not None
    assert report.ignored == ("cls_token", "norm.weight")
    assert report.kept == ()
    backbone = model.backbone
    assert torch.equal(backbone.blocks[3].attn.qkv.weight, entries["blocks.3.attn.qkv.weight"])  # type: ignore[union-attr,index]
    grown = resized_positions(small[:, 1:], (14, 14), (28, 28)).flatten(1, 2)
    assert torch.equal(backbone.pos_embed[:, 1:], grown)  # type: ignore[union-attr,index]
    torch.save({"model": {**entries, "pos_embed": torch.randn(1, 8, width)}}, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match="square number"):
        load_backbone(model, tmp_path / "odd.pth")


@pytest.mark.parametrize(
    ("grid", "patch", "count"),
    [
        ((28, 28), 16, (2, 2)),
        ((42, 28), 16, (3, 2)),
        ((64, 64), 16, (4, 4)),
        ((32, 48), 14, (2, 3)),
        ((3, 5), 16, (1, 1)),  # below one window
        ((29, 45), 16, (1, 3)),  # a prime: one window; 45 = 3 windows of 15
        ((50, 28), 16, (2, 2)),  # 3 does not divide 50
    ],
)
def test_windows(grid: tuple[int, int], patch: int, count: tuple[int, int]) -> None:
    windows = Windows.of(grid, patch)
    assert windows.count == count
    tokens = torch.arange(2 * grid[0] * grid[1] * 3.0).reshape(2, *grid, 3)
    cut = windows.split(tokens)
    assert torch.equal(windows.join(cut), tokens)
    high, wide = grid[0] // count[0], grid[1] // count[1]
    assert torch.equal(cut[0], tokens[0, :high, :wide].reshape(-1, 3))
    assert torch.equal(cut[-1], tokens[1, -high:, -wide:].reshape(-1, 3))


@torch.no_grad()
def test_attention_equals_the_formula() -> None:
    torch.manual_seed(0)
    attention = Attention(width=12, heads=3)
    tokens = torch.randn(2, 5, 12)
    query, key, value = attention.qkv(tokens).view(2, 5, 3, 3, 4).permute(2, 0, 3, 1, 4)
    weights = (query @ key.transpose(2, 3) / 4**0.5).softmax(3)
    expected = attention.proj((weights @ value).transpose(1, 2).reshape(2, 5, 12))
    assert torch.allclose(attention(tokens), expected, atol=1e-6)


@torch.no_grad()
def test_the_order_of_sizes_does_not_matter() -> None:
    model = TestXtiny.build()
    first = ModelContract.inputs(64, 96)
    before = model(*first).logits
    model(*ModelContract.inputs(96, 48))
    assert torch.equal(model(*first).logits, before)


def test_wrong_options_are_errors() -> None:
    for params in (
        {"image_size": [448]},
        {"image_size": [450, 448]},
        {"neck_channels": [8, 8]},
        {"click_maps": "squares"},
        {"click_radius": 0},
        {"upsample": 3},
        {"norm_mean": [0.5]},
    ):
        with pytest.raises(OptionError):
            build_model("simpleclick-vit-xtiny", **params)
