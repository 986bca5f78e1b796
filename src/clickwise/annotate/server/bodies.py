"""Bodies of requests, read with a limit."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from tempfile import NamedTemporaryFile

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from clickwise.annotate.pictures import SUFFIXES
from clickwise.annotate.server.errors import refused, too_large

MOST_JSON = 8 << 20
_LONGEST_NAME = 120
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')
_RESERVED = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\..*)?$", re.IGNORECASE)


async def read_body(request: Request, most: int = MOST_JSON) -> bytes:
    """The whole body. Refused as too_large beyond ``most`` bytes."""
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > most:
            raise refused("too_large", f"the request is larger than {most} bytes; send less")
        parts.append(part)
    return b"".join(parts)


async def save_body(request: Request, folder: Path, most: int, suffix: str = "") -> Path:
    """The body in a new hidden file of a folder, which is made; the caller removes or renames it.

    Refused as too_large beyond ``most`` bytes, as bad_request when it is empty; nothing is left behind then.
    """
    await run_in_threadpool(folder.mkdir, parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=folder, prefix=".clickwise-", suffix=suffix, delete=False) as file:
        path = Path(file.name)
        try:
            length = 0
            async for part in request.stream():
                length += len(part)
                if length > most:
                    raise too_large(most)
                await run_in_threadpool(file.write, part)
            if not length:
                raise refused("bad_request", "the upload is empty; send the file's bytes as the body")
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path


def safe_name(name: str, fallback: str = "picture.png") -> str:
    """A file name without any folder, harmless on every system, with the ending of a picture.

    >>> safe_name("../../etc/passwd.png"), safe_name("C:\\\\photos\\\\a b.JPG"), safe_name("..")
    ('passwd.png', 'a b.JPG', 'picture.png')
    """
    base = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    base = _UNSAFE.sub("_", base).strip(" .")
    stem, dot, ending = base.rpartition(".")
    if not dot or not stem:
        stem, ending = base or "picture", ""
    suffix = f".{ending}" if f".{ending.lower()}" in SUFFIXES else ""
    if not suffix:
        stem, suffix = base, Path(fallback).suffix
    if not stem:
        return fallback
    if _RESERVED.match(stem):
        stem = f"_{stem}"
    while len(f"{stem}{suffix}".encode()) > _LONGEST_NAME:
        stem = stem[:-1]
    return f"{stem}{suffix}"
