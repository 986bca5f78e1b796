"""A zipped project brought back: as a new project in a new folder, or its pictures and histories into an existing one.

Zips come from strangers. Nothing of one is believed before it was checked: names, sizes, checksums, the form of the
database, every history and every mask. Paths in it are ignored; pictures come from the zip, or are looked for by name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from clickwise.annotate import merging, shelf, tables
from clickwise.annotate.bundle import DATABASE, PICTURES, Manifest, PictureEntry, read_manifest, take_checked
from clickwise.annotate.copying import copy_classes, copy_image
from clickwise.annotate.pictures import PictureFile, checksum, look_at
from clickwise.annotate.store import ProjectStore
from clickwise.annotate.zip_files import MOST_BYTES, SafeZip, safe_name
from clickwise.errors import ProjectError
from clickwise.formats.files import find_file
from clickwise.formats.options import ReadOptions
from clickwise.formats.records import Labels
from clickwise.formats.staging import staged_folder

# isort: split
from sqlalchemy import Connection, select, update

_NO_FILE = "it came without its file; add the folder that holds {name} to the project"


@dataclass(frozen=True, slots=True)
class Restored:
    """What came in. images: pictures that are new or have a longer history now. known: those that had all of it.

    without_file: names of pictures that were neither in the zip nor found; they wait for their file.
    """

    images: int
    known: int
    objects: int
    without_file: tuple[str, ...]


@dataclass(slots=True)
class _Unpacked:
    """A checked bundle: its database opened, its pictures still in the zip. folder: hidden, gone at the end."""

    archive: SafeZip
    manifest: Manifest
    store: ProjectStore
    place: str
    folder: Path
    images: Sequence[Path]
    missing: list[str] = field(default_factory=list)

    def bring(self, entry: PictureEntry, target: Path, sha256: str) -> Path:
        """The picture's file: from the zip to ``target``, else where a folder has it; else ``target``, not there."""
        if entry.file is not None:
            take_checked(self.archive, entry.file, target, self.place)
            return target
        found = find_file(entry.name, self.images)
        if found is not None and (not sha256 or checksum(found) == sha256):
            return found.absolute()
        self.missing.append(entry.name)
        return target


