"""Rows of a project's database into another one as they are: histories, masks, classes.

The source may come from a stranger: a value of a wrong type or a mask that is none is an error here, not later.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.tables import (
    class_changes,
    classes,
    clicks,
    events,
    images,
    masks,
    meta,
    objects,
    strokes,
)
from clickwise.errors import MaskError, ProjectError

# isort: split
from sqlalchemy import Connection, Table, delete, insert, select, update

OF_A_PICTURE = (masks, objects, clicks, strokes, events)
"""Tables that belong to one picture, besides its row in ``images``."""
_AT_ONCE = 500


def copy_project(source: Connection, target: Connection) -> None:
    """Everything into a project that was just made."""
    copy_classes(source, target)
    _copy_meta(source, target, "project_name")
    for (image_id,) in source.execute(select(images.c.image_id).order_by(images.c.position)).all():
        copy_image(source, target, image_id)


def copy_classes(source: Connection, target: Connection) -> None:
    """Classes and what they were, in place of those of a project in which nothing was done yet."""
    for table in (classes, class_changes):
        target.execute(delete(table))
        _copy(source, target, table, [])
    _copy_meta(source, target, "class_version")


def copy_image(source: Connection, target: Connection, image_id: str, new: Mapping[str, Any] | None = None) -> None:
    """A picture with its whole history. new: values of its row that differ, such as path and position.

    With another image_id in ``new`` it becomes that picture. What the target had of it is gone.
    """
    values = dict(new or {})
    named = {"image_id": values.get("image_id", image_id)}
    row = source.execute(select(images).where(images.c.image_id == image_id)).mappings().one()
    drop_image(target, str(named["image_id"]))
    target.execute(insert(images), _checked(images, [{**row, **values}]))
    size = int(row["height"]), int(row["width"])
    for table in OF_A_PICTURE:
        _copy(source, target, table, [table.c.image_id == image_id], named, size)


def drop_image(target: Connection, image_id: str) -> None:
    """Take a picture and everything of it out of the database."""
    for table in (*OF_A_PICTURE, images):
        target.execute(delete(table).where(table.c.image_id == image_id))


def _copy_meta(source: Connection, target: Connection, key: str) -> None:
    value = source.execute(select(meta.c.value).where(meta.c.key == key)).scalar()
    target.execute(update(meta).where(meta.c.key == key).values(value=str(value or "")))


def _copy(
    source: Connection,
    target: Connection,
    table: Table,
    where: Sequence[Any],
    new: Mapping[str, Any] | None = None,
    size: tuple[int, int] = (0, 0),
) -> None:
    order = list(table.primary_key.columns)
    for some in source.execute(select(table).where(*where).order_by(*order)).mappings().partitions(_AT_ONCE):
        if table is masks:
            _need_masks(some, size)
        target.execute(insert(table), _checked(table, [{**row, **(new or {})} for row in some]))


def _checked(table: Table, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for row in rows:
        for column in table.columns:
            value, kind = row[column.name], column.type.python_type
            right = isinstance(value, (int, float) if kind is float else kind)
            if not (right or (value is None and column.nullable)):
                raise ProjectError(
                    f"table {table.name} holds a {type(value).__name__} as {column.name}, expected {kind.__name__}; "
                    "the project is damaged"
                )
    return rows


def _need_masks(rows: Iterable[Mapping[Any, Any]], size: tuple[int, int]) -> None:
    for row in rows:
        try:
            mask = MaskRuns.read(size, str(row["counts"]))
        except MaskError as error:
            raise ProjectError(f"mask {row['digest']} is damaged: {error}") from error
        if (mask.counts, mask.digest, mask.area) != (row["counts"], row["digest"], row["area"]):
            raise ProjectError(f"mask {row['digest']} is not the one it was; the project is damaged")
