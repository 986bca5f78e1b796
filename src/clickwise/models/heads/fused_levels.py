"""A 1x1 convolution over levels enlarged to one size and joined, without enlarging and joining them first."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor


def fuse_levels(levels: Sequence[Tensor], weights: Sequence[Tensor], bias: Tensor | None) -> Tensor:
    """Levels (B, C_i, h_i, w_i), finest first, to (B, width, h_0, w_0); weights[i] is (width, C_i, 1, 1).

    Enlarging (bilinear) is linear, alike for all channels, and its weights sum to 1, so it changes places with the
    convolution: each level is convolved on its own small grid, and the enlarged results are summed. The same numbers up
    to rounding as of the convolution over all joined levels, for a fraction of its work and memory.
    """
    size = levels[0].shape[2:]
    fused = F.conv2d(levels[0], weights[0], bias)
    for level, weight in zip(levels[1:], weights[1:], strict=True):
        part = F.conv2d(level, weight)
        if part.shape[2:] != size:
            part = F.interpolate(part, size=size, mode="bilinear", align_corners=False)
        fused = fused + part
    return fused
