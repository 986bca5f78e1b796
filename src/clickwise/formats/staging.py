"""Exports appear at once or not at all: a file or folder is made beside its place and renamed when it is complete."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path

from clickwise.errors import OutputError


@contextmanager
def staged_file(target: Path, *, overwrite: bool) -> Iterator[Path]:
    """A place for a file that becomes ``target`` when the block ends well.

    Raises OutputError when it cannot be written, or is there and ``overwrite`` is not set.
    """
    real = _real(target)
    if real.is_dir():
        raise OutputError(f"cannot write {target}: it is a folder; give a file name")
    if real.exists() and not overwrite:
        raise OutputError(f"{target} is there already; give another name, or --overwrite to replace it")
    beside = _beside(real)
    with _removed(beside, target):
        yield beside
        _settle(beside)
        beside.replace(real)


@contextmanager
def staged_folder(target: Path, *, overwrite: bool, labels: Sequence[str], may_merge: bool = False) -> Iterator[Path]:
    """An empty folder that becomes ``target`` when the block ends well.

    Where ``target`` holds something, ``overwrite`` is needed. Then a new folder takes its place at once; of the old one
    everything is carried over but what the new one has, and what fits one of the patterns ``labels``: earlier labels of
    that format (* stands for folders too). With ``may_merge`` the files are put, one by one, among others that are
    there, as long as they replace none, or ``overwrite`` is set. Raises OutputError.
    """
    real = _real(target)
    if real.exists() and not real.is_dir():
        raise OutputError(f"{target} is a file; give a folder")
    is_full = real.is_dir() and any(real.iterdir())
    if is_full and not (overwrite or may_merge):
        raise OutputError(f"{target} is there and not empty; give another folder, or --overwrite to replace its labels")
    beside = _beside(real)
    with _removed(beside, target):
        beside.mkdir()
        yield beside
        if is_full and may_merge:
            _merge(beside, real, target, overwrite)
        elif is_full:
            _carry_over(real, beside, labels)
            _swap(beside, real)
        else:
            if real.is_dir():
                real.rmdir()
            beside.replace(real)


def _real(target: Path) -> Path:
    # Through links, so that what a link leads to is replaced and not the link.
    real = Path(os.path.realpath(target))
    if not real.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {real.parent}; create it first")
    return real


def _beside(real: Path) -> Path:
    return real.with_name(f".clickwise-{secrets.token_hex(8)}.tmp")


@contextmanager
def _removed(beside: Path, target: Path) -> Iterator[None]:
    """Whatever lies ``beside`` afterwards is removed, also after Ctrl-C; disk errors are told in one line."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}; what was there is unchanged") from error
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink(missing_ok=True)


def _settle(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())


def _files(folder: Path) -> list[Path]:
    """All that is no folder, links included, relative to ``folder``."""
    found = (p for p in folder.rglob("*") if p.is_symlink() or not p.is_dir())
    return sorted(path.relative_to(folder) for path in found)


def _merge(beside: Path, real: Path, target: Path, overwrite: bool) -> None:
    files = _files(beside)
    there = [file for file in files if (real / file).exists()]
    if there and not overwrite:
        raise OutputError(
            f"{target / there[0]} is there already ({len(there)} such files); give another folder, or --overwrite"
        )
    for file in files:
        (real / file).parent.mkdir(parents=True, exist_ok=True)
        (beside / file).replace(real / file)


def _carry_over(old: Path, new: Path, labels: Sequence[str]) -> None:
    for file in _files(old):
        if (new / file).exists() or any(fnmatchcase(file.as_posix(), one) for one in labels):
            continue
        (new / file).parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(old / file, new / file, follow_symlinks=False)
        except (OSError, NotImplementedError):  # a file system without links
            shutil.copy2(old / file, new / file, follow_symlinks=False)


def _swap(new: Path, real: Path) -> None:
    old = _beside(real)
    real.replace(old)
    try:
        new.replace(real)
    except BaseException:
        old.replace(real)
        raise
    shutil.rmtree(old, ignore_errors=True)
