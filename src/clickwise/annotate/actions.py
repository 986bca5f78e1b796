"""What a user can do to the objects of a picture. Each action is a value; performing it is a pure function.

Actions carry results, not recipes: a click brings the mask that the network answered, so that no history ever needs a
network again. Locked objects are refused; unlock them first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from clickwise.annotate.document import Stroke
from clickwise.annotate.easel import Action, Easel, all_named, each, ids, short
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.overlap import cut_others
from clickwise.clicks.click import Click
from clickwise.errors import ProjectError
from clickwise.formats.records import Colour


@dataclass(frozen=True, slots=True)
class AddClick(Action):
    """A click and the mask that came of it. object_id None: the click begins a new object of class ``class_id``.

    model, milliseconds: who answered and how fast, for the record.
    """

    kind: ClassVar[str] = "click"
    click: Click
    mask: MaskRuns
    object_id: int | None = None
    class_id: int = 1
    model: str = ""
    milliseconds: float | None = None

    def perform(self, easel: Easel) -> None:
        """Append the click and take its mask."""
        click = self.click.checked(easel.size[1], easel.size[0])
        item = easel.new(self.class_id, self.mask) if self.object_id is None else easel.open(self.object_id)
        easel.put(replace(item, mask=self.mask, clicks=(*item.clicks, click)))

    @property
    def reads(self) -> frozenset[int]:
        """The object that is clicked."""
        return ids(self.object_id)


@dataclass(frozen=True, slots=True)
class AddStroke(Action):
    """A pull of brush or eraser and the mask after it. object_id None: it begins a new object."""

    kind: ClassVar[str] = "stroke"
    stroke: Stroke
    mask: MaskRuns
    object_id: int | None = None
    class_id: int = 1

    def perform(self, easel: Easel) -> None:
        """Append the stroke and take its mask."""
        item = easel.new(self.class_id, self.mask) if self.object_id is None else easel.open(self.object_id)
        easel.put(replace(item, mask=self.mask, strokes=(*item.strokes, self.stroke)))

    @property
    def reads(self) -> frozenset[int]:
        """The object that is painted."""
        return ids(self.object_id)


@dataclass(frozen=True, slots=True)
class AddObject(Action):
    """A new object from an existing mask. source: "mask", "box", "import", "paste": where the mask came from."""

    kind: ClassVar[str] = "start"
    mask: MaskRuns
    class_id: int = 1
    source: str = "mask"
    name: str = ""

    def perform(self, easel: Easel) -> None:
        """A new object on top, with the mask as its start."""
        easel.put(replace(easel.new(self.class_id, self.mask, self.name), start=self.mask))


@dataclass(frozen=True, slots=True)
class SetMask(Action):
    """Another mask for an object without a click or stroke: a new threshold, another model's answer."""

    kind: ClassVar[str] = "mask"
    object_id: int
    mask: MaskRuns
    reason: str = ""

    def perform(self, easel: Easel) -> None:
        """Take the mask; clicks and strokes stay."""
        easel.put(replace(easel.open(self.object_id), mask=self.mask))

    @property
    def reads(self) -> frozenset[int]:
        """The object itself."""
        return ids(self.object_id)


@dataclass(frozen=True, slots=True)
class CutOthers(Action):
    """Take what an object covers away from all others, except locked ones: "do not overlap", done once."""

    kind: ClassVar[str] = "cut_others"
    object_id: int

    def perform(self, easel: Easel) -> None:
        """Cut the others."""
        easel.put(*cut_others(easel.content, self.object_id))

    @property
    def reads(self) -> frozenset[int]:
        """The object that wins."""
        return ids(self.object_id)


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
class Merge(Action):
    """Make one object of several: ``into`` gets the union as its start mask, ``others`` go.

    The clicks and strokes of all of them were answers to smaller objects, so the merged one begins without any; undo
    brings them back.
    """

    kind: ClassVar[str] = "merge"
    into: int
    others: tuple[int, ...]

    def perform(self, easel: Easel) -> None:
        """Unite them."""
        kept = easel.open(self.into)
        union = kept.mask
        for object_id in all_named(self.others):
            if object_id == self.into:
                raise ProjectError(f"object {object_id} cannot be merged into itself; name others")
            union = union | easel.open(object_id).mask
        easel.content = easel.content.without(self.others)
        easel.put(replace(kept, mask=union, start=union, clicks=(), strokes=()))

    @property
    def reads(self) -> frozenset[int]:
        """All of them."""
        return frozenset((self.into, *self.others))


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
