"""Who may ask: host, origin and token of every request, before anything else looks at it.

A page of another site in the user's browser can reach a local server too. It is stopped three times: its Origin is not
ours (403), a name that it made point to this computer is no known Host (421), and it does not know the token (401).
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clickwise.annotate.protocol import ErrorCode
from clickwise.annotate.server.errors import STATUS, error_body, upload_limit
from clickwise.errors import OptionError

OPEN_PATHS: Final = frozenset({"/api/docs", "/api/openapi.json", "/api/docs.css"})
"""Below /api and yet without a token: they describe the server and hold no data."""
CONTENT_POLICY: Final = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; connect-src 'self'; object-src 'none'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_LOOPBACK_NAMES: Final = frozenset({"localhost"})
_TOKEN_BYTES: Final = 16
_SHORTEST_TOKEN: Final = 8
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def new_token() -> str:
    """128 random bits as text."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def checked_token(token: str) -> str:
    """A token that a user chose. OptionError when it is too short or would not survive an address."""
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not all(c.isalnum() or c in "-._~" for c in token):
        raise OptionError(
            f"the token has {len(token)} letters or unusual ones; expected at least {_SHORTEST_TOKEN} of "
            "A-Z a-z 0-9 - . _ ~"
        )
    return token


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules. allowed: host names (or host:port) under which this server is known besides the loopback ones."""

    token: str
    allowed: tuple[str, ...] = ()

    def token_fits(self, given: str) -> bool:
        """Compared in constant time."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode("utf-8"))

    def host_fits(self, host: str) -> bool:
        """Whether a Host header names this computer itself or an allowed host."""
        parts = _host_and_port(host)
        return parts is not None and (_is_loopback(parts[0]) or _listed(parts, self.allowed))

    def origin_fits(self, origin: str, host: str) -> bool:
        """Whether an Origin header is the page that this server gave out."""
        try:
            parts = urlsplit(origin)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return False
        here = _host_and_port(host)
        if here is None:
            return False
        same_port = (here[1] or _DEFAULT_PORTS[parts.scheme]) == port
        return (parts.hostname == here[0] and same_port) or _listed((parts.hostname, port), self.allowed)

    def refusal(self, path: str, headers: Headers, is_socket: bool, here: str = "") -> tuple[ErrorCode, str] | None:
        """Why a request is not let in, None when it is. A WebSocket brings its token in its first message.

        here: the address of this computer at which the request arrived; it may be asked for by that as well.
        """
        host = headers.get("host", "")
        if not (self.host_fits(host) or _is_address(host, here)):
            return "misdirected", (
                f"host {host[:100]!r} is unknown here; open the address that clickwise printed, or start it with "
                "--allow-host HOST"
            )
        origin = headers.get("origin")
        if origin is not None and not self.origin_fits(origin, host):
            return "forbidden", f"requests from pages of {origin[:100]!r} are refused; use the page of this server"
        if is_socket or not path.startswith("/api/") or path in OPEN_PATHS:
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not self.token_fits(given.strip()):
            return "unauthorised", (
                "the token is missing or wrong; expected 'Authorization: Bearer TOKEN' with the token of the address "
                "that clickwise printed"
            )
        return None


class SecurityMiddleware:
    """Asks the guard about every request and socket, and gives every answer its headers.

    prefix: path under which a proxy shows the server; it may hand it on or strip it, what follows sees it stripped.
    """

    def __init__(self, app: ASGIApp, guard: Guard, most_bytes: int, prefix: str = "") -> None:
        self.app, self.guard, self.most_bytes, self.prefix = app, guard, most_bytes, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        if self.prefix and scope["path"] == self.prefix and scope["type"] == "http":
            await RedirectResponse(f"{self.prefix}/", 307)(scope, receive, send)  # addresses in the page are relative
            return
        scope = _without(scope, self.prefix)
        path, headers, is_socket = str(scope["path"]), Headers(scope=scope), scope["type"] == "websocket"
        here = str((scope.get("server") or ("",))[0])
        refusal = self.guard.refusal(path, headers, is_socket, here) or self._size_refusal(headers)
        if refusal is not None and is_socket:
            await receive()
            await send({"type": "websocket.close", "code": 1008})  # before accept: the handshake answers 403
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    given.setdefault(name, value)
                if path.startswith("/api/"):
                    given.setdefault("Cache-Control", "no-store")
            await send(message)

        if refusal is not None:
            answer = JSONResponse(error_body(*refusal), STATUS[refusal[0]])
            if refusal[0] == "unauthorised":
                answer.headers["WWW-Authenticate"] = "Bearer"
            await answer(scope, receive, send_with_headers)
            return
        await self.app(scope, receive, send if is_socket else send_with_headers)

    def _size_refusal(self, headers: Headers) -> tuple[ErrorCode, str] | None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self.most_bytes:
            return "too_large", upload_limit(self.most_bytes)
        return None


def _without(scope: Scope, prefix: str) -> Scope:
    """The scope as if there were no proxy."""
    if not prefix or not str(scope["path"]).startswith(f"{prefix}/"):
        return scope
    raw, sent = scope.get("raw_path"), prefix.encode()
    stripped = {"raw_path": raw[len(sent) :]} if raw and raw.startswith(sent) else {}
    return {**scope, "path": str(scope["path"])[len(prefix) :], **stripped}


def _host_and_port(host: str) -> tuple[str, int | None] | None:
    try:
        parts = urlsplit(f"//{host}")
        if not parts.hostname or parts.path or parts.query or parts.username is not None:
            return None
        return parts.hostname, parts.port
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    if name in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_address(host: str, here: str) -> bool:
    """Whether a Host header is the very address at which the request arrived.

    An address is no name that another site could make point to this computer, so this lets no page of it in.
    """
    parts = _host_and_port(host)
    try:
        return parts is not None and _plain_address(parts[0]) == _plain_address(here)
    except ValueError:
        return False


def _plain_address(text: str) -> str:
    """An IP address in its one form, without a zone; IPv4 also where an IPv6 socket took it. ValueError for a name."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _listed(parts: tuple[str, int | None], allowed: Iterable[str]) -> bool:
    for entry in allowed:
        known = _host_and_port(entry)
        if known is not None and known[0] == parts[0] and known[1] in (None, parts[1]):
            return True
    return False
