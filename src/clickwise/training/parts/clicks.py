"""Clicks with a human's places, as a part of methods and of first points."""

from __future__ import annotations

from pydantic import Field, model_validator

from clickwise.clicks import human
from clickwise.training.parts.base import Part


class HumanClicksPart(Part):
    """`clickwise.clicks.human.HumanClicks`; ``{}`` in a recipe takes its values."""

    core_prob: float = Field(human.CORE_PROB, ge=0, le=1)
    border_prob: float = Field(human.BORDER_PROB, ge=0, le=1)
    border_share: float = Field(human.BORDER_SHARE, ge=0, le=1)
    jitter: float = Field(human.JITTER, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _shares_of_one(self) -> HumanClicksPart:
        if self.core_prob + self.border_prob > 1 + 1e-9:
            raise ValueError(f"core_prob {self.core_prob} and border_prob {self.border_prob} are above 1 together")
        return self

    def rule(self) -> human.HumanClicks:
        """The rule with these values."""
        return human.HumanClicks(**self.model_dump())


def human_rule(part: HumanClicksPart | None) -> human.HumanClicks | None:
    """The rule of a part that may be left out."""
    return None if part is None else part.rule()
