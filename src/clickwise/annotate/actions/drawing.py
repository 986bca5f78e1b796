"""Actions that change masks. They carry results, not recipes: no history ever needs a network again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from clickwise.annotate.document import Stroke
from clickwise.annotate.easel import Action, Easel, all_named, ids
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.overlap import cut_others
from clickwise.clicks.click import Click
from clickwise.errors import ProjectError


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
