"""What a project's store stands on: its database, transactions in order, and the documents that were used last."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from clickwise.annotate import rows, tables
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

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with speaking(self.place), reading(self._engine) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        # One writer at a time waits here in order; between processes the database makes them wait.
        with self._writer, speaking(self.place), writing(self._engine) as connection:
            yield connection

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

    def _forget(self) -> None:
        with self._keeper:
            self._kept.clear()
