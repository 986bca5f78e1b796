"""Actions on the picture as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from clickwise.annotate.easel import Action, Easel
from clickwise.errors import ProjectError


@dataclass(frozen=True, slots=True)
class Finish(Action):
    """Say that the picture is done, or not."""

    kind: ClassVar[str] = "finish"
    finished: bool = True

    def perform(self, easel: Easel) -> None:
        """Set the mark."""
        easel.content = replace(easel.content, finished=self.finished)


@dataclass(frozen=True, slots=True)
class Together(Action):
    """Several actions as one step of undo: an import, a click with "do not overlap others", finish with save.

    Actions after one that makes an object can name it: ids are given in order, from ``next_object_id``.
    """

    kind: ClassVar[str] = "together"
    actions: tuple[Action, ...]

    def perform(self, easel: Easel) -> None:
        """One after the other; none when one does not fit."""
        if not self.actions:
            raise ProjectError("nothing to do together; give at least one action")
        for action in self.actions:
            action.perform(easel)

    @property
    def reads(self) -> frozenset[int]:
        """What any of them reads."""
        return frozenset().union(*(action.reads for action in self.actions))
