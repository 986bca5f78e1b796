"""What a project's store stands on: its database, transactions in order, and the documents that were used last."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from clickwise.annotate import rows, tables
from clickwise.annotate.copying import copy_project
from clickwise.annotate.database import open_database, place_name, reading, speaking, sqlite_file, writing
from clickwise.annotate.document import ImageDocument

# isort: split
from sqlalchemy import Connection, select

_KEPT_DOCUMENTS = 64
Self = TypeVar("Self", bound="Storage")


class Storage:
    """The database of a project and its newest documents; all methods may be called from any thread."""

    def __init__(self, place: str | os.PathLike[str], create: bool = True, name: str = "") -> None:
        self.place = place_name(place)
        file = sqlite_file(place)
        self._home = file.parent if file else None
        self._engine = open_database(place, create, name or (self._home.name if self._home else ""))
        self._writer = threading.Lock()
        self._kept: OrderedDict[str, ImageDocument] = OrderedDict()
        self._keeper = threading.Lock()

    def close(self) -> None:
        """Let go of the database. Nothing is saved here: everything is already."""
        self._engine.dispose()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def home(self) -> Path | None:
        """The folder of the project's file; None when a database server has it."""
        return self._home

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one moment of the project, whatever others write."""
        with speaking(self.place), reading(self._engine) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only transaction that writes at that moment; stored when the block ends well."""
        # Writers of this process wait here in order; between processes the database makes them wait.
        with self._writer, speaking(self.place), writing(self._engine) as connection:
            yield connection

    def backup(self, file: Path) -> None:
        """Write the project as it is at one moment into a new SQLite file, while others go on working.

        ProjectError when the disk or the database fails; pictures are not in it.
        """
        with speaking(self.place), closing(sqlite3.connect(file)) as target:
            if self._engine.dialect.name == "sqlite":
                with self._engine.connect() as connection:
                    source = connection.connection.driver_connection
                    assert isinstance(source, sqlite3.Connection)
                    source.backup(target)  # all pages in one step: those who write meanwhile go into the WAL
            target.execute("PRAGMA journal_mode = DELETE")  # one file, without a WAL beside it
        if self._engine.dialect.name != "sqlite":
            self._copy_rows(file)

    def _copy_rows(self, file: Path) -> None:
        engine = open_database(file)
        try:
            with speaking(self.place), self.reading() as source, writing(engine) as target:
                copy_project(source, target)
        finally:
            engine.dispose()
        with closing(sqlite3.connect(file)) as done:
            done.execute("PRAGMA journal_mode = DELETE")

    def _newest(self, connection: Connection, image_id: str, lock: bool = False) -> ImageDocument:
        table = tables.images
        query = select(table.c.version, table.c.height, table.c.width).where(table.c.image_id == image_id)
        row = connection.execute(query.with_for_update() if lock else query).first()
        with self._keeper:
            kept = self._kept.get(image_id)
        if kept is not None and row is not None and (kept.version, *kept.size) == tuple(row):
            return kept
        document = rows.read_document(connection, image_id)
        if not lock:  # inside a writing transaction nothing is certain yet
            self._keep(document)
        return document

    def _keep(self, document: ImageDocument) -> None:
        with self._keeper:
            kept = self._kept.get(document.image_id)
            if kept is None or kept.version <= document.version:
                self._kept[document.image_id] = document
            self._kept.move_to_end(document.image_id)
            while len(self._kept) > _KEPT_DOCUMENTS:
                self._kept.popitem(last=False)

    def forget(self) -> None:
        """Read documents anew: pictures changed otherwise than by events."""
        with self._keeper:
            self._kept.clear()
