"""What a click returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clickwise.clicks.click import ClickList
from clickwise.inference.window import WindowMap
from clickwise.types import Box, MaskArray, ProbsArray, Size

_MOST_CERTAIN = 1e-7
"""Probabilities are kept this far from 0 and 1 when they are turned back into logits."""


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """A mask with what led to it. Full frames are built on access, from the window where something is known.

    size: (height, width) of the upright picture.
    window_probs: the probabilities as the network gave them, with their place in the frame; zero outside.
    clicks: hints so far. threshold: probability above which a pixel belongs to the mask.
    window: region that the zoom is in, half-open (x0, y0, x1, y1), or None.
    forwards: how often the network ran for it.
    """

    size: Size
    window_probs: WindowMap
    clicks: ClickList
    threshold: float
    window: Box | None = None
    forwards: int = 0

    @property
    def probs(self) -> ProbsArray:
        """(H, W) float32 probabilities; a new array at each access."""
        return self.window_probs.full()

    @property
    def mask(self) -> MaskArray:
        """(H, W) bool, probability > threshold; a new array at each access."""
        return self.window_probs.mask(self.threshold)

    @property
    def logits(self) -> ProbsArray:
        """(H, W) float32 log-odds, finite (about -16 outside the window); a new array at each access."""
        probs = np.clip(self.probs, np.float32(_MOST_CERTAIN), np.float32(1 - _MOST_CERTAIN))
        logits: ProbsArray = np.log(probs / (1 - probs))
        return logits

    @property
    def box(self) -> Box | None:
        """Bounding box of the mask, half-open (x0, y0, x1, y1); None for an empty mask."""
        return self.window_probs.bounding_box(self.threshold)

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return int(np.count_nonzero(self.mask))

    @property
    def score(self) -> float:
        """Expected IoU of the mask if the probabilities are right: soft IoU of mask and probabilities, 0 when empty."""
        values = self.window_probs.values.astype(np.float32)
        inside = values > self.threshold
        union = float(np.where(inside, 1.0, values).sum())
        return float(values[inside].sum()) / union if union > 0 else 0.0
