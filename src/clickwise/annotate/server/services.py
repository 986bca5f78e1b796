"""What all routes share: the store, the networks, decoded pictures, connections and settings."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version as version_of_package
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from clickwise.annotate.decoded import Picture, Pictures
from clickwise.annotate.deltas import classes_shape, progress_shape
from clickwise.annotate.document import ImageEntry
from clickwise.annotate.networks import Networks
from clickwise.annotate.protocol import MOST_TEXT, PROTOCOL_VERSION
from clickwise.annotate.server.errors import MEGABYTE
from clickwise.annotate.server.security import new_token
from clickwise.annotate.states import States
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ImageError, OptionError
from clickwise.formats.registry import FORMATS
from clickwise.imaging import max_pixels

if TYPE_CHECKING:
    from clickwise.annotate.server.live import Live

T = TypeVar("T")
MOST_UPLOAD_MB = 200
_STORE_THREADS = 4
"""Writers wait for each other anyhow; readers need not wait for them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How a server behaves.

    folder: where uploads go (below it, ``uploads/``); None: no uploads. allowed_hosts: see `security.Guard`.
    root_path: prefix under which a proxy shows it. most_upload: bytes of one upload. request_seconds: how long a
    command may take before its user is told. idle_seconds: how long a lost connection can be taken up again.
    """

    token: str = field(default_factory=new_token)
    folder: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    root_path: str = ""
    most_upload: int = MOST_UPLOAD_MB * MEGABYTE
    request_seconds: float = 60.0
    idle_seconds: float = 600.0

    def __post_init__(self) -> None:
        if self.most_upload < 1 or self.request_seconds <= 0 or self.idle_seconds < 0:
            raise OptionError(
                f"limits are {self.most_upload} bytes, {self.request_seconds} s and {self.idle_seconds} s; expected "
                "numbers above 0"
            )


class Services:
    """One server's parts. ``live`` is set by `app.create_app`."""

    live: Live

    def __init__(
        self,
        store: ProjectStore,
        networks: Networks,
        settings: Settings,
        pictures: Pictures | None = None,
        states: States | None = None,
    ) -> None:
        self.store, self.networks, self.settings = store, networks, settings
        self.pictures = pictures or Pictures()
        self.states = states or States()
        self._threads = ThreadPoolExecutor(_STORE_THREADS, thread_name_prefix="store")

    async def blocking(self, work: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Do something that waits for the disk, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *arguments, **named))

    async def picture(self, image_id: str) -> Picture:
        """A picture, decoded. ImageError when it cannot be; a file that is damaged is listed with its trouble then."""
        known = self.pictures.ready(image_id)
        if known is not None:  # while somebody clicks: no way through another thread
            return known
        entry = await self.blocking(self.store.image, image_id)
        try:
            return await asyncio.wrap_future(self.pictures.get(entry))
        except ImageError as error:
            if not entry.trouble and await self.blocking(_is_unchanged, entry):
                await self.blocking(self.store.note_trouble, image_id, str(error))
                await self.live.image_changed(image_id)
            raise

    def close(self) -> None:
        """Let all threads end; what has begun is finished first. The store stays open: its owner closes it."""
        self.networks.close()
        self.pictures.close()
        self._threads.shutdown(wait=True)

    def project_json(self) -> dict[str, Any]:
        """What GET /api/project gives. Blocks."""
        classes, version = self.store.classes()
        progress = self.store.progress()
        return {
            "name": self.store.name(),
            "classes": classes_shape(classes, version).model_dump(mode="json"),
            "progress": progress_shape(progress).model_dump(mode="json"),
            "images": progress.total,
            "models": [network.shape().model_dump(mode="json") for network in self.networks],
            "model": self.networks.default.name,
            "formats": _formats(),
            "limits": {
                "upload_bytes": self.settings.most_upload,
                "pixels": max_pixels(),
                "message_bytes": MOST_TEXT,
                "request_seconds": self.settings.request_seconds,
            },
            "uploads": self.settings.folder is not None,
            "version": version_of_package("clickwise"),
            "protocol": PROTOCOL_VERSION,
        }


def _is_unchanged(entry: ImageEntry) -> bool:
    """Whether the file is the one that was added: one that is gone or replaced may come back."""
    try:
        return Path(entry.path).stat().st_size == entry.file_bytes
    except OSError:
        return False


def _formats() -> list[dict[str, str]]:
    """What labels can be written as. suffix: of the download, a zip where the format is several files."""
    return [
        {"name": form.name, "title": form.what, "suffix": ".json" if form.target == "file" else ".zip"}
        for form in FORMATS
        if form.writer
    ]
