"""Labels out of the project and into it, in every format."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from clickwise.annotate import transfer
from clickwise.annotate.server.bodies import save_body
from clickwise.annotate.server.errors import refused
from clickwise.annotate.server.services import Services
from clickwise.errors import ConflictError, OutputError, ProjectError
from clickwise.formats.options import Holes

NOTES_HEADER = "X-Clickwise-Notes"
"""JSON list of lines: what the format has no place for."""
_MOST_NOTES = 4000
"""Letters of that header; proxies do not like long ones."""
_AT_ONCE = 2
"""Downloads and uploads that are worked on side by side; the store's other threads belong to those who click."""


class Transfers:
    """Downloads and uploads of one kind, each in a thread and in a folder of its own that goes afterwards."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def send(self, form: str, **options: Any) -> Response:
        """The labels as a file; see `transfer.labels_file`."""
        services = self._services
        folder = Path(await services.blocking(mkdtemp, prefix="clickwise-"))
        try:
            async with self._turn:
                sent = await services.blocking(transfer.labels_file, services.store, form, folder, **options)
        except BaseException as error:
            await services.blocking(shutil.rmtree, folder, ignore_errors=True)
            if isinstance(error, (OutputError, ProjectError)):
                raise refused("conflict", str(error)) from error
            raise
        headers = {NOTES_HEADER: _short(sent.notes)} if sent.notes else {}
        cleaning = BackgroundTask(services.blocking, shutil.rmtree, folder, ignore_errors=True)
        return FileResponse(sent.path, filename=sent.name, headers=headers, background=cleaning)

    async def receive(self, request: Request, form: str, name: str, image_id: str | None = None) -> dict[str, Any]:
        """An upload stored; everybody is told. See `transfer.take_labels`."""
        services, home = self._services, self._services.settings.folder
        if home is None:
            raise refused("read_only", "this server takes no uploads: its project is no folder; import labels there")
        folder = Path(await services.blocking(mkdtemp, prefix="clickwise-"))
        options: dict[str, Any] = {"form": form, "image_id": image_id, "folder": home / "pictures"}
        options |= {"most_bytes": services.settings.most_upload}
        options |= {"author": request.headers.get("x-clickwise-user", "")[:100]}
        try:
            saved = await save_body(request, folder, services.settings.most_upload)
            async with self._turn:
                done = await services.blocking(transfer.take_labels, services.store, saved, name, **options)
        except (ConflictError, ProjectError, OutputError) as error:
            raise refused("conflict", str(error)) from error
        finally:
            await services.blocking(shutil.rmtree, folder, ignore_errors=True)
        await services.live.changed_everything(f"{name} was imported")
        told = {"images": done.images, "objects": done.objects, "notes": list(done.notes)}
        return {**told, "message": " ".join((done.message, *done.notes))}


def router(services: Services) -> APIRouter:
    """GET and POST /api/labels. Both work in threads; others go on clicking."""
    routes = APIRouter(prefix="/api/labels", tags=["labels"])
    transfers = Transfers(services)

    @routes.get("", response_class=FileResponse)
    async def download(
        format: str = Query(max_length=40),
        finished_only: bool = False,
        pictures: bool = False,
        holes: Holes | None = None,
    ) -> Response:
        """All labels as one file; a zip when the format is several. pictures: copies of them too.

        conflict when the format cannot hold something, with the reason and the formats that can.
        """
        return await transfers.send(format, finished_only=finished_only, holes=holes, pictures=pictures)

    @routes.post("")
    async def upload(
        request: Request,
        format: str = Query("auto", max_length=40),
        name: str = Query("labels", max_length=500),
        image: str | None = Query(None, max_length=100),
    ) -> dict[str, Any]:
        """Add the objects of a label file, or of a zip of a folder of them, to the pictures of the same names.

        The body is the file. image: the picture that a single mask is of, whatever its name. Each picture gets
        them as one step of undo; an object that is there is not added twice.
        conflict when labels do not fit the pictures, or when no picture is known.
        """
        return await transfers.receive(request, format, name, image)

    return routes


def _short(notes: tuple[str, ...]) -> str:
    """The notes as JSON, as many as fit."""
    kept = list(notes)
    while len(text := json.dumps(kept)) > _MOST_NOTES:
        kept = [*kept[: len(kept) // 2], "... and more"]
    return text
