"""A project as a source of labels like any file, and labels as a beginning for a project.

Imports of the database stay inside functions: label files are translated without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from clickwise.annotate.zip_files import zip_holds
from clickwise.errors import DatasetError, OptionError
from clickwise.formats.capabilities import Capabilities, check
from clickwise.formats.options import ReadOptions
from clickwise.formats.records import LabelledImage, Labels
from clickwise.formats.registry import FORMATS, LabelFormat

if TYPE_CHECKING:
    from clickwise.annotate.bundle import Bundled
    from clickwise.annotate.document import ImageEntry
    from clickwise.annotate.restoring import Restored
    from clickwise.annotate.store import ProjectStore

_PROJECT_FILE = "project.sqlite"
_IN_ZIP = ("manifest.json", _PROJECT_FILE)
_SQLITE_START = b"SQLite format 3\0"
PROJECT = LabelFormat(
    "project",
    "a project of the annotator",
    __name__,
    "",
    "folder",
    Capabilities(
        empty=True, ignored="none", ids=False, attributes=False, by_stem=False, forbidden="".join(map(chr, range(32)))
    ),
)
SOURCES = (PROJECT, *FORMATS)
"""All that labels can come from."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did. notes: what a project has no place for."""

    pictures: int
    objects: int
    notes: tuple[str, ...]


def recognises(place: Path) -> bool:
    """Whether a folder holds a project, or a file is its database or a zipped project."""
    return _is_database(place) or is_zipped(place)


def is_zipped(file: Path) -> bool:
    """Whether a file is a zipped project."""
    return zip_holds(file, *_IN_ZIP)


def _is_database(place: Path) -> bool:
    file = place / _PROJECT_FILE if place.is_dir() else place
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_SQLITE_START)) == _SQLITE_START


def read(place: Path, options: ReadOptions) -> Labels:
    """All pictures of a project with their objects, hidden ones too. Raises ProjectError."""
    from clickwise.annotate.restoring import read_bundle
    from clickwise.annotate.store import ProjectStore

    if is_zipped(place):
        return read_bundle(place, options)
    with ProjectStore.open(place, create=False) as store:
        return store.labels()


def export_project(source: Path, target: Path, *, pictures: bool, overwrite: bool) -> Bundled:
    """A project as a zip (`clickwise.annotate.bundle`). OptionError when the source is none."""
    from clickwise.annotate.bundle import write_bundle
    from clickwise.annotate.store import ProjectStore

    if not _is_database(source):
        raise OptionError(f"{source} is no project, and only a project can be written as one; import-labels makes one")
    if target.suffix.lower() != ".zip":
        raise OptionError(f"a project is written as a zip, {target} does not end in .zip; give a name that does")
    with ProjectStore.open(source, create=False) as store:
        return write_bundle(store, target, pictures=pictures, overwrite=overwrite)


def import_project(file: Path, project: Path, images: tuple[Path, ...] = ()) -> Restored:
    """A zipped project as a new one, or merged into one that is there; see `clickwise.annotate.restoring`."""
    from clickwise.annotate.restoring import merge_bundle, restore_bundle
    from clickwise.annotate.store import ProjectStore

    if not _is_database(project):
        return restore_bundle(file, project, images=images)
    with ProjectStore.open(project, create=False) as store:
        return merge_bundle(file, store, images=images)


def import_into(project: Path, labels: Labels, *, onto_others: bool) -> Imported:
    """Add pictures and objects to a project, which is made when it is not there.

    Everything that can be wrong is found before anything is stored. An import that broke off goes on where it stopped
    when it is done again with ``onto_others``: no object is added twice. Raises DatasetError for pictures that are
    missing, OutputError for what a project cannot hold, OptionError for pictures that have objects already, unless
    ``onto_others``.
    """
    from clickwise.annotate.store import ProjectStore

    others = {one.name: one.can for one in FORMATS}
    notes = check(labels, PROJECT.name, PROJECT.can, PROJECT.holes, others)
    is_there = _is_database(project)
    with_file = [image for image in labels.images if image.path is not None]
    if not is_there:
        _need_pictures(labels.images)
    with ProjectStore.open(project, create=not is_there) as store:
        by_name = {entry.name: entry for entry in store.images(left_out=None)}
        by_path = {Path(entry.path).resolve(): entry for entry in by_name.values()}
        _need_pictures([image for image in labels.images if image.file_name not in by_name])
        known = [(image, _entry_of(image, by_path, by_name)) for image in labels.images]
        for image, entry in known:
            if entry is not None:
                _need_fit(image, entry, onto_others)
        store.add_files((image.path.absolute(), image.file_name) for image in with_file if image.path is not None)
        by_path = {Path(entry.path).resolve(): entry for entry in store.images(left_out=None)}
        objects = _record(store, labels, [(image, _entry_of(image, by_path, by_name)) for image in labels.images])
    return Imported(len(labels.images), objects, notes)


def _need_pictures(images: tuple[LabelledImage, ...] | list[LabelledImage]) -> None:
    missing = [image.file_name for image in images if image.path is None]
    if missing:
        more = f" ({len(missing)} such pictures)" if len(missing) > 1 else ""
        raise DatasetError(f"the picture {missing[0]} was not found{more}; say where it is with --images DIR")


def _entry_of(
    image: LabelledImage, by_path: dict[Path, ImageEntry], by_name: dict[str, ImageEntry]
) -> ImageEntry | None:
    """The project's picture: the same file, else the one of that name."""
    return by_path.get(image.path.resolve()) if image.path is not None else by_name.get(image.file_name)


def _need_fit(image: LabelledImage, entry: ImageEntry, onto_others: bool) -> None:
    if entry.left_out:
        raise DatasetError(
            f"{entry.name} was left out of the project; take it back first (take_back of ProjectStore or RemoteProject)"
        )
    if entry.size != image.size:
        raise DatasetError(
            f"{image.file_name} has {image.width} x {image.height} pixels, the project's {entry.name} "
            f"{entry.size[1]} x {entry.size[0]} (width x height); they must agree"
        )
    if entry.object_count and not onto_others:
        raise OptionError(
            f"{entry.name} has {entry.object_count} objects in the project already; "
            "give another project, or --add to put these on top"
        )


def _record(store: ProjectStore, labels: Labels, pairs: list[tuple[LabelledImage, ImageEntry | None]]) -> int:
    """Store classes and objects under the project's names, one step for each picture; the number of new objects."""
    from clickwise.annotate.importing import import_labels

    fresh = []
    for image, entry in pairs:
        if entry is None or entry.trouble:
            raise DatasetError(f"{image.file_name} cannot be opened in the project: {entry.trouble if entry else ''}")
        fresh.append(replace(image, file_name=entry.name))
    return import_labels(store, replace(labels, images=tuple(fresh)), author="import-labels").objects
