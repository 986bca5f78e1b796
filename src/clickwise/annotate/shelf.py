"""The pictures of a project as rows: adding files, listing, finding the next one to do."""

from __future__ import annotations

import os
import secrets
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from clickwise.annotate.document import ImageEntry, Progress
from clickwise.annotate.pictures import PictureFile
from clickwise.annotate.tables import images
from clickwise.errors import ProjectError

# isort: split
from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, insert, or_, select, true, update

_ID_BYTES = 8
_LISTED = [column for column in images.c if column.name not in ("modified", "next_object_id")]
_IN = images.c.left_out.is_(False)
_TO_DO = and_(images.c.finished.is_(False), images.c.trouble == "", _IN)


def stored_path(path: Path, home: Path | None) -> str:
    """A picture's path as the database keeps it: relative when it lies in the project's folder or beside it.

    So a folder with pictures and project can be moved or copied as a whole.
    """
    if home is not None and (path.is_relative_to(home) or path.is_relative_to(home.parent)):
        return Path(os.path.relpath(path, home)).as_posix()
    return str(path)


def full_path(stored: str, home: Path | None) -> Path:
    """Inverse of `stored_path`."""
    return Path(os.path.normpath(home / stored)) if home is not None else Path(stored)


def known_files(connection: Connection) -> dict[str, tuple[int, float]]:
    """Stored path -> (bytes, time of change) of every picture."""
    rows = connection.execute(select(images.c.path, images.c.file_bytes, images.c.modified))
    return {path: (length, modified) for path, length, modified in rows}


def shelve(connection: Connection, file: PictureFile, home: Path | None, names: set[str]) -> str:
    """Add a picture, or bring what is known of it up to date; its id.

    A file with the content of a picture whose own file is gone has been moved: it keeps its objects. A picture that
    changed its size under its objects gets a note of trouble; without objects it is simply taken as it is now.
    """
    path = stored_path(file.path, home)
    row = connection.execute(select(images).where(images.c.path == path)).first()
    if row is None and file.sha256:
        twins = connection.execute(select(images).where(images.c.sha256 == file.sha256))
        row = next((twin for twin in twins if not full_path(twin.path, home).exists()), None)
    if row is not None:
        _refresh(connection, row, file, path)
        return str(row.image_id)
    image_id = secrets.token_hex(_ID_BYTES)
    last = connection.execute(select(func.coalesce(func.max(images.c.position), -1))).scalar_one()
    name = _free_name(file, names)
    names.add(name)
    values = {
        "image_id": image_id,
        "position": last + 1,
        "name": name,
        "path": path,
        "version": 0,
        "next_object_id": 1,
        "object_count": 0,
        "finished": False,
        "left_out": False,
        **_facts(file),
        "trouble": file.trouble,
    }
    connection.execute(insert(images), values)
    return image_id


def _refresh(connection: Connection, row: Row[Any], file: PictureFile, path: str) -> None:
    values: dict[str, Any] = {"path": path, "trouble": file.trouble}
    same_size = file.size == (row.height, row.width)
    if not file.trouble and (same_size or row.version == 0):
        values |= _facts(file)
    elif not file.trouble:
        values["trouble"] = (
            f"{file.path} has {file.size[1]} x {file.size[0]} pixels now, {row.width} x {row.height} when it was "
            "labelled; put the old file back"
        )
    connection.execute(update(images).where(images.c.image_id == row.image_id).values(**values))


def _facts(file: PictureFile) -> dict[str, Any]:
    return {
        "width": file.size[1],
        "height": file.size[0],
        "orientation": file.orientation,
        "file_bytes": file.file_bytes,
        "modified": file.modified,
        "sha256": file.sha256,
    }


def _free_name(file: PictureFile, names: Collection[str]) -> str:
    """The picture's name, with its folder's name or a number when another picture has it already."""
    name = file.name.replace("\\", "_")
    if name not in names:
        return name
    name = f"{file.path.parent.name or 'root'}/{name}"
    stem, dot, ending = name.rpartition(".")
    tries = (f"{stem}-{number}{dot}{ending}" for number in range(2, len(names) + 3))
    return name if name not in names else next(other for other in tries if other not in names)


