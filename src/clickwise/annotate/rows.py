"""Between documents and the tables: an event and what it changes are written, a document is read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from clickwise.annotate import history, tables
from clickwise.annotate.changes import End, ObjectChange, Values
from clickwise.annotate.class_rows import colour_text, read_colour
from clickwise.annotate.codec import action_text, change_text, digests, read_action, read_change
from clickwise.annotate.document import Content, ImageDocument, MaskObject, Stroke
from clickwise.annotate.history import Event
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.clicks.click import Click
from clickwise.errors import ProjectError

# isort: split
from sqlalchemy import Connection, Row, Table, and_, delete, insert, select, update

_MOST_AT_ONCE = 500
"""Values in one IN (...): databases have limits."""


def read_document(connection: Connection, image_id: str) -> ImageDocument:
    """The newest document of a picture. ProjectError when there is no such picture."""
    row = connection.execute(select(tables.images).where(tables.images.c.image_id == image_id)).first()
    if row is None:
        raise ProjectError(f"picture {image_id!r} is not in this project")
    steps = select(tables.events.c.kind, tables.events.c.target).where(tables.events.c.image_id == image_id)
    undoable, redoable = history.stacks((), (), map(tuple, connection.execute(steps.order_by(tables.events.c.version))))
    size = (row.height, row.width)
    content = Content(_read_objects(connection, image_id, size), row.finished)
    return ImageDocument(image_id, size, row.version, content, row.next_object_id, undoable, redoable)


def _read_objects(connection: Connection, image_id: str, size: tuple[int, int]) -> tuple[MaskObject, ...]:
    objects, clicks, strokes = tables.objects, tables.clicks, tables.strokes
    rows = connection.execute(select(objects).where(objects.c.image_id == image_id).order_by(objects.c.position)).all()
    masks = read_masks(connection, image_id, size, {d for row in rows for d in (row.mask, row.start) if d})
    clicked = {
        number: tuple(Click(row.x, row.y, row.is_positive) for row in group)
        for number, group in _by_object(connection, clicks, image_id)
    }
    stroked = {
        number: tuple(_stroke(row) for row in group) for number, group in _by_object(connection, strokes, image_id)
    }
    return tuple(
        MaskObject(
            row.object_id,
            row.class_id,
            masks[row.mask],
            masks[row.start] if row.start else None,
            clicked.get(row.object_id, ()),
            stroked.get(row.object_id, ()),
            row.name,
            read_colour(row.colour) if row.colour else None,
            row.hidden,
            row.locked,
        )
        for row in rows
    )


def _by_object(connection: Connection, table: Table, image_id: str) -> Iterator[tuple[int, Iterator[Row[Any]]]]:
    rows = select(table).where(table.c.image_id == image_id).order_by(table.c.object_id, table.c.position)
    return groupby(connection.execute(rows), key=lambda row: int(row.object_id))


def _stroke(row: Row[Any]) -> Stroke:
    return Stroke(tuple((float(x), float(y)) for x, y in json.loads(row.points)), row.radius, row.erases)


def read_masks(
    connection: Connection, image_id: str, size: tuple[int, int], wanted: Iterable[str]
) -> dict[str, MaskRuns]:
    """Masks of a picture by their digests. ProjectError when one is missing or its text is not the one it was."""
    names, found = sorted(wanted), {}
    table = tables.masks
    for first in range(0, len(names), _MOST_AT_ONCE):
        some = and_(table.c.image_id == image_id, table.c.digest.in_(names[first : first + _MOST_AT_ONCE]))
        for digest, counts in connection.execute(select(table.c.digest, table.c.counts).where(some)):
            found[digest] = MaskRuns(size, counts)
            if found[digest].digest != digest:
                raise ProjectError(f"mask {digest} of picture {image_id} is damaged; restore a backup")
    missing = set(names) - set(found)
    if missing:
        raise ProjectError(f"mask {min(missing)} of picture {image_id} is missing; restore a backup")
    return found


def read_events(
    connection: Connection, image_id: str, size: tuple[int, int], after: int = 0, only: int | None = None
) -> list[Event]:
    """Events of a picture in order: those behind version ``after``, or the one of version ``only``."""
    table = tables.events
    which = table.c.version > after if only is None else table.c.version == only
    rows = connection.execute(select(table).where(table.c.image_id == image_id, which).order_by(table.c.version)).all()
    masks = read_masks(connection, image_id, size, set().union(*(digests(r.action) | digests(r.change) for r in rows)))
    return [_event(row, masks) for row in rows]


def _event(row: Row[Any], masks: Mapping[str, MaskRuns]) -> Event:
    action, change = read_action(row.action, masks), read_change(row.change, masks)
    return Event(
        row.version, row.kind, row.target, action, change, row.next_object_id, row.author, row.time, row.token or ""
    )


def write_event(connection: Connection, before: ImageDocument, event: Event) -> ImageDocument:
    """Store an event and what it changes; gives the document after it. The caller's transaction makes it one step."""
    after = history.apply(before, event)
    image_id = before.image_id
    masks: dict[str, MaskRuns] = {}
    action, change = action_text(event.action, masks), change_text(event.change, masks)
    _write_masks(connection, image_id, masks)
    row = {
        "image_id": image_id,
        "version": event.version,
        "kind": event.kind,
        "target": event.target,
        "action_kind": event.action.kind if event.action else None,
        "action": action,
        "change": change,
        "next_object_id": event.next_object_id,
        "author": event.author,
        "time": event.time,
        "token": event.token or None,
    }
    connection.execute(insert(tables.events), row)
    places = {object_id: place for place, object_id in enumerate(after.content.order)}
    for item in event.change.objects:
        _write_object(connection, image_id, item, places)
    if event.change.order is not None:
        _write_order(connection, image_id, before.content.order, places)
    marks = {
        "version": after.version,
        "next_object_id": after.next_object_id,
        "object_count": len(after.objects),
        "finished": after.finished,
    }
    connection.execute(update(tables.images).where(tables.images.c.image_id == image_id).values(**marks))
    return after


