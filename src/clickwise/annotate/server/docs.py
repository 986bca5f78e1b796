"""The server's description: OpenAPI as JSON, and a plain page made from it that needs no script and no other site."""

from __future__ import annotations

from html import escape
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse, JSONResponse, Response

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2rem; } code { font-family: ui-monospace, monospace; } table { border-collapse: collapse; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; vertical-align: top; } .call { margin: 1.5rem 0; }
.call > code { font-weight: 600; }
"""


def add_to(app: FastAPI) -> None:
    """The three addresses; they need no token, for they hold no data."""

    @app.get("/api/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        return JSONResponse(_description(app))

    @app.get("/api/docs", include_in_schema=False)
    def page() -> Response:
        return HTMLResponse(_page(_description(app)))

    @app.get("/api/docs.css", include_in_schema=False)
    def style() -> Response:
        return Response(_STYLE, media_type="text/css")


def _description(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        text = (
            "Every call needs the header `Authorization: Bearer TOKEN`. Coordinates are pixels of the upright picture. "
            "The WebSocket /api/live takes and gives JSON; its first message is hello with the token. "
            "The messages are described in docs/reference/annotator-protocol.md."
        )
        schema = get_openapi(title=app.title, version=app.version, description=text, routes=app.routes)
        schema.setdefault("components", {})["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"token": []}]
        app.openapi_schema = schema
    return app.openapi_schema


def _page(schema: dict[str, Any]) -> str:
    calls = [
        _call(method, path, call) for path, calls in schema["paths"].items() for method, call in sorted(calls.items())
    ]
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width"><title>{title}</title><link rel="stylesheet" href="docs.css"></head><body>'
        f"<h1>{title}</h1><p>{escape(schema['info']['description'])}</p>"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{"".join(calls)}</body></html>'
    )


def _call(method: str, path: str, call: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(item['name'])}</code></td><td>{escape(item['in'])}</td>"
        f"<td><code>{escape(_kind(item.get('schema', {})))}</code></td></tr>"
        for item in call.get("parameters", [])
    )
    table = f"<table>{rows}</table>" if rows else ""
    text = escape(call.get("description") or call.get("summary", ""))
    return f'<div class="call"><code>{method.upper()} {escape(path)}</code><p>{text}</p>{table}</div>'


def _kind(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    known = schema.get("type") or " | ".join(str(part.get("type", "")) for part in schema.get("anyOf", []))
    return f"{known} = {schema['default']!r}" if "default" in schema else str(known)
