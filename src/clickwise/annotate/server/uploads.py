"""Uploaded pictures become files of the project."""

from __future__ import annotations

from pathlib import Path

from clickwise.annotate.document import ImageEntry
from clickwise.annotate.server.errors import refused
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ClickwiseError
from clickwise.imaging import read_header

_MOST_TRIES = 10_000


def keep_upload(store: ProjectStore, saved: Path, folder: Path, name: str) -> ImageEntry:
    """Give a saved upload its name and add it to the project; a file that is no picture is removed and refused.

    A name that is taken gets a number; existing files are never replaced.
    """
    try:
        try:
            read_header(saved)
        except ClickwiseError as error:
            raise refused("bad_request", f"{name}: {str(error).replace(str(saved), 'the upload')}") from error
        target = _linked(saved, folder, name)
    finally:
        saved.unlink(missing_ok=True)
    (entry,) = store.add_images([target])
    return store.take_back(entry.image_id) if entry.left_out else entry


def _linked(saved: Path, folder: Path, name: str) -> Path:
    stem, suffix = Path(name).stem, Path(name).suffix
    for number in range(1, _MOST_TRIES):
        target = folder / (name if number == 1 else f"{stem}-{number}{suffix}")
        try:
            with target.open("xb"):  # ours from now on, whoever else wants the same name
                pass
        except FileExistsError:
            continue
        return saved.replace(target)
    raise refused("bad_request", f"there are {_MOST_TRIES} files named like {name}; use another name")
