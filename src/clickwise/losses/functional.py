"""Pixel losses of click segmentation as pure functions: maps in, one value per item out.

Common arguments
    logits: (B, C, H, W) network output before the sigmoid (probabilities in [0, 1] with ``from_probs=True``).
    target: (B, C, H, W) float truth in [0, 1]; soft values are allowed. A pixel counts as object where it is > 0.5.
    ignore_mask: (B, C, H, W) bool, True where there is no truth; None = everywhere truth. Ignored pixels get no
        gradient, whatever their target holds.
All return (B,) values; callers take the mean over the batch. Half-precision logits are computed in float32. A wrong
shape is an OptionError. Source of all formulas and constants: RITM, https://arxiv.org/abs/2102.06583 and its release.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from clickwise.errors import OptionError

NFL_ALPHA = 0.25
"""Weight of object pixels in RITM's focal losses by default; background gets 1 - alpha. Its recipes use 0.5."""
WEIGHTED_NFL_ALPHA = 0.5
"""The same in IGLR's loss on refined logits."""
FOCAL_GAMMA = 2.0
"""Focusing exponent of the focal losses."""
BOUNDARY_SHARE = 0.5
"""Share of the weight map in the weights of `weighted_normalized_focal_loss` (IGLR)."""
NFL_EPS = 1e-12
FOCAL_EPS = 1e-9
SOFT_IOU_EPS = 1e-8
DICE_EPS = 1e-6
BCE_PROBS_EPS = 1e-12


@dataclass(frozen=True, slots=True)
class FocalNormalisation:
    """What the normalisation did, for logging.

    multiplier: (B, C) factor that brings the mean focal weight of the valid pixels to 1.
    peak_weight: (B,) largest normalised weight of the item, before ``max_mult`` cuts it.
    """

    multiplier: Tensor
    peak_weight: Tensor


def normalized_focal_loss(
    logits: Tensor,
    target: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    alpha: float = NFL_ALPHA,
    gamma: float = FOCAL_GAMMA,
    max_mult: float = -1.0,
    eps: float = NFL_EPS,
    detach_normaliser: bool = True,
    size_average: bool = True,
    from_probs: bool = False,
) -> Tensor:
    """Focal loss whose weights average to 1 over the valid pixels, so that its size does not fade as errors shrink.

    max_mult: upper limit of the normalised weight; <= 0 means none. detach_normaliser: no gradient through the
    normalising factor (the weights themselves always carry gradient). size_average: mean over valid pixels, else sum.
    An item without valid pixels gives 0.
    """
    return normalized_focal_loss_parts(
        logits,
        target,
        ignore_mask,
        alpha=alpha,
        gamma=gamma,
        max_mult=max_mult,
        eps=eps,
        detach_normaliser=detach_normaliser,
        size_average=size_average,
        from_probs=from_probs,
    )[0]


def normalized_focal_loss_parts(
    logits: Tensor,
    target: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    alpha: float = NFL_ALPHA,
    gamma: float = FOCAL_GAMMA,
    max_mult: float = -1.0,
    eps: float = NFL_EPS,
    detach_normaliser: bool = True,
    size_average: bool = True,
    from_probs: bool = False,
) -> tuple[Tensor, FocalNormalisation]:
    """`normalized_focal_loss` and, detached, how the weights were normalised."""
    side, weight, log_confidence, valid = _focal_factors(logits, target, ignore_mask, alpha, gamma, eps, from_probs)
    weight_sum = weight.sum(dim=(-2, -1), keepdim=True) + eps
    multiplier = valid.sum(dim=(-2, -1), keepdim=True) / (weight_sum.detach() if detach_normaliser else weight_sum)
    weight = weight * multiplier
    with torch.no_grad():
        report = FocalNormalisation(multiplier.detach()[..., 0, 0], weight.detach().flatten(1).amax(dim=1))
    if max_mult > 0:
        weight = weight.clamp(max=max_mult)
    return _reduced(-side * weight * log_confidence, valid, eps, size_average), report


def weighted_normalized_focal_loss(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    share: float = BOUNDARY_SHARE,
    alpha: float = WEIGHTED_NFL_ALPHA,
    gamma: float = FOCAL_GAMMA,
    eps: float = NFL_EPS,
) -> Tensor:
    """Normalised focal loss with more weight near the boundary; one value over the whole batch, not one per item.

    weight: map of the shape of logits, in [0, 1], usually a trimap. With l the pixel's term of `normalized_focal_loss`
    and W = share * weight + (1 - share) the value is sum(l W) / sum(W). A weight of zero everywhere gives the mean of
    l. Source: the refined logits' loss of IGLR (reference page iglr, section 4.3), there with share 0.5.
    """
    loss, weights = weighted_normalized_focal_sums(
        logits, target, weight, ignore_mask, share=share, alpha=alpha, gamma=gamma, eps=eps
    )
    return loss / (weights + eps)