def restore_bundle(
    file: Path, folder: Path, *, images: Sequence[Path] = (), name: str = "", most_bytes: int = MOST_BYTES
) -> Restored:
    """A zipped project as a new one in ``folder``: the same documents, histories and undo.

    images: folders in which pictures are looked for that are not in the zip. name: for messages, if not the file's.
    Raises ProjectError when the folder holds something or the zip is no sound project, InputError for a dangerous zip,
    OutputError when the disk refuses it. Then nothing is there.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ProjectError(f"{folder} is there already; give the name of a new folder for the project")
    with (
        staged_folder(folder, overwrite=False, labels=()) as stage,
        _unpacked(file, stage.parent, images, name, most_bytes) as bundle,
        ProjectStore.open(stage, name=bundle.manifest.name) as store,
        store.writing() as target,
        bundle.store.reading() as source,
    ):
        copy_classes(source, target)
        for entry in bundle.manifest.pictures:
            path = bundle.bring(entry, stage / PICTURES / entry.name, _sha256(source, entry.image_id))
            copy_image(source, target, entry.image_id, {"path": shelf.stored_path(path, stage)})
            _shelve(target, entry.image_id, _looked(path, entry.name), path, stage)
        objects = shelf.count(target).objects
    return Restored(len(bundle.manifest.pictures), 0, objects, tuple(bundle.missing))


def merge_bundle(
    file: Path,
    store: ProjectStore,
    *,
    folder: Path | None = None,
    images: Sequence[Path] = (),
    name: str = "",
    most_bytes: int = MOST_BYTES,
) -> Restored:
    """The pictures of a zipped project, with their histories, into an existing project.

    A picture that the project has too (the same, or the same content) gets the history of the zip if that goes on
    where the project's ends; if it ends earlier, nothing happens to it. New pictures are put into ``folder``
    (None: ``pictures`` in the project's folder). ConflictError when a picture was worked on in both, or a class of one
    number has two names: then nothing is stored. Other errors as `restore_bundle`.
    """
    home = folder or (store.home / PICTURES if store.home else None)
    if home is None:
        raise ProjectError("the project lies in a database server; say in which folder its pictures shall lie")
    home.mkdir(parents=True, exist_ok=True)
    known = 0
    with _unpacked(file, home, images, name, most_bytes) as bundle, ExitStack() as undo:
        # Files first: while the project's only writer waits for a disk, nobody could click.
        files = _brought_for(bundle, store)
        with bundle.store.reading() as source, store.writing() as target:
            merging.need_classes(source, target)
            names = set(target.execute(select(tables.images.c.name)).scalars())
            for entry in bundle.manifest.pictures:
                mine = merging.same_picture(source, target, entry.image_id)
                if mine is None:
                    looked, own = files[entry.image_id], merging.free_name(entry.name, names, home)
                    path = _put(looked.path, home / own, undo) if entry.file and looked else home / own
                    if looked and not entry.file:
                        path = looked.path
                    new = {"name": own, "path": shelf.stored_path(path, store.home)}
                    copy_image(source, target, entry.image_id, {**new, "position": merging.next_position(target)})
                    _shelve(target, entry.image_id, looked, path, store.home)
                elif merging.goes_on(source, target, entry, mine):
                    merging.take_history(source, target, entry.image_id, mine)
                else:
                    known += 1
            objects = shelf.count(source).objects
        undo.pop_all()  # stored: the files stay
    store.forget()
    return Restored(len(bundle.manifest.pictures) - known, known, objects, tuple(bundle.missing))


def _brought_for(bundle: _Unpacked, store: ProjectStore) -> dict[str, PictureFile | None]:
    """Files of the pictures that the project does not have, by image_id; those of the zip in the hidden folder."""
    files = {}
    with bundle.store.reading() as source, store.reading() as target:
        new = [e for e in bundle.manifest.pictures if merging.same_picture(source, target, e.image_id) is None]
        digests = {entry.image_id: _sha256(source, entry.image_id) for entry in new}
    for number, entry in enumerate(new):
        hidden = bundle.folder / f"{number}{Path(entry.name).suffix}"
        files[entry.image_id] = _looked(bundle.bring(entry, hidden, digests[entry.image_id]), entry.name)
    return files


def _put(path: Path, target: Path, undo: ExitStack) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    undo.callback(target.unlink, missing_ok=True)
    return target


def read_bundle(file: Path, options: ReadOptions) -> Labels:
    """The labels of a zipped project, without its pictures. Errors as `restore_bundle`."""
    with TemporaryDirectory(prefix="clickwise-") as folder, _unpacked(file, Path(folder), (), "", MOST_BYTES) as bundle:
        return bundle.store.labels()


@contextmanager
def _unpacked(file: Path, beside: Path, images: Sequence[Path], name: str, most_bytes: int) -> Iterator[_Unpacked]:
    """A bundle whose manifest, database and histories are sound; the database lies in a hidden folder ``beside``."""
    place = name or str(file)
    with (
        SafeZip.opened(file, name=place, most_bytes=most_bytes) as archive,
        TemporaryDirectory(prefix=".clickwise-", suffix=".tmp", dir=beside) as folder,
    ):
        manifest = read_manifest(archive, place)
        database = Path(folder, DATABASE)
        take_checked(archive, manifest.database, database, place)
        _need_tables_only(database, place)
        with ProjectStore.open(database, create=False) as store:
            if wrong := _faults(store, manifest):
                raise ProjectError(f"{place} holds no sound project: {wrong}; make the zip again")
            yield _Unpacked(archive, manifest, store, place, Path(folder), images)


def _need_tables_only(database: Path, place: str) -> None:
    """ProjectError for a database with anything but our tables: views and triggers would act when it is read."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            found = connection.execute("SELECT type, tbl_name, sql FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        raise ProjectError(f"{place}: its database is damaged ({error})") from error
    for kind, name, sql in found:
        ours = name in tables.metadata.tables and kind in ("table", "index")
        if not ours or (kind == "table" and not str(sql).startswith("CREATE TABLE ")):
            raise ProjectError(f"{place}: its database holds the {kind} {name!r}, which no project has")


def _faults(store: ProjectStore, manifest: Manifest) -> str:
    """The first thing that is wrong with the content, "" when all is sound."""
    entries = store.images(left_out=None)
    if sorted(entry.image_id for entry in entries) != sorted(item.image_id for item in manifest.pictures):
        return "manifest and database list different pictures"
    names = {entry.image_id: entry.name for entry in entries}
    for item in manifest.pictures:
        if item.name != names[item.image_id] or not safe_name(item.name):
            return f"the picture {item.name!r} has no usable name"
    for entry in entries:
        if not (all(type(side) is int and side >= 0 for side in entry.size) and entry.orientation in range(1, 9)):
            return f"{entry.name} has no usable size"
    return next(iter(store.check()), "")


def _sha256(source: Connection, image_id: str) -> str:
    return str(source.execute(select(tables.images.c.sha256).where(tables.images.c.image_id == image_id)).scalar_one())


def _looked(path: Path, name: str) -> PictureFile | None:
    return look_at(path, name) if path.exists() else None


def _shelve(target: Connection, image_id: str, looked: PictureFile | None, path: Path, home: Path | None) -> None:
    """Bring what is known of the picture's file, which lies at ``path`` by now, up to date."""
    table = tables.images
    if looked is not None:
        shelf.shelve(target, replace(looked, path=path), home, set())
        return
    name = target.execute(select(table.c.name).where(table.c.image_id == image_id)).scalar_one()
    values = {"trouble": _NO_FILE.format(name=name), "modified": 0.0}
    target.execute(update(table).where(table.c.image_id == image_id).values(**values))
