from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from base import ModelContract
from deterministic_fill import golden_inputs
from golden_model import filled
from torch import Tensor

from clickwise.errors import OptionError
from clickwise.models.heads.ocr import OcrHead
from clickwise.models.interface import InteractiveModel
from clickwise.models.registry import build_model
from clickwise.weights.adapters import adapter_for_architecture

VARIANTS = {
    "ritm_hrnet18s_itermask": ("ritm-hrnet18s", {"with_prev_mask": True}),
    "ritm_hrnet18_itermask": ("ritm-hrnet18", {"with_prev_mask": True}),
    "ritm_hrnet18_baseline": ("ritm-hrnet18", {"with_prev_mask": False}),
    "ritm_resnet34_baseline": ("ritm-resnet34", {"with_prev_mask": False}),
}
STAGES = {
    "feature_extractor.layer1": "backbone.layer1",
    "feature_extractor.stage2": "backbone.stage2",
    "feature_extractor.stage3": "backbone.stage3",
    "feature_extractor.stage4": "backbone.stage4",
    "feature_extractor.aux_head": "head.auxiliary",
    "feature_extractor.conv3x3_ocr": "head.pixels",
    "feature_extractor.ocr_distri_head": "head.dropout",
    "feature_extractor.backbone.layer1": "backbone.layer1",
    "feature_extractor.backbone.layer4": "backbone.layer4",
    "feature_extractor.skip_project": "decoder.skip",
    "feature_extractor.aspp": "decoder.aspp",
    "feature_extractor.head": "decoder",
}
"""Published stage -> the module of ours with the same output."""


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_golden_outputs(variant: str, golden: Path) -> None:
    architecture, params = VARIANTS[variant]
    model = filled(architecture, **params)
    expected = np.load(golden / f"{variant}.npz")
    stages: dict[str, Tensor] = {}
    for name, ours in STAGES.items():
        if ours in dict(model.named_modules()):
            model.get_submodule(ours).register_forward_hook(
                lambda module, inputs, out, name=name: stages.update({name: flat(out)})
            )
    for height, width in ((96, 128), (101, 135)):
        tensors = {name: torch.from_numpy(value) for name, value in golden_inputs(height, width).items()}
        out = model(tensors["image"], tensors["prev_mask"], tensors["points"])
        for name, numbers in zip(
            expected[f"stage_names_{height}x{width}"], expected[f"stage_mean_std_absmax_{height}x{width}"], strict=True
        ):
            if name in stages:
                x = stages[name]
                found = [x.mean(), x.std(), x.abs().max()]
                np.testing.assert_allclose(found, numbers, rtol=1e-3, atol=1e-4, err_msg=f"first difference at {name}")
        close(out.logits, expected[f"instances_{height}x{width}"])
        if out.aux_logits is not None:
            close(out.aux_logits, expected[f"instances_aux_{height}x{width}"])


def close(found: Tensor, expected: np.ndarray[Any, Any]) -> None:
    assert np.abs(found.numpy() - expected).max() <= 1e-4 * max(1.0, np.abs(expected).max())


def flat(out: Any) -> Tensor:
    maps = out if isinstance(out, list | tuple) else [out]
    return torch.cat([x.flatten() for x in maps])


class TestHRNet18s(ModelContract):
    architecture = "ritm-hrnet18s"

    @classmethod
    def tame(cls, model: InteractiveModel) -> None:
        """Random residual blocks let activations grow to logits of 1000, where OCR's softmax picks single pixels."""
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.constant_(module.weight, 0.5)


class TestHRNet18sWithoutPreviousMask(TestHRNet18s):
    params = {"with_prev_mask": False}  # noqa: RUF012
    exportable = False  # the same graph as above; tracing is slow


class TestResNet34(ModelContract):
    architecture = "ritm-resnet34"


def test_names_and_shapes_of_the_largest(golden: Path) -> None:
    """Its outputs are not among the golden files; the code is the same as that of the smaller ones."""
    with torch.device("meta"):
        state = build_model("ritm-hrnet32").state_dict()
    adapter = adapter_for_architecture("ritm-hrnet32")
    assert adapter is not None
    published = json.loads((golden / "ritm_hrnet32_itermask.json").read_text())
    assert {adapter.published_name(name): list(value.shape) for name, value in state.items()} == published
    assert all(adapter.our_name(adapter.published_name(name)) == name for name in state)


