"""Kinds of training methods. A new kind is a class here, its name in `AnyMethod`, and a line in `methods.METHODS`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from clickwise.training.parts.base import Part
from clickwise.training.parts.clicks import HumanClicksPart


class RollingMethod(Part):
    """A rolling batch: each slot keeps its picture for 1..len(life) steps; every forward pass carries gradient.

    human_clicks: places of clicks as people click; None = by ``centre_prob`` and ``floor``.
    """

    name: Literal["rolling"] = "rolling"
    life: tuple[float, ...] = (0.15, 0.2, 0.3, 0.25, 0.1)
    centre_prob: float = Field(0.45, ge=0, le=1)
    floor: float = Field(0.4, ge=0, le=1)
    human_clicks: HumanClicksPart | None = None


class IterativeMethod(Part):
    """RITM section 3.3: so many gradient-free rounds of clicks on the model's errors, then one step.

    Their number is uniform from ``min_next_clicks`` (RITM 0, CFR-ICL 1) to ``max_next_clicks``.
    clicks_on_ignored: in those rounds pixels without truth count as background (the release; its data has none).
    human_clicks: in those rounds, places as people click; None = deep inside the error, as published.
    """

    name: Literal["iterative"] = "iterative"
    min_next_clicks: int = Field(0, ge=0)
    max_next_clicks: int = Field(3, ge=0)
    prev_mask_drop_prob: float = Field(0.0, ge=0, le=1)
    clicks_on_ignored: bool = True
    human_clicks: HumanClicksPart | None = None

    @model_validator(mode="after")
    def _rounds_in_order(self) -> IterativeMethod:
        if self.min_next_clicks > self.max_next_clicks:
            raise ValueError(f"min_next_clicks {self.min_next_clicks} is above max_next_clicks {self.max_next_clicks}")
        return self


class FocusIterativeMethod(IterativeMethod):
    """The same for IGLR, on items of the kind "focus": the step looks at their windows too, and the gate opens late."""

    name: Literal["focus_iterative"] = "focus_iterative"  # type: ignore[assignment]


class GatedIterativeMethod(IterativeMethod):
    """The same for SRAFS: the gate opens late, the last click has the highest order, trivial items are redrawn."""

    name: Literal["gated_iterative"] = "gated_iterative"  # type: ignore[assignment]


class IterativeClickMethod(Part):
    """CFR-ICL: 1..len(weights) clicks, each answer counts with its weight; no answer sees another's gradient.

    weights: of the first, second, ... answer (release: 1, 2, 3). use_random_clicks: begin with the items' points;
    otherwise with the one click that an empty mask asks for. clicks_on_ignored, human_clicks: as in `IterativeMethod`.
    """

    name: Literal["iterative_click"] = "iterative_click"
    weights: tuple[Annotated[float, Field(gt=0)], ...] = Field((1.0, 2.0, 3.0), min_length=1)
    use_random_clicks: bool = True
    clicks_on_ignored: bool = True
    human_clicks: HumanClicksPart | None = None


AnyMethod = Annotated[
    FocusIterativeMethod | GatedIterativeMethod | IterativeClickMethod | IterativeMethod | RollingMethod,
    Field(discriminator="name"),
]
"""The kind is told by the key ``name``."""
