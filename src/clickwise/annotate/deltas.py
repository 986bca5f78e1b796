"""Documents and events as the JSON of the wire. Only what changed is sent, and of masks only the changed rectangle."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from clickwise.annotate.changes import End, ObjectChange
from clickwise.annotate.classes import ClassList, LabelClass
from clickwise.annotate.document import ImageDocument, ImageEntry, MaskObject, Progress
from clickwise.annotate.history import Event
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.protocol import Classes, ClassShape, ImageShape, Patch, ProgressShape
from clickwise.annotate.row_runs import row_counts
from clickwise.errors import MaskError
from clickwise.types import Box, Size

TILE = 512
"""Longest side of a tile in pixels."""
_NOWHERE: Box = (0, 0, 0, 0)
_KEPT_PATCHES = 512
"""Whole masks as patches: objects of the documents that are asked for again and again."""

Json = dict[str, Any]


def level_count(size: Size) -> int:
    """Levels of the tile pyramid: 0 is full size, each next one half of it, the last one fits into a tile."""
    levels, longest = 1, max(size)
    while longest > TILE:
        levels, longest = levels + 1, (longest + 1) // 2
    return levels


def level_size(size: Size, level: int) -> Size:
    """(height, width) at a level of the pyramid; every halving rounds up."""
    height, width = size
    for _ in range(level):
        height, width = (height + 1) // 2, (width + 1) // 2
    return height, width


# ---------------------------------------------------------------------------------------------- masks


def patch(before: MaskRuns, after: MaskRuns) -> Patch:
    """What turns one mask into another: the rectangle in which they differ, as it is afterwards."""
    return _cut(after, (before ^ after).box)


def whole_patch(mask: MaskRuns) -> Patch:
    """A mask from nothing."""
    return _whole(mask)


def read_patch(sent: Patch, size: Size) -> MaskRuns:
    """The mask of a patch relative to empty. MaskError when it leaves the picture or its runs do not fit."""
    x0, y0, x1, y1 = sent.rect
    if not (0 <= x0 <= x1 <= size[1] and 0 <= y0 <= y1 <= size[0]):
        raise MaskError(
            f"mask rectangle {sent.rect} leaves the picture of {size[1]} x {size[0]} pixels; give one inside"
        )
    if x0 == x1 or y0 == y1:
        return MaskRuns.empty(size)
    rows = MaskRuns.read((x1 - x0, y1 - y0), sent.counts)
    return MaskRuns.of_crop(size, x0, y0, np.ascontiguousarray(rows.array().T))


@lru_cache(maxsize=_KEPT_PATCHES)
def _whole(mask: MaskRuns) -> Patch:
    return _cut(mask, mask.box)


def _cut(mask: MaskRuns, rect: Box | None) -> Patch:
    if rect is None:
        return Patch(rect=_NOWHERE, counts="")
    return Patch(rect=rect, counts=row_counts(mask, rect))


# ---------------------------------------------------------------------------------------------- documents


def object_json(item: MaskObject) -> Json:
    """An object with everything."""
    return {
        "object_id": item.object_id,
        "class_id": item.class_id,
        "name": item.name,
        "colour": None if item.colour is None else list(item.colour),
        "hidden": item.hidden,
        "locked": item.locked,
        "clicks": [[click.x, click.y, click.is_positive] for click in item.clicks],
        "strokes": len(item.strokes),
        "has_start": item.start is not None,
        **_measures(item.mask),
        "mask": whole_patch(item.mask).model_dump(mode="json"),
    }


def document_json(document: ImageDocument, entry: ImageEntry) -> Json:
    """A picture's document: what a replica starts from."""
    height, width = document.size
    return {
        "image_id": document.image_id,
        "name": entry.name,
        "version": document.version,
        "width": width,
        "height": height,
        "levels": level_count(document.size),
        "tile": TILE,
        "v": version_of(entry),
        "finished": document.finished,
        "undoable": len(document.undoable),
        "redoable": len(document.redoable),
        "order": list(document.content.order),
        "objects": [object_json(item) for item in document.objects],
        "orientation": entry.orientation,
    }


def version_of(entry: ImageEntry) -> str:
    """What stands behind ``?v=`` in the addresses of tiles: other content, other letters."""
    return entry.sha256[:12] or "0"


