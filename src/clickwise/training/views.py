"""What a loss may look at, by the name under ``output`` in a recipe. A new view is one function and one line."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from types import MappingProxyType

from torch import Tensor

from clickwise.errors import RecipeError
from clickwise.models.interface import AttentionFields, ModelOutput
from clickwise.training.step import Batch, FocusBatch, View

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
        "logits+attention": logits_and_attention,
        "refined_logits": refined_logits,
        "refined_logits+trimap": refined_logits_and_trimap,
    }
)
"""Name in a recipe -> function."""


def get_view(name: str) -> View:
    """The view of that name, or RecipeError naming the nearest ones."""
    if name not in VIEWS:
        near = get_close_matches(name, VIEWS, n=1) or sorted(VIEWS)
        raise RecipeError(f"losses name the output {name!r}; nearest valid: {', '.join(near)}")
    return VIEWS[name]


def _present(value: Tensor | None, name: str) -> Tensor:
    if value is None:
        raise RecipeError(f"a loss looks at {name}, but the model gives none; change the loss or the model")
    return value


def _focus(batch: Batch) -> FocusBatch:
    if batch.focus is None:
        raise RecipeError("a loss looks at focus windows, but the items have none; use items of the kind 'focus'")
    return batch.focus
