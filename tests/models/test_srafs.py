from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from base import ModelContract
from deterministic_fill import golden_inputs
from golden_model import filled
from torch import Tensor

from clickwise.errors import CheckpointError, ModelError
from clickwise.losses.attention import affinity_loss, attention_weight_loss
from clickwise.losses.functional import normalized_focal_loss
from clickwise.models.fusion.attention_weights import agreement_bias, pooled_counts
from clickwise.models.interface import PointedMapModel
from clickwise.models.modulation import modulate
from clickwise.models.registry import build_model
from clickwise.models.srafs import SrafsModel, first_click, positive_counts
from clickwise.weights.adapters import adapter_for_architecture
from clickwise.weights.load import load_model


@pytest.fixture(scope="module")
def b0() -> SrafsModel:
    model = filled("srafs-segformer-b0", variant="released")
    assert isinstance(model, SrafsModel)
    return model


def stats(x: Tensor) -> list[float]:
    x = x.double()
    return [x.mean().item(), x.std(unbiased=False).item(), x.min().item(), x.max().item()]


def close(found: Tensor | list[float], expected: np.ndarray[Any, Any], atol: float = 1e-4, rtol: float = 1e-4) -> None:
    np.testing.assert_allclose(np.asarray(found), expected, atol=atol, rtol=rtol)


def golden_tensors(call: str) -> tuple[Tensor, Tensor, Tensor, float]:
    given = {name: torch.from_numpy(value) for name, value in golden_inputs(256, 256).items()}
    mask = torch.zeros_like(given["prev_mask"]) if call == "first" else given["prev_mask"]
    return given["image"], mask, given["points"], float(call == "next")


@pytest.mark.parametrize("call", ["next", "gate0", "first"])
@torch.no_grad()
def test_golden_network(b0: SrafsModel, call: str, golden: Path) -> None:
    file = np.load(golden / "srafs_segformer_b0.npz")
    expected = {name.removeprefix(f"{call}_"): file[name] for name in file.files if name.startswith(call)}
    *inputs, gate = golden_tensors(call)
    seen: dict[str, Any] = {}
    depth = b0.guided.depths[0]
    block = b0.backbone.stage(3).blocks[-1]
    hooks = [
        depth.norm.register_forward_hook(lambda module, given, out: seen.update(fused=out)),
        b0.guided.embed.register_forward_hook(lambda module, given, out: seen.update(guidance=out[8])),
        b0.head.register_forward_hook(lambda module, given, out: seen.update(small=out[0])),
        b0.guided.register_forward_hook(lambda module, given, out: seen.update(modulated=given[2][0, 1])),
        block.register_forward_hook(lambda module, given, kept, out: seen.update(kept), with_kwargs=True),
    ]
    out = b0(*inputs, gate=gate)
    close(out.logits[0, 0, ::8, ::8], expected["logits_sub8"])
    close(stats(out.logits), expected["logits_stats"])
    fields = b0.attention_fields(*inputs, gate=gate)
    for hook in hooks:
        hook.remove()
    close(seen["small"][0, 0], expected["logits_quarter"])
    close(seen["modulated"][::4, ::4], expected["modulated_sub4"])
    close(stats(seen["modulated"]), expected["modulated_stats"])
    close(seen["fused"][0, ::16, ::8], expected["fusion_sub"])
    close(seen["guidance"][0].flatten(1).T[::16, ::8], expected["guidance_sub"])
    assert fields.positive_clicks.tolist() == [2]
    assert fields.key_sizes == ((8, 8), (8, 8))
    close(fields.weights[0][0, 0, ::2, ::2], expected["attn_weight_stage2"])
    close(fields.weights[1][0, 0], expected["attn_weight_stage4"])
    last_block = seen["maps"][-1]
    close(last_block[0].mean(dim=0)[::4, ::4], expected["attn_stage4_block3_mean_heads_sub"])
    target = torch.zeros_like(out.logits)
    top, bottom, left, right = file["gt_box_y1y2x1x2"]
    target[..., top:bottom, left:right] = 1
    losses = [
        affinity_loss(out.logits, fields),
        attention_weight_loss(fields, target),
        normalized_focal_loss(out.logits, target, alpha=0.5, gamma=2.0),
    ]
    close([value.item() for value in losses], expected["losses_affinity_attnweight_nfl"], atol=0, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["srafs-segformer-b0", "srafs-segformer-b3"])
