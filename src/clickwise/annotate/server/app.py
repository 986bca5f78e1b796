"""Puts the server together: one factory, no logic."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from clickwise.annotate.networks import Networks
from clickwise.annotate.server import (
    docs,
    routes_bundle,
    routes_images,
    routes_labels,
    routes_models,
    routes_pictures,
    routes_project,
    routes_scratch,
)
from clickwise.annotate.server.errors import STATUS, ApiError, answer_error, error_body
from clickwise.annotate.server.live import Live
from clickwise.annotate.server.security import Guard, SecurityMiddleware
from clickwise.annotate.server.services import Services, Settings
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ClickwiseError

WEB = Path(__file__).parents[1] / "web"
"""The page: plain files, no build step."""


def create_app(
    store: ProjectStore,
    networks: Networks,
    settings: Settings | None = None,
    *,
    services: Services | None = None,
    load_default: bool = True,
) -> FastAPI:
    """The whole server for one project. The store stays the caller's; everything else ends with the app.

    services: instead of making them from the other arguments. load_default: warm the first network up at the start.
    """
    services = services or Services(store, networks, settings or Settings())
    settings = services.settings
    guard = Guard(settings.token, settings.allowed_hosts)
    services.live = live = Live(services, guard)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        live.start()
        if load_default:
            services.networks.default.load()
        yield
        await live.stop()
        await services.blocking(services.networks.close)
        services.close()

    app = FastAPI(
        title="clickwise annotate",
        version=version("clickwise"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    app.state.services = services
    for kind in (ClickwiseError, ApiError, Exception):
        app.add_exception_handler(kind, answer_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_middleware(SecurityMiddleware, guard=guard, most_bytes=settings.most_upload, prefix=settings.root_path)

    for routes in (
        routes_project,
        routes_images,
        routes_pictures,
        routes_models,
        routes_labels,
        routes_bundle,
        routes_scratch,
    ):
        app.include_router(routes.router(services))
    docs.add_to(app)

    @app.websocket("/api/live")
    async def connect(socket: WebSocket) -> None:
        await live.serve(socket)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/static", _Page(directory=WEB, check_dir=False), name="static")
    return app


class _Page(StaticFiles):
    """The page's files, asked for anew whenever they changed: no stale script after an update."""

    async def get_response(self, path: str, scope: object) -> Response:
        answer = await super().get_response(path, scope)  # type: ignore[arg-type]
        answer.headers.setdefault("Cache-Control", "no-cache")
        return answer


async def _bad_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return JSONResponse(error_body("bad_request", f"{place}: {first['msg']}"), STATUS["bad_request"])


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "bad_request", 413: "too_large"}.get(error.status_code, "bad_request")
    text = f"{request.method} {request.url.path[:200]}: {error.detail}; see /api/docs"
    return JSONResponse(error_body(code, text), error.status_code, headers=error.headers)  # type: ignore[arg-type]