def entries(
    connection: Connection,
    home: Path | None,
    *,
    which: ColumnElement[bool] | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> tuple[ImageEntry, ...]:
    """Pictures in their order, of all kinds unless a filter says which."""
    query = select(*_LISTED).order_by(images.c.position, images.c.image_id).offset(offset).limit(limit)
    rows = connection.execute(query if which is None else query.where(which))
    gaps = _gaps(connection)
    return tuple(_entry(row, home, gaps) for row in rows)


def chosen(
    unfinished_only: bool = False, broken_only: bool = False, named: str = "", left_out: bool | None = False
) -> ColumnElement[bool]:
    """Filter of `entries`: those neither finished nor broken, those broken, those with a text in their name.

    left_out: those of the project, those that were left out of it, None = both.
    """
    rules: list[ColumnElement[bool]] = [true() if left_out is None else images.c.left_out.is_(left_out)]
    if unfinished_only:
        rules.append(_TO_DO)
    if broken_only:
        rules.append(images.c.trouble != "")
    if named:
        rules.append(images.c.name.icontains(named, autoescape=True))
    return and_(*rules)


def count_chosen(connection: Connection, which: ColumnElement[bool]) -> int:
    """How many pictures a filter of `entries` lets through."""
    return int(connection.execute(select(func.count()).select_from(images).where(which)).scalar_one())


def beside(connection: Connection, image_id: str, step: int) -> str | None:
    """The picture after (step 1) or before (step -1) this one, None at the ends of the list."""
    here = connection.execute(select(images.c.position).where(images.c.image_id == image_id)).scalar()
    if here is None:
        raise ProjectError(f"picture {image_id!r} is not in this project")
    place = images.c.position
    query = select(images.c.image_id).where(_IN, place > here if step > 0 else place < here)
    return connection.execute(query.order_by(place if step > 0 else place.desc()).limit(1)).scalar()


def note_trouble(connection: Connection, image_id: str, trouble: str) -> None:
    """Store why a picture cannot be opened. ProjectError when there is none of that id."""
    changed = connection.execute(update(images).where(images.c.image_id == image_id).values(trouble=trouble))
    if not changed.rowcount:
        raise ProjectError(f"picture {image_id!r} is not in this project")


def leave_out(connection: Connection, image_id: str, left_out: bool) -> None:
    """Leave a picture out of the project, or take it back. ProjectError when there is none of that id."""
    changed = connection.execute(update(images).where(images.c.image_id == image_id).values(left_out=left_out))
    if not changed.rowcount:
        raise ProjectError(f"picture {image_id!r} is not in this project")


def named(image_ids: Sequence[str]) -> ColumnElement[bool]:
    """Filter of `entries`: these pictures."""
    return images.c.image_id.in_(image_ids)


def one_entry(connection: Connection, image_id: str, home: Path | None) -> ImageEntry:
    """One picture. ProjectError when there is none of that id."""
    row = connection.execute(select(*_LISTED).where(images.c.image_id == image_id)).first()
    if row is None:
        raise ProjectError(f"picture {image_id!r} is not in this project")
    return _entry(row, home, _gaps(connection))


def next_to_do(connection: Connection, image_id: str) -> str | None:
    """The picture to do after this one, from the beginning again at the end; None when all others are done."""
    here = connection.execute(select(images.c.position).where(images.c.image_id == image_id)).scalar()
    if here is None:
        raise ProjectError(f"picture {image_id!r} is not in this project")
    around = case((images.c.position > here, 0), else_=1)
    query = select(images.c.image_id).where(_TO_DO, images.c.image_id != image_id)
    return connection.execute(query.order_by(around, images.c.position, images.c.image_id).limit(1)).scalar()


def count(connection: Connection) -> Progress:
    """How far the project is."""
    well = images.c.trouble == ""
    sums: Iterable[Any] = (
        func.coalesce(func.sum(case((and_(images.c.finished, well), 1), else_=0)), 0),
        func.count(),
        func.coalesce(func.sum(case((or_(images.c.object_count > 0, images.c.finished), 1), else_=0)), 0),
        func.coalesce(func.sum(images.c.object_count), 0),
        func.coalesce(func.sum(case((well, 0), else_=1)), 0),
    )
    return Progress(*map(int, connection.execute(select(*sums).select_from(images).where(_IN)).one()))


def _gaps(connection: Connection) -> Sequence[int]:
    """Places of the pictures that are left out, in order: so many fewer are before a picture in the list."""
    place = images.c.position
    return connection.execute(select(place).where(images.c.left_out.is_(True)).order_by(place)).scalars().all()


def _entry(row: Row[Any], home: Path | None, gaps: Sequence[int]) -> ImageEntry:
    return ImageEntry(
        row.image_id,
        row.name,
        str(full_path(row.path, home)),
        (row.height, row.width),
        row.orientation,
        row.file_bytes,
        row.sha256,
        row.trouble,
        row.version,
        row.object_count,
        row.finished,
        row.position - bisect_left(gaps, row.position),
        row.left_out,
    )
