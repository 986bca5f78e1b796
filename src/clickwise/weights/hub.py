"""Where weights lie on this machine, and how they get there: resumable, checked, atomic downloads. Torch-free.

Order of search: the folder ``CLICKWISE_MODEL_DIR``, the package itself, the cache (``clickwise/weights`` in
``$XDG_CACHE_HOME``, else in ``~/.cache``). Nothing here downloads unless `download` is called.

Environment: ``CLICKWISE_OFFLINE=1`` (or ``HF_HUB_OFFLINE=1``) forbids downloads; ``CLICKWISE_WEIGHTS_URL`` is the base
address of a mirror tried before the published addresses; ``HTTP_PROXY``, ``HTTPS_PROXY``, ``NO_PROXY`` and
``SSL_CERT_FILE`` work as everywhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from filelock import FileLock, Timeout

from clickwise.errors import DownloadError
from clickwise.weights.fetch import FetchOptions, Progress, fetch
from clickwise.weights.zoo import ZooEntry

MIRROR_VARIABLE = "CLICKWISE_WEIGHTS_URL"
EMBEDDED = Path(__file__).parent / "embedded"
_SIZE_TOLERANCE = 0.03
"""Published sizes are rounded to three digits."""
_MIB = 1024 * 1024
_MAGIC = {".pth": (b"PK\x03\x04", b"\x80\x02"), ".pt": (b"PK\x03\x04", b"\x80\x02")}
"""First bytes of a PyTorch file: zip archive, or the pickle of versions before 1.6."""
_SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c"


def cache_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """Folder of downloaded weights; it need not exist yet."""
    base = environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    return root / "clickwise" / "weights"


def search_folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Folders in which weights are looked for, in order."""
    own = environ.get("CLICKWISE_MODEL_DIR", "")
    return [*([Path(own)] if own else []), EMBEDDED, cache_folder(environ)]


