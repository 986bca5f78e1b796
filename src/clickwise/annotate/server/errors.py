"""Every failure as one code for programs and one line for people, the same over REST and WebSocket."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from clickwise.annotate.protocol import ErrorCode
from clickwise.errors import (
    ClickwiseError,
    ConflictError,
    InputError,
    LockedError,
    MissingExtraError,
    ModelError,
    OutputError,
    ProjectError,
)

log = logging.getLogger("clickwise.annotate")

STATUS: dict[ErrorCode, int] = {
    "bad_request": 400,
    "unauthorised": 401,
    "forbidden": 403,
    "read_only": 403,
    "not_found": 404,
    "conflict": 409,
    "cancelled": 409,
    "too_large": 413,
    "misdirected": 421,
    "locked": 423,
    "internal": 500,
    "model": 503,
    "busy": 503,
    "timeout": 504,
}


MEGABYTE = 1 << 20


class ApiError(Exception):
    """A refusal with its code; the message says what was got, what was expected and what to do."""

    def __init__(self, status: int, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def refused(code: ErrorCode, message: str) -> ApiError:
    """An `ApiError` with the usual status of its code."""
    return ApiError(STATUS[code], code, message)


def too_large(most: int) -> ApiError:
    """The refusal of an upload of more than ``most`` bytes."""
    return refused("too_large", upload_limit(most))


def upload_limit(most: int) -> str:
    """What to tell whoever sends more than ``most`` bytes at once."""
    return (
        f"the upload is larger than {most / MEGABYTE:.4g} MB; start clickwise annotate with a larger --most-upload MB, "
        "or bring the file in on its computer: labels and zipped projects with clickwise import-labels, pictures with "
        "clickwise annotate FOLDER"
    )


def explained(error: BaseException) -> tuple[ErrorCode, str]:
    """Code and one-line message of any exception; what is nobody's fault outside is logged with its traceback."""
    message = " ".join(str(error).split())
    match error:
        case ApiError():
            return error.code, message
        case ConflictError():
            return "conflict", message
        case LockedError():
            return "locked", message
        case ModelError():
            return "model", message
        case MissingExtraError() | OutputError():
            return "internal", message
        case ProjectError() if message.endswith("is not in this project"):
            return "not_found", message
        case InputError() | ClickwiseError():
            return "bad_request", message
        case TimeoutError() | asyncio.TimeoutError():
            return "timeout", message or "it took too long; try again"
        case MemoryError():
            return "internal", "the server has no memory left; close other pictures or use a smaller one"
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return "internal", f"unexpected {type(error).__name__}: {message}; this is a fault in clickwise, please report it"


def error_body(code: ErrorCode, message: str) -> dict[str, Any]:
    """What a refusal looks like over REST."""
    return {"error": {"code": code, "message": message}}


async def answer_error(_request: Request, error: Exception) -> Response:
    """Exception handler of the app for everything."""
    code, message = explained(error)
    status = error.status if isinstance(error, ApiError) else STATUS[code]
    return JSONResponse(error_body(code, message), status)
