"""Losses against the golden file, against slow second implementations, and at their edges."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from clickwise.errors import OptionError
from clickwise.losses import LOSSES, Loss, NormalizedFocalLoss, functional, make_loss

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "losses.npz")

GOLDEN_LOSSES = {
    "nfl_a0.5_g2": ("nfl", {"alpha": 0.5, "gamma": 2}),
    "nfl_default": ("nfl", {}),
    "nfl_a0.5_g2_nodetach": ("nfl", {"alpha": 0.5, "gamma": 2, "detach_normaliser": False}),
    "nfl_a0.5_g2_max2": ("nfl", {"alpha": 0.5, "gamma": 2, "max_mult": 2}),
    "nfl_a0.5_g2_sum": ("nfl", {"alpha": 0.5, "gamma": 2, "size_average": False}),
    "focal_a0.5_g2": ("focal", {"alpha": 0.5, "gamma": 2}),
    "soft_iou": ("soft_iou", {}),
    "bce": ("bce", {}),
}

PIXEL_LOSSES = sorted(set(LOSSES) - {"affinity", "attention_overlap", "attention_weight"})
"""The others look at attention too: see test_attention_losses.py."""


def truth_and_ignore(label):
    """The golden files mark ignored pixels by -1; ours are a mask of their own."""
    label = torch.from_numpy(label)
    return label.clamp(min=0), label == -1


@pytest.mark.parametrize("label", ["label", "label_ignore", "label_soft", "label_all_ignored"])
@pytest.mark.parametrize("name", GOLDEN_LOSSES)
def test_golden_values_and_gradients(name, label):
    kind, options = GOLDEN_LOSSES[name]
    logits = torch.from_numpy(GOLDEN["logit"]).requires_grad_()
    values = make_loss(kind, **options)(logits, *truth_and_ignore(GOLDEN[label]))
    torch.testing.assert_close(values.detach().numpy(), GOLDEN[f"out__{name}__{label}"], rtol=1e-5, atol=0)
    expected = GOLDEN[f"grad__{name}__{label}"]
    if expected.size:
        values.mean().backward()
        error = np.abs(logits.grad.numpy() - expected).max()
        assert error <= 1e-5 * np.abs(expected).max()


def test_golden_parts_of_the_iterative_click_loss():
    label = torch.from_numpy(GOLDEN["label"])
    parts = [make_loss("nfl", alpha=0.5)(torch.from_numpy(step), label).mean() for step in GOLDEN["icl_logits"]]
    np.testing.assert_allclose(torch.stack(parts), GOLDEN["icl_parts"], rtol=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# Slow and obvious: Python floats, one pixel at a time.


def slow_pixels(logits, target, ignore):
    return [
        (1 / (1 + math.exp(-x)), float(y), not skip, float(x))
        for x, y, skip in zip(logits.ravel().tolist(), target.ravel().tolist(), ignore.ravel().tolist(), strict=True)
    ]


def slow_focal(pixels, alpha, gamma, eps, multiplier=1.0, max_mult=-1.0, size_average=True):
    total, count = 0.0, 0
    for p, y, valid, _ in pixels:
        if not valid:
            continue
        count += 1
        pt = 1 - abs(y - p)
        weight = (1 - pt) ** gamma * multiplier
        if max_mult > 0:
            weight = min(weight, max_mult)
        total += -(alpha if y > 0.5 else 1 - alpha) * weight * math.log(min(pt + eps, 1))
    return total / (count + eps) if size_average else total


def slow_nfl(pixels, alpha=0.25, gamma=2.0, max_mult=-1.0, eps=1e-12, detach_normaliser=True, size_average=True):
    weights = [abs(y - p) ** gamma for p, y, valid, _ in pixels if valid]
    multiplier = len(weights) / (sum(weights) + eps)
    return slow_focal(pixels, alpha, gamma, eps, multiplier, max_mult, size_average)


def slow_soft_iou(pixels):
    overlap = sum(p * y for p, y, valid, _ in pixels if valid)
    union = sum(max(p, y) for p, y, valid, _ in pixels if valid)
    return 1 - overlap / (union + 1e-8)


def slow_dice(pixels):
    overlap = sum(p * y for p, y, valid, _ in pixels if valid)
    squares = sum(p * p + y * y for p, y, valid, _ in pixels if valid)
    return 1 - (2 * overlap + 1e-6) / (squares + 1e-6)


def slow_bce(pixels):
    return sum(-y * math.log(p) - (1 - y) * math.log(1 - p) for p, y, valid, _ in pixels if valid) / len(pixels)


SLOW = {
    "nfl": slow_nfl,
    "focal": lambda pixels, alpha=0.25, gamma=2.0, size_average=True: slow_focal(
        pixels, alpha, gamma, 1e-9, size_average=size_average
    ),
    "soft_iou": slow_soft_iou,
    "dice": slow_dice,
    "bce": slow_bce,
}
CASES = [
    ("nfl", {}),
    ("nfl", {"alpha": 0.5, "gamma": 1.0}),
    ("nfl", {"alpha": 0.7, "gamma": 3.0, "max_mult": 1.5}),
    ("nfl", {"size_average": False}),
    ("focal", {}),
    ("focal", {"alpha": 0.6, "gamma": 1.0, "size_average": False}),
    ("soft_iou", {}),
    ("dice", {}),
    ("bce", {}),
]


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("ignored_share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_slow_second_opinion(name, options, ignored_share, soft):
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 3, (2, 1, 5, 7))
    target = rng.random((2, 1, 5, 7)) if soft else rng.integers(0, 2, (2, 1, 5, 7)).astype(float)
    ignore = rng.random((2, 1, 5, 7)) < ignored_share
    values = make_loss(name, **options)(torch.from_numpy(logits), torch.from_numpy(target), torch.from_numpy(ignore))
    expected = [SLOW[name](slow_pixels(logits[i], target[i], ignore[i]), **options) for i in range(2)]
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["nfl", "focal"])
def test_a_target_of_exactly_one_half_is_background(name):
    logits, target = torch.linspace(-2, 2, 6).double().view(1, 1, 2, 3), torch.full((1, 1, 2, 3), 0.5)
    value = make_loss(name, alpha=0.9)(logits, target)
    pixels = slow_pixels(logits[0].numpy(), target[0].numpy(), np.zeros(6, dtype=bool))
    assert value.item() == pytest.approx(SLOW[name](pixels, alpha=0.9), rel=1e-9)
    assert value.item() == pytest.approx(make_loss(name, alpha=0.5)(logits, target).item() / 5)


@pytest.mark.parametrize(("name", "options"), [*CASES, ("nfl", {"detach_normaliser": False})])
def test_gradient_against_finite_differences(name, options):
    if name == "nfl":  # a detached factor is a constant in the gradient only, so differences see the undetached loss
        options = {**options, "detach_normaliser": False}
    rng = np.random.default_rng(5)
    logits = torch.from_numpy(rng.normal(0, 2, (2, 1, 3, 4))).requires_grad_()
    target = torch.from_numpy(rng.random((2, 1, 3, 4)))
    ignore = torch.from_numpy(rng.random((2, 1, 3, 4)) < 0.2)
    loss = make_loss(name, **options)
    assert torch.autograd.gradcheck(lambda x: loss(x, target, ignore), (logits,), atol=1e-6)


# ---------------------------------------------------------------------------------------------------------------------
# Edges and properties


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_saturated_logits_give_finite_values_and_gradients(name):
    logits = torch.tensor([[-200.0, 200.0, 200.0, -200.0]]).view(1, 1, 2, 2).requires_grad_()
    value = make_loss(name)(logits, torch.tensor([[1.0, 0.0, 1.0, 0.0]]).view(1, 1, 2, 2))
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_a_perfect_answer_costs_nothing_and_one_pixel_works(name):
    value = make_loss(name)(torch.full((1, 1, 1, 1), 40.0), torch.ones(1, 1, 1, 1))
    assert value.shape == (1,)
    assert value.item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_ignored_pixels_do_not_matter_and_get_no_gradient(name):
    generator = torch.Generator().manual_seed(1)
    logits, target = torch.randn(2, 1, 6, 6, generator=generator), torch.rand(2, 1, 6, 6, generator=generator)
    ignore = torch.rand(2, 1, 6, 6, generator=generator) < 0.5
    changed = torch.where(ignore, torch.randn(2, 1, 6, 6, generator=generator) * 9, logits).requires_grad_()
    other_target = torch.where(ignore, 1 - target, target)
    loss = make_loss(name)
    value = loss(changed, other_target, ignore)
    torch.testing.assert_close(value, loss(logits, target, ignore))
    value.sum().backward()
    assert (changed.grad[ignore] == 0).all()


@pytest.mark.parametrize("name", sorted(set(PIXEL_LOSSES) - {"weighted_nfl"}))
def test_items_do_not_influence_each_other(name):
    generator = torch.Generator().manual_seed(2)
    logits, target = torch.randn(3, 1, 4, 5, generator=generator), torch.rand(3, 1, 4, 5, generator=generator)
    together = make_loss(name)(logits, target)
    alone = torch.cat([make_loss(name)(logits[i : i + 1], target[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", PIXEL_LOSSES)
def test_half_precision_is_computed_in_float32(name):
    logits = torch.linspace(-8, 8, 20).view(1, 1, 4, 5)
    value = make_loss(name)(logits.to(torch.bfloat16), torch.ones(1, 1, 4, 5))
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, make_loss(name)(logits.to(torch.bfloat16).float(), torch.ones(1, 1, 4, 5)))


@pytest.mark.parametrize("name", ["focal_loss", "normalized_focal_loss", "sigmoid_bce", "soft_dice", "soft_iou"])
def test_probabilities_instead_of_logits(name):
    function = getattr(functional, name)
    logits, target = torch.linspace(-4, 4, 20).view(1, 1, 4, 5), torch.ones(1, 1, 4, 5)
    torch.testing.assert_close(function(torch.sigmoid(logits), target, from_probs=True), function(logits, target))


def test_normalised_weights_average_to_one():
    logits = torch.linspace(-4, 4, 40).view(2, 1, 4, 5)
    _, report = functional.normalized_focal_loss_parts(logits, torch.ones(2, 1, 4, 5))
    weight = (1 - torch.sigmoid(logits)) ** 2 * report.multiplier[..., None, None]
    torch.testing.assert_close(weight.mean(dim=(1, 2, 3)), torch.ones(2))
    torch.testing.assert_close(weight.amax(dim=(1, 2, 3)), report.peak_weight)


def test_log_state_is_a_running_mean_over_whole_items():
    loss = NormalizedFocalLoss(alpha=0.5)
    assert loss.log_state() == {"k": 0.0, "m": 0.0}
    logits = torch.zeros(2, 1, 2, 2)  # p = 0.5, weight 0.25 everywhere: factor 4, largest normalised weight 1
    ignore = torch.zeros(2, 1, 2, 2, dtype=torch.bool)
    loss(logits, torch.ones(2, 1, 2, 2), ignore)
    assert loss.log_state() == pytest.approx({"k": 0.4, "m": 0.2})
    ignore[:, :, 0, 0] = True  # no whole item: k stays
    loss(logits, torch.ones(2, 1, 2, 2), ignore)
    assert loss.log_state() == pytest.approx({"k": 0.4, "m": 0.8 * 0.2 + 0.2})


def test_registry_and_its_errors():
    assert list(LOSSES) == sorted(LOSSES)
    assert all(isinstance(make_loss(name), Loss) for name in LOSSES)
    assert make_loss({"name": "nfl", "alpha": 0.5}) == NormalizedFocalLoss(alpha=0.5)
    with pytest.raises(OptionError, match="no loss is called 'nlf'; nearest: nfl"):
        make_loss("nlf")
    with pytest.raises(OptionError, match="no option 'alfa'; nearest: alpha"):
        make_loss("nfl", alfa=1)
    with pytest.raises(OptionError, match="takes none"):
        make_loss("bce", weight=1)
    with pytest.raises(OptionError, match=r"target of shape \(1, 1, 2, 3\)"):
        make_loss("bce")(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))