def find_local(entry: ZooEntry, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file of these weights on this machine (as published, or converted to ``NAME.safetensors``), or None."""
    wanted = [entry.file, f"{entry.name}.safetensors", *(f"{alias}.safetensors" for alias in entry.aliases)]
    for folder in search_folders(environ):
        for name in dict.fromkeys(wanted):
            if (folder / name).is_file():
                return folder / name
    return None


def is_offline(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment forbids downloads."""
    return any(environ.get(name, "").lower() in {"1", "true", "yes", "on"} for name in _OFFLINE)


_OFFLINE = ("CLICKWISE_OFFLINE", "HF_HUB_OFFLINE")


def download(
    entry: ZooEntry,
    *,
    progress: Progress | None = None,
    announce: Callable[[str], None] | None = None,
    offline: bool | None = None,
    options: FetchOptions | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Path:
    """The file of these weights, fetched if it is not on this machine yet.

    progress: called with (bytes so far, bytes in all or None). announce: gets the licence notice before the first byte.
    offline: None asks the environment.
    Interrupted downloads go on where they stopped; two processes do not disturb each other; the file appears under its
    name only when it is complete and checked.
    Raises DownloadError, which names every address that was tried and why it failed.
    """
    local = find_local(entry, environ)
    if local is not None:
        return local
    target = cache_folder(environ) / entry.file
    forbidden = is_offline(environ) if offline is None else offline
    _refuse_what_cannot_be_fetched(entry, target, forbidden, environ.get(MIRROR_VARIABLE, ""))
    if announce is not None:
        announce(entry.licence_notice)
    options = options or FetchOptions()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock", timeout=options.lock_seconds):
            if not target.is_file():  # else another process has just fetched it
                _fetch_from_any(entry, target, progress, options, environ)
    except Timeout:
        raise DownloadError(
            f"another process has been downloading {entry.name} for {options.lock_seconds:g} s; "
            f"wait for it, or remove {target}.lock if there is none"
        ) from None
    except OSError as error:
        raise DownloadError(
            f"cannot write {target}: {error.strerror or error}; make room or set XDG_CACHE_HOME"
        ) from error
    return target


def adopt(entry: ZooEntry, file: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Copy a file that the user got in another way into the cache, after the same checks. Returns its place there."""
    target = cache_folder(environ) / entry.file
    if file.suffix == ".safetensors":
        target = target.with_name(f"{entry.name}.safetensors")
    if not file.is_file():
        raise DownloadError(f"{file} is not a file; give the downloaded {entry.file}")
    if target.name == entry.file:
        check(entry, file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        try:
            shutil.copyfile(file, beside)
            Path(beside).replace(target)
        finally:
            Path(beside).unlink(missing_ok=True)
    except OSError as error:
        raise DownloadError(f"cannot copy {file} to {target}: {error.strerror or error}") from error
    return target


def check(entry: ZooEntry, file: Path) -> None:
    """Raise DownloadError unless the file has the hash, or else the kind and size, that the entry tells."""
    if entry.sha256 is not None:
        with file.open("rb") as opened:
            digest = (
                hashlib.file_digest(opened, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)
            )
        if digest != entry.sha256:
            raise DownloadError(f"{file.name} has sha256 {digest}, expected {entry.sha256}: damaged or another file")
        return
    size = file.stat().st_size
    with file.open("rb") as opened:
        start = opened.read(16)
    if start.startswith(_SEVEN_ZIP):
        raise DownloadError(
            f"{file.name} is a 7z archive or its first part; unpack it with `7z x {file.name}`, all parts in one "
            f"folder, and give {entry.file}, which comes out of it"
        )
    magic = _MAGIC.get(Path(entry.file).suffix)
    if magic is not None and not start.startswith(magic):
        what = "a web page" if start.lstrip()[:1] == b"<" else "not one by its first bytes"
        raise DownloadError(f"{file.name} ({size} bytes) should be a PyTorch file and is {what}; get it from elsewhere")
    if entry.megabytes is not None and abs(size / _MIB - entry.megabytes) > _SIZE_TOLERANCE * entry.megabytes:
        raise DownloadError(
            f"{file.name} has {size / _MIB:.1f} MiB, expected {entry.megabytes:g}: truncated or another file"
        )


def _sha256(file: Path) -> str:
    """Hash of a file on Python 3.10, which has no hashlib.file_digest."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(_MIB):
            digest.update(block)
    return digest.hexdigest()


def _refuse_what_cannot_be_fetched(entry: ZooEntry, target: Path, offline: bool, mirror: str) -> None:
    """Raise DownloadError, saying what to do instead: embedded, split or address-less weights, offline mode.

    A mirror may hold the very file also where its authors have no address for it, or split it.
    """
    if entry.embedded:
        raise DownloadError(
            f"{entry.name} ships inside the package, but {entry.file} is missing there; reinstall clickwise"
        )
    by_hand = f"put {entry.file} into {target.parent} or run `clickwise download {entry.name} --from FILE`"
    if mirror and not offline:
        return
    if entry.parts:
        archive = entry.parts[0].rpartition("/")[2]
        raise DownloadError(
            f"{entry.name} is published in {len(entry.parts)} parts (licence {entry.licence}): download "
            f"{' and '.join(entry.parts)} into one folder, unpack with `7z x {archive}`, "
            f"then run `clickwise download {entry.name} --from {entry.file}`"
        )
    if entry.page is not None and not entry.addresses:
        raise DownloadError(
            f"{entry.name} has no address that a program can download from (licence {entry.licence}): "
            f"fetch {entry.file} from {entry.page} in a browser, then run "
            f"`clickwise download {entry.name} --from {entry.file}`"
        )
    if not entry.addresses:
        raise DownloadError(f"{entry.name} has no address to download from; {by_hand}")
    if offline:
        raise DownloadError(f"{entry.name} is not on this machine and offline mode is on; {by_hand}")


def _fetch_from_any(
    entry: ZooEntry, target: Path, progress: Progress | None, options: FetchOptions, environ: Mapping[str, str]
) -> None:
    """Try the mirror and each address in turn; the first file that passes the check gets its name."""
    part = target.with_name(f"{target.name}.part")
    mirror = environ.get(MIRROR_VARIABLE, "")
    addresses = [*([f"{mirror.rstrip('/')}/{entry.file}"] if mirror else []), *entry.addresses]
    failures: list[str] = []
    for address in addresses:
        try:
            _fetch_checked(entry, address, part, progress, options)
        except DownloadError as error:
            failures.append(str(error))
            continue
        part.replace(target)
        part.with_name(f"{part.name}.json").unlink(missing_ok=True)
        _write_licence(entry, target, address)
        return
    raise DownloadError(
        f"cannot download {entry.name}: {'; '.join(failures)}; get {entry.file} elsewhere and run "
        f"`clickwise download {entry.name} --from FILE`"
    )


def _fetch_checked(entry: ZooEntry, address: str, part: Path, progress: Progress | None, options: FetchOptions) -> None:
    """Complete and check the part; if it had a beginning from earlier and fails, try once more from the first byte."""
    had_beginning = part.exists()
    for last in (not had_beginning, True):
        fetch(address, part, same_everywhere=entry.sha256 is not None, progress=progress, options=options)
        try:
            return _check_or_discard(entry, part)
        except DownloadError:
            if last:
                raise


def _check_or_discard(entry: ZooEntry, part: Path) -> None:
    """A complete file that fails the check is no start to resume from."""
    try:
        check(entry, part)
    except DownloadError:
        part.unlink()
        part.with_name(f"{part.name}.json").unlink(missing_ok=True)
        raise


def _write_licence(entry: ZooEntry, target: Path, address: str) -> None:
    """Leave the terms beside the weights: identifier on the first line."""
    note = f"{entry.licence}\n{entry.licence_notice}\nfetched from {address}\n"
    target.with_name(f"{target.name}.LICENSE").write_text(note, encoding="utf-8")
