"""Back-propagating refinement: what a network gets is changed until its answer agrees with every click.

BRS (Jang and Kim 2019) changes the input, f-BRS (Sofiiuk et al. 2020, arXiv 2001.10331) a scale and a bias per channel
of inner features. Both minimise the same objective by L-BFGS; numbers: protocol 7. Here are the objective and the
minimiser; `clickwise.inference.chains.brs` says what is varied and when.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import fmin_l_bfgs_b
from torch import Tensor

from clickwise.clicks.click import ClickList
from clickwise.types import Size

REGULARISER = 1e-3
"""Weight of the penalty on the variables (protocol 7)."""
BIAS_FACTOR = 10.0
"""A bias costs this many times what a scale does."""
_SQUARE_RADIUS = 1
_LEAST_AREA = 1e-5
_MEMORY_PAIRS = 20
_GRADIENT_TOLERANCE = 1e-8
_ITERATIONS_PER_CALL = 2

Values = NDArray[np.float64]
"""The variables, flat."""


def click_squares(clicks: ClickList, size: Size, *, mirror: bool) -> tuple[Tensor, Tensor]:
    """Maps of positive and of negative clicks, (1, 1, H, W) each: 1 on 3 x 3 pixels around every rounded click.

    mirror: add the mirrored picture as a second item, with the click mirrored before it is rounded. Squares are cut at
    the border, so a click in the first row counts (published code loses it); one that lies outside has no pixels.
    """
    height, width = size
    maps = torch.zeros((2, 2 if mirror else 1, 1, height, width))
    for click in clicks:
        for item, x in enumerate((click.x, width - 1 - click.x)[: maps.shape[1]]):
            rows, columns = _span(click.y, height), _span(x, width)
            maps[0 if click.is_positive else 1, item, 0, rows, columns] = 1.0
    return maps[0], maps[1]


def _span(centre: float, length: int) -> slice:
    middle = round(centre)
    return slice(max(0, middle - _SQUARE_RADIUS), min(length, max(0, middle + _SQUARE_RADIUS + 1)))


def disagreement(logits: Tensor, positives: Tensor, negatives: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far the answer is from the clicks: data term, worst error at a positive, worst at a negative click.

    logits and both click maps: (B, 1, H, W). With p = sigmoid(logits): sum(((1 - p) M+)^2) / (sum M+ + 1e-5), and the
    same with p and M-; sums run over the batch. All three results are scalars.
    """
    probs = torch.sigmoid(logits)
    missed, wrong = (1.0 - probs) * positives, probs * negatives
    term = missed.square().sum() / (positives.sum() + _LEAST_AREA)
    term = term + wrong.square().sum() / (negatives.sum() + _LEAST_AREA)
    return term, missed.abs().max(), wrong.abs().max()


def input_penalty(offset: Tensor) -> Tensor:
    """Penalty on an offset (B, C, H, W) of the input; the mirrored copy counts too."""
    return REGULARISER * offset.square().sum()


def scale_bias_penalty(scale: Tensor, bias: Tensor) -> Tensor:
    """Penalty on scale and bias of channels (B, C, 1, 1)."""
    return REGULARISER * (scale.square().sum() + BIAS_FACTOR * bias.square().sum())


@dataclass(eq=False)
class Objective:
    """What L-BFGS minimises; one per click, for it remembers its previous and its best answer.

    answer: variables (n,) float32 with gradient -> logits (B, 1, H, W), penalty.
    positives, negatives: click maps (B, 1, H, W) on the same device as the logits.
    threshold: probability above which a pixel is object. min_iou_diff: smallest change that counts as progress.
    """

    answer: Callable[[Tensor], tuple[Tensor, Tensor]]
    positives: Tensor
    negatives: Tensor
    threshold: float = 0.49
    min_iou_diff: float = 0.01
    best_value: float = field(default=float("inf"), init=False)
    best_logits: Tensor | None = field(default=None, init=False)
    calls: int = field(default=0, init=False)
    _previous: Tensor | None = field(default=None, init=False)

    def __call__(self, values: Values) -> tuple[float, Values]:
        """Value and gradient; a zero gradient tells the minimiser to stop (clicks met, or the mask stands still)."""
        self.calls += 1
        with torch.enable_grad():
            variables = torch.from_numpy(values.astype(np.float32)).to(self.positives.device).requires_grad_()
            logits, penalty = self.answer(variables)
            term, missed, wrong = disagreement(logits, self.positives, self.negatives)
            total = term + penalty
            value = float(total.detach())
            if value < self.best_value or self.best_logits is None:
                self.best_value, self.best_logits = value, logits.detach()
            if self._may_stop(logits.detach(), float(missed.detach()), float(wrong.detach())):
                return value, np.zeros_like(values)
            # Only the variables' gradient is computed; the network's own parameters are left alone.
            (gradient,) = torch.autograd.grad(total, variables)
        return value, gradient.cpu().numpy().astype(np.float64)

    def _may_stop(self, logits: Tensor, missed: float, wrong: float) -> bool:
        mask = torch.sigmoid(logits) > self.threshold
        previous, self._previous = self._previous, mask
        if missed < 1.0 - self.threshold and wrong < self.threshold:
            return True
        return previous is not None and _mean_iou(mask, previous) > 1.0 - self.min_iou_diff


def _mean_iou(mask: Tensor, other: Tensor) -> float:
    """Mean over the batch. Two empty masks count 0: as long as a click is missed, nothing found is no result."""
    common = (mask & other).sum(dim=(1, 2, 3)).float()
    either = (mask | other).sum(dim=(1, 2, 3)).float()
    return float((common / either.clamp(min=1.0)).mean())


def minimise(objective: Objective, start: Values, max_calls: int) -> Values:
    """Where L-BFGS ends after at most about ``max_calls`` calls; the best answer stays in the objective."""
    found, _, _ = fmin_l_bfgs_b(
        objective,
        start,
        m=_MEMORY_PAIRS,
        factr=0,
        pgtol=_GRADIENT_TOLERANCE,
        maxfun=max_calls,
        maxiter=_ITERATIONS_PER_CALL * max_calls,
    )
    values: Values = np.asarray(found, dtype=np.float64)
    # A variable without a number would spoil every later click.
    return values if np.isfinite(values).all() else np.zeros_like(start)
