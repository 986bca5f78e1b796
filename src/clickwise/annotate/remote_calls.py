"""Calls to a server of clickwise over HTTP, with Python's own library: the lowest layer of the client."""

from __future__ import annotations

import json
import os
import ssl
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import parse_qs, urlencode, urlsplit

from clickwise import errors
from clickwise.errors import (
    ClickwiseError,
    ConflictError,
    InputError,
    LockedError,
    ModelError,
    OptionError,
    ProjectError,
    ServerError,
)
from clickwise.imaging import atomic_write

TOKEN_VARIABLE = "CLICKWISE_TOKEN"
_BY_CODE: dict[str, type[ClickwiseError]] = {
    "bad_request": InputError,
    "too_large": InputError,
    "not_found": ProjectError,
    "conflict": ConflictError,
    "locked": LockedError,
    "model": ModelError,
}
_TIMEOUT_S = 120.0
"""Longer than a server works on one request, so that it is the server who says that it took too long."""
_BLOCK = 1 << 20


class Calls:
    """A connection to one server. Not thread-safe; make one for each thread.

    address: what ``clickwise annotate`` printed, with or without its ``#token=...``. token: instead of that; also from
    the variable CLICKWISE_TOKEN. user: a name for the history. Raises OptionError for an address that is none.
    """

    def __init__(
        self, address: str, token: str | None = None, *, user: str = "", timeout_s: float = _TIMEOUT_S
    ) -> None:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        in_address = parse_qs(parts.fragment).get("token", [""])[0]
        token = token or in_address or os.environ.get(TOKEN_VARIABLE, "")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise OptionError(
                f"{address!r} is no address of a server; expected one like http://127.0.0.1:8765/#token=..."
            )
        if not token:
            raise OptionError(
                f"no token for {parts.hostname}; give the whole address that clickwise annotate printed, token=, or "
                f"set {TOKEN_VARIABLE}"
            )
        self.address = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        self._prefix = parts.path.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "X-Clickwise-User": _plain(user)}
        self._connection: HTTPConnection = (
            HTTPSConnection(parts.hostname, port, timeout=timeout_s, context=ssl.create_default_context())
            if parts.scheme == "https"
            else HTTPConnection(parts.hostname, port, timeout=timeout_s)
        )

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._connection.close()

    def json(
        self, method: str, path: str, body: bytes | BinaryIO | dict[str, Any] | None = None, **query: object
    ) -> Any:
        """The JSON answer of a call below /api. A dictionary is sent as JSON, bytes and files as they are."""
        with self._answer(method, path, body, query) as answer:
            return json.loads(answer.read())

    def data(self, path: str, **query: object) -> bytes:
        """The bytes that a GET gives."""
        with self._answer("GET", path, None, query) as answer:
            return answer.read()

    def download(self, path: str, target: Path, **query: object) -> dict[str, str]:
        """What a GET gives, as a file that appears when it is complete; the headers of the answer."""
        with self._answer("GET", path, None, query) as answer, atomic_write(target) as file:
            while block := answer.read(_BLOCK):
                file.write(block)
            return {name.lower(): value for name, value in answer.getheaders()}

    def _answer(
        self, method: str, path: str, body: bytes | BinaryIO | dict[str, Any] | None, query: dict[str, object]
    ) -> HTTPResponse:
        wanted = {name: _text(value) for name, value in query.items() if value is not None}
        address = f"{self._prefix}/api/{path}" + (f"?{urlencode(wanted)}" if wanted else "")
        headers = dict(self._headers)
        if isinstance(body, dict):
            body, headers["Content-Type"] = json.dumps(body).encode("utf-8"), "application/json"
        elif body is not None:
            headers["Content-Type"] = "application/octet-stream"
            if not isinstance(body, bytes):
                headers["Content-Length"] = str(os.fstat(body.fileno()).st_size)
        try:
            answer = self._sent(method, address, body, headers)
            if answer.status < 400:
                return answer
            text = answer.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise ServerError(
                f"the server at {self.address} cannot be reached ({_reason(error)}); is clickwise annotate "
                "running there?"
            ) from error
        raise _error_of(answer.status, text)

    def _sent(self, method: str, address: str, body: bytes | BinaryIO | None, headers: dict[str, str]) -> HTTPResponse:
        """The answer; a connection that the server closed meanwhile is opened again, once."""
        fresh = self._connection.sock is None
        try:
            return self._sent_once(method, address, body, headers)
        except TimeoutError:
            raise
        except (OSError, HTTPException):
            self._connection.close()
            if fresh:
                raise
        if body is not None and not isinstance(body, bytes):
            body.seek(0)
        return self._sent_once(method, address, body, headers)

    def _sent_once(
        self, method: str, address: str, body: bytes | BinaryIO | None, headers: dict[str, str]
    ) -> HTTPResponse:
        # A server that refuses a large body says so and closes before all of it is sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._connection.request(method, address, body, headers)
        return self._connection.getresponse()


def _error_of(status: int, text: bytes) -> ClickwiseError:
    """What a server refused, as the error that it raised itself where it says which."""
    try:
        told = json.loads(text)["error"]
        code, message, kind = str(told["code"]), str(told["message"]), told.get("kind")
    except (ValueError, KeyError, TypeError, AttributeError):
        return ServerError(f"the server answers {status} without a reason; is it a clickwise server?")
    found = getattr(errors, str(kind), None) if kind else None
    if isinstance(found, type) and issubclass(found, ClickwiseError) and found is not errors.MissingExtraError:
        return found(message)
    return _BY_CODE.get(code, ServerError)(message)


def _text(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _plain(user: str) -> str:
    """A name that a header can hold."""
    return (
        "".join(letter for letter in user.strip() if letter.isprintable())
        .encode("latin-1", "replace")
        .decode("latin-1")
    )


def _reason(error: BaseException) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
