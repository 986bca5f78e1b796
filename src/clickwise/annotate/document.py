"""What is on a picture: objects with their masks, clicks and strokes, as immutable values. No torch, no database.

A `Project` has classes and pictures; the `ImageDocument` of a picture has `Content` (what undo and redo change) and the
numbers of the events that undo and redo would take next. Coordinates as everywhere: pixels of the upright picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from clickwise.annotate.classes import ClassList
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.clicks.click import Click
from clickwise.errors import InputError, ProjectError
from clickwise.formats.records import Colour
from clickwise.types import Size

MAX_STROKE_POINTS = 100_000
"""A stroke with more is a runaway client, not a hand."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One pull of the brush or the eraser.

    points: (x, y) pixels, the path of the brush's centre; it may leave the picture.
    radius: pixels, above 0.
    """

    points: tuple[tuple[float, float], ...]
    radius: float
    erases: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.points) <= MAX_STROKE_POINTS:
            raise InputError(f"brush stroke has {len(self.points)} points; expected 1 to {MAX_STROKE_POINTS}")
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise InputError(f"brush radius is {self.radius}; expected a number of pixels above 0")
        if not all(math.isfinite(value) for point in self.points for value in point):
            raise InputError("brush stroke has a point that is not a pair of finite numbers; give pixel coordinates")


@dataclass(frozen=True, slots=True)
class MaskObject:
    """One object of a picture.

    object_id: 1, 2, ...; never given twice on one picture, not even after undo.
    mask: what counts; the other fields tell how it came about and how it is shown.
    start: mask that it began with (a pre-label, a box, a merger), None when clicks or brush began it.
    clicks, strokes: what the user did to it since, each in its order.
    colour: (R, G, B), None = that of its class.
    """

    object_id: int
    class_id: int
    mask: MaskRuns
    start: MaskRuns | None = None
    clicks: tuple[Click, ...] = ()
    strokes: tuple[Stroke, ...] = ()
    name: str = ""
    colour: Colour | None = None
    hidden: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class Content:
    """What undo and redo walk through. objects: lowest first, the last one is drawn on top."""

    objects: tuple[MaskObject, ...] = ()
    finished: bool = False

    @property
    def order(self) -> tuple[int, ...]:
        """Ids of the objects, lowest first."""
        return tuple(item.object_id for item in self.objects)

    def get(self, object_id: int) -> MaskObject:
        """The object of that id. ProjectError when there is none."""
        for item in self.objects:
            if item.object_id == object_id:
                return item
        raise ProjectError(f"object {object_id} is not on this picture; it has {_ids(self.order)}")

    def without(self, object_ids: Iterable[int]) -> Content:
        """Without these objects."""
        gone = set(object_ids)
        return replace(self, objects=tuple(item for item in self.objects if item.object_id not in gone))

    def having(self, *changed: MaskObject) -> Content:
        """With these objects in place of those of the same id, or on top where there is none yet."""
        new = {item.object_id: item for item in changed}
        kept = tuple(new.pop(item.object_id, item) for item in self.objects)
        return replace(self, objects=(*kept, *new.values()))


@dataclass(frozen=True, slots=True)
class ImageDocument:
    """A picture's content at one version, and its place in the history. Changed by `history.apply` only.

    version: number of events so far; the first event makes it 1.
    next_object_id: what the next new object will be called; undo does not turn it back.
    undoable, redoable: versions of the events that undo or redo would take, the next one last.
    """

    image_id: str
    size: Size
    version: int = 0
    content: Content = Content()
    next_object_id: int = 1
    undoable: tuple[int, ...] = ()
    redoable: tuple[int, ...] = ()

    @property
    def objects(self) -> tuple[MaskObject, ...]:
        """The objects, lowest first."""
        return self.content.objects

    @property
    def finished(self) -> bool:
        """Whether the user said that nothing is left to do here."""
        return self.content.finished


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """A picture as the list of a project shows it, without its objects.

    image_id: opaque; the only name by which anybody outside asks for it.
    name: relative, with ``/``; what label files call it. path: where the file lies, absolute.
    size: (height, width) of the upright picture. orientation: EXIF number 1..8 of the file.
    sha256, file_bytes: of the file's content; "" and 0 while unknown.
    trouble: why it cannot be opened, "" when it can.
    position: its place in the list: 0, 1, ...
    left_out: whether it was taken out of the project, which keeps all of it; position is then where it would be.
    """

    image_id: str
    name: str
    path: str
    size: Size
    orientation: int = 1
    file_bytes: int = 0
    sha256: str = ""
    trouble: str = ""
    version: int = 0
    object_count: int = 0
    finished: bool = False
    position: int = 0
    left_out: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a project is. broken: pictures that cannot be opened; they count in total, not in finished."""

    finished: int
    total: int
    started: int
    objects: int
    broken: int


@dataclass(frozen=True, slots=True)
class Project:
    """Name, classes and pictures of a project as they were when asked for."""

    name: str
    classes: ClassList
    images: tuple[ImageEntry, ...]

    def unfinished(self) -> Iterator[ImageEntry]:
        """Pictures that are left to do, in order."""
        return (entry for entry in self.images if not entry.finished and not entry.trouble)


def _ids(order: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, order[:20]))
    return (f"objects {shown}" + (", ..." if len(order) > 20 else "")) if order else "no objects"
