"""The classes of a project as rows, and what must hold before they change."""

from __future__ import annotations

import json
import time
from typing import Any

from clickwise.annotate import history
from clickwise.annotate.classes import ClassList, LabelClass
from clickwise.annotate.history import Event
from clickwise.annotate.tables import class_changes, meta, objects
from clickwise.annotate.tables import classes as table
from clickwise.errors import ProjectError
from clickwise.formats.records import Colour

# isort: split
from sqlalchemy import Connection, delete, func, insert, select, update


def read_version(connection: Connection) -> int:
    """How often the classes were changed."""
    value = connection.execute(select(meta.c.value).where(meta.c.key == "class_version")).scalar()
    return int(value or 0)


def write_classes(connection: Connection, classes: ClassList, base_version: int | None, author: str) -> int:
    """Store other classes and what they were; gives their version. See `ProjectStore.set_classes`."""
    old, version = read_classes(connection), read_version(connection)
    if base_version is not None and base_version != version:
        raise history.refuse("somebody changed the classes meanwhile", base_version, version)
    _need_kept(connection, old, classes)
    before, after = (json.dumps(_rows(item), ensure_ascii=False) for item in (old, classes))
    connection.execute(delete(table))
    connection.execute(insert(table), _rows(classes))
    note = {"version": version + 1, "before": before, "after": after, "author": author, "time": time.time()}
    connection.execute(insert(class_changes), note)
    connection.execute(update(meta).where(meta.c.key == "class_version").values(value=str(version + 1)))
    return version + 1


def need_classes(event: Event, classes: ClassList) -> None:
    """ProjectError when an event gives an object a class that is not there or not offered any more."""
    if event.kind != history.DO:
        return  # undo may bring back an object of a class that was retired meanwhile
    for change in event.change.objects:
        number = change.after.get("class_id") if change.after else None
        if number is not None and classes.get(number).retired:
            raise ProjectError(f"class {classes.get(number).name!r} is not offered any more; choose another")


def _need_kept(connection: Connection, old: ClassList, new: ClassList) -> None:
    if not new.offered:
        raise ProjectError("no class would be left; keep at least one")
    kept, offered = {item.class_id for item in new}, {item.class_id for item in new.offered}
    counted = connection.execute(select(objects.c.class_id, func.count()).group_by(objects.c.class_id))
    used = {int(class_id): int(count) for class_id, count in counted}
    for item in old:
        if item.class_id not in kept:
            raise ProjectError(f"class {item.name!r} would vanish from the history; retire it instead")
        if used.get(item.class_id) and item.class_id not in offered:
            raise ProjectError(
                f"class {item.name!r} cannot go: {used[item.class_id]} objects have it; give them another class first"
            )


def colour_text(colour: Colour) -> str:
    """ "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def read_colour(text: str) -> Colour:
    """Inverse of `colour_text`. ProjectError when it is none."""
    try:
        red, green, blue = bytes.fromhex(text.removeprefix("#"))
    except ValueError:
        raise ProjectError(f"colour {text!r} is none; expected #rrggbb") from None
    return red, green, blue


def read_classes(connection: Connection) -> ClassList:
    """The classes of the project."""
    rows = connection.execute(select(table).order_by(table.c.position))
    return ClassList([LabelClass(r.class_id, r.name, read_colour(r.colour), r.key, r.retired) for r in rows])


def _rows(classes: ClassList) -> list[dict[str, Any]]:
    """The classes as rows of their table."""
    return [
        {
            "class_id": item.class_id,
            "position": place,
            "name": item.name,
            "colour": colour_text(item.colour),
            "key": item.key,
            "retired": item.retired,
        }
        for place, item in enumerate(classes)
    ]
