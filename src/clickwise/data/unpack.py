"""Unpacks archives of unknown origin: only plain files, only below the target, nothing larger than announced."""

from __future__ import annotations

import lzma
import re
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from clickwise.errors import DownloadError

_BLOCK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_RUBBISH = ("__MACOSX", ".DS_Store", "Thumbs.db")
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError)
Tick = Callable[[int, int], None]
"""Called with (bytes written so far, bytes in all)."""


@dataclass(frozen=True, slots=True)
class Member:
    """A plain file in an archive: its parts below what is taken, its announced size, how to open it."""

    parts: tuple[str, ...]
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, target: Path, *, take: str | None = None, tick: Tick | None = None) -> int:
    """Unpack a zip or tar file into ``target`` and return the number of files.

    take: only what lies below this folder, without it; "" = everything as it is; None = everything, without a single
    folder that holds it all.
    Raises DownloadError, before anything is written, for members that lead out of the target, links and devices; and
    for damaged or encrypted archives, and when the disk cannot take it all.
    """
    with _opened(archive) as members:
        chosen = list(_chosen(members, take))
        if not chosen:
            raise DownloadError(
                f"{archive} holds no file{f' below {take}' if take else ''}; it is not what was expected"
            )
        total = sum(member.size for member in chosen)
        target.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(target).free
        if total > free:
            raise DownloadError(f"{target} has {free // 10**6} MB free, {total // 10**6} MB are needed; make room")
        done = 0
        for member in chosen:
            path = target.joinpath(*member.parts)
            path.parent.mkdir(parents=True, exist_ok=True)
            done += _copy(archive, member, path)
            if tick is not None:
                tick(done, total)
    return len(chosen)


def _copy(archive: Path, member: Member, path: Path) -> int:
    try:
        with member.open() as source, path.open("wb") as file:
            left = member.size
            while left > 0 and (block := source.read(min(_BLOCK, left))):
                file.write(block)
                left -= len(block)
            if left or source.read(1):
                raise DownloadError(f"{archive}: {'/'.join(member.parts)} has not the size that the archive announces")
    except (*_DAMAGE, NotImplementedError) as error:
        raise _damaged(archive, error) from None
    return member.size


@contextmanager
def _opened(archive: Path) -> Iterator[list[Member]]:
    """All plain files of an archive. Raises DownloadError."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as opened_zip:
                yield list(_zip_members(archive, opened_zip))
        else:
            with tarfile.open(archive) as opened_tar:
                yield list(_tar_members(archive, opened_tar))
    except _DAMAGE as error:
        raise _damaged(archive, error) from None


def _zip_members(archive: Path, opened: zipfile.ZipFile) -> Iterator[Member]:
    for info in opened.infolist():
        kind = info.external_attr >> 28  # upper bits of the Unix mode: 8 plain, 10 link, 4 folder
        if info.is_dir():
            continue
        if kind not in (0, 8):
            raise DownloadError(f"{archive} holds {info.filename}, which is a link or device; not unpacked")
        yield Member(_parts(archive, info.filename), info.file_size, partial(opened.open, info))


def _tar_members(archive: Path, opened: tarfile.TarFile) -> Iterator[Member]:
    for info in opened:
        if info.isdir():
            continue
        if not info.isreg():
            raise DownloadError(f"{archive} holds {info.name}, which is a link or device; not unpacked")
        yield Member(_parts(archive, info.name), info.size, partial(_tar_stream, opened, info))


def _tar_stream(opened: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = opened.extractfile(info)
    assert stream is not None, "a regular file"
    return stream


def _parts(archive: Path, name: str) -> tuple[str, ...]:
    """The folders and the name of a member. Raises DownloadError where they lead out of the archive."""
    plain = name.replace("\\", "/")
    parts = tuple(part for part in PurePosixPath(plain).parts if part != ".")
    if plain.startswith("/") or ".." in parts or any(_DRIVE.match(part) or "\0" in part for part in parts) or not parts:
        raise DownloadError(f"{archive} holds {name!r}, which leads out of its folder; not unpacked")
    return parts


def _chosen(members: list[Member], take: str | None) -> Iterator[Member]:
    kept = [member for member in members if not set(member.parts) & set(_RUBBISH)]
    if take is None:
        tops = {member.parts[0] for member in kept}
        prefix: tuple[str, ...] = (
            (tops.pop(),) if len(tops) == 1 and all(len(member.parts) > 1 for member in kept) else ()
        )
    else:
        prefix = PurePosixPath(take).parts if take else ()
    for member in kept:
        if member.parts[: len(prefix)] == prefix and len(member.parts) > len(prefix):
            yield Member(member.parts[len(prefix) :], member.size, member.open)


def _damaged(archive: Path, error: Exception) -> DownloadError:
    return DownloadError(f"{archive} is damaged or encrypted ({' '.join(str(error).split())}); fetch it anew")
