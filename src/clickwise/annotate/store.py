"""A project in its database: every event is on the disk before it counts as done.

One `ProjectStore` serves any number of threads, and any number of processes may open the same project.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace

from clickwise.annotate import class_rows, history, rows, shelf, tables
from clickwise.annotate.classes import ClassList
from clickwise.annotate.document import ImageDocument, Project
from clickwise.annotate.easel import Action
from clickwise.annotate.gallery import Gallery
from clickwise.annotate.history import Event
from clickwise.annotate.labelled import labelled
from clickwise.errors import ConflictError, ProjectError
from clickwise.formats.records import LabelClass, LabelledImage, Labels, labels_of

# isort: split
from sqlalchemy import Connection, select

_LONGEST_TOKEN = 64


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of an action.

    document: the newest one. event: what was stored, None when the action changed nothing.
    news: all events since the version that the user saw, the own one last: what the user's page has to follow.
    """

    document: ImageDocument
    event: Event | None
    news: tuple[Event, ...]


class ProjectStore(Gallery):
    """A project. Open it with `open`; all methods may be called from any thread.

    Raises ProjectError when the database fails; what a method returned before is stored.
    """

    @classmethod
    def open(cls, place: str | os.PathLike[str], *, create: bool = True, name: str = "") -> ProjectStore:
        """The project in a folder, a file, or a database by its URL; made when it is not there, unless told not to.

        Raises ProjectError, and leaves the file as it is, when it is damaged, newer than this program or no project.
        """
        return cls(place, create, name)

    # The project

    def name(self) -> str:
        """The project's name."""
        with self.reading() as connection:
            column = tables.meta.c
            return connection.execute(select(column.value).where(column.key == "project_name")).scalar() or ""

    def project(self) -> Project:
        """Name, classes and pictures at one moment."""
        with self.reading() as connection:
            name = connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == "project_name")).scalar()
            return Project(
                name or "",
                class_rows.read_classes(connection),
                shelf.entries(connection, self._home, which=shelf.chosen()),
            )

    # Documents and their history

    def document(self, image_id: str) -> ImageDocument:
        """The newest document of a picture. ProjectError when there is none of that id."""
        with self.reading() as connection:
            return self._newest(connection, image_id)

    def events(self, image_id: str, after: int = 0) -> tuple[Event, ...]:
        """A picture's events behind a version, in order: what another user's page has to follow."""
        with self.reading() as connection:
            size = shelf.one_entry(connection, image_id, self._home).size
            return tuple(rows.read_events(connection, image_id, size, after))

    def event_named(self, image_id: str, token: str) -> Event | None:
        """The event that a client stored under this token, None when there is none."""
        with self.reading() as connection:
            return self._done_before(connection, self._newest(connection, image_id), token)

    def record(
        self,
        image_id: str,
        action: Action | Callable[[ImageDocument], Action],
        *,
        base_version: int | None = None,
        author: str = "",
        token: str = "",
        own: Collection[str] = (),
    ) -> Recorded:
        """Do something to a picture; when this returns, it is on the disk.

        action: what to do, or a function that makes it from the newest document, where it must name the next new
        object or change a mask as it is now.
        base_version: version that the user saw, None = the newest. If others stored events since, harmless ones are
        passed over and others raise ConflictError (see `history.conflict`). token: the client's own name for this
        action; sent again, it is not done again. own: tokens of this client: events under them count as seen.
        ProjectError, MaskError or ClickError when the action does not fit; nothing is stored then.
        """

        def step(document: ImageDocument, _: Connection) -> Event:
            return history.act(document, action(document) if callable(action) else action)

        return self._store(image_id, step, base_version, author, token, own)

    def undo(
        self,
        image_id: str,
        *,
        base_version: int | None = None,
        author: str = "",
        token: str = "",
        own: Collection[str] = (),
    ) -> Recorded:
        """Take back the last event that is not taken back yet; arguments and errors as `record`."""

        def step(document: ImageDocument, connection: Connection) -> Event:
            return history.undo(document, self._last(connection, document, document.undoable, history.UNDO))

        return self._store(image_id, step, base_version, author, token, own)

    def redo(
        self,
        image_id: str,
        *,
        base_version: int | None = None,
        author: str = "",
        token: str = "",
        own: Collection[str] = (),
    ) -> Recorded:
        """Do again what was taken back last; arguments and errors as `record`."""

        def step(document: ImageDocument, connection: Connection) -> Event:
            return history.redo(document, self._last(connection, document, document.redoable, history.REDO))

        return self._store(image_id, step, base_version, author, token, own)

    def _store(
        self,
        image_id: str,
        step: Callable[[ImageDocument, Connection], Event],
        base: int | None,
        author: str,
        token: str,
        own: Collection[str],
    ) -> Recorded:
        if len(token) > _LONGEST_TOKEN:
            raise ProjectError(f"token has {len(token)} letters; expected at most {_LONGEST_TOKEN}")
        with self.writing() as connection:
            document = self._newest(connection, image_id, lock=True)
            if 0 in document.size:
                raise ProjectError(f"picture {image_id} cannot be opened, so nothing can be labelled in it")
            base = document.version if base is None else base
            if not 0 <= base <= document.version:
                raise ProjectError(
                    f"version {base} of picture {image_id} is not there; the newest is {document.version}"
                )
            missed = rows.read_events(connection, image_id, document.size, base) if base < document.version else []
            done = self._done_before(connection, document, token)
            if done is not None:
                return Recorded(document, done, tuple(missed))
            unseen = [event for event in missed if not event.token or event.token not in own]
            event = _agreed(document, lambda: step(document, connection), unseen, base)
            if event.change.is_empty:
                return Recorded(document, None, tuple(missed))
            class_rows.need_classes(event, class_rows.read_classes(connection))
            event = replace(event, author=author, time=time.time(), token=token)
            document = rows.write_event(connection, document, event)
        self._keep(document)
        return Recorded(document, event, (*missed, event))

    @staticmethod
    def _last(connection: Connection, document: ImageDocument, versions: tuple[int, ...], what: str) -> Event:
        if not versions:
            raise ProjectError(f"there is nothing to {what}")
        return rows.read_events(connection, document.image_id, document.size, only=versions[-1])[0]

    @staticmethod
    def _done_before(connection: Connection, document: ImageDocument, token: str) -> Event | None:
        if not token:
            return None
        table = tables.events
        mine = (table.c.image_id == document.image_id, table.c.token == token)
        version = connection.execute(select(table.c.version).where(*mine)).scalar()
        if version is None:
            return None
        return rows.read_events(connection, document.image_id, document.size, only=version)[0]

    # Classes

    def classes(self) -> tuple[ClassList, int]:
        """The classes and their version."""
        with self.reading() as connection:
            return class_rows.read_classes(connection), class_rows.read_version(connection)

    def set_classes(self, classes: ClassList, *, base_version: int | None = None, author: str = "") -> int:
        """Store other classes; gives their version. What they were is kept in the table class_changes.

        ConflictError when somebody changed them since ``base_version``; ProjectError when a class of an object would
        be gone or retired, or none would be left.
        """
        with self.writing() as connection:
            return class_rows.write_classes(connection, classes, base_version, author)

    # Out and checked

    def labels(self, *, finished_only: bool = False) -> Labels:
        """Everything that label files can hold, hidden objects too; see `clickwise.formats`."""
        images = self.labelled_images(finished_only=finished_only)
        offered = [LabelClass(item.name, item.colour) for item in self.classes()[0].offered]
        return labels_of(tuple(images), tuple(offered))

    def labelled_images(self, *, finished_only: bool = False) -> Iterator[LabelledImage]:
        """The pictures of `labels`, one at a time; broken ones are left out."""
        classes, _ = self.classes()
        for entry in self.images():
            if 0 in entry.size or (finished_only and not entry.finished):
                continue
            yield labelled(entry, self.document(entry.image_id), classes)

    def check(self) -> list[str]:
        """What is wrong with the project, each in a line: every history is replayed and compared. Empty when sound."""
        wrong = []
        for entry in self.images(left_out=None):
            try:
                with self.reading() as connection:
                    stored = rows.read_document(connection, entry.image_id)
                    events = rows.read_events(connection, entry.image_id, stored.size)
                if history.replay(ImageDocument(entry.image_id, stored.size), events) != stored:
                    wrong.append(f"{entry.name}: its objects are not what its history leads to")
            except ProjectError as error:
                wrong.append(f"{entry.name}: {error}")
        return wrong


def _agreed(document: ImageDocument, step: Callable[[], Event], missed: list[Event], base: int) -> Event:
    """The event of a step, or ConflictError when it does not go together with what its user had not seen."""
    try:
        event = step()
    except ConflictError:
        raise
    except ProjectError as error:
        if missed:  # what it names may have gone meanwhile
            raise history.refuse(str(error), base, document.version) from error
        raise
    reason = ""
    if missed:
        reason = history.conflict(event, missed) if event.kind == history.DO else "the picture was changed meanwhile"
    if reason:
        raise history.refuse(reason, base, document.version)
    return event
