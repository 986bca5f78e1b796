"""What is wrong in a data set: readers report it; whoever opened the data set decides whether the first one stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from clickwise.errors import DatasetError

Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    file: where. rule: a word or two that stays the same for all findings of the kind. message: one line for people,
    with the name of the data set. level: a warning does not make the data unusable.
    """

    file: str
    rule: str
    message: str
    level: Level = "error"


Report = Callable[[Finding], None]
"""Told of each finding; if it returns, the reader leaves out what is wrong and goes on."""


def refuse(finding: Finding) -> None:
    """The usual `Report`: the first error is raised as a DatasetError, warnings pass."""
    if finding.level == "error":
        raise DatasetError(finding.message)