def test_names_and_shapes(architecture: str, golden: Path) -> None:
    with torch.device("meta"):
        model = build_model(architecture, variant="released")
    adapter = adapter_for_architecture(architecture)
    assert adapter is not None
    assert all(adapter.our_name(adapter.published_name(name)) == name for name in model.state_dict())
    ours = {adapter.published_name(name): list(value.shape) for name, value in model.state_dict().items()}
    if architecture.endswith("b3"):
        assert ours == json.loads((golden / "srafs_segformer_b3.json").read_text())
    shapes = {name: tuple(shape) for name, shape in ours.items()}
    assert adapter.identify(None, shapes) == architecture
    assert adapter.params(None, shapes) == {"variant": "released"}
    expected = {"srafs-segformer-b0": 6.33e6, "srafs-segformer-b3": 55.91e6}
    assert model.parameter_count == pytest.approx(expected[architecture], rel=1e-3)
    shapes["feature_extractor.backbone.patch_embed_side1.proj.weight"] = (48, 4, 7, 7)
    with pytest.raises(CheckpointError, match="48 channels"):
        adapter.identify(None, shapes)


def test_published_file_loads_as_released(b0: SrafsModel, tmp_path: Path) -> None:
    adapter = adapter_for_architecture("srafs-segformer-b0")
    assert adapter is not None
    entries = {adapter.published_name(name): value for name, value in b0.state_dict().items()}
    config = {"class": "somewhere.Unknown", "params": {}}
    torch.save({"config": config, "state_dict": entries}, tmp_path / "x.pth")
    loaded = load_model(tmp_path / "x.pth", architecture="srafs-segformer-b0")
    assert loaded.params["variant"] == "released"
    assert all(torch.equal(value, b0.state_dict()[name]) for name, value in loaded.state_dict().items())
    with pytest.raises(CheckpointError, match="srafs-segformer-b0"):
        load_model(tmp_path / "x.pth")
    for options in ({"architecture": "srafs-segformer-b3"}, {"architecture": "srafs-segformer-b0", "variant": "paper"}):
        with pytest.raises(CheckpointError, match=r"missing|of another shape"):
            load_model(tmp_path / "x.pth", **options)


def test_encoder_starts_from_a_public_file() -> None:
    model, source = build_model("srafs-segformer-b0"), build_model("iglr-segformer-b0")
    adapter = adapter_for_architecture("iglr-segformer-b0")
    assert isinstance(model, SrafsModel)
    assert adapter is not None
    prefix = "feature_extractor.backbone."
    backbone = {name: value for name, value in source.state_dict().items() if name.startswith("backbone.")}
    public = {adapter.published_name(name).removeprefix(prefix): value for name, value in backbone.items()}
    report = model.load_encoder({**public, "head.weight": torch.zeros(1000, 256)})
    assert report.ignored == ("head.weight",)
    assert not report.kept
    assert all(torch.equal(model.state_dict()[name], value) for name, value in backbone.items())


class TestSrafsPaper(ModelContract):
    architecture = "srafs-segformer-b0"
    sizes: ClassVar = ((64, 96), (37, 83), (33, 50))
    exportable: ClassVar = (
        False  # whether an item is at its first click; see test_export_of_the_network_behind_its_maps
    )


class TestSrafsReleased(TestSrafsPaper):
    params: ClassVar = {"variant": "released"}

    def test_trains(self) -> None:
        """As for every model, with the attention fields: the weights reach nothing else."""
        model = self.build().train()
        out = model(*self.inputs(64, 96, batch=2), gate=1.0)
        assert out.attention is not None
        loss = out.logits.square().mean() + sum(weight.square().mean() for weight in out.attention.weights)
        loss.backward()
        silent = [name for name, p in model.named_parameters() if p.grad is None or not torch.isfinite(p.grad).all()]
        assert not silent
        names = [name for name, _ in model.named_parameters()]
        assert all(any(name.startswith(f"{prefix}.") for name in names) for prefix in model.lr_multipliers)


VARIANTS = [TestSrafsPaper, TestSrafsReleased]


# First clicks and gates


@pytest.mark.parametrize("case", VARIANTS)
@torch.no_grad()
def test_first_and_later_clicks_share_a_batch(case: type[ModelContract]) -> None:
    """Item 0 is a first click, 1 a later one, 2 a first click on a given mask, 3 a later one without a mask."""
    model = case.build()
    image, prev_mask, points = case.inputs(40, 56, batch=4)
    points[(0, 2), 1:] = -1.0
    prev_mask[(0, 3),] = 0.0
    together = model(image, prev_mask, points).logits
    given = model(image, prev_mask, points, gate=torch.tensor([0.0, 1.0, 0.0, 1.0])).logits
    assert torch.equal(together, given)
    for i in range(4):
        one = slice(i, i + 1)
        alone = model(image[one], prev_mask[one], points[one]).logits
        case().same(together[one], alone)
        by_number = model(image[one], prev_mask[one], points[one], gate=float(i % 2)).logits
        assert torch.equal(alone, by_number)
    with pytest.raises(ModelError, match=r"one per item \(4,\)"):
        model(image, prev_mask, points, gate=torch.zeros(3))


