"""IGLR's losses against the release's numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clickwise.errors import OptionError
from clickwise.losses import normalized_focal_loss, sigmoid_bce, weighted_normalized_focal_loss

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
