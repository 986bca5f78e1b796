"""Pictures outside the project, for scripts (`clickwise.annotate.client`)."""

from __future__ import annotations

import asyncio
import struct
from importlib.metadata import version
from pathlib import Path
from tempfile import gettempdir
from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from clickwise.annotate.scratch import Scratches
from clickwise.annotate.scratch_wire import read_step
from clickwise.annotate.server.bodies import read_body, save_body
from clickwise.annotate.server.errors import STATUS, error_body, explained, refused
from clickwise.annotate.server.services import Services
from clickwise.errors import ClickwiseError, ImageError, ProjectError, ServerError
from clickwise.imaging import LoadedImage, read_image


def router(services: Services, scratches: Scratches | None = None) -> APIRouter:
    """Lease, steps, probabilities, end."""
    routes = APIRouter(prefix="/api/scratch", tags=["scratch"])
    leases = scratches or Scratches()
    seconds = services.settings.request_seconds

    @routes.post("")
    async def lease(
        request: Request,
        model: str | None = Query(None, max_length=200),
        threshold: float | None = Query(None, gt=0, lt=1),
    ) -> Response:
        """Lease a picture: its file is the body. It is closed after some time of silence."""
        saved = await save_body(request, Path(gettempdir()), services.settings.most_upload)
        try:
            network = services.networks.get(model)
            image = await asyncio.to_thread(_decoded, saved)
            scratch = leases.lease(image, network, threshold)
        except ClickwiseError as error:
            return _refusal(error)
        finally:
            saved.unlink(missing_ok=True)
        network.load()
        answer = {"scratch_id": scratch.scratch_id, "width": image.width, "height": image.height}
        more = {"model": network.name, "idle_seconds": leases.idle_seconds, "version": version("clickwise")}
        return JSONResponse({**answer, **more})

    @routes.post("/{scratch_id}/do")
    async def do(scratch_id: str, request: Request) -> Response:
        """One step: click, box, set_mask, predict, undo, redo, reset, state. The answer waits for the network."""
        body = await read_body(request, services.settings.most_upload)
        try:
            future = leases.get(scratch_id).do(read_step(body))
            answer = await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(future)), seconds)
        except asyncio.TimeoutError:
            text = f"the network needed more than {seconds:g} s; send the same step again to get its answer"
            raise refused("timeout", text) from None
        except ClickwiseError as error:
            return _refusal(error)
        return Response(answer.model_dump_json(), media_type="application/json")

    @routes.get("/{scratch_id}/probs/{answer}", response_class=Response)
    async def probs(scratch_id: str, answer: int) -> Response:
        """Probabilities of one of the last answers: x0, y0, x1, y1 as little-endian int32, then zlib of float32."""
        try:
            box, packed = await services.blocking(leases.get(scratch_id).probs, answer)
        except ClickwiseError as error:
            return _refusal(error)
        return Response(struct.pack("<4i", *box) + packed, media_type="application/octet-stream")

    @routes.delete("/{scratch_id}")
    def close(scratch_id: str) -> dict[str, bool]:
        """Give a picture back."""
        leases.close(scratch_id)
        return {"closed": True}

    return routes


def _decoded(file: Path) -> LoadedImage:
    try:
        return read_image(file)
    except ImageError as error:
        raise ImageError(str(error).replace(str(file), "the picture")) from error


def _refusal(error: ClickwiseError) -> Response:
    """As everywhere, and with the name of the error, so that a client raises the same."""
    code, message = explained(error)
    if isinstance(error, ServerError):
        code = "busy"
    elif isinstance(error, ProjectError):
        code = "not_found"
    body: dict[str, Any] = error_body(code, message)
    body["error"]["kind"] = type(error).__name__
    return JSONResponse(body, STATUS[code])