@pytest.mark.parametrize("case", VARIANTS)
@torch.no_grad()
def test_a_first_click_is_two_passes(case: type[ModelContract]) -> None:
    model = case.build()
    assert isinstance(model, SrafsModel)
    image, _, points = case.inputs(40, 56)
    points[:, 1:] = -1.0
    runs: list[Any] = []
    hook = model.guided.register_forward_hook(lambda module, given, out: runs.append(given))
    out = model(image, None, points)
    hook.remove()
    (_, _, signal, counts, gate), (_, _, signal_2, counts_2, gate_2) = runs
    assert gate is None
    assert gate_2.tolist() == [1.0]
    assert not signal[:, :2].any()
    assert torch.equal(signal[:, 2:], signal_2[:, 2:])
    assert torch.equal(counts, counts_2)
    once = model.logits_from_maps(
        model.normalised(image), torch.cat([signal[:, :2], counts], dim=1), signal[:, 2:], 0.0
    ).logits
    assert torch.equal(signal_2[:, :1], torch.sigmoid(once))
    second = model(image, torch.sigmoid(once), points, gate=1.0).logits
    assert torch.equal(out.logits, second)
    # A gate above 0 means a later click, which is one pass even without a mask.
    assert not torch.equal(out.logits, model(image, None, points, gate=1.0).logits)


def test_both_passes_of_a_first_click_carry_gradient() -> None:
    model = TestSrafsPaper.build().train()
    assert isinstance(model, SrafsModel)
    image, _, points = ModelContract.inputs(40, 56, batch=2)
    answers: list[Tensor] = []
    hook = model.head.register_forward_hook(lambda module, given, out: answers.append(out[0]))
    out = model(image, None, points, gate=0.0)
    hook.remove()
    for answer in answers:
        answer.retain_grad()
    out.logits.square().mean().backward()
    assert len(answers) == 2
    for answer in answers:
        assert answer.grad is not None
        assert answer.grad.abs().max() > 0


def test_first_click_keeps_its_sign_or_becomes_positive() -> None:
    points = torch.full((3, 6, 3), -1.0)
    points[0, 1], points[0, 4] = torch.tensor([3.0, 4, 7]), torch.tensor([1.0, 1, 0])
    points[1, 4] = torch.tensor([0.0, 2, 5])
    kept, moved = first_click(points, as_positive=False), first_click(points, as_positive=True)
    assert kept[0, 1].tolist() == moved[0, 0].tolist() == [3, 4, 7]
    assert kept[1, 4].tolist() == moved[1, 0].tolist() == [0, 2, 5]
    assert (kept[..., 0] >= 0).sum(dim=1).tolist() == (moved[..., 0] >= 0).sum(dim=1).tolist() == [1, 1, 0]


# Attention


@torch.no_grad()
def test_attention_is_held_in_training_or_when_asked_for(b0: SrafsModel) -> None:
    inputs = ModelContract.inputs(64, 96, batch=2)
    assert b0(*inputs).attention is None
    fields = b0.attention_fields(*inputs)
    assert [tuple(m.shape) for m in fields.maps] == [(2, 8 * 12, 2 * 3), (2, 2 * 3, 2 * 3)]
    assert fields.key_sizes == ((2, 3), (2, 3))
    assert [tuple(w.shape) for w in fields.weights] == [(2, 1, 8, 12), (2, 1, 2, 3)]
    assert fields.positive_clicks.tolist() == [1, 2]
    for attention, weight in zip(fields.maps, fields.weights, strict=True):
        assert torch.allclose(attention.sum(-1), torch.ones_like(attention[..., 0]), atol=1e-5)
        assert (weight[0] == 1).all()
        assert weight[1].std() > 0.01
    trained = TestSrafsReleased.build().train()(*inputs).attention
    assert [tuple(m.shape) for m in trained.maps] == [tuple(m.shape) for m in fields.maps]


@pytest.mark.parametrize("case", VARIANTS)
@torch.no_grad()
def test_held_attention_and_fused_kernel_give_the_same_answer(case: type[ModelContract]) -> None:
    model = case.build()
    assert isinstance(model, SrafsModel)
    image, prev_mask, points = case.inputs(64, 96, batch=2)
    held = model._answer(image, prev_mask, points, None, keep_attention=True).logits
    case().same(held, model(image, prev_mask, points).logits)


@torch.no_grad()
def test_weights_change_the_attention_in_the_paper_variant_only() -> None:
    inputs = ModelContract.inputs(64, 96, batch=2)
    for case, matters in ((TestSrafsPaper, True), (TestSrafsReleased, False)):
        model = case.build()
        assert isinstance(model, SrafsModel)
        before = model(*inputs).logits
        for module in model.guided.weights:
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter))
        after = model(*inputs).logits
        # Item 0 has one positive click: its weights are 1, whatever the branch computes.
        assert torch.allclose(after[0], before[0], atol=1e-5)
        assert (not torch.allclose(after[1], before[1], atol=1e-5)) == matters