def _write_masks(connection: Connection, image_id: str, masks: Mapping[str, MaskRuns]) -> None:
    if not masks:
        return
    table, names = tables.masks, sorted(masks)
    known: set[str] = set()
    for first in range(0, len(names), _MOST_AT_ONCE):
        some = and_(table.c.image_id == image_id, table.c.digest.in_(names[first : first + _MOST_AT_ONCE]))
        known |= set(connection.execute(select(table.c.digest).where(some)).scalars())
    new = [
        {"image_id": image_id, "digest": digest, "counts": masks[digest].counts, "area": masks[digest].area}
        for digest in names
        if digest not in known
    ]
    if new:
        connection.execute(insert(table), new)


def _write_object(connection: Connection, image_id: str, item: ObjectChange, places: Mapping[int, int]) -> None:
    key = {"image_id": image_id, "object_id": item.object_id}
    if item.after is None:
        for table in (tables.objects, tables.clicks, tables.strokes):
            connection.execute(delete(table).where(_is(table, key)))
        return
    values = _columns(item.after)
    if item.before is None:
        connection.execute(insert(tables.objects), {**key, "position": places[item.object_id], **values})
    elif values:
        connection.execute(update(tables.objects).where(_is(tables.objects, key)).values(**values))
    for name, table in (("clicks", tables.clicks), ("strokes", tables.strokes)):
        end = item.after.get(name)
        if isinstance(end, End):
            if item.before is not None:
                connection.execute(delete(table).where(_is(table, key), table.c.position >= end.keep))
            new = [{**key, "position": end.keep + n, **_item_columns(value)} for n, value in enumerate(end.items)]
            if new:
                connection.execute(insert(table), new)


def _write_order(connection: Connection, image_id: str, old: Sequence[int], places: Mapping[int, int]) -> None:
    table = tables.objects
    for place, object_id in enumerate(old):
        if places.get(object_id, place) != place:
            mine = _is(table, {"image_id": image_id, "object_id": object_id})
            connection.execute(update(table).where(mine).values(position=places[object_id]))


def _is(table: Table, key: Mapping[str, Any]) -> Any:
    return and_(*(table.c[name] == value for name, value in key.items()))


def _columns(values: Values) -> dict[str, Any]:
    """Fields of an object as columns, without its lists."""
    columns = {name: value for name, value in values.items() if not isinstance(value, End)}
    for name in ("mask", "start"):
        if isinstance(columns.get(name), MaskRuns):
            columns[name] = columns[name].digest
    if columns.get("colour") is not None:
        columns["colour"] = colour_text(columns["colour"])
    return columns


def _item_columns(value: Click | Stroke) -> dict[str, Any]:
    if isinstance(value, Click):
        return {"x": value.x, "y": value.y, "is_positive": value.is_positive}
    points = json.dumps([list(point) for point in value.points], separators=(",", ":"))
    return {"radius": value.radius, "erases": value.erases, "points": points}
