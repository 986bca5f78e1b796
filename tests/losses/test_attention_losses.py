"""Losses on attention: golden values, a slow second reading of each formula, ignored regions, edges."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clickwise.errors import OptionError
from clickwise.losses.attention import (
    AffinityLoss,
    AttentionOverlapLoss,
    AttentionWeightLoss,
    affinity_loss,
    attention_overlap_loss,
    attention_weight_loss,
)


@dataclass
class Given:
    maps: tuple[Tensor, ...]
    weights: tuple[Tensor, ...]
    key_sizes: tuple[tuple[int, int], ...]
    positive_clicks: Tensor


def random_fields(batch: int = 3, positive: tuple[int, ...] = (2, 3, 5), seed: int = 0) -> Given:
    """Two stages of a 64 x 96 view: queries 8 x 12 and 2 x 3, keys 2 x 3."""
    generator = torch.Generator().manual_seed(seed)
    grids = ((8, 12), (2, 3))
    maps = tuple(torch.rand((batch, h * w, 6), generator=generator).softmax(-1) for h, w in grids)
    weights = tuple(torch.rand((batch, 1, h, w), generator=generator) for h, w in grids)
    return Given(maps, weights, ((2, 3), (2, 3)), torch.tensor(positive[:batch]))


def random_maps(batch: int = 3, seed: int = 1) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn((batch, 1, 64, 96), generator=generator)
    blocks = (torch.rand((batch, 1, 4, 6), generator=generator) > 0.5).float()
    return logits, F.interpolate(blocks, scale_factor=16, mode="nearest")


@pytest.mark.parametrize("case", ["a", "b"])
def test_golden(case: str, golden: Path) -> None:
    file = np.load(golden / "srafs_losses.npz")
    low = torch.from_numpy(file["seg_logits_low"])
    crop = int(file["crop"])
    logits = F.interpolate(low, size=(crop, crop), mode="bilinear", align_corners=True)
    fields = Given(
        tuple(torch.from_numpy(file[f"attn_stage{k}"]).mean(dim=(0, 2)) for k in (2, 4)),
        tuple(torch.from_numpy(file[f"attnw_stage{k}"]) for k in (2, 4)),
        ((4, 4), (4, 4)),
        torch.from_numpy(file[f"npos_{case}"]),
    )
    target = torch.from_numpy(np.unpackbits(file["gt_packed"]).reshape(3, 1, crop, crop).astype(np.float32))
    assert affinity_loss(logits, fields).mean().item() == pytest.approx(float(file[f"affinity_{case}"]), rel=1e-5)
    found = attention_weight_loss(fields, target).mean().item()
    assert found == pytest.approx(float(file[f"attnweight_{case}"]), rel=1e-5)


def slow_overlap(fields: Given, target: Tensor, ignore: Tensor) -> list[float]:
    values = []
    for item in range(len(target)):
        total = 0.0
        for attention, weight in zip(fields.maps, fields.weights, strict=True):
            h, w = weight.shape[2:]
            step_y, step_x = 64 // h, 96 // w
            a, b = np.zeros(attention.shape[2]), np.zeros(attention.shape[2])
            mass_a = mass_b = 0.0
            for i in range(h * w):
                cell = np.s_[i // w * step_y : (i // w + 1) * step_y, i % w * step_x : (i % w + 1) * step_x]
                truth, known = target[item, 0].numpy()[cell], ~ignore[item, 0].numpy()[cell]
                inside, outside = (truth * known).sum(), ((1 - truth) * known).sum()
                row = attention[item, i].numpy()
                a, b = a + inside * row, b + outside * row
                mass_a, mass_b = mass_a + inside, mass_b + outside
            if mass_a and mass_b:
                total += np.minimum(a / mass_a, b / mass_b).sum()
        values.append(total / 2)
    return values


@pytest.mark.parametrize("with_ignored", [False, True])
def test_overlap_is_what_its_formula_says(with_ignored: bool) -> None:
    fields, (_, target) = random_fields(), random_maps()
    ignore = torch.zeros_like(target, dtype=torch.bool)
    if with_ignored:
        ignore[:, :, :20, 30:50] = True
        target = target.clone()
        target[ignore] = 0.5
    found = attention_overlap_loss(fields, target, ignore if with_ignored else None)
    np.testing.assert_allclose(found.numpy(), slow_overlap(fields, target, ignore), rtol=1e-4)


def split_fields(same: bool) -> tuple[Given, Tensor]:
    """Object = left half. Each side looks at its own two keys, or both look at the same ones."""
    attention = torch.zeros(1, 8, 4)
    left = torch.tensor([True, True, False, False]).repeat(2)
    attention[0, left, 0] = attention[0, left, 2] = 0.5
    keys = (0, 2) if same else (1, 3)
    for key in keys:
        attention[0, ~left, key] = 0.5
    target = torch.zeros(1, 1, 16, 32)
    target[..., :16] = 1
    return Given((attention,), (torch.ones(1, 1, 2, 4),), ((2, 2),), torch.tensor([1])), target


def test_overlap_is_one_for_the_same_place_and_zero_for_different_ones() -> None:
    assert attention_overlap_loss(*split_fields(same=True)).item() == pytest.approx(1)
    assert attention_overlap_loss(*split_fields(same=False)).item() == pytest.approx(0, abs=1e-6)


def test_overlap_falls_by_its_gradient() -> None:
    torch.manual_seed(0)
    scores = torch.randn(1, 8, 4, requires_grad=True)
    fields, target = split_fields(same=True)
    values = []
    for _ in range(200):
        fields.maps = (scores.softmax(-1),)
        value = attention_overlap_loss(fields, target).sum()
        values.append(value.item())
        (gradient,) = torch.autograd.grad(value, scores)
        with torch.no_grad():
            scores -= 4 * gradient
    assert values[0] > 0.5
    assert values[-1] < 0.1


def test_without_object_or_background_nothing_overlaps() -> None:
    fields, (_, target) = random_fields(), random_maps()
    for flat in (torch.zeros_like(target), torch.ones_like(target)):
        assert attention_overlap_loss(fields, flat).tolist() == [0, 0, 0]
    everything = torch.ones_like(target, dtype=torch.bool)
    assert attention_overlap_loss(fields, target, everything).tolist() == [0, 0, 0]
    assert attention_weight_loss(fields, target, everything).tolist() == [0, 0, 0]
    assert affinity_loss(random_maps()[0], fields, everything).tolist() == [0, 0, 0]


def test_perfect_diffusion_and_perfect_weights_cost_nothing() -> None:
    """Attention within one side, weights 1 on the object, an answer that is certain."""
    fields, target = split_fields(same=False)
    fields.positive_clicks = torch.tensor([2])
    fields.weights = (F.interpolate(target, size=(2, 4), mode="nearest"),)
    fields.key_sizes = ((2, 2),)
    logits = 40 * target - 20
    assert affinity_loss(logits, fields).item() == pytest.approx(0, abs=1e-6)
    assert attention_weight_loss(fields, target).item() == 0
    fields.maps = (fields.maps[0].flip(2),)
    assert affinity_loss(logits, fields).item() > 0.5


def test_items_with_few_positive_clicks_hardly_count() -> None:
    logits, target = random_maps()
    many, few = random_fields(positive=(2, 3, 5)), random_fields(positive=(0, 1, 5))
    for of in (lambda f: affinity_loss(logits, f), lambda f: attention_weight_loss(f, target)):
        assert torch.allclose(of(few), of(many) * torch.tensor([0.01, 0.01, 1.0]))
    assert torch.equal(attention_overlap_loss(few, target), attention_overlap_loss(many, target))


def test_ignored_regions_have_no_say_and_get_no_gradient() -> None:
    fields, (logits, target) = random_fields(), random_maps()
    ignore = torch.zeros_like(target, dtype=torch.bool)
    ignore[:, :, :32] = True
    other_target = torch.where(ignore, 1 - target, target)
    for loss in (attention_weight_loss, attention_overlap_loss):
        assert torch.equal(loss(fields, target, ignore), loss(fields, other_target, ignore))
        assert not torch.allclose(loss(fields, target), loss(fields, other_target))
    logits.requires_grad_()
    affinity_loss(logits, fields, ignore).sum().backward()
    assert logits.grad is not None
    assert not logits.grad[ignore].any()
    assert logits.grad[~ignore].any()


def test_what_each_loss_teaches() -> None:
    """Affinity: answer and attention; overlap: attention; weight loss: weights."""
    logits, target = random_maps()
    reached = {}
    for name, loss in (("affinity", AffinityLoss()), ("overlap", AttentionOverlapLoss()), ("w", AttentionWeightLoss())):
        fields = random_fields()
        leaves = {"logits": logits.clone(), "map": fields.maps[0], "weight": fields.weights[0]}
        for leaf in leaves.values():
            leaf.requires_grad_()
        loss(leaves["logits"], target, None, fields).mean().backward()
        reached[name] = {key for key, leaf in leaves.items() if leaf.grad is not None and leaf.grad.any()}
        assert loss.log_state() == {}
    assert reached == {"affinity": {"logits", "map"}, "overlap": {"map"}, "w": {"weight"}}


@pytest.mark.parametrize("loss", [AffinityLoss(), AttentionOverlapLoss(), AttentionWeightLoss()])
def test_without_fields_it_says_which_view_to_use(loss: AffinityLoss) -> None:
    with pytest.raises(OptionError, match=r"logits\+attention"):
        loss(*random_maps())


def test_a_batch_is_its_items() -> None:
    fields, (logits, target) = random_fields(), random_maps()
    for i in range(3):
        one = Given(
            tuple(m[i : i + 1] for m in fields.maps),
            tuple(w[i : i + 1] for w in fields.weights),
            fields.key_sizes,
            fields.positive_clicks[i : i + 1],
        )
        for loss in (AffinityLoss(), AttentionOverlapLoss(), AttentionWeightLoss()):
            alone = loss(logits[i : i + 1], target[i : i + 1], None, one)
            assert torch.allclose(alone[0], loss(logits, target, None, fields)[i], rtol=1e-5)


@pytest.mark.parametrize("loss", [AffinityLoss(), AttentionOverlapLoss(), AttentionWeightLoss()])
def test_saturated_and_half_precision_inputs_stay_finite(loss: AffinityLoss) -> None:
    logits, target = random_maps()
    exact = random_fields()
    rough = Given(
        tuple(m.bfloat16() for m in exact.maps),
        tuple(w.bfloat16() for w in exact.weights),
        exact.key_sizes,
        exact.positive_clicks,
    )
    found = loss(logits.bfloat16(), target, None, rough)
    assert found.dtype == torch.float32
    assert torch.allclose(found, loss(logits, target, None, exact), rtol=0.02)
    certain = (1e4 * torch.sign(logits)).requires_grad_()
    exact.maps[0].requires_grad_()
    exact.weights[0].requires_grad_()
    loss(certain, target, None, exact).sum().backward()
    for leaf in (certain, exact.maps[0], exact.weights[0]):
        assert leaf.grad is None or torch.isfinite(leaf.grad).all()