def test_agreement_bias_multiplies_attention_by_the_chance_of_one_side() -> None:
    torch.manual_seed(0)
    weights, scores = torch.rand(2, 1, 4, 6), torch.randn(2, 1, 24, 6)
    found = torch.softmax(scores + agreement_bias(weights, 2), dim=-1)
    keys = weights.unfold(2, 2, 2).unfold(3, 2, 2).mean(dim=(4, 5))
    for item in range(2):
        for i, u in enumerate(weights[item].flatten().tolist()):
            plain = torch.softmax(scores[item, 0, i], dim=-1)
            chance = torch.tensor([u * v + (1 - u) * (1 - v) for v in keys[item].flatten().tolist()])
            assert torch.allclose(found[item, 0, i], plain * chance / (plain * chance).sum(), atol=1e-6)
    for even in (torch.ones(1, 1, 4, 4), torch.full((1, 1, 4, 4), 0.5)):
        assert agreement_bias(even, 2).std() < 1e-6
    assert torch.isfinite(agreement_bias(torch.tensor([[[[1.0, 0.0]]]]), 1)).all()


def test_clicks_are_counted_per_token() -> None:
    points = torch.full((2, 6, 3), -1.0)
    places = [(0.0, 0.0), (7.9, 8.0), (40.0, -0.4)]
    for row, place in enumerate(places):
        points[0, row] = torch.tensor([*place, row])
        points[0, 3 + row] = torch.tensor([9.0, 9.0, row])
    counts = positive_counts(points, (37, 21))
    assert counts.sum(dim=(1, 2, 3)).tolist() == [3, 0]
    tokens = pooled_counts(counts, (5, 3), 8)
    expected = torch.zeros(5, 3)
    for y, x in ((0, 0), (0, 1), (36 // 8, 0)):
        expected[y, x] += 1
    assert torch.equal(tokens[0, 0], expected)


# Entrances and lists


@pytest.mark.parametrize("case", VARIANTS)
@torch.no_grad()
def test_behind_its_maps_it_is_the_same_network(case: type[ModelContract]) -> None:
    model = case.build()
    assert isinstance(model, PointedMapModel)
    image, prev_mask, points = case.inputs(64, 96, batch=2)
    prev_mask[0] = 0
    points[0, 1:] = -1
    normalised = model.normalised(image)
    masks, gate = model.mask_maps(normalised, prev_mask, points, None)
    assert masks.shape == (2, 3, 64, 96)
    clicks = model.click_maps(points, (64, 96))
    found = model.logits_from_maps(normalised, masks, clicks, gate).logits
    assert torch.equal(found, model(image, prev_mask, points).logits)


class BehindMaps(torch.nn.Module):
    """What is exported where the first click's two passes are told apart outside."""

    def __init__(self, model: SrafsModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor, masks: Tensor, click_maps: Tensor, gate: Tensor) -> Tensor:
        return self.model.logits_from_maps(image, masks, click_maps, gate).logits


@torch.no_grad()
def test_export_of_the_network_behind_its_maps() -> None:
    model = TestSrafsPaper.build()
    assert isinstance(model, SrafsModel)

    def given(seed: int) -> tuple[Tensor, ...]:
        image, prev_mask, points = ModelContract.inputs(64, 96, seed=seed)
        masks, _ = model.mask_maps(model.normalised(image), prev_mask, points, 1.0)
        return model.normalised(image), masks, model.click_maps(points, (64, 96)), torch.ones(1)

    program = torch.export.export(BehindMaps(model), given(0))
    other = given(1)
    TestSrafsPaper().same(program.module()(*other), model.logits_from_maps(*other).logits)


def test_export_of_the_modulation() -> None:
    class Modulated(torch.nn.Module):
        def forward(self, prev_mask: Tensor, points: Tensor) -> Tensor:
            return modulate(prev_mask, points)

    program = torch.export.export(Modulated(), ModelContract.inputs(64, 96)[1:])
    other = ModelContract.inputs(64, 96, seed=1)[1:]
    assert torch.equal(program.module()(*other), modulate(*other))


@torch.no_grad()
def test_it_can_be_copied_and_sent_to_other_processes() -> None:
    model, inputs = TestSrafsPaper.build(), ModelContract.inputs(40, 56)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(*inputs).logits, model(*inputs).logits)


def test_bad_options_say_what_is_possible() -> None:
    with pytest.raises(ModelError, match="paper, released"):
        build_model("srafs-segformer-b0", variant="published")
    with pytest.raises(ModelError, match="modulation_radius 0"):
        build_model("srafs-segformer-b0", modulation_radius=0)
