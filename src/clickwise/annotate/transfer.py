"""Labels of a project as one file to send, and a file that was sent as labels of a project. Everything here blocks.

What comes in was made by anybody: zips are looked through before they are unpacked, names in labels lead nowhere but to
pictures of the project.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from clickwise.annotate.bundle import is_bundle, write_bundle
from clickwise.annotate.document import ImageEntry
from clickwise.annotate.importing import import_labels
from clickwise.annotate.labels import PROJECT
from clickwise.annotate.pictures import SUFFIXES
from clickwise.annotate.restoring import merge_bundle
from clickwise.annotate.store import ProjectStore
from clickwise.annotate.zip_files import SafeZip, add_file, is_zip
from clickwise.errors import ClickwiseError, InputError, MissingExtraError, ProjectError
from clickwise.formats.options import Holes, ReadOptions, WriteOptions
from clickwise.formats.registry import AUTO, FORMATS, find_format, read_labels, write_labels

_UNPACKED_TIMES = 20
"""Label files pack well: an upload may take so many times its limit unpacked."""
_MOST_LETTERS = 80
_JUNK = ("__MACOSX/", ".DS_Store")
"""What some systems put into every zip."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was made. name: for the user's disk. notes: what the format has no place for."""

    path: Path
    name: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Received:
    """What a file brought. images: pictures that it has labels of; objects: new ones. message: that in a line."""

    images: int
    objects: int
    notes: tuple[str, ...]
    message: str


def labels_file(
    store: ProjectStore,
    form: str,
    folder: Path,
    *,
    finished_only: bool = False,
    holes: Holes | None = None,
    pictures: bool = False,
) -> Sent:
    """Write a project's labels into ``folder`` as one file: that of the format, or a zip of its folder.

    form: a label format, or "project". pictures: put them in as well, where the format has a place for them.
    Raises OptionError for an unknown format, OutputError when it cannot hold something, with the formats that can.
    """
    name = _file_name(store.project().name)
    if form == PROJECT.name:
        done = write_bundle(store, folder / "project.zip", pictures=pictures)
        return Sent(folder / "project.zip", f"{name}.zip", done.notes)
    found = find_format(form)
    labels = store.labels(finished_only=finished_only)
    if not labels.images:
        raise ProjectError(f"no picture is {'finished' if finished_only else 'there'} yet; there is nothing to write")
    options = WriteOptions(holes, pictures)
    if found.target == "file":
        notes = write_labels(labels, folder / "labels.json", form, options)
        return Sent(folder / "labels.json", f"{name}-{form}.json", notes)
    notes = write_labels(labels, folder / "labels", form, options)
    with zipfile.ZipFile(folder / "labels.zip", "w") as archive:
        for path in sorted(path for path in (folder / "labels").rglob("*") if path.is_file()):
            with path.open("rb") as file:
                packed = path.suffix.lower() not in SUFFIXES
                add_file(archive, path.relative_to(folder / "labels").as_posix(), file, packed=packed)
    return Sent(folder / "labels.zip", f"{name}-{form}.zip", notes)


def take_labels(
    store: ProjectStore,
    file: Path,
    name: str,
    *,
    most_bytes: int,
    form: str = AUTO,
    author: str = "",
    folder: Path | None = None,
    image_id: str | None = None,
) -> Received:
    """Add the labels of a file that was sent to the pictures of the project; one step of undo for each picture.

    file: where it lies now; name: what its sender calls it; folder: where pictures of a project go. It may be a single
    file of labels, a mask as a picture, a zip of a folder of labels, or a zipped project, whose new pictures come too.
    most_bytes: of the upload that is allowed.
    image_id: the picture that a single mask, or text file of YOLO, is of, whatever its name.
    Raises a ClickwiseError saying what is wrong; then nothing is stored.
    """
    if form == PROJECT.name or (form == AUTO and is_bundle(file)):
        done = merge_bundle(file, store, folder=folder, name=name, most_bytes=_UNPACKED_TIMES * most_bytes)
        notes = [f"{_many(done.known, 'picture')} had all of it already"] if done.known else []
        notes += [f"{one} came without its file" for one in done.without_file]
        message = f"{_many(done.images, 'picture')} came with {'its' if done.images == 1 else 'their'} history."
        return Received(done.images, done.objects, tuple(notes), message)
    if form != AUTO:
        find_format(form)
    told: list[str] = []
    with TemporaryDirectory(prefix="clickwise-") as scratch:
        unpacked = Path(scratch, "labels")
        with _spoken_of_as(name, unpacked):
            entries = store.images()
            own = None if image_id is None else store.image(image_id).name
            place, form = _unpacked(file, name, form, unpacked, most_bytes, entries, own)
            _show_pictures(entries, Path(scratch, "pictures"))
            labels = read_labels(place, form, ReadOptions((Path(scratch, "pictures"),), told.append, within=True))
            if not labels.images:
                raise InputError(f"{name} lists no picture; there is nothing to import")
    done_labels = import_labels(store, labels, author=author)
    if not done_labels.images:
        raise ProjectError(
            f"{name} has labels of {labels.images[0].file_name} and no picture of this project; add the pictures first"
        )
    told = [note.replace(f"{unpacked}{os.sep}", "") for note in told]
    message = f"{_many(done_labels.objects, 'object')} on {_many(done_labels.images, 'picture')}."
    return Received(done_labels.images, done_labels.objects, (*told, *done_labels.notes), message)


