"""What actions are made of: the base of all, the content while one works on it, and what every one checks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from clickwise.annotate.document import Content, MaskObject
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.errors import LockedError, MaskError, ProjectError
from clickwise.types import Size

_MOST_LETTERS = 200


@dataclass
class Easel:
    """Content while an action works on it. next_object_id: what a new object is called."""

    content: Content
    size: Size
    next_object_id: int

    def open(self, object_id: int) -> MaskObject:
        """The object, for changing it. LockedError when it is locked, ProjectError when it is not there."""
        found = self.content.get(object_id)
        if found.locked:
            raise LockedError(f"object {object_id} is locked; unlock it first")
        return found

    def put(self, *changed: MaskObject) -> None:
        """Store objects under their ids; unknown ids come on top. MaskError when a mask has another size."""
        for item in changed:
            for mask in (item.mask, item.start):
                if mask is not None and mask.size != self.size:
                    raise MaskError(
                        f"mask has {mask.size[1]} x {mask.size[0]} pixels; expected {self.size[1]} x {self.size[0]} "
                        "like the picture"
                    )
        self.content = self.content.having(*changed)

    def new(self, class_id: int, mask: MaskRuns, name: str = "") -> MaskObject:
        """A new object, not stored yet."""
        number, self.next_object_id = self.next_object_id, self.next_object_id + 1
        return MaskObject(number, class_id, mask, name=short(name))


@dataclass(frozen=True, slots=True)
class Action(ABC):
    """Base of all actions. kind: its name in the database and on the wire."""

    kind: ClassVar[str] = ""

    @abstractmethod
    def perform(self, easel: Easel) -> None:
        """Change what is on the easel. ProjectError, MaskError or ClickError when it does not fit."""

    @property
    def reads(self) -> frozenset[int]:
        """Ids of existing objects that the result depends on, whether or not it changes them."""
        return frozenset()


def each(
    easel: Easel, object_ids: tuple[int, ...], change: Callable[[MaskObject], MaskObject], locked_too: bool = False
) -> None:
    """Change objects one by one; locked ones only with ``locked_too``."""
    get = easel.content.get if locked_too else easel.open
    easel.put(*(change(get(object_id)) for object_id in all_named(object_ids)))


def all_named(object_ids: tuple[int, ...]) -> tuple[int, ...]:
    """The ids, or ProjectError when there are none or one comes twice."""
    if not object_ids or len(set(object_ids)) < len(object_ids):
        raise ProjectError(f"objects {list(object_ids)} cannot be changed together; name at least one, each once")
    return object_ids


def ids(object_id: int | None) -> frozenset[int]:
    """A set of one or none."""
    return frozenset() if object_id is None else frozenset((object_id,))


def short(name: str) -> str:
    """The name, or ProjectError when it is too long."""
    if len(name) > _MOST_LETTERS:
        raise ProjectError(f"name has {len(name)} letters; expected at most {_MOST_LETTERS}")
    return name
