"""A project as one zip: its database at one moment, the pictures if wanted, and a manifest with checksums.

`write_bundle` makes it while others go on working; `clickwise.annotate.restoring` brings it back. The zip holds
``manifest.json``, ``project.sqlite`` and ``pictures/NAME``. Paths of the machine it was made on are not in it.
"""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clickwise.annotate.shelf import full_path
from clickwise.annotate.store import ProjectStore
from clickwise.annotate.tables import SCHEMA_VERSION
from clickwise.annotate.zip_files import SafeZip, add_file, safe_name, zip_holds
from clickwise.errors import InputError, ProjectError
from clickwise.formats.staging import staged_file

MANIFEST, DATABASE, PICTURES = "manifest.json", "project.sqlite", "pictures"
_MOST_MANIFEST = 1 << 28
_PACKED_SUFFIXES = frozenset((".avif", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".png", ".webp"))
"""Pictures that no zip makes smaller."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class FileEntry(_Strict):
    """A file of the zip with its length and checksum."""

    file: str
    file_bytes: int = Field(ge=0)
    sha256: Sha256


class PictureEntry(_Strict):
    """A picture of the project. file: in the zip; None when it came without."""

    image_id: str = Field(pattern=r"^[0-9A-Za-z_-]{1,32}$")
    name: str
    file: FileEntry | None = None


class Manifest(_Strict):
    """What a bundle says of itself. schema_version: of its database."""

    clickwise_project: Literal[1] = 1
    made_by: str
    schema_version: int
    name: str
    database: FileEntry
    pictures: tuple[PictureEntry, ...]


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was written. notes: pictures that are not in the zip although they were wanted, and why."""

    images: int
    pictures: int
    file_bytes: int
    notes: tuple[str, ...]


def write_bundle(store: ProjectStore, target: Path, *, pictures: bool = True, overwrite: bool = False) -> Bundled:
    """Write a project as a zip, whole or not at all. pictures: put their files in as well, byte for byte.

    Everything is as it was at one moment, whoever works meanwhile; the same state makes the same zip. A picture whose
    file is gone is noted, its objects are there all the same. Raises OutputError and ProjectError.
    """
    notes: list[str] = []
    with staged_file(target, overwrite=overwrite) as stage:
        with TemporaryDirectory(prefix=".clickwise-", suffix=".tmp", dir=stage.parent) as folder:
            copy = Path(folder, DATABASE)
            store.backup(copy)
            name, images = _prepared(copy)
            with zipfile.ZipFile(stage, "w", zipfile.ZIP_DEFLATED) as archive:
                with copy.open("rb") as file:
                    taken = add_file(archive, DATABASE, file, packed=True)
                entries = []
                for image_id, picture, stored in images:
                    found = _add_picture(archive, picture, full_path(stored, store.home), notes) if pictures else None
                    entries.append(PictureEntry(image_id=image_id, name=picture, file=found))
                manifest = Manifest(
                    made_by=f"clickwise {version('clickwise')}",
                    schema_version=SCHEMA_VERSION,
                    name=name,
                    database=FileEntry(file=DATABASE, file_bytes=taken.file_bytes, sha256=taken.sha256),
                    pictures=tuple(entries),
                )
                entry = zipfile.ZipInfo(MANIFEST)
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, manifest.model_dump_json(indent=1))
        length = stage.stat().st_size
    return Bundled(len(entries), sum(item.file is not None for item in entries), length, tuple(notes))


def _prepared(copy: Path) -> tuple[str, list[tuple[str, str, str]]]:
    """Name of the project, and (image_id, name, stored path) of its pictures; their paths go out of the copy."""
    with closing(sqlite3.connect(copy)) as database, database:
        (name,) = database.execute("SELECT value FROM clickwise_meta WHERE key = 'project_name'").fetchone() or ("",)
        images = database.execute("SELECT image_id, name, path FROM images ORDER BY position, image_id").fetchall()
        database.executemany(
            "UPDATE images SET path = ?, modified = 0, trouble = '' WHERE image_id = ?",
            [(f"{PICTURES}/{picture}", image_id) for image_id, picture, _ in images],
        )
    return name, images


def _add_picture(archive: zipfile.ZipFile, name: str, path: Path, notes: list[str]) -> FileEntry | None:
    if not safe_name(name):
        notes.append(f"{name!r} is a name that not every system can have; its labels are in the zip, it is not")
        return None
    try:
        opened = path.open("rb")
    except OSError as error:
        notes.append(f"{name} cannot be read ({error.strerror or error}); its labels are in the zip, it is not")
        return None
    with opened as file:
        taken = add_file(archive, f"{PICTURES}/{name}", file, packed=path.suffix.lower() not in _PACKED_SUFFIXES)
    return FileEntry(file=f"{PICTURES}/{name}", file_bytes=taken.file_bytes, sha256=taken.sha256)


def is_bundle(file: Path) -> bool:
    """Whether a file is a zip with a manifest of ours; nothing is unpacked."""
    return zip_holds(file, MANIFEST, DATABASE)


def read_manifest(archive: SafeZip, place: str) -> Manifest:
    """What a bundle says of itself, checked against what is in it. ProjectError when it is none or does not fit."""
    try:
        text = archive.read(MANIFEST, _MOST_MANIFEST)
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise ProjectError(f"{place}: {MANIFEST} is none of this clickwise: {where}: {first['msg']}") from error
    except InputError as error:
        raise ProjectError(f"{place} is no project of clickwise: {error}") from error
    if manifest.schema_version > SCHEMA_VERSION:
        raise ProjectError(
            f"{place} was made by a newer clickwise (format {manifest.schema_version}, this one reads up to "
            f"{SCHEMA_VERSION}); update clickwise"
        )
    files = list(_files(manifest))
    if len({item.file for item in files}) < len(files):
        raise ProjectError(f"{place}: {MANIFEST} names a file twice; make the zip again")
    for item in files:
        if archive.size_of(item.file) != item.file_bytes:
            raise ProjectError(f"{place}: {item.file} has not the length that {MANIFEST} says; make the zip again")
    return manifest


def take_checked(archive: SafeZip, entry: FileEntry, target: Path, place: str) -> None:
    """Unpack a file of a bundle. ProjectError, and nothing there, when its checksum is not that of the manifest."""
    if archive.take(entry.file, target).sha256 != entry.sha256:
        target.unlink()
        raise ProjectError(
            f"{place}: {entry.file} has another checksum than {MANIFEST} says; it was damaged or changed"
        )


def _files(manifest: Manifest) -> Iterator[FileEntry]:
    yield manifest.database
    yield from (item.file for item in manifest.pictures if item.file is not None)
