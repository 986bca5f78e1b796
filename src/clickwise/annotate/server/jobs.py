"""Commands that are done as one: what joins, what is taken back, what has begun."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from clickwise.annotate.protocol import AnyCommand, DoClick, DoThreshold


class DroppedError(Exception):
    """A job was taken back before it began. Not the event loop's own cancelling: that would end the bench."""


@dataclass
class Job:
    """Commands that are done as one. Others may join until `claim`; `drop` works until then too."""

    commands: list[AnyCommand]
    began: float = field(default_factory=time.perf_counter)
    waits_for: Literal["queue", "model", "picture"] = "queue"
    _claimed: bool = False
    _dropped: bool = False
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def last(self) -> AnyCommand:
        """The command under whose id the result is stored."""
        return self.commands[-1]

    @property
    def is_waiting(self) -> bool:
        """Whether it neither began nor was dropped."""
        return not (self._claimed or self._dropped)

    def claim(self) -> list[AnyCommand]:
        """Begin: nobody can join or drop it now. Called in the network's thread."""
        with self._guard:
            if self._dropped:
                raise DroppedError
            self._claimed = True
            return list(self.commands)

    def join(self, command: AnyCommand) -> bool:
        """Take one more command in; False when it is too late or they do not go together."""
        with self._guard:
            if self._claimed or self._dropped or not _go_together(self.commands, command):
                return False
            if isinstance(command, DoThreshold):
                self.commands.clear()
            self.commands.append(command)
            return True

    def drop(self) -> bool:
        """Do not do it; False when it has begun."""
        with self._guard:
            if self._claimed:
                return False
            self._dropped = True
            return True


def _go_together(waiting: Sequence[AnyCommand], new: AnyCommand) -> bool:
    last = waiting[-1]
    if isinstance(last, DoThreshold) and isinstance(new, DoThreshold):
        return not last.commit and last.object_id == new.object_id and last.model == new.model
    if not (isinstance(last, DoClick) and isinstance(new, DoClick)):
        return False
    first = waiting[0]
    assert isinstance(first, DoClick)
    same_object = (new.object_id is not None and new.object_id == first.object_id) or (
        new.object_id is None
        and new.object_of is not None
        # What makes the object waits itself, or has begun: then the first one here names it as well.
        and new.object_of in (first.object_of, *(item.id for item in waiting))
    )
    return same_object and (last.model, last.threshold, last.cut_others) == (new.model, new.threshold, new.cut_others)
