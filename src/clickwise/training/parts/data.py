"""Where samples come from. A new kind is a class here, its name in `AnyData`, and a line in `training.data.SOURCES`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from clickwise.training.parts.base import Part


class PackData(Part):
    """A training pack, or shards made of one, below the data root, and the share of each of its sources."""

    name: Literal["pack"] = "pack"
    folder: str = "train"
    sources: dict[str, float]


class SetShare(Part):
    """One data set of a mixture.

    dataset: as in ``--datasets``: a name such as "SBD:train", or a folder. weight: how often it is drawn, relative to
    the others; None = as many times as it has samples. hold_out: keep one sample in forty for validation. weighted: use
    the set's sample weights where it has some. options: of its reader, such as ``stuff_prob``.
    """

    dataset: str
    weight: float | None = Field(None, gt=0)
    hold_out: bool = True
    weighted: bool = True
    options: dict[str, Any] = Field(default_factory=dict)


class MixedData(Part):
    """Data sets drawn by weight.

    duplicate_iou: of two objects in a picture that overlap by more, one is left out. validation: a data set to validate
    on, one object in each of ``validation.pictures`` of its samples; None = what the sets hold out.
    """

    name: Literal["sets"] = "sets"
    sets: tuple[SetShare, ...] = Field(min_length=1)
    duplicate_iou: float | None = Field(None, gt=0, le=1)
    validation: str | None = None


AnyData = Annotated[PackData | MixedData, Field(discriminator="name")]
"""The kind is told by the key ``name``."""