@pytest.mark.parametrize("architecture", ["ritm-hrnet18", "ritm-hrnet32"])
@torch.no_grad()
def test_larger_ones_run(architecture: str) -> None:
    model = build_model(architecture)
    out = model(torch.rand(1, 3, 40, 56), None, torch.full((1, 2, 3), -1.0))
    assert out.logits.shape == (1, 1, 40, 56)


@pytest.mark.parametrize(
    ("architecture", "count"),
    [
        ("ritm-hrnet18s", 4_220_047),
        ("ritm-hrnet18", 10_032_019),
        ("ritm-hrnet32", 30_951_363),
        ("ritm-resnet34", 23_350_930),
    ],
)
def test_parameter_counts_of_the_paper(architecture: str, count: int) -> None:
    with torch.device("meta"):
        assert build_model(architecture).parameter_count == count


@pytest.mark.parametrize(
    "params",
    [
        {"fusion": "conv_stem"},
        {"fusion": "rgb_stem", "leaky_relu": False},
        {"click_maps": "tanh", "click_radius": 260.0},
        {"ocr_width": 0},
        {"binary_prev_mask": True},
    ],
    ids=lambda params: next(iter(params)) + "=" + str(next(iter(params.values()))),
)
def test_variants_run_and_react_to_clicks(params: dict[str, Any]) -> None:
    model = TestHRNet18s.build(**params)
    image, prev_mask, points = ModelContract.inputs(40, 56)
    with torch.no_grad():
        logits = model(image, prev_mask, points).logits
        assert not torch.equal(logits, model(image, prev_mask, torch.full_like(points, -1.0)).logits)
    model.train()(*ModelContract.inputs(40, 56, batch=2)).logits.mean().backward()


def test_binary_mask_is_thresholded() -> None:
    model = TestHRNet18s.build(binary_prev_mask=True)
    image, prev_mask, points = ModelContract.inputs(40, 56)
    with torch.no_grad():
        assert torch.equal(
            model(image, prev_mask, points).logits, model(image, (prev_mask > 0.5).float(), points).logits
        )


@torch.no_grad()
def test_ocr_equals_the_full_attention() -> None:
    """The head skips what a single object makes inert; this is the whole computation as the paper describes it."""
    torch.manual_seed(0)
    head = OcrHead(in_channels=12, width=4).eval()
    features = torch.randn(2, 12, 5, 7)
    main, auxiliary = head(features)
    pixels = head.pixels(features)
    weights = auxiliary.flatten(2).softmax(2)
    objects = torch.einsum("bcn,bkn->bck", pixels.flatten(2), weights)[..., None]
    query = head.attention.query(pixels).flatten(2).transpose(1, 2)
    key = head.attention.key(objects).flatten(2)
    value = head.attention.value(objects).flatten(2).transpose(1, 2)
    similarity = (query @ key / 4**0.5).softmax(-1)
    context = head.attention.out((similarity @ value).transpose(1, 2).reshape(2, 4, 5, 7))
    merged = head.merge_norm(head.merge(torch.cat([context, pixels], 1))).relu()
    assert torch.allclose(head.classify(merged), main, atol=1e-5)


def test_training_multipliers_follow_the_recipe() -> None:
    from clickwise.training.optim import multiplier_of

    model = build_model("ritm-hrnet18s")
    rates = {name: multiplier_of(name, model.lr_multipliers) for name, _ in model.named_parameters()}
    assert rates["backbone.conv1.weight"] == 0.1
    assert rates["head.auxiliary.0.weight"] == rates["head.classify.weight"] == 0.1
    assert rates["head.pixels.0.weight"] == rates["head.merge.weight"] == rates["fusion.scale"] == 1.0


def test_initialisation() -> None:
    torch.manual_seed(0)
    model = build_model("ritm-hrnet18s")
    state = model.state_dict()
    weight = state["backbone.stage4.0.branches.3.0.conv1.weight"]
    assert weight.std().item() == pytest.approx((2 / (144 * 9)) ** 0.5, rel=0.02)
    assert state["fusion.scale"].item() == pytest.approx(0.05)
    assert state["backbone.bn1.weight"].unique().tolist() == [1.0]
    assert state["fusion.down.bias"].unique().tolist() == [0.0]


def test_wrong_options_are_errors() -> None:
    for params in ({"fusion": "none"}, {"click_maps": "squares"}, {"click_radius": 0}, {"norm_mean": [0.5]}):
        with pytest.raises(OptionError):
            build_model("ritm-hrnet18s", **params)
