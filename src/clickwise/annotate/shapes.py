"""What the messages of `clickwise.annotate.protocol` are made of: names, numbers, masks, entries of lists."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_TEXT = 8 * 1024 * 1024
"""Bytes of one WebSocket message; a stroke of 100,000 points fits."""

CommandId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
"""The client's own, unique name for a command: 1 to 64 printable ASCII characters without spaces."""
ImageId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
ObjectId = Annotated[int, Field(ge=1, le=2**31 - 1)]
Version = Annotated[int, Field(ge=0)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Point = tuple[Number, Number]
Threshold = Annotated[float, Field(gt=0, lt=1)]
Rgb = tuple[
    Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)], Annotated[int, Field(ge=0, le=255)]
]
ErrorCode = Literal[
    "bad_request",
    "unauthorised",
    "forbidden",
    "misdirected",
    "not_found",
    "conflict",
    "too_large",
    "locked",
    "model",
    "busy",
    "timeout",
    "cancelled",
    "read_only",
    "internal",
]
"""Why something was refused, for programs; the message beside it is for people."""


class Message(BaseModel):
    """Base of all: values are what they say (no "3" for 3), unknown fields are refused. Never altered."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Patch(Message):
    """The mask inside a rectangle; outside it the mask is what it was before (for a new object: empty).

    rect: half-open (x0, y0, x1, y1); x0 == x1 means that nothing changed.
    counts: runs of its w * h pixels, **row by row**, the first one of background, as COCO's compressed text.
    """

    rect: tuple[int, int, int, int]
    counts: str = Field(max_length=MOST_TEXT)


class ClassShape(Message):
    """A class of objects; key: the digit that chooses it."""

    class_id: ObjectId
    name: str
    colour: Rgb
    key: str | None = None
    retired: bool = False


class Classes(Message):
    """The classes and how often they were changed. Sent to the server, ``version`` is what the client saw."""

    version: Version
    classes: list[ClassShape]


class ModelShape(Message):
    """A network that can be chosen. message: why it failed, or how it is getting on."""

    name: str
    title: str
    state: Literal["idle", "loading", "ready", "failed"]
    message: str = ""
    default_threshold: float | None = None


class ImageShape(Message):
    """A picture as the list shows it.

    position: 0, 1, ... in the project. v: for the addresses of tiles and thumbnails: changes with the file.
    trouble: why it cannot be opened, "" when it can; width and height are then 0.
    """

    image_id: str
    name: str
    width: int
    height: int
    finished: bool
    object_count: int
    trouble: str
    version: int
    position: int
    v: str


class ProgressShape(Message):
    """How far the project is."""

    finished: int
    total: int
    started: int
    objects: int
    broken: int


class Timing(Message):
    """Where the milliseconds went. wait: for earlier clicks and the model; decode: the picture; store: the disk."""

    wait: float = 0.0
    decode: float = 0.0
    network: float = 0.0
    store: float = 0.0
    total: float = 0.0


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]
