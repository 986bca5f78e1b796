"""Cascade-forward refinement (CFR-ICL, arXiv 2303.05620, section 4 of the reference): more passes for the same clicks.

Every pass is the complete common chain (zoom, flip, network) and starts from the probabilities of the pass before, as
previous mask and for the window. Works with every network that takes a previous mask.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from clickwise.engines.base import Engine
from clickwise.errors import OptionError
from clickwise.inference.chains import ChainResult
from clickwise.inference.chains.zoom_flip import zoom_flip
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame, WindowMap

RESTING_PIXELS = 20
"""Adaptive: at most so many pixels of the original picture on another side of the threshold = the mask rests."""


@dataclass(frozen=True, slots=True)
class CascadeOptions:
    """Entries of ``InferenceOptions.extra``.

    cf_n: refinements after the coarse pass; 0 = none (the common chain). The release's command uses 4.
    cf_click: clicks up to this one are refined; the release's default 1 = the first only.
    acf: adaptive, stop early when a pass hardly changed the mask (`RESTING_PIXELS`).
    """

    cf_n: int = 4
    cf_click: int = 1
    acf: bool = False

    def __post_init__(self) -> None:
        for name in ("cf_n", "cf_click"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise OptionError(f"{name} is {value!r}; expected a whole number >= 0")
        if not isinstance(self.acf, bool):
            raise OptionError(f"acf is {self.acf!r}; expected true or false")

    @classmethod
    def from_extra(cls, extra: Mapping[str, Any]) -> CascadeOptions:
        """What ``extra`` says; options of other chains in it are left alone."""
        names = {f.name for f in fields(cls)}
        return cls(**{name: value for name, value in extra.items() if name in names})


def cascade(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
    """New probabilities for the clicks in ``state``. A mask from outside is the first pass's previous mask.

    Raises OptionError when refinement is asked for and the network takes no previous mask.
    """
    chosen = CascadeOptions.from_extra(options.extra)
    if chosen.cf_n and not engine.capabilities.supports_prev_mask:
        raise OptionError(
            "the cascade feeds the mask back, and this network takes no previous mask; "
            "expected one that does, or cf_n 0 (chain zoom_flip)"
        )
    result = zoom_flip(engine, frame, state, options)
    if len(state.clicks) > chosen.cf_click:
        return result
    forwards = result.forwards
    for _ in range(chosen.cf_n):
        before = result
        state = replace(state, probs=before.probs, window=before.window)
        result = zoom_flip(engine, frame, state, options)
        forwards += result.forwards
        if chosen.acf and changed_pixels(before.probs, result.probs, options.threshold) <= RESTING_PIXELS:
            break
    return replace(result, forwards=forwards)


# Told to the evaluation: which entries of ``extra`` the chain takes.
cascade.extra_options = tuple(f.name for f in fields(CascadeOptions))  # type: ignore[attr-defined]


def changed_pixels(before: WindowMap, after: WindowMap, threshold: float) -> int:
    """Number of pixels of the frame on another side of the threshold."""
    return int(np.count_nonzero(before.mask(threshold) != after.mask(threshold)))
