"""IGLR's losses against the release's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clickwise.errors import OptionError
from clickwise.losses import make_loss, normalized_focal_loss, sigmoid_bce, weighted_normalized_focal_loss

GOLDEN = {
    name: torch.from_numpy(np.asarray(value))
    for name, value in np.load(Path(__file__).parents[1] / "golden" / "iglr_losses.npz").items()
}
NOTHING = torch.zeros_like(GOLDEN["trimap"])
EMPTY = GOLDEN["gt_ignore"] == -1


def close(found: torch.Tensor, name: str) -> None:
    np.testing.assert_allclose(found.numpy(), GOLDEN[name].numpy(), rtol=1e-5)


def test_golden_weighted_loss() -> None:
    close(weighted_normalized_focal_loss(GOLDEN["pred"], GOLDEN["gt"], GOLDEN["trimap"]), "wfnl")
    close(weighted_normalized_focal_loss(GOLDEN["pred"], GOLDEN["gt"], NOTHING), "wfnl_all_zero_trimap")
    label = GOLDEN["gt_ignore"].clamp(min=0)
    close(weighted_normalized_focal_loss(GOLDEN["pred"], label, GOLDEN["trimap"], EMPTY), "wfnl_ignore")


def test_golden_by_name() -> None:
    """As a recipe asks for it: one value for all, and without weights the plain mean."""
    label = GOLDEN["gt_ignore"].clamp(min=0)
    loss = make_loss("weighted_nfl")
    assert loss(GOLDEN["pred"], GOLDEN["gt"]).shape == (3,)
    close(loss(GOLDEN["pred"], GOLDEN["gt"], None, GOLDEN["trimap"]).mean(), "wfnl")
    close(loss(GOLDEN["pred"], label, EMPTY, GOLDEN["trimap"]).mean(), "wfnl_ignore")
    close(loss(GOLDEN["pred"], GOLDEN["gt"]).mean(), "wfnl_all_zero_trimap")


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("ignored", [False, True])
def test_weighted_loss_pixel_by_pixel(share: float, ignored: bool) -> None:
    """The formula of reference page iglr, section 4.3, written out."""
    rng = np.random.default_rng(3)
    logits, weight = rng.normal(0, 2, (2, 1, 5, 6)), rng.random((2, 1, 5, 6))
    target = rng.random((2, 1, 5, 6)) < 0.4
    ignore = (rng.random((2, 1, 5, 6)) < 0.3) & ignored
    above = below = 0.0
    for item in range(2):
        confidences = {}
        for y in range(5):
            for x in range(6):
                p = 1 / (1 + np.exp(-logits[item, 0, y, x]))
                if not ignore[item, 0, y, x]:
                    confidences[y, x] = p if target[item, 0, y, x] else 1 - p
        beta = sum((1 - c) ** 2 for c in confidences.values())
        for y in range(5):
            for x in range(6):
                w = share * weight[item, 0, y, x] + 1 - share
                below += w
                if (c := confidences.get((y, x))) is not None:
                    above += w * -0.5 * (1 - c) ** 2 * len(confidences) / beta * np.log(c)
    tensors = (torch.from_numpy(a) for a in (logits, target.astype(float), ignore, weight))
    found = make_loss("weighted_nfl", share=share)(*tensors)  # type: ignore[call-arg]
    np.testing.assert_allclose(found.numpy(), above / below, rtol=1e-9)


def test_golden_coarse_and_boundary_losses() -> None:
    close(normalized_focal_loss(GOLDEN["pred"], GOLDEN["gt"], alpha=0.5), "nfl")
    close(normalized_focal_loss(GOLDEN["pred"], GOLDEN["gt"], alpha=0.5), "wfnl_no_weight")
    close(normalized_focal_loss(GOLDEN["pred"], GOLDEN["gt_ignore"].clamp(min=0), EMPTY, alpha=0.5), "nfl_ignore")
    close(sigmoid_bce(GOLDEN["trimap_logits"], GOLDEN["trimap"]).mean(), "trimap_bce")


def test_weight_pulls_towards_the_boundary() -> None:
    logits = torch.tensor([[[[-2.0, 1.0, 3.0, 0.5]]]], requires_grad=True)
    target = torch.tensor([[[[1.0, 1.0, 1.0, 0.0]]]])
    weight = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])
    plain = weighted_normalized_focal_loss(logits, target, torch.zeros_like(weight))
    pulled = weighted_normalized_focal_loss(logits, target, weight, share=0.9)
    assert pulled > plain
    pulled.backward()
    assert torch.isfinite(logits.grad).all()


def test_shapes_must_fit() -> None:
    with pytest.raises(OptionError, match="weight of shape"):
        weighted_normalized_focal_loss(GOLDEN["pred"], GOLDEN["gt"], GOLDEN["trimap"][:1])
