"""Pictures of a project as files: which there are, how large, and what their content's checksum is."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from clickwise.errors import ClickwiseError, ImageError
from clickwise.imaging import read_header
from clickwise.types import Size

_ENDINGS = "avif bmp dib gif jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
SUFFIXES = frozenset(f".{ending}" for ending in _ENDINGS.split(" "))
"""Files with other suffixes are taken only when they are named one by one."""
_BLOCK = 1 << 20
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A file that was looked at. trouble: why it cannot be opened, "" when it can; its size is then (0, 0)."""

    path: Path
    name: str
    size: Size
    orientation: int
    file_bytes: int
    modified: float
    sha256: str
    trouble: str


def find_pictures(places: Iterable[str | os.PathLike[str]]) -> list[tuple[Path, str]]:
    """(absolute path, name) of every picture in these files and folders, in the order people expect (2 before 10).

    A name is the path below the folder that was given. Folders are walked to the bottom, hidden ones left out.
    ImageError when a place does not exist.
    """
    found: dict[Path, str] = {}
    for place in places:
        path = Path(os.path.normpath(Path(place).expanduser().absolute()))  # links stay links
        if not path.exists():
            raise ImageError(f"{path} does not exist; expected a picture or a folder of pictures")
        if not path.is_dir():
            found.setdefault(path, path.name)
            continue
        below = sorted(_walk(path), key=lambda file: _natural(file.relative_to(path).as_posix()))
        for file in below:
            found.setdefault(file, file.relative_to(path).as_posix())
    return list(found.items())


def need_pictures(places: Iterable[str | os.PathLike[str]]) -> list[tuple[Path, str]]:
    """As `find_pictures`, for places that a user named: ImageError when they hold no picture, or one is a file of
    another kind.

    A file with the ending of a picture is taken even when it is damaged: it may be put right, and is listed until then.
    """
    given = [Path(place) for place in places]
    found = find_pictures(given)
    if not found:
        raise ImageError(f"{', '.join(map(str, given))} holds no picture; give pictures or a folder with some")
    for place in given:
        if not place.is_dir() and place.suffix.lower() not in SUFFIXES:
            try:
                read_header(place.expanduser())
            except ImageError as error:
                raise ImageError(f"{place} is no picture; give pictures or a folder with some") from error
    return found


def look_at(path: Path, name: str) -> PictureFile:
    """Size and checksum of a file; trouble instead of an error, so that one bad file stops nobody."""
    size, orientation, trouble, digest, length, modified = (0, 0), 1, "", "", 0, 0.0
    try:
        status = path.stat()
        length, modified = status.st_size, status.st_mtime
        digest = checksum(path)
        header = read_header(path)
        size, orientation = header.size, header.orientation
    except ClickwiseError as error:
        trouble = " ".join(str(error).split())
    except OSError as error:
        trouble = f"{path} cannot be read: {error.strerror or error}"
    return PictureFile(path, name, size, orientation, length, modified, digest, trouble)


def checksum(path: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(root, name)


def _natural(name: str) -> list[tuple[int, int, str]]:
    parts = _DIGITS.split(name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
