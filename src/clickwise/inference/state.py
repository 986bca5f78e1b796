"""What one user has done to one picture so far. Copied on every change, never altered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from clickwise.clicks.click import Click, ClickList
from clickwise.inference.window import WindowMap
from clickwise.types import Box


@dataclass(frozen=True, slots=True, eq=False)
class PredictorState:
    """Everything that the next prediction depends on, beside the picture and the options.

    clicks: hints so far, in pixels of the upright picture.
    probs: latest probabilities (the mask handed over at first); None while there is nothing.
    window: region that the zoom remembers, half-open (x0, y0, x1, y1).
    from_mask: whether it all began with a mask from outside.
    memory: what a chain wants to find again at the next click (never altered in place).
    """

    clicks: ClickList = ClickList()  # noqa: RUF009 (immutable)
    probs: WindowMap | None = None
    window: Box | None = None
    from_mask: bool = False
    memory: Any = None

    def with_click(self, click: Click) -> PredictorState:
        """The state in which a chain finds the new click."""
        return replace(self, clicks=self.clicks.add(click))

    @property
    def click_offset(self) -> int:
        """Order number of the first click: 1 after a mask from outside, else 0 (protocol 4.1)."""
        return 1 if self.from_mask else 0
