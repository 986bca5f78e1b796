"""Pictures: the list, documents, commands over REST, uploads."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from clickwise.annotate.deltas import document_json, image_shape
from clickwise.annotate.protocol import Error, ImageShape, read_command
from clickwise.annotate.server.bodies import read_body, safe_name, save_body
from clickwise.annotate.server.desk import Desk
from clickwise.annotate.server.errors import STATUS, error_body, refused
from clickwise.annotate.server.services import Services
from clickwise.annotate.server.uploads import keep_upload

_MOST_LISTED = 1000


def router(services: Services) -> APIRouter:
    """Everything about pictures but their pixels."""
    routes = APIRouter(prefix="/api/images", tags=["pictures"])
    store = services.store

    @routes.get("")
    async def images(
        filter: Literal["all", "unfinished", "broken", "left_out"] = "all",
        offset: int = Query(0, ge=0),
        limit: int = Query(200, ge=1, le=_MOST_LISTED),
        q: str = Query("", max_length=200),
    ) -> dict[str, Any]:
        """A part of the list. q: text in the name; left_out: what is not in the list otherwise."""
        which: dict[str, Any] = {"unfinished_only": filter == "unfinished", "broken_only": filter == "broken"}
        which |= {"named": q, "left_out": filter == "left_out"}
        total = await services.blocking(store.count_images, **which)
        found = await services.blocking(store.images, **which, offset=offset, limit=limit)
        return {"total": total, "images": [image_shape(entry).model_dump(mode="json") for entry in found]}

    @routes.post("")
    async def upload(request: Request, name: str = Query("picture.png", max_length=500)) -> ImageShape:
        """Add one picture: its bytes are the body."""
        if services.settings.folder is None:
            raise refused("read_only", "this server takes no uploads: its project is no folder; add pictures there")
        folder = services.settings.folder / "uploads"
        saved = await save_body(request, folder, services.settings.most_upload)
        entry = await services.blocking(keep_upload, store, saved, folder, safe_name(name))
        await services.live.image_changed(entry.image_id)
        return image_shape(entry)

    @routes.get("/{image_id}")
    async def document(image_id: str) -> dict[str, Any]:
        """The whole document of a picture."""
        return await services.blocking(_document, services, image_id)

    @routes.get("/{image_id}/next")
    async def following(
        image_id: str, direction: Literal["next", "previous", "unfinished"] = "next"
    ) -> dict[str, str | None]:
        """The picture to go to from this one; unfinished goes round."""
        if direction == "unfinished":
            return {"image_id": await services.blocking(store.next_unfinished, image_id)}
        return {"image_id": await services.blocking(store.beside, image_id, 1 if direction == "next" else -1)}

    @routes.post("/{image_id}/leave-out")
    async def leave_out(image_id: str) -> ImageShape:
        """Leave a picture out of the project; its file, objects and history are kept."""
        entry = await services.blocking(store.leave_out, image_id)
        await services.live.list_changed(f"{entry.name} was left out")
        return image_shape(entry)

    @routes.post("/{image_id}/take-back")
    async def take_back(image_id: str) -> ImageShape:
        """Take a picture that was left out back, to its place in the list."""
        entry = await services.blocking(store.take_back, image_id)
        await services.live.list_changed(f"{entry.name} was taken back")
        return image_shape(entry)

    @routes.post("/{image_id}/do")
    async def do(image_id: str, request: Request) -> Response:
        """One command, as over the WebSocket; the answer waits for it."""
        command = read_command(await read_body(request))
        if command.image_id != image_id:
            raise refused("bad_request", f"the command is for picture {command.image_id}, the address for {image_id}")
        desk = Desk(services, f"rest-{secrets.token_hex(8)}", request.headers.get("x-clickwise-user", "")[:100])
        answer = await asyncio.shield(desk.submit(command))
        if isinstance(answer, Error):
            return JSONResponse(error_body(answer.code, answer.message), STATUS[answer.code])
        return Response(answer.model_dump_json(), media_type="application/json")

    return routes


def _document(services: Services, image_id: str) -> dict[str, Any]:
    entry = services.store.image(image_id)
    if entry.trouble:
        raise refused("bad_request", entry.trouble.replace(entry.path, entry.name))
    return document_json(services.store.document(image_id), entry)
