"""Data sets onto this machine: archives fetched, checked, unpacked, and the finished folder given its name.

The network comes in as an argument (`clickwise.weights.fetch.fetch` in the command). While it works everything lies in
``.NAME.download/`` beside the place where the set will be; an interrupted download goes on from there.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from clickwise.data.catalogue import Archive, CatalogueEntry
from clickwise.data.unpack import unpack
from clickwise.errors import DownloadError, OutputError

SIZE_TOLERANCE = 0.08
"""Announced sizes are rounded, and MB may mean 2^20 bytes."""
_BLOCK = 1 << 20


class Fetch(Protocol):
    """Completes a partial file from an address; see `clickwise.weights.fetch.fetch`. Raises DownloadError."""

    def __call__(self, address: str, part: Path, *, same_everywhere: bool) -> None:
        """same_everywhere: a checksum is known, so a part may be continued from another address."""
        ...


Step = Callable[[str, int, int], None]
"""Called while an archive is unpacked with its name, bytes done and bytes in all."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """fetch: the network. step: told of progress in unpacking. keep: archives stay in ``.NAME.download/``."""

    fetch: Fetch
    step: Step | None = None
    keep: bool = False

    def download(self, entry: CatalogueEntry, target: Path) -> Path:
        """Make ``target`` the folder of a set, unless it is there already; returns it.

        Raises DownloadError naming every address that was tried, or what to do by hand; OutputError when the disk
        refuses.
        """
        if target.exists():
            return target
        if not entry.archives:
            raise DownloadError(f"{entry.name} cannot be fetched for you ({entry.page}): {entry.by_hand}")
        work = target.parent / f".{target.name}.download"
        tree = work / "tree"
        try:
            tree.mkdir(parents=True, exist_ok=True)
            for archive in entry.archives:
                self._add(archive, work, tree)
            tree.replace(target)
            if not self.keep:
                shutil.rmtree(work)
        except OSError as error:
            raise OutputError(
                f"cannot write {work}: {error.strerror or error}; make room, it goes on from there"
            ) from None
        return target

    def _add(self, archive: Archive, work: Path, tree: Path) -> None:
        """Fetch and unpack one archive, unless a former attempt did; an empty file remembers that."""
        done = work / f"{archive.file}.done"
        if done.exists():
            return
        file = work / archive.file
        if not file.exists():
            self._fetch(archive, file)
        place = tree.joinpath(*archive.into.split("/")) if archive.into else tree
        self._unpack(file, place, archive.take)
        for inner in archive.inner:
            self._unpack(tree / inner, (tree / inner).parent, "")
            (tree / inner).unlink()
        done.touch()
        if not self.keep:
            file.unlink()

    def _unpack(self, file: Path, place: Path, take: str | None) -> None:
        step = self.step
        tick = None if step is None else lambda done, total: step(f"unpacking {file.name}", done, total)
        unpack(file, place, take=take, tick=tick)

    def _fetch(self, archive: Archive, file: Path) -> None:
        """Try each address in turn; the first file that passes the check gets its name."""
        part = file.with_name(f"{file.name}.part")
        failures: list[str] = []
        for address in archive.addresses:
            try:
                self.fetch(address, part, same_everywhere=archive.sha256 is not None)
                check_archive(archive, part)
            except DownloadError as error:
                failures.append(str(error))
                continue
            part.replace(file)
            part.with_name(f"{part.name}.json").unlink(missing_ok=True)
            return
        raise DownloadError(
            f"cannot download {archive.file}: {'; '.join(failures)}; put it into {file.parent} yourself"
        )


def check_archive(archive: Archive, part: Path) -> None:
    """Remove the file and raise DownloadError unless it has the checksum, or else the kind and size, it should."""
    trouble = _trouble(archive, part)
    if trouble:
        part.unlink()
        part.with_name(f"{part.name}.json").unlink(missing_ok=True)
        raise DownloadError(f"{archive.file} {trouble}: damaged or another file")


def _trouble(archive: Archive, part: Path) -> str:
    if archive.sha256 is not None:
        digest = hashlib.sha256()
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        found = digest.hexdigest()
        return "" if found == archive.sha256 else f"has sha256 {found}, expected {archive.sha256}"
    with part.open("rb") as file:
        start = file.read(512)
    if not _is_archive(start):
        return "is a web page" if start.lstrip()[:1] == b"<" else "is no zip or tar file"
    size = part.stat().st_size / 1e6
    if archive.megabytes is not None and abs(size - archive.megabytes) > max(1, SIZE_TOLERANCE * archive.megabytes):
        return f"has {size:.1f} MB, expected {archive.megabytes:g}"
    return ""


def _is_archive(start: bytes) -> bool:
    """By the first bytes: zip, gzip, bzip2, xz, tar."""
    magics: Sequence[bytes] = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
    return start.startswith(tuple(magics)) or start[257:262] == b"ustar"
