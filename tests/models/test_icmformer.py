from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from base import ModelContract
from deterministic_fill import golden_inputs
from golden_model import filled
from torch import Tensor

from clickwise.errors import CheckpointError, OptionError
from clickwise.models.backbones.imagenet import DERIVED_ENDINGS
from clickwise.models.backbones.swin import Swin, WindowAttention, _barred_pairs
from clickwise.models.fusion.cross_attention import CrossBlock
from clickwise.models.icmformer import ICMFormerViT
from clickwise.models.interface import InteractiveModel, MapModel
from clickwise.models.registry import build_model
from clickwise.weights.adapters import adapter_for_architecture
from clickwise.weights.load import load_model

FILES = {
    "icmformer-vit-b": "icmformer_vit_base",
    "icmformer-vit-l": "icmformer_vit_large",
    "icmformer-vit-h": "icmformer_vit_huge",
    "icmformer-swin-s": "icmformer_swin_small",
    "icmformer-swin-b": "icmformer_swin_base",
}
PARAMETERS = {"vit-b": 126.38, "vit-l": 408.19, "vit-h": 819.62, "swin-s": 68.41, "swin-b": 121.46}
"""Millions, of all entries of the published files."""
TINY_VIT = {"width": 64, "depth": 8, "heads": 2, "image_size": [64, 64], "neck_channels": [16, 16, 32, 32]}
TINY_SWIN = {"width": 16, "depths": [2, 2, 2, 2], "heads": [1, 2, 4, 8], "window": 4, "drop_path": 0.0}


@torch.no_grad()
def logits_of(model: InteractiveModel, size: Any, seed: int = 0) -> Tensor:
    tensors = {name: torch.from_numpy(v) for name, v in golden_inputs(int(size[0]), int(size[1]), seed).items()}
    return model(tensors["image"], tensors["prev_mask"], tensors["points"]).logits


def check_logits(logits: Tensor, expected: Any) -> None:
    np.testing.assert_allclose(logits[0, 0, ::8, ::8].numpy(), expected["logits_sub8"], atol=1e-4, rtol=1e-4)
    values = logits.double()
    found = [values.mean(), values.std(correction=0), values.min(), values.max()]
    np.testing.assert_allclose(found, expected["logits_stats"], atol=1e-4)


def test_golden_swin_small(golden: Path) -> None:
    expected = np.load(golden / "icmformer_swin_small.npz")
    check_logits(logits_of(filled("icmformer-swin-s"), expected["size"]), expected)


@pytest.fixture(scope="module")
def vit_base() -> InteractiveModel:
    return filled("icmformer-vit-b")


def test_golden_vit_base(golden: Path, vit_base: InteractiveModel) -> None:
    expected = np.load(golden / "icmformer_vit_base.npz")
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, out: seen.setdefault(name, []).extend(out if isinstance(out, list) else [out])

    hooks = [
        vit_base.get_submodule(place).register_forward_hook(keep(place))
        for place in ("backbone.blocks.5", "cross.2", "backbone.blocks.11", "neck")
    ]
    logits = logits_of(vit_base, expected["size"])
    for hook in hooks:
        hook.remove()
    both = seen["backbone.blocks.5"][0]
    close = {"atol": 1e-3, "rtol": 1e-3}
    np.testing.assert_allclose(both[0, ::28, ::32], expected["image_tokens_after_block6"], **close)
    np.testing.assert_allclose(both[1, ::28, ::32], expected["click_tokens_after_block6"], **close)
    np.testing.assert_allclose(seen["cross.2"][0][:, ::14, ::32], expected["cross3_windows"], **close)
    np.testing.assert_allclose(seen["backbone.blocks.11"][0][0, ::28, ::32], expected["tokens_final"], **close)
    for level, numbers in zip(seen["neck"], expected["neck_stats"], strict=True):
        found = [level.mean(), level.std(correction=0), level.min(), level.max()]
        np.testing.assert_allclose(found, numbers, **close)
    check_logits(logits, expected)


