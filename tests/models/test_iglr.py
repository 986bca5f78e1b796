from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from base import ModelContract
from deterministic_fill import golden_inputs
from golden_model import filled
from torch import Tensor

from clickwise.errors import CheckpointError, ModelError
from clickwise.models.backbones.mix_transformer import SIZES, MixTransformer, attend, our_entry
from clickwise.models.iglr import IglrModel
from clickwise.models.interface import InteractiveModel, gate_values
from clickwise.models.registry import build_model
from clickwise.weights.adapters import adapter_for_architecture
from clickwise.weights.load import load_model


@pytest.fixture(scope="module")
def b0() -> IglrModel:
    model = filled("iglr-segformer-b0")
    assert isinstance(model, IglrModel)
    return model


def stats(x: Tensor) -> list[float]:
    x = x.double()
    return [x.mean().item(), x.std(unbiased=False).item(), x.min().item(), x.max().item()]


def close(found: Tensor | list[float], expected: np.ndarray[Any, Any], atol: float = 1e-4) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, atol=atol, rtol=1e-4)


def tensors() -> tuple[Tensor, Tensor, Tensor]:
    given = {name: torch.from_numpy(value) for name, value in golden_inputs(256, 256).items()}
    return given["image"], given["prev_mask"], given["points"]


@pytest.mark.parametrize("gate", [0, 1])
@torch.no_grad()
def test_golden_coarse_stage(b0: IglrModel, gate: int, golden: Path) -> None:
    expected = np.load(golden / "iglr_segformer_b0.npz")
    seen: dict[str, Any] = {}
    hooks = [
        b0.fusion.register_forward_hook(lambda module, given, out: seen.update(maps=out)),
        b0.fusion.norm.register_forward_hook(lambda module, given, out: seen.update(fused=out)),
        b0.head.register_forward_hook(lambda module, given, out: seen.update(small=out[0])),
    ]
    out = b0(*tensors(), gate=float(gate))
    for hook in hooks:
        hook.remove()
    for level, numbers in zip(seen["maps"], expected[f"gate{gate}_stage_stats"], strict=True):
        close(stats(level), numbers, atol=1e-3)
    close(seen["fused"][0, ::16, ::8], expected[f"gate{gate}_fusion_sub"])
    close(out.feature[0, ::16, ::8, ::8], expected[f"gate{gate}_feature_sub"])
    close(seen["small"][0, 0], expected[f"gate{gate}_logits_quarter"])
    close(out.logits[0, 0, ::8, ::8], expected[f"gate{gate}_logits_sub8"])
    close(stats(out.logits), expected[f"gate{gate}_logits_stats"])
    assert out.coarse_logits is out.logits


@torch.no_grad()
def test_golden_refiner(b0: IglrModel, golden: Path) -> None:
    expected = np.load(golden / "iglr_segformer_b0.npz")
    image, prev_mask, points = tensors()
    out = b0(image, prev_mask, points, gate=1.0)
    x1, y1, x2, y2 = (int(v) for v in expected["roi_xyxy"])
    window = F.interpolate(image[..., y1:y2, x1:x2], size=(256, 256), mode="bilinear", align_corners=True)
    roi = torch.tensor([[0.0, x1, y1, x2, y2]])
    found = b0.refine(window, torch.from_numpy(expected["points_focus"]), out.feature, out.logits, roi)
    for name, logits in zip(("refined", "trimap", "coarse_crop"), found, strict=True):
        assert logits.shape == (1, 1, 256, 256)
        close(logits[0, 0, ::4, ::4], expected[f"{name}_sub4"])
        close(stats(logits), expected[f"{name}_stats"])


@torch.no_grad()
def test_refine_takes_windows_of_any_item(b0: IglrModel) -> None:
    image, prev_mask, points = ModelContract.inputs(64, 96, batch=2)
    out = b0(image, prev_mask, points)
    roi = torch.tensor([[1.0, 8, 4, 72, 60], [0.0, 0, 0, 96, 64]])
    windows, hints = torch.rand(2, 3, 64, 64), points.flip(0)
    both = b0.refine(windows, hints, out.feature, out.logits, roi)
    for k in range(2):
        alone = b0.refine(windows[k : k + 1], hints[k : k + 1], out.feature, out.logits, roi[k : k + 1])
        for found, expected in zip(alone, both, strict=True):
            assert torch.allclose(found[0], expected[k], atol=1e-4)
    with pytest.raises(ModelError, match="as many of each"):
        b0.refine(windows, hints, out.feature, out.logits, roi[:1])


def test_names_and_shapes_of_b3(golden: Path) -> None:
    with torch.device("meta"):
        model = build_model("iglr-segformer-b3")
    adapter = adapter_for_architecture("iglr-segformer-b3")
    assert adapter is not None
    published = json.loads((golden / "iglr_segformer_b3.json").read_text())
    unused = {name: shape for name, shape in published.items() if adapter.never_runs(adapter.our_name(name))}
    assert set(unused) == {name for name in published if name.startswith("maps_transform.")}
    ours = {adapter.published_name(name): list(value.shape) for name, value in model.state_dict().items()}
    assert ours == {name: shape for name, shape in published.items() if name not in unused}
    assert all(adapter.our_name(adapter.published_name(name)) == name for name in model.state_dict())
    assert adapter.identify(None, {name: tuple(shape) for name, shape in published.items()}) == "iglr-segformer-b3"
    assert model.parameter_count == pytest.approx(49.03e6, rel=2e-3)