def weighted_normalized_focal_sums(
    logits: Tensor,
    target: Tensor,
    weight: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    share: float = BOUNDARY_SHARE,
    alpha: float = WEIGHTED_NFL_ALPHA,
    gamma: float = FOCAL_GAMMA,
    eps: float = NFL_EPS,
) -> tuple[Tensor, Tensor]:
    """sum(l W) and sum(W) of `weighted_normalized_focal_loss`: what parts of a batch add up to its value."""
    if weight.shape != logits.shape:
        raise OptionError(
            f"loss got weight of shape {tuple(weight.shape)} for logits of shape {tuple(logits.shape)}; "
            "give both the same shape (B, 1, H, W)"
        )
    side, focus, log_confidence, valid = _focal_factors(logits, target, ignore_mask, alpha, gamma, eps)
    multiplier = valid.sum(dim=(-2, -1), keepdim=True) / (focus.sum(dim=(-2, -1), keepdim=True).detach() + eps)
    terms = -side * focus * multiplier * log_confidence
    weights = share * weight.to(terms.dtype) + (1 - share)
    return (terms * weights).sum(), weights.sum()


def focal_loss(
    logits: Tensor,
    target: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    alpha: float = NFL_ALPHA,
    gamma: float = FOCAL_GAMMA,
    eps: float = FOCAL_EPS,
    scale: float = 1.0,
    size_average: bool = True,
    from_probs: bool = False,
) -> Tensor:
    """Focal loss (Lin et al. 2017) on valid pixels, times ``scale``. An item without valid pixels gives 0."""
    side, weight, log_confidence, valid = _focal_factors(logits, target, ignore_mask, alpha, gamma, eps, from_probs)
    return scale * _reduced(-side * weight * log_confidence, valid, eps, size_average)


def soft_iou(
    logits: Tensor,
    target: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    eps: float = SOFT_IOU_EPS,
    from_probs: bool = False,
) -> Tensor:
    """1 - sum(p y) / sum(max(p, y)) over valid pixels. An item without valid pixels gives 1."""
    probs, truth, valid = _checked(logits, target, ignore_mask, from_probs)
    overlap = (probs * truth * valid).flatten(1).sum(dim=1)
    union = (torch.maximum(probs, truth) * valid).flatten(1).sum(dim=1)
    return 1 - overlap / (union + eps)


def soft_dice(
    logits: Tensor,
    target: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    eps: float = DICE_EPS,
    from_probs: bool = False,
) -> Tensor:
    """1 - (2 sum(p y) + eps) / (sum(p^2) + sum(y^2) + eps) over valid pixels. An item without valid pixels gives 0.

    What SimpleClick's release meant by its Dice loss: its own multiplies the answer by a channel argmax, which is 0 for
    one channel, so that no gradient is left.
    """
    probs, truth, valid = _checked(logits, target, ignore_mask, from_probs)
    overlap = (probs * truth * valid).flatten(1).sum(dim=1)
    squares = ((probs.square() + truth.square()) * valid).flatten(1).sum(dim=1)
    return 1 - (2 * overlap + eps) / (squares + eps)


def sigmoid_bce(
    logits: Tensor,
    target: Tensor,
    ignore_mask: Tensor | None = None,
    *,
    from_probs: bool = False,
    eps: float = BCE_PROBS_EPS,
) -> Tensor:
    """Binary cross entropy, divided by the number of *all* pixels: ignored ones count 0 in the sum only (published).

    eps is used with ``from_probs`` only; from logits the stable form needs none.
    """
    given, truth, valid = _checked(logits, target, ignore_mask, from_probs=True)
    truth = torch.where(valid, truth, 0.0)
    if from_probs:
        loss = -(torch.log(given + eps) * truth + torch.log(1 - given + eps) * (1 - truth))
    else:
        loss = F.binary_cross_entropy_with_logits(given, truth, reduction="none")
    return (loss * valid).flatten(1).mean(dim=1)


def _checked(
    logits: Tensor, target: Tensor, ignore_mask: Tensor | None, from_probs: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Probabilities, truth and valid map in one shape and at least float32; OptionError where shapes differ."""
    for name, other in (("target", target), ("ignore_mask", ignore_mask)):
        if other is not None and other.shape != logits.shape:
            raise OptionError(
                f"loss got {name} of shape {tuple(other.shape)} for logits of shape {tuple(logits.shape)}; "
                "give both the same shape (B, 1, H, W)"
            )
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    valid = torch.ones_like(logits, dtype=torch.bool) if ignore_mask is None else ~ignore_mask.bool()
    return (logits if from_probs else torch.sigmoid(logits)), target.to(logits.dtype), valid


def _focal_factors(
    logits: Tensor,
    target: Tensor,
    ignore_mask: Tensor | None,
    alpha: float,
    gamma: float,
    eps: float,
    from_probs: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What a pixel's focal term -side * focus * log(confidence) is made of, and the valid map.

    side: alpha on object, 1 - alpha on background, 0 on ignored pixels, where confidence is 1.
    """
    probs, truth, valid = _checked(logits, target, ignore_mask, from_probs)
    confidence = torch.where(valid, 1 - (truth - probs).abs(), 1.0)
    side = torch.where(truth > 0.5, truth.new_full((), alpha), truth.new_full((), 1 - alpha)) * valid
    return side, (1 - confidence) ** gamma, torch.log((confidence + eps).clamp(max=1.0)), valid


def _reduced(loss: Tensor, valid: Tensor, eps: float, size_average: bool) -> Tensor:
    total = loss.flatten(1).sum(dim=1)
    return total / (valid.flatten(1).sum(dim=1) + eps) if size_average else total
