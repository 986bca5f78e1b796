"""What takes minutes to find out about a data set is kept: a few arrays per set in the cache folder.

Place: ``clickwise/indexes`` in ``$XDG_CACHE_HOME``, else in ``~/.cache``. Large arrays are memory-mapped, so that the
worker processes of a training share one copy. Without a writable cache everything works, only slower.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = Mapping[str, NDArray[Any]]

_VERSION = 1
"""Part of every key: raise it when a reader changes what it keeps."""
_MAPPED_FROM = 1 << 20
"""Files of at least so many bytes are memory-mapped."""


def index_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Folder of the indexes; it need not exist yet."""
    base = environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "clickwise" / "indexes"


def cached_arrays(kind: str, sources: Sequence[Path], build: Callable[[], Arrays]) -> Arrays:
    """The arrays that ``build`` returns, from the cache when none of the sources has changed.

    kind: what it is, in letters and digits. sources: files and folders that the arrays were made from, known by path,
    size and time of change (a folder changes when a file in it comes or goes). Arrays hold numbers or strings.
    """
    place = hashlib.sha256(repr([str(path.resolve()) for path in sources]).encode()).hexdigest()[:16]
    state = [(status.st_size, status.st_mtime_ns) for status in (path.stat() for path in sources)]
    stamp = hashlib.sha256(repr((_VERSION, state)).encode()).hexdigest()[:16]
    folder = index_folder() / f"{kind}-{place}-{stamp}"
    kept = _read(folder)
    if kept:
        return kept
    arrays = build()
    with suppress(OSError):
        _write(folder, arrays)
        for other in folder.parent.glob(f"{kind}-{place}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
    return arrays


def _read(folder: Path) -> Arrays | None:
    """The arrays of a folder; None when it is not there or not whole."""
    try:
        files = sorted(folder.glob("*.npy"))
        return {file.stem: _open(file) for file in files}
    except (OSError, ValueError, EOFError):
        return None


def _open(file: Path) -> NDArray[Any]:
    if file.stat().st_size < _MAPPED_FROM:
        return np.asarray(np.load(file, allow_pickle=False))
    array = np.load(file, mmap_mode="r", allow_pickle=False).view(_Mapped)
    array.file = file
    return np.asanyarray(array)


class _Mapped(np.memmap):
    """A mapped file that goes to other processes as its name, not as a copy of its content."""

    file: Path | None = None
    """Set on the whole array only; what is cut out of it does not have it."""

    def __reduce__(self) -> Any:
        return (_open, (self.file,)) if self.file is not None else np.asarray(self).__reduce__()


def _write(folder: Path, arrays: Arrays) -> None:
    """All arrays or none: into a folder beside, which is then renamed."""
    beside = folder.with_name(f".{secrets.token_hex(8)}.tmp")
    beside.mkdir(parents=True)
    try:
        for name, array in arrays.items():
            np.save(beside / f"{name}.npy", array, allow_pickle=False)
        if folder.exists():  # another process was faster, or what lies there cannot be read
            shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
