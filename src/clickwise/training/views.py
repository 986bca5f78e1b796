"""What a loss may look at, by the name under ``output`` in a recipe. A new view is one function and one line."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor

from clickwise.errors import RecipeError
from clickwise.models.interface import AttentionFields, ModelOutput
from clickwise.nearest import nearest
from clickwise.training.step import Batch, FocusBatch, View

BORDER_REACH = 3
"""Pixels on either side of a border that count as near it."""
Maps = tuple[Tensor, Tensor, Tensor]
"""(logits, target, ignore_mask), each (B, 1, H, W)."""


def logits(output: ModelOutput, batch: Batch) -> Maps:
    """The answer at the size of the view; of a two-stage model the coarse one."""
    return output.logits.float(), batch.target, batch.ignore_mask


def logits_and_attention(output: ModelOutput, batch: Batch) -> tuple[Tensor, Tensor, Tensor, AttentionFields]:
    """As `logits`, and where the network looked (SRAFS)."""
    if output.attention is None:
        raise RecipeError("a loss looks at attention fields, but the model gives none; change the loss or the model")
    return *logits(output, batch), output.attention


def logits_and_border(output: ModelOutput, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `logits`, and a map that is 1 within `BORDER_REACH` pixels (row and column) of the object's border, else 0."""
    return *logits(output, batch), border_of(batch.target)


def border_of(target: Tensor, reach: int = BORDER_REACH) -> Tensor:
    """(B, 1, H, W): 1 where the square of side 2 reach + 1 around a pixel holds object and background (target > 0.5).

    Squares end at the frame, which is no border.
    """
    side = 2 * reach + 1
    both = torch.cat([target > 0.5, target <= 0.5], dim=1).to(target.dtype)
    near = F.max_pool2d(F.max_pool2d(both, (side, 1), 1, (reach, 0)), (1, side), 1, (0, reach))
    return near[:, :1] * near[:, 1:]


def aux_logits(output: ModelOutput, batch: Batch) -> Maps:
    """The auxiliary answer (RITM's OCR)."""
    return _present(output.aux_logits, "aux_logits").float(), batch.target, batch.ignore_mask


def refined_logits(output: ModelOutput, batch: Batch) -> Maps:
    """The second stage's answer in its window."""
    focus = _focus(batch)
    return _present(output.refined_logits, "refined_logits").float(), focus.target, focus.ignore_mask


def refined_logits_and_trimap(output: ModelOutput, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """As `refined_logits`, and the trimap for losses that weigh the border."""
    return *refined_logits(output, batch), _focus(batch).trimap


def boundary_logits(output: ModelOutput, batch: Batch) -> Maps:
    """Where the second stage sees a border, against the trimap."""
    focus = _focus(batch)
    return _present(output.boundary_logits, "boundary_logits").float(), focus.trimap, focus.ignore_mask


VIEWS: Mapping[str, View] = MappingProxyType(
    {
        "aux_logits": aux_logits,
        "boundary_logits": boundary_logits,
        "logits": logits,
        "logits+border": logits_and_border,
        "logits+attention": logits_and_attention,
        "refined_logits": refined_logits,
        "refined_logits+trimap": refined_logits_and_trimap,
    }
)
"""Name in a recipe -> function."""


def get_view(name: str) -> View:
    """The view of that name, or RecipeError naming the nearest ones."""
    if name not in VIEWS:
        raise RecipeError(f"losses name the output {name!r}; nearest valid: {nearest(name, sorted(VIEWS))}")
    return VIEWS[name]


def _present(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise RecipeError(f"a loss looks at {name}, but the model gives none; change the loss or the model")
    return value


def _focus(batch: Batch) -> FocusBatch:
    if batch.focus is None:
        raise RecipeError("a loss looks at focus windows, but the items have none; use items of the kind 'focus'")
    return batch.focus