def test_golden_vit_base_at_another_size(golden: Path, vit_base: InteractiveModel) -> None:
    """Positions are interpolated from the stored ones; the module is not changed by it."""
    before = vit_base.state_dict()["backbone.pos_embed"].clone()
    expected = np.load(golden / "icmformer_vit_base_672.npz")
    check_logits(logits_of(vit_base, expected["size"], seed=1), expected)
    assert torch.equal(vit_base.state_dict()["backbone.pos_embed"], before)


@pytest.mark.parametrize("architecture", FILES)
def test_names_and_shapes_of_the_release(architecture: str, golden: Path) -> None:
    """Every entry of ours is one of the release's, and what is left of the release never runs."""
    with torch.device("meta"):
        state = build_model(architecture).state_dict()
    adapter = adapter_for_architecture(architecture)
    assert adapter is not None
    listed = json.loads((golden / f"{FILES[architecture]}.json").read_text())
    published = {name: shape for name, shape in listed.items() if not name.endswith(DERIVED_ENDINGS)}
    ours = {adapter.published_name(name): list(value.shape) for name, value in state.items()}
    assert ours == {name: published[name] for name in ours}
    assert all(adapter.our_name(adapter.published_name(name)) == name for name in state)
    assert all(adapter.never_runs(adapter.our_name(name)) for name in published.keys() - ours.keys())
    assert not any(adapter.never_runs(name) for name in state)
    shapes = {name: tuple(shape) for name, shape in published.items()}
    assert adapter.identify(None, shapes) == architecture
    found = adapter.params(None, shapes)
    with torch.device("meta"):
        again = build_model(architecture, **found).state_dict()
    assert {name: value.shape for name, value in again.items()} == {name: value.shape for name, value in state.items()}
    count = sum(int(np.prod(shape)) for shape in published.values())
    assert count / 1e6 == pytest.approx(PARAMETERS[architecture.removeprefix("icmformer-")], abs=0.02)


class TestViT(ModelContract):
    architecture = "icmformer-vit-b"
    params: ClassVar[dict[str, Any]] = TINY_VIT
    sizes = ((64, 96), (96, 48), (32, 64))


class TestSwin(ModelContract):
    architecture = "icmformer-swin-s"
    params: ClassVar[dict[str, Any]] = {**TINY_SWIN, "head_channels": 32}
    sizes = ((64, 96), (65, 83), (33, 50))

    def test_one_pixel(self, model: InteractiveModel) -> None:
        with torch.no_grad():
            assert model(*self.inputs(1, 1)).logits.shape == (1, 1, 1, 1)

    def test_stochastic_depth_only_while_training(self) -> None:
        model = self.build(drop_path=0.9)
        inputs = self.inputs(32, 32)
        with torch.no_grad():
            assert torch.equal(model(*inputs).logits, model(*inputs).logits)
            model.train()
            assert not torch.equal(model(*inputs).logits, model(*inputs).logits)


@torch.no_grad()
def test_our_own_small_size() -> None:
    model = build_model("icmformer-vit-xtiny", image_size=[64, 64])
    assert isinstance(model, ICMFormerViT)
    assert len(model.cross) == 2
    assert model.parameter_count / 1e6 == pytest.approx(4.55, abs=0.01)
    inputs = torch.rand(1, 3, 64, 96), None, torch.full((1, 4, 3), -1.0)
    assert model(*inputs).logits.shape == (1, 1, 64, 96)


