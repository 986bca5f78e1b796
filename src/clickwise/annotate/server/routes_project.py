"""The project as a whole: health, what the page needs first, classes."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from clickwise.annotate.deltas import classes_shape, read_classes
from clickwise.annotate.protocol import PROTOCOL_VERSION, Classes, explain
from clickwise.annotate.server.bodies import read_body
from clickwise.annotate.server.errors import refused
from clickwise.annotate.server.services import Services


def router(services: Services) -> APIRouter:
    """Health, project and classes."""
    routes = APIRouter(prefix="/api", tags=["project"])

    @routes.get("/health")
    def health() -> dict[str, Any]:
        """Whether the server is there, and what it speaks."""
        return {"ok": True, "version": version("clickwise"), "protocol": PROTOCOL_VERSION}

    @routes.get("/project")
    async def project() -> dict[str, Any]:
        """Name, classes, progress, models, formats and limits: what a page needs first."""
        return await services.blocking(services.project_json)

    @routes.get("/classes")
    async def classes() -> Classes:
        """The classes and how often they were changed."""
        return classes_shape(*await services.blocking(services.store.classes))

    @routes.put("/classes")
    async def put_classes(request: Request) -> Classes:
        """Other classes. ``version`` is the version that the client saw; conflict when somebody was faster."""
        try:
            sent = Classes.model_validate_json(await read_body(request))
        except ValidationError as error:
            raise refused("bad_request", f"classes cannot be used: {explain(error)}") from error
        wanted = read_classes(sent)
        await services.blocking(services.store.set_classes, wanted, base_version=sent.version)
        await services.live.classes_changed()
        return classes_shape(*await services.blocking(services.store.classes))

    return routes
