"""The whole project as a zip, with every history, and back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from clickwise.annotate.labels import PROJECT
from clickwise.annotate.server.routes_labels import Transfers
from clickwise.annotate.server.services import Services


def router(services: Services) -> APIRouter:
    """GET and POST /api/bundle."""
    routes = APIRouter(prefix="/api/bundle", tags=["labels"])
    transfers = Transfers(services)

    @routes.get("", response_class=FileResponse)
    async def download(pictures: bool = True) -> Response:
        """The project at this moment: documents, histories, classes, and the pictures unless told not to."""
        return await transfers.send(PROJECT.name, pictures=pictures)

    @routes.post("")
    async def upload(request: Request, name: str = Query("project.zip", max_length=500)) -> dict[str, Any]:
        """Bring a zipped project into this one: new pictures with their histories, and histories that go on.

        conflict when a picture was worked on in both, or classes disagree; nothing is stored then.
        """
        return await transfers.receive(request, PROJECT.name, name)

    return routes