def test_a_published_file_loads_at_once(golden: Path, tmp_path: Path) -> None:
    """Entries that never run are there and are left out; window 7, as the SBD recipe has it, comes from the file."""
    adapter = adapter_for_architecture("icmformer-swin-s")
    assert adapter is not None
    with torch.device("meta"):
        state = build_model("icmformer-swin-s", window=7).state_dict()
    file = {adapter.published_name(name): torch.full(v.shape, 0.01) for name, v in state.items()}
    file |= {"backbone.patch_embed_coords.proj.bias": torch.zeros(96), "head.up_conv1.0.bias": torch.zeros(96)}
    file["backbone.layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49, dtype=torch.long)
    torch.save(file, tmp_path / "file.pth")
    model = load_model(tmp_path / "file.pth", architecture="icmformer-swin-s")
    assert model.params["window"] == 7
    index = model.get_submodule("backbone.layers.0.blocks.0.attn").relative_position_index
    assert index.unique().numel() == 13 * 13
    with pytest.raises(CheckpointError, match="icmformer-swin-s"):
        load_model(tmp_path / "file.pth")


@torch.no_grad()
def test_backbone_file_of_another_window() -> None:
    small = {"width": 8, "depths": (2, 2, 2, 2), "heads": (1, 1, 1, 1), "drop_path": 0.0}
    public = {**Swin(window=7, **small).state_dict(), "head.weight": torch.zeros(1000, 64)}
    ours = Swin(window=4, **small)
    report = ours.load_imagenet(public)
    assert "head.weight" in report.ignored
    assert torch.equal(ours.patch_embed.proj.weight, public["patch_embed.proj.weight"])
    table = "layers.0.blocks.0.attn.relative_position_bias_table"
    centre = public[table].view(13, 13)[6, 6]
    assert ours.state_dict()[table].view(7, 7)[3, 3] == pytest.approx(centre.item(), abs=0.02)


@torch.no_grad()
def test_windows_equal_a_slow_attention() -> None:
    """One window, pair by pair, from the formula softmax(q k / sqrt(d) + bias) v."""
    torch.manual_seed(0)
    module = WindowAttention(width=8, heads=2, window=3)
    tokens = torch.randn(1, 9, 8)
    query, key, value = module.qkv(tokens)[0].view(9, 3, 2, 4).unbind(1)
    table = module.relative_position_bias_table.view(5, 5, 2)
    out = torch.zeros(9, 2, 4)
    for head in range(2):
        for i in range(9):
            logits = torch.stack(
                [
                    query[i, head] @ key[j, head] / 2 + table[i // 3 - j // 3 + 2, i % 3 - j % 3 + 2, head]
                    for j in range(9)
                ]
            )
            out[i, head] = logits.softmax(0) @ value[:, head]
    assert torch.allclose(module(tokens, None), module.proj(out.reshape(1, 9, 8)), atol=1e-5)


def test_shifted_windows_bar_what_was_not_neighbour() -> None:
    barred = _barred_pairs((8, 8), 4, torch.device("cpu"))
    assert barred.shape == (4, 16, 16)
    assert not barred[0].any()
    last = barred[3].view(4, 4, 4, 4)
    assert last[0, 0, 1, 1] == 0
    assert last[0, 0, 2, 1] == last[0, 0, 1, 2] == last[1, 1, 2, 2] == -100


@torch.no_grad()
def test_cross_block_reads_the_image_and_keeps_the_interaction() -> None:
    torch.manual_seed(0)
    block = CrossBlock(width=8, heads=2, norm_eps=1e-6)
    clicks, image = torch.randn(1, 5, 8), torch.randn(1, 5, 8)
    own = block.norm1(clicks)
    reference = torch.nn.MultiheadAttention(8, 2, batch_first=True)
    expected = clicks
    for name, ask, answer in (("attn1", own, own), ("attn2", None, block.norm2(image))):
        attention = block.get_submodule(name)
        reference.in_proj_weight.copy_(attention.qkv.weight)
        reference.in_proj_bias.copy_(attention.qkv.bias)
        reference.out_proj.load_state_dict(attention.proj.state_dict())
        query = ask if ask is not None else block.norm2(expected)
        expected = expected + reference(query, answer, answer)[0]
    expected = expected + block.mlp(block.norm3(expected))
    assert torch.allclose(block(clicks, image), expected, atol=1e-5)


def test_both_can_be_entered_behind_the_click_maps() -> None:
    for test in (TestViT, TestSwin):
        model = test.build()
        assert isinstance(model, MapModel)


def test_wrong_options_are_errors() -> None:
    for params in (
        {"click_radius": 0},
        {"norm_mean": [0.5]},
        {"neck_channels": [1]},
        {"heads": 5},
        {"upsample": 3},
        {"image_size": [450, 448]},
    ):
        with pytest.raises(OptionError), torch.device("meta"):
            build_model("icmformer-vit-b", **params)
    with pytest.raises(OptionError, match="four numbers"):
        build_model("icmformer-swin-s", **{**TINY_SWIN, "depths": [2, 2]})