def test_parameters_of_b0(b0: IglrModel) -> None:
    assert b0.parameter_count == pytest.approx(4.63e6, rel=2e-3)
    assert sum(p.numel() for p in b0.refiner.parameters()) == pytest.approx(0.080e6, rel=0.01)


@pytest.mark.parametrize("with_unused", [True, False])
def test_published_file_loads(b0: IglrModel, with_unused: bool, tmp_path: Path) -> None:
    adapter = adapter_for_architecture("iglr-segformer-b0")
    assert adapter is not None
    entries = {adapter.published_name(name): value for name, value in b0.state_dict().items()}
    if with_unused:
        entries |= {"maps_transform.0.weight": torch.zeros(16, 3, 3, 3), "maps_transform.3.scale": torch.zeros(1)}
    torch.save({"config": {"class": "somewhere.Unknown", "params": {}}, "state_dict": entries}, tmp_path / "x.pth")
    loaded = load_model(tmp_path / "x.pth", architecture="iglr-segformer-b0")
    assert all(torch.equal(value, b0.state_dict()[name]) for name, value in loaded.state_dict().items())
    with pytest.raises(CheckpointError, match="iglr-segformer-b0"):
        load_model(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"missing .*feature_extractor\.backbone|of another shape"):
        load_model(tmp_path / "x.pth", architecture="iglr-segformer-b3")


class TestIglrB0(ModelContract):
    architecture = "iglr-segformer-b0"
    sizes: ClassVar = ((64, 96), (37, 83), (33, 50))

    def test_trains(self) -> None:
        """As for every model, with the refiner, which the forward pass leaves out."""
        model = self.build().train()
        assert isinstance(model, IglrModel)
        image, prev_mask, points = self.inputs(64, 96, batch=2)
        out = model(image, prev_mask, points, gate=1.0)
        assert out.feature is not None
        roi = torch.tensor([[0.0, 8, 4, 72, 60], [1.0, 0, 0, 96, 64]])
        refined, boundary, _ = model.refine(image[..., :64], points, out.feature, out.logits, roi)
        (out.logits.square().mean() + refined.square().mean() + boundary.square().mean()).backward()
        silent = [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
        assert not silent
        names = [name for name, _ in model.named_parameters()]
        assert all(any(name.startswith(f"{prefix}.") for name in names) for prefix in model.lr_multipliers)


@torch.no_grad()
def test_gate_is_decided_per_item() -> None:
    model = TestIglrB0.build()
    image, prev_mask, points = ModelContract.inputs(40, 48, batch=2)
    points[0] = -1.0
    points[0, 0] = torch.tensor([5.0, 7.0, 0.0])
    assert gate_values(None, points).tolist() == [0.0, 1.0]
    decided = model(image, prev_mask, points).logits
    given = model(image, prev_mask, points, gate=torch.tensor([0.0, 1.0])).logits
    assert torch.equal(decided, given)
    assert torch.allclose(decided[0], model(image, None, points, gate=0.0).logits[0], atol=1e-5)
    assert not torch.allclose(decided[0], model(image, prev_mask, points, gate=1.0).logits[0], atol=1e-5)
    with pytest.raises(ModelError, match=r"one per item \(2,\)"):
        model(image, prev_mask, points, gate=torch.zeros(3))


def test_attention_maps_and_fused_kernel_agree() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 12, 8), torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    maps: list[Tensor] = []
    bias = torch.randn(2, 1, 12, 5)
    explicit = attend(query, key, value, 2, maps=maps, bias=bias)
    assert torch.allclose(explicit, attend(query, key, value, 2, bias=bias), atol=1e-6)
    assert not torch.allclose(explicit, attend(query, key, value, 2), atol=1e-2)
    assert maps[0].shape == (2, 2, 12, 5)
    assert torch.allclose(maps[0].sum(-1), torch.ones(2, 2, 12))


def test_plain_backbone_starts_from_a_public_file() -> None:
    torch.manual_seed(0)
    source, target = MixTransformer(SIZES["b0"]), MixTransformer(SIZES["b0"])
    adapter = adapter_for_architecture("iglr-segformer-b0")
    assert adapter is not None
    prefix = "feature_extractor.backbone."
    public = {
        adapter.published_name(f"backbone.{name}").removeprefix(prefix): value
        for name, value in source.state_dict().items()
    }
    assert "block1.0.attn.sr.weight" in public
    assert all(our_entry(name) in source.state_dict() for name in public)
    report = target.load_imagenet({**public, "head.weight": torch.zeros(1000, 256)})
    assert report.ignored == ("head.weight",)
    assert not report.kept
    maps = target.eval()(torch.rand(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [(32, 16, 24), (64, 8, 12), (160, 4, 6), (256, 2, 3)]


def test_stochastic_depth_leaves_items_out_in_training_only() -> None:
    torch.manual_seed(0)
    model = build_model("iglr-segformer-b0", drop_path=0.9)
    assert isinstance(model, InteractiveModel)
    inputs = ModelContract.inputs(40, 48)
    with torch.no_grad():
        assert torch.equal(model(*inputs).logits, model(*inputs).logits)
        blocks = model.backbone.stage(3).train()
        x = torch.rand(64, 4, 256)
        branch = blocks.blocks[1]._dropped(x)
    dropped = (branch == 0).flatten(1).all(dim=1)
    assert 40 <= int(dropped.sum()) <= 63
    assert torch.allclose(branch[~dropped], x[~dropped] / 0.1, rtol=1e-4)
    with pytest.raises(ModelError, match="drop_path"):
        build_model("iglr-segformer-b0", drop_path=1.0)
