"""Zip files of strangers: what is in them is looked at before anything is taken out."""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from clickwise.errors import InputError, OutputError

_BLOCK = 1 << 20
_MOST_ENTRIES = 1_000_000
_SMALL = 1 << 24
"""Bytes up to which nobody asks how well something was packed: 16 MiB."""
_BEST_RATIO = 200
"""Label files of large empty masks pack some tens of times; a bomb of zeros a thousand times."""
_LONGEST_NAME = 4096
_DRIVE = re.compile("[A-Za-z]:")
MOST_BYTES = 1 << 37
"""Unpacked bytes that are taken out unless the caller says otherwise: 128 GiB."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was written: its length and SHA-256 in hexadecimal digits."""

    file_bytes: int
    sha256: str


class SafeZip:
    """An open zip whose entries are known to be harmless: plain files with relative names, each once, of honest size.

    Open it with `opened`.
    """

    def __init__(self, archive: zipfile.ZipFile, place: str, entries: dict[str, zipfile.ZipInfo]) -> None:
        self._archive, self._place, self._entries = archive, place, entries

    @classmethod
    @contextmanager
    def opened(cls, file: Path, *, name: str = "", most_bytes: int = MOST_BYTES) -> Iterator[SafeZip]:
        """The zip in a file. name: for messages, if not the file's own. most_bytes: of all files unpacked.

        Raises InputError for what is no zip, is damaged or encrypted, for links, absolute names and those that lead
        out (``..``), for names given twice, and for bombs.
        """
        place = name or str(file)
        with ExitStack() as stack:
            with _speaking(place):
                archive = stack.enter_context(zipfile.ZipFile(file))
                entries = _checked(archive.infolist(), place, file.stat().st_size, most_bytes)
            yield cls(archive, place, entries)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the files, in the order of the zip."""
        return tuple(self._entries)

    def size_of(self, name: str) -> int:
        """Bytes of a file, unpacked."""
        return self._entry(name).file_size

    def read(self, name: str, most_bytes: int) -> bytes:
        """A small file. InputError when it is not there or larger."""
        if self.size_of(name) > most_bytes:
            raise InputError(f"{self._place}: {name} has {self.size_of(name)} bytes; at most {most_bytes} are read")
        with _speaking(self._place), self._archive.open(self._entry(name)) as source:
            return source.read(most_bytes + 1)

    def take(self, name: str, target: Path) -> Taken:
        """Unpack one file to a new place; its folders are made. OutputError when the disk refuses it."""
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as file, _speaking(self._place), self._archive.open(self._entry(name)) as source:
                return _copied(source, file)
        except OSError as error:
            raise OutputError(f"cannot write {target}: {error.strerror or error}") from error

    def take_all(self, folder: Path) -> None:
        """Unpack everything below a folder."""
        for name in self._entries:
            self.take(name, folder / name)

    def _entry(self, name: str) -> zipfile.ZipInfo:
        try:
            return self._entries[name]
        except KeyError:
            raise InputError(f"{self._place} does not hold {name}; it is incomplete") from None


def add_file(archive: zipfile.ZipFile, name: str, source: IO[bytes], *, packed: bool) -> Taken:
    """Put a stream into a zip that is being written. packed: whether it is worth compressing."""
    entry = zipfile.ZipInfo(name)  # without the time of day: the same content makes the same zip
    entry.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    entry.external_attr = (stat.S_IFREG | 0o644) << 16
    with archive.open(entry, "w", force_zip64=True) as file:
        return _copied(source, file)


def is_zip(file: Path) -> bool:
    """Whether a file begins like a zip."""
    try:
        with file.open("rb") as opened:
            return opened.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def zip_holds(file: Path, *names: str) -> bool:
    """Whether a file is a zip with all of these in it; nothing is unpacked."""
    if not is_zip(file):
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return set(names) <= set(archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return False


def safe_name(name: str) -> bool:
    """Whether a name from outside stays below the folder that it is put in, on every system."""
    odd = "\0" in name or "\\" in name or _DRIVE.match(name)
    return bool(name) and len(name) <= _LONGEST_NAME and not odd and not ({"", ".", ".."} & set(name.split("/")))


def _checked(
    entries: list[zipfile.ZipInfo], place: str, file_bytes: int, most_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    if len(entries) > _MOST_ENTRIES:
        raise InputError(f"{place} holds {len(entries)} files; at most {_MOST_ENTRIES} are taken out")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        if trouble := _trouble(entry):
            raise InputError(f"{place}: {entry.orig_filename[:200]!r} {trouble}; nothing was taken out")
        if entry.is_dir():
            continue
        if entry.filename in found:
            raise InputError(f"{place} holds {entry.filename} twice; nothing was taken out")
        found[entry.filename] = entry
    packed, unpacked = sum(e.compress_size for e in entries), sum(e.file_size for e in entries)
    if unpacked > most_bytes:
        raise InputError(f"{place} would take {unpacked} bytes unpacked; at most {most_bytes} are allowed")
    if packed > file_bytes:
        raise InputError(f"{place} says that {packed} bytes lie in {file_bytes}; nothing was taken out")
    return found


def _trouble(entry: zipfile.ZipInfo) -> str:
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if not safe_name(entry.orig_filename.removesuffix("/")) or entry.filename != entry.orig_filename:
        return "leads out of its folder or has no usable name"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "is a link or a device, not a file"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in an unusual way"
    if entry.file_size > max(_SMALL, _BEST_RATIO * entry.compress_size):
        return f"unpacks {entry.compress_size} bytes to {entry.file_size}"
    return ""


@contextmanager
def _speaking(place: str) -> Iterator[None]:
    """What the zip library raises, as one line. Errors of the disk are not its own, except for a file not there."""
    try:
        yield
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError, zlib.error) as error:
        raise InputError(f"{place} is no complete zip file ({error}); make or download it again") from error
    except FileNotFoundError as error:
        raise InputError(f"{place} does not exist; expected a zip file") from error


def _copied(source: IO[bytes], target: IO[bytes]) -> Taken:
    digest, length = hashlib.sha256(), 0
    while block := source.read(_BLOCK):
        digest.update(block)
        target.write(block)
        length += len(block)
    return Taken(length, digest.hexdigest())
