"""Two projects in one: which pictures are the same, whose history is longer, and whether the classes agree."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

from clickwise.annotate import class_rows, tables
from clickwise.annotate.bundle import PictureEntry
from clickwise.annotate.classes import ClassList
from clickwise.annotate.copying import copy_classes, copy_image
from clickwise.errors import ConflictError

# isort: split
from sqlalchemy import Connection, func, select

_KEPT = ("image_id", "name", "path", "position", "file_bytes", "modified", "trouble", "left_out")
"""What a picture of the project keeps when it takes a history from elsewhere."""
_INSTEAD = "export its labels in another format and import those: they become new objects"


def need_classes(source: Connection, target: Connection) -> None:
    """Add the classes that the target lacks. ConflictError when one number would mean two things."""
    if not target.execute(select(func.count()).select_from(tables.events)).scalar_one() and not class_rows.read_version(
        target
    ):
        copy_classes(source, target)
        return
    theirs, mine = class_rows.read_classes(source), class_rows.read_classes(target)
    merged = mine
    for item in theirs:
        own = next((one for one in mine if one.class_id == item.class_id), None)
        namesake = mine.named(item.name)
        if own is None and namesake is None:
            key = "" if merged.of_key(item.key) else item.key
            merged = ClassList((*merged, replace(item, key=key)))
        elif own is None or own.name != item.name or (own.retired and not item.retired):
            there = own.name if own is not None else f"{item.name} is class {namesake.class_id}" if namesake else ""
            raise ConflictError(
                f"class {item.class_id} is {item.name!r} in the zip, {there!r} in the project; rename one, "
                f"or {_INSTEAD}"
            )
    if merged != mine:
        class_rows.write_classes(target, merged, None, "")


def same_picture(source: Connection, target: Connection, image_id: str) -> str | None:
    """The target's picture that is this one: of the same id, else of the same content; None when there is none."""
    table = tables.images
    if target.execute(select(table.c.image_id).where(table.c.image_id == image_id)).scalar() is not None:
        return image_id
    digest = select(table.c.sha256, table.c.width, table.c.height).where(table.c.image_id == image_id)
    sha256, width, height = source.execute(digest).one()
    same = (table.c.sha256 == sha256, table.c.width == width, table.c.height == height)
    query = select(table.c.image_id).where(*same).order_by(table.c.version.desc(), table.c.position)
    found: str | None = target.execute(query).scalar() if sha256 else None
    return found


def goes_on(source: Connection, target: Connection, entry: PictureEntry, mine: str) -> bool:
    """Whether the source's history begins with the whole of the target's and goes on. ConflictError when they part."""
    theirs, ours = _steps(source, entry.image_id), _steps(target, mine)
    common = min(len(theirs), len(ours))
    if theirs[:common] != ours[:common]:
        raise ConflictError(
            f"{entry.name} was worked on in both projects; finish it in one of them, or {_INSTEAD}; nothing was stored"
        )
    return len(theirs) > len(ours)


def _steps(connection: Connection, image_id: str) -> list[tuple[Any, ...]]:
    table = tables.events
    columns = (table.c.version, table.c.kind, table.c.target, table.c.action, table.c.change)
    rows = connection.execute(select(*columns).where(table.c.image_id == image_id).order_by(table.c.version))
    return [tuple(row) for row in rows]


def take_history(source: Connection, target: Connection, image_id: str, mine: str) -> None:
    """Give the target's picture the source's history; its file stays where it is."""
    table = tables.images
    row = target.execute(select(*(table.c[name] for name in _KEPT)).where(table.c.image_id == mine)).mappings().one()
    copy_image(source, target, image_id, dict(row))


def free_name(name: str, names: set[str], folder: Path) -> str:
    """The name, or one with a number, that neither the project nor the folder has; it is taken from now on."""
    stem, dot, ending = name.rpartition(".")
    number, tried = 1, name
    while _taken(tried, names, folder):
        number += 1
        tried = f"{stem}-{number}{dot}{ending}" if dot and stem else f"{name}-{number}"
    names.add(tried)
    return tried


def _taken(name: str, names: Collection[str], folder: Path) -> bool:
    return name in names or (folder / name).exists()


def next_position(target: Connection) -> int:
    """The place behind the last picture."""
    return int(target.execute(select(func.coalesce(func.max(tables.images.c.position), -1))).scalar_one()) + 1