def _unpacked(
    file: Path, name: str, form: str, folder: Path, most_bytes: int, entries: Sequence[ImageEntry], own: str | None
) -> tuple[Path, str]:
    """The file or folder with labels, below ``folder``, and its format. own: name of the picture that a mask is of."""
    if is_zip(file):
        with SafeZip.opened(file, name=name, most_bytes=_UNPACKED_TIMES * most_bytes) as archive:
            wanted = [one for one in archive.names if not one.startswith(_JUNK[0]) and not one.endswith(_JUNK[1])]
            if not wanted:
                raise InputError(f"{name} is an empty zip; expected one of a folder with labels")
            for one in wanted:
                archive.take(one, folder / one)
        place = _inner(folder, form)
        _need_form(place, form, name)
        return place, form
    # One mask, or one text file of YOLO, is a folder that holds nothing else.
    within = {".txt": "labels"} | dict.fromkeys(SUFFIXES, "masks")
    inside = within.get(PurePosixPath(name).suffix.lower())
    base = PurePosixPath(name.replace("\\", "/")).name or "labels.json"
    if inside:
        picture = _name_of_picture(base if own is None else own, entries)
        place = folder / inside / PurePosixPath(picture).with_suffix(PurePosixPath(base).suffix).as_posix()
    else:
        place = folder / base
    place.parent.mkdir(parents=True)
    shutil.copyfile(file, place)
    if inside:
        return folder, "yolo" if inside == "labels" else AUTO
    _need_form(place, form, name)
    return place, form


def _need_form(place: Path, form: str, name: str) -> None:
    """InputError when the labels have another format than was said, which would be a riddle to whoever reads them."""
    if form == AUTO or find_format(form).recognises(place):
        return
    other = next((one for one in FORMATS if one.recognises(place)), None)
    if other is not None:
        raise InputError(f"{name} holds {other.what}, not {form}; choose {other.name}, or auto")


def _name_of_picture(name: str, entries: Sequence[ImageEntry]) -> str:
    """The name of the one picture that a file belongs to.

    ``cup.png`` and ``cup_mask.png``, as ``clickwise segment`` writes it, belong to cup.jpg in whatever folder. Raises
    ProjectError when there is no such picture, or several.
    """
    base = PurePosixPath(name)
    for stem in (base.stem, base.stem.removesuffix("_mask")):
        found = [entry.name for entry in entries if PurePosixPath(entry.name).stem == stem]
        if len(found) == 1:
            return found[0]
        if found:
            raise ProjectError(f"{name} may belong to {found[0]} or {found[1]}; send it in a zip, in the same folder")
    raise ProjectError(f"{name} belongs to no picture of this project; give it the name of its picture")


def _inner(folder: Path, form: str) -> Path:
    """What was zipped: the content of a folder, the folder as a whole, or a single file."""
    inside = list(folder.iterdir())
    if len(inside) != 1:
        return folder
    if inside[0].is_file():
        return inside[0]
    formats = FORMATS if form == AUTO else (find_format(form),)
    return folder if any(one.recognises(folder) for one in formats) else _inner(inside[0], form)


def _show_pictures(entries: Sequence[ImageEntry], folder: Path) -> None:
    """Make a folder in which every picture of the project lies under its name, for formats that look for them."""
    folder.mkdir()
    for entry in entries:
        if not entry.trouble:
            place = folder / entry.name
            place.parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # a disk without links: YOLO then says that it has no pictures
                place.symlink_to(entry.path)


@contextmanager
def _spoken_of_as(name: str, folder: Path) -> Iterator[None]:
    """Errors that name a place on this machine's disk name the file as its sender calls it."""
    try:
        yield
    except ClickwiseError as error:
        text = str(error).replace(f"{folder}{os.sep}", f"{name}: ").replace(str(folder), name)
        if isinstance(error, MissingExtraError) or text == str(error):
            raise
        raise type(error)(text) from error


def _file_name(project: str) -> str:
    """A project's name as the beginning of a file's name."""
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in project).strip("-")
    return kept[:_MOST_LETTERS] or "labels"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
