"""Whole files or none: everything is written beside its place and renamed when it is complete."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from clickwise.errors import OutputError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A binary file that appears at ``path`` only when the block ends well.

    Until then the bytes lie in a hidden file in the same folder, which is removed on any failure (also Ctrl-C), so an
    older file at ``path`` stays intact. A symbolic link is followed; the mode of an existing file is kept.
    Raises OutputError when the folder is missing or not writable, the disk is full, or ``path`` is no regular file.

    >>> with atomic_write("note.txt") as file:  # doctest: +SKIP
    ...     _ = file.write(b"whole or not at all")
    """
    # realpath, so that writing through a link replaces the file and not the link.
    target = Path(os.path.realpath(path))
    mode = _checked_mode(target)
    beside = target.with_name(f".clickwise-{secrets.token_hex(8)}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(beside, flags, 0o666)
    except OSError as error:
        raise _failure(target, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if mode is not None:
            beside.chmod(mode)
        beside.replace(target)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink()
        if isinstance(error, OSError):
            raise _failure(target, error) from error
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` in one atomic step; see `atomic_write`."""
    with atomic_write(path) as file:
        file.write(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write ``text`` as UTF-8 to ``path`` in one atomic step; see `atomic_write`."""
    write_bytes(path, text.encode("utf-8"))


def _checked_mode(target: Path) -> int | None:
    """Permission bits of an existing regular file, or None when there is nothing at ``target``."""
    try:
        status = target.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(target, error) from error
    if stat.S_ISDIR(status.st_mode):
        raise OutputError(f"cannot write {target}: it is a folder; give a file name")
    if not stat.S_ISREG(status.st_mode):
        raise OutputError(f"cannot write {target}: it is not a regular file; give a file name")
    return stat.S_IMODE(status.st_mode)


def _failure(target: Path, error: OSError) -> OutputError:
    if not target.parent.is_dir():
        return OutputError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")
    return OutputError(f"cannot write {target}: {error.strerror or error}; an older file there is unchanged")
