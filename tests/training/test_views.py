"""What losses look at: the band along the border against a slow version, and names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clickwise.errors import RecipeError
from clickwise.losses import make_loss
from clickwise.models.interface import ModelOutput
from clickwise.training.step import Batch
from clickwise.training.views import border_of, get_view


def batch_of(target: torch.Tensor) -> Batch:
    nothing = torch.zeros_like(target)
    return Batch(nothing, nothing, nothing, target, nothing.bool(), torch.zeros(len(target)))


@pytest.mark.parametrize("reach", [1, 3])
def test_band_along_the_border_pixel_by_pixel(reach: int) -> None:
    target = (torch.rand((2, 1, 14, 17), generator=torch.Generator().manual_seed(0)) > 0.93).float()
    target[1] = 1.0
    found = border_of(target, reach)
    for item, y, x in np.ndindex(2, 14, 17):
        square = target[item, 0, max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
        assert found[item, 0, y, x] == float(square.min() != square.max())


def test_border_weighs_more() -> None:
    target = torch.zeros((1, 1, 32, 32))
    target[..., 8:24, 8:24] = 1
    near, far = (torch.where(target > 0.5, 5.0, -5.0) for _ in range(2))
    near[..., 8, 12:20] = -1
    far[..., 16, 12:20] = -1
    view, loss = get_view("logits+border"), make_loss("weighted_nfl", share=0.8, alpha=0.5)
    wrong = [float(loss(*view(ModelOutput(logits), batch_of(target))).mean()) for logits in (near, far)]
    assert wrong[0] > 2 * wrong[1]


def test_unknown_and_missing_views() -> None:
    with pytest.raises(RecipeError, match=r"logits\+border"):
        get_view("logits+boarder")
    with pytest.raises(RecipeError, match="aux_logits"):
        get_view("aux_logits")(ModelOutput(torch.zeros((1, 1, 4, 4))), batch_of(torch.zeros((1, 1, 4, 4))))
    with pytest.raises(RecipeError, match="focus"):
        get_view("boundary_logits")(ModelOutput(torch.zeros((1, 1, 4, 4))), batch_of(torch.zeros((1, 1, 4, 4))))
