"""One file over HTTP into ``NAME.part``: resumed where it stopped, given up when it stalls. Standard library only.

Beside the part lies ``NAME.part.json`` with the address and the server's validator (ETag or Last-Modified): a part is
continued only where the server vouches that it is still the same file, or where a checksum will tell.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickwise.errors import DownloadError

Progress = Callable[[int, int | None], None]
"""Called with (bytes so far, bytes in all or None while unknown)."""

_BLOCK = 64 * 1024


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How patient a download is.

    timeout: seconds without a single byte.
    slow_bytes_per_second, slow_seconds: slower than this for that long is given up.
    retries: further attempts per address after a broken connection, each continuing the part.
    backoff: seconds before the first of them, doubled for each next.
    lock_seconds: wait for another process that fetches the same file.
    """

    timeout: float = 30.0
    slow_bytes_per_second: float = 1000.0
    slow_seconds: float = 60.0
    retries: int = 3
    backoff: float = 1.0
    lock_seconds: float = 3600.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class _BrokenError(Exception):
    """The connection ended early or stalled; another attempt may go on from here."""


def fetch(
    address: str,
    part: Path,
    *,
    same_everywhere: bool,
    progress: Progress | None = None,
    options: FetchOptions | None = None,
) -> None:
    """Complete ``part`` from ``address``.

    same_everywhere: a checksum is known, so a part from another address or without validator may be continued.
    Raises DownloadError when the server refuses or attempts are used up (the part stays for the next time), and OSError
    when the disk refuses.
    """
    options = options or FetchOptions()
    reason = ""
    for attempt in range(options.retries + 1):
        if attempt:
            options.sleep(options.backoff * 2 ** (attempt - 1))
        try:
            _attempt(address, part, same_everywhere, progress, options)
            return
        except _BrokenError as error:
            reason = str(error)
    raise DownloadError(f"{address}: {reason}")


def _attempt(address: str, part: Path, same_everywhere: bool, progress: Progress | None, options: FetchOptions) -> None:
    """One request. Raises _BrokenError when it is worth another."""
    notes = _read_notes(part)
    have = part.stat().st_size if part.exists() else 0
    validator = notes.get("validator") if notes.get("address") == address else None
    if have and not (validator or same_everywhere):
        have = 0
    headers = {"User-Agent": "clickwise", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if validator:
            headers["If-Range"] = str(validator)
    try:
        request = urllib.request.Request(address, headers=headers)
        with urllib.request.build_opener().open(request, timeout=options.timeout) as response:
            _receive(response, address, part, have, progress, options)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and have:
            if error.headers.get("Content-Range", "") == f"bytes */{have}":
                return  # the part is already the whole file
            _discard(part)
            raise _BrokenError("the server has a shorter file than the part that was here") from None
        message = f"the server answered {error.code} {error.reason}"
        if error.code in {408, 429} or error.code >= 500:
            raise _BrokenError(message) from None
        raise DownloadError(f"{address}: {message}") from None
    except urllib.error.URLError as error:
        raise _explain(address, error.reason) from None
    except (TimeoutError, ConnectionError, http.client.HTTPException, ssl.SSLError) as error:
        raise _explain(address, error) from None
    except ValueError as error:
        raise DownloadError(f"{address}: not an address ({error})") from None


def _explain(address: str, reason: object) -> Exception:
    """The error to raise for a failed connection: worth another attempt, or final."""
    if isinstance(reason, TimeoutError):
        return _BrokenError("no answer in time")
    if isinstance(reason, socket.gaierror):
        return DownloadError(f"{address}: host not found; is there a network, or a proxy to set in HTTPS_PROXY?")
    if isinstance(reason, ConnectionRefusedError):
        return DownloadError(f"{address}: connection refused")
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"{address}: certificate not trusted ({reason.verify_message}); "
            "behind a proxy set SSL_CERT_FILE to its certificate"
        )
    return _BrokenError(f"connection failed ({str(reason) or type(reason).__name__})")


def _receive(
    response: Any, address: str, part: Path, have: int, progress: Progress | None, options: FetchOptions
) -> None:
    """Append (206) or write anew (200) the body, and see that all of it came."""
    headers: Mapping[str, str] = response.headers
    total = _content_length(headers)
    if response.status == http.client.PARTIAL_CONTENT:
        start, total = _content_range(headers)
        if start != have:
            _discard(part)
            raise _BrokenError("the server continued at the wrong place")
    else:
        have = 0
    _need_room(part.parent, total, have)
    _write_notes(part, {"address": address, "validator": _validator(headers)})
    with part.open("ab" if have else "wb") as file:
        done = _copy(response, file, have, total, progress, options)
    if total is not None and done != total:
        raise _BrokenError(f"the connection ended after {done} of {total} bytes")


def _copy(
    response: Any, file: Any, done: int, total: int | None, progress: Progress | None, options: FetchOptions
) -> int:
    """Copy the body block by block; returns the size of the file then. Raises _BrokenError when it crawls."""
    window_start, window_bytes = options.clock(), 0
    if progress is not None:
        progress(done, total)
    while True:
        try:
            block = response.read1(_BLOCK)
        except (http.client.HTTPException, OSError) as error:
            raise _BrokenError(
                f"the connection broke after {done} bytes ({str(error) or type(error).__name__})"
            ) from None
        if not block:
            return done
        file.write(block)
        done += len(block)
        window_bytes += len(block)
        if progress is not None:
            progress(done, total)
        elapsed = options.clock() - window_start
        if elapsed >= options.slow_seconds:
            if window_bytes < options.slow_bytes_per_second * elapsed:
                raise _BrokenError(f"only {window_bytes} bytes in {elapsed:.0f} s")
            window_start, window_bytes = options.clock(), 0


def _need_room(folder: Path, total: int | None, have: int) -> None:
    """Raise DownloadError before the first byte when the disk cannot take the rest."""
    free = shutil.disk_usage(folder).free
    if total is not None and total - have > free:
        raise DownloadError(
            f"{folder} has {free // 2**20} MiB free, {(total - have) // 2**20} MiB are needed; "
            "make room or set XDG_CACHE_HOME"
        )


def _content_length(headers: Mapping[str, str]) -> int | None:
    text = headers.get("Content-Length") or ""
    return int(text) if text.isdigit() else None


def _content_range(headers: Mapping[str, str]) -> tuple[int, int | None]:
    """First byte and size of the whole from ``bytes 5-9/10``."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", (headers.get("Content-Range") or "").strip())
    if match is None:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _validator(headers: Mapping[str, str]) -> str | None:
    """What proves later that the file is the same: a strong ETag, else the date (RFC 9110, 13.1.5)."""
    etag = headers.get("ETag")
    if etag and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified")


def _notes_path(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _read_notes(part: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        notes = json.loads(_notes_path(part).read_text("utf-8"))
        if isinstance(notes, dict):
            return notes
    return {}


def _write_notes(part: Path, notes: Mapping[str, Any]) -> None:
    _notes_path(part).write_text(json.dumps(notes), encoding="utf-8")


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _notes_path(part).unlink(missing_ok=True)
