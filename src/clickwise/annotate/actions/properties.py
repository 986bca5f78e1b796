"""Actions on whole objects: what they are called and how they are shown, their order, their end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from clickwise.annotate.easel import Action, Easel, all_named, each, ids, short
from clickwise.errors import ProjectError
from clickwise.formats.records import Colour


@dataclass(frozen=True, slots=True)
class SetClass(Action):
    """Another class for objects."""

    kind: ClassVar[str] = "class"
    object_ids: tuple[int, ...]
    class_id: int

    def perform(self, easel: Easel) -> None:
        """Change the class."""
        each(easel, self.object_ids, lambda item: replace(item, class_id=self.class_id))

    @property
    def reads(self) -> frozenset[int]:
        """The objects named."""
        return frozenset(self.object_ids)


@dataclass(frozen=True, slots=True)
class Rename(Action):
    """A name of its own for an object; "" takes it away."""

    kind: ClassVar[str] = "rename"
    object_id: int
    name: str

    def perform(self, easel: Easel) -> None:
        """Change the name."""
        easel.put(replace(easel.open(self.object_id), name=short(self.name)))

    @property
    def reads(self) -> frozenset[int]:
        """The object named."""
        return ids(self.object_id)


@dataclass(frozen=True, slots=True)
class Recolour(Action):
    """A colour of its own for an object; None: that of its class."""

    kind: ClassVar[str] = "colour"
    object_id: int
    colour: Colour | None

    def perform(self, easel: Easel) -> None:
        """Change the colour."""
        if self.colour is not None and not all(0 <= value <= 255 for value in self.colour):
            raise ProjectError(f"colour {self.colour} is none; expected R, G, B from 0 to 255")
        easel.put(replace(easel.open(self.object_id), colour=self.colour))

    @property
    def reads(self) -> frozenset[int]:
        """The object named."""
        return ids(self.object_id)


@dataclass(frozen=True, slots=True)
class Hide(Action):
    """Show objects or not. Hidden objects are saved and exported like all others; locked ones can be hidden."""

    kind: ClassVar[str] = "hide"
    object_ids: tuple[int, ...]
    hidden: bool = True

    def perform(self, easel: Easel) -> None:
        """Hide or show."""
        each(easel, self.object_ids, lambda item: replace(item, hidden=self.hidden), locked_too=True)

    @property
    def reads(self) -> frozenset[int]:
        """The objects named."""
        return frozenset(self.object_ids)


@dataclass(frozen=True, slots=True)
class Lock(Action):
    """Protect objects from every change, or not any more."""

    kind: ClassVar[str] = "lock"
    object_ids: tuple[int, ...]
    locked: bool = True

    def perform(self, easel: Easel) -> None:
        """Lock or unlock."""
        each(easel, self.object_ids, lambda item: replace(item, locked=self.locked), locked_too=True)

    @property
    def reads(self) -> frozenset[int]:
        """The objects named."""
        return frozenset(self.object_ids)


@dataclass(frozen=True, slots=True)
class Delete(Action):
    """Take objects away."""

    kind: ClassVar[str] = "delete"
    object_ids: tuple[int, ...]

    def perform(self, easel: Easel) -> None:
        """Remove them."""
        items = [easel.open(object_id) for object_id in all_named(self.object_ids)]
        easel.content = easel.content.without(item.object_id for item in items)

    @property
    def reads(self) -> frozenset[int]:
        """The objects named."""
        return frozenset(self.object_ids)


@dataclass(frozen=True, slots=True)
class Move(Action):
    """Another place in the drawing order. place: 0 = lowest; what is too large means on top."""

    kind: ClassVar[str] = "move"
    object_id: int
    place: int

    def perform(self, easel: Easel) -> None:
        """Take it out and put it in."""
        item = easel.content.get(self.object_id)
        if self.place < 0:
            raise ProjectError(f"place {self.place} is below the lowest; expected 0 or more")
        rest = easel.content.without([self.object_id]).objects
        easel.content = replace(easel.content, objects=(*rest[: self.place], item, *rest[self.place :]))