def image_shape(entry: ImageEntry) -> ImageShape:
    """A picture as the list shows it."""
    return ImageShape(
        image_id=entry.image_id,
        name=entry.name,
        width=entry.size[1],
        height=entry.size[0],
        finished=entry.finished,
        object_count=entry.object_count,
        trouble=entry.trouble.replace(entry.path, entry.name),
        version=entry.version,
        position=entry.position,
        v=version_of(entry),
    )


def progress_shape(progress: Progress) -> ProgressShape:
    """How far a project is."""
    return ProgressShape(
        finished=progress.finished,
        total=progress.total,
        started=progress.started,
        objects=progress.objects,
        broken=progress.broken,
    )


def classes_shape(classes: ClassList, version: int) -> Classes:
    """The classes of a project."""
    return Classes(
        version=version,
        classes=[
            ClassShape(
                class_id=item.class_id, name=item.name, colour=item.colour, key=item.key or None, retired=item.retired
            )
            for item in classes
        ],
    )


def read_classes(sent: Classes) -> ClassList:
    """Inverse of `classes_shape`. ProjectError when they cannot stand beside each other."""
    return ClassList(
        [LabelClass(item.class_id, item.name, item.colour, item.key or "", item.retired) for item in sent.classes]
    )


# ---------------------------------------------------------------------------------------------- changes


def delta_json(event: Event, image_id: str, newest: ImageDocument | None = None) -> Json:
    """What a replica at version ``from`` applies to get to ``version``.

    newest: the document after this event, for the numbers of steps that undo and redo would find; without it they are
    null, as they are for all but the last of several events that were missed.
    """
    delta: Json = {
        "image_id": image_id,
        "from": event.version - 1,
        "version": event.version,
        "objects": [_object_delta(change) for change in event.change.objects if change.after is not None],
        "removed": [change.object_id for change in event.change.objects if change.after is None],
        "undoable": None if newest is None else len(newest.undoable),
        "redoable": None if newest is None else len(newest.redoable),
        "author": event.author,
        "what": what_of(event),
        "id": event.token or None,
    }
    if event.change.order is not None:
        delta["order"] = _end_json(event.change.order[1], list)
    if event.change.finished is not None:
        delta["finished"] = event.change.finished[1]
    return delta


def deltas_json(events: tuple[Event, ...], newest: ImageDocument) -> list[Json]:
    """Events in order; the one that led to ``newest`` carries the numbers of undo and redo."""
    return [delta_json(event, newest.image_id, newest if event.version == newest.version else None) for event in events]


def what_of(event: Event) -> str:
    """What an event did: the kind of its action, "undo" or "redo"."""
    return event.action.kind if event.action is not None else event.kind


def _object_delta(change: ObjectChange) -> Json:
    after = change.after or {}
    if change.before is None:
        return object_json(_created(change.object_id, after))
    changed: Json = {"object_id": change.object_id}
    for name, value in after.items():
        if name == "mask":
            changed |= {**_measures(value), "mask": patch(change.before["mask"], value).model_dump(mode="json")}
        elif name == "clicks":
            changed["clicks"] = _end_json(value, lambda click: [click.x, click.y, click.is_positive])
        elif name == "strokes":
            changed["strokes"] = value.keep + len(value.items)
        elif name == "start":
            changed["has_start"] = value is not None
        elif name == "colour":
            changed["colour"] = None if value is None else list(value)
        else:
            changed[name] = value
    return changed


def _created(object_id: int, values: Mapping[str, Any]) -> MaskObject:
    full: Any = {name: tuple(value.items) if isinstance(value, End) else value for name, value in values.items()}
    return MaskObject(object_id, **full)


def _end_json(end: End, plain: Any) -> Json:
    """The first ``keep`` of what was there, then ``items``."""
    items = list(end.items) if plain is list else [plain(item) for item in end.items]
    return {"keep": end.keep, "items": items}


@lru_cache(maxsize=_KEPT_PATCHES)
def _area_and_box(mask: MaskRuns) -> tuple[int, Box | None]:
    return mask.area, mask.box


def _measures(mask: MaskRuns) -> Json:
    area, box = _area_and_box(mask)
    return {"area": area, "bbox": None if box is None else list(box)}
