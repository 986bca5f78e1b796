"""The pictures of a project: adding files, listing, finding the next one to do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from clickwise.annotate import shelf, tables
from clickwise.annotate.document import ImageEntry, Progress
from clickwise.annotate.pictures import find_pictures, look_at
from clickwise.annotate.storage import Storage

# isort: split
from sqlalchemy import select

_READERS = 4
"""Files looked at side by side; more do not help one disk."""


class Gallery(Storage):
    """What `ProjectStore` does about pictures; their objects are not its business."""

    def add_images(
        self, places: Iterable[str | os.PathLike[str]], on_progress: Callable[[int, int], None] | None = None
    ) -> tuple[ImageEntry, ...]:
        """Add the pictures in these files and folders, in order; those that are known are not added twice.

        A file that cannot be opened is added with its `ImageEntry.trouble` and stops nobody. on_progress: told of
        (files looked at, files to look at). Returns the entries of all given pictures, those that were left out of the
        project before, and still are, among them.
        """
        return self.add_files(find_pictures(places), on_progress)

    def add_files(
        self, files: Iterable[tuple[Path, str]], on_progress: Callable[[int, int], None] | None = None
    ) -> tuple[ImageEntry, ...]:
        """As `add_images`, for files (path, name in the project): names with ``/`` keep their folders."""
        found = [(Path(os.path.normpath(path.absolute())), name) for path, name in files]
        with self.reading() as connection:
            known = shelf.known_files(connection)
        fresh = [(path, name) for path, name in found if not self._is_known(path, known)]
        with ThreadPoolExecutor(_READERS) as readers:
            looked = []
            for file in readers.map(lambda item: look_at(*item), fresh):
                looked.append(file)
                if on_progress is not None:
                    on_progress(len(looked), len(fresh))
        with self.writing() as connection:
            names = set(connection.execute(select(tables.images.c.name)).scalars())
            for file in looked:
                shelf.shelve(connection, file, self._home, names)
            by_path = {entry.path: entry for entry in shelf.entries(connection, self._home)}
        self.forget()
        return tuple(by_path[os.path.normpath(path)] for path, _ in found)

    def images(
        self,
        *,
        unfinished_only: bool = False,
        broken_only: bool = False,
        named: str = "",
        left_out: bool | None = False,
        offset: int = 0,
        limit: int | None = None,
    ) -> tuple[ImageEntry, ...]:
        """Pictures in their order, without their objects.

        unfinished_only leaves out finished and broken ones; broken_only all that can be opened; named: only those with
        this text in their name, capital or small; left_out: those that were left out instead, None = these too.
        """
        with self.reading() as connection:
            which = shelf.chosen(unfinished_only, broken_only, named, left_out)
            return shelf.entries(connection, self._home, which=which, offset=offset, limit=limit)

    def count_images(
        self,
        *,
        unfinished_only: bool = False,
        broken_only: bool = False,
        named: str = "",
        left_out: bool | None = False,
    ) -> int:
        """How many pictures `images` would list without offset and limit."""
        with self.reading() as connection:
            return shelf.count_chosen(connection, shelf.chosen(unfinished_only, broken_only, named, left_out))

    def image(self, image_id: str) -> ImageEntry:
        """One picture, also one that was left out. ProjectError when there is none of that id."""
        with self.reading() as connection:
            return shelf.one_entry(connection, image_id, self._home)

    def next_unfinished(self, image_id: str) -> str | None:
        """The picture to do after this one, from the first again at the end; None when all others are done."""
        with self.reading() as connection:
            return shelf.next_to_do(connection, image_id)

    def beside(self, image_id: str, step: int) -> str | None:
        """The picture after (step 1) or before (step -1) this one in the list, None at its ends."""
        with self.reading() as connection:
            return shelf.beside(connection, image_id, step)

    def note_trouble(self, image_id: str, trouble: str) -> ImageEntry:
        """Say that a picture cannot be opened after all; objects on it stay. "" takes it back."""
        with self.writing() as connection:
            shelf.note_trouble(connection, image_id, trouble)
            return shelf.one_entry(connection, image_id, self._home)

    def leave_out(self, image_id: str) -> ImageEntry:
        """Leave a picture out: no list, count, export or way to the next one has it any more.

        Its file, objects and history stay, and `take_back` brings it back to its place. Adding its file does not.
        """
        return self._left_out(image_id, True)

    def take_back(self, image_id: str) -> ImageEntry:
        """Undo `leave_out`."""
        return self._left_out(image_id, False)

    def _left_out(self, image_id: str, left_out: bool) -> ImageEntry:
        with self.writing() as connection:
            shelf.leave_out(connection, image_id, left_out)
            return shelf.one_entry(connection, image_id, self._home)

    def progress(self) -> Progress:
        """How many pictures are finished, started, broken, and how many objects there are."""
        with self.reading() as connection:
            return shelf.count(connection)

    def _is_known(self, path: Path, known: dict[str, tuple[int, float]]) -> bool:
        try:
            status = path.stat()
        except OSError:
            return False
        return known.get(shelf.stored_path(path, self._home)) == (status.st_size, status.st_mtime)
