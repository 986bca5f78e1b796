"""The networks that can be chosen."""

from __future__ import annotations

from fastapi import APIRouter

from clickwise.annotate.protocol import ModelShape
from clickwise.annotate.server.errors import refused
from clickwise.annotate.server.services import Services
from clickwise.errors import ModelError


def router(services: Services) -> APIRouter:
    """List and load."""
    routes = APIRouter(prefix="/api/models", tags=["models"])

    @routes.get("")
    def models() -> list[ModelShape]:
        """The networks, the default one first."""
        return [network.shape() for network in services.networks]

    @routes.post("/{name}/load")
    def load(name: str) -> ModelShape:
        """Begin to load a network; the answer does not wait for it."""
        try:
            network = services.networks.get(name)
        except ModelError as error:
            raise refused("not_found", str(error)) from error
        network.load()
        return network.shape()

    return routes
