"""The wire between page, scripts and server: every message as a typed model. No torch, no web library.

One text of JSON is one message; ``type`` says which. Coordinates are pixels of the upright picture, x right, y down,
pixel centres at integers. docs/reference/annotator-protocol.md is this module in words.

`commands` is what a client says, `shapes` what the messages are made of; here is what the server says.

A command names itself by ``id``, which is also the store's resend token: sent twice, it is done once.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from clickwise.annotate.commands import (
    ACTION_FIELDS,
    PROTOCOL_VERSION,
    AnyCommand,
    Asking,
    Cancel,
    Close,
    Command,
    DoAction,
    DoBox,
    DoClick,
    DoMask,
    DoRedo,
    DoStroke,
    DoThreshold,
    DoUndo,
    Drawing,
    FromClient,
    Hello,
    Open,
    Ping,
    read_command,
    read_message,
)
from clickwise.annotate.shapes import (
    MOST_TEXT,
    Classes,
    ClassShape,
    CommandId,
    ErrorCode,
    ImageId,
    ImageShape,
    Message,
    ModelShape,
    Number,
    ObjectId,
    Patch,
    Point,
    ProgressShape,
    Rgb,
    Threshold,
    Timing,
    Version,
    explain,
)

__all__ = [
    "ACTION_FIELDS",
    "CLOSE_PROTOCOL",
    "CLOSE_TAKEN_OVER",
    "CLOSE_UNAUTHORISED",
    "HELLO_SECONDS",
    "MOST_TEXT",
    "PROTOCOL_VERSION",
    "AnyCommand",
    "Asking",
    "Busy",
    "Cancel",
    "ClassShape",
    "Classes",
    "ClassesNews",
    "Close",
    "Command",
    "CommandId",
    "DoAction",
    "DoBox",
    "DoClick",
    "DoMask",
    "DoRedo",
    "DoStroke",
    "DoThreshold",
    "DoUndo",
    "Drawing",
    "Error",
    "ErrorCode",
    "FromClient",
    "FromServer",
    "Hello",
    "ImageId",
    "ImageNews",
    "ImageShape",
    "Message",
    "ModelNews",
    "ModelShape",
    "News",
    "Number",
    "ObjectId",
    "Open",
    "Patch",
    "Ping",
    "Point",
    "Pong",
    "Preview",
    "ProgressNews",
    "ProgressShape",
    "Reload",
    "Result",
    "Rgb",
    "Superseded",
    "Threshold",
    "Timing",
    "Version",
    "Welcome",
    "explain",
    "read_command",
    "read_message",
]


class Welcome(Message):
    """The answer to hello. project: as GET /api/project gives it. known: ids of this client that are answered already
    or on their way, when it comes back after a lost connection.
    """

    type: Literal["welcome"] = "welcome"
    user: str
    protocol: int = PROTOCOL_VERSION
    project: dict[str, Any]
    known: list[str] = Field(default_factory=list)


class Result(Message):
    """A command is stored. delta: None when it changed nothing. news: what others did since base_version, in order.

    object_id: the object that the command made or changed, if there is one.
    """

    type: Literal["result"] = "result"
    id: str
    image_id: str
    version: int
    delta: dict[str, Any] | None
    news: list[dict[str, Any]] = Field(default_factory=list)
    object_id: int | None = None
    timing: Timing = Timing()


class Preview(Message):
    """What a threshold would give; nothing is stored. mask: relative to the stored one."""

    type: Literal["preview"] = "preview"
    id: str
    image_id: str
    object_id: int
    mask: Patch
    area: int
    timing: Timing = Timing()


class Superseded(Message):
    """A click went to the network together with a newer one; the result comes under the id ``by``."""

    type: Literal["superseded"] = "superseded"
    id: str
    by: str


class Error(Message):
    """Something was refused. keep: what the user had before is untouched. version: the picture's newest, if known."""

    type: Literal["error"] = "error"
    id: str | None
    code: ErrorCode
    message: str
    keep: bool = True
    image_id: str | None = None
    version: int | None = None


class Busy(Message):
    """A command takes long: it waits for others, for the model or picture to be there, or the network is at it."""

    type: Literal["busy"] = "busy"
    id: str
    image_id: str
    reason: Literal["queue", "model", "picture", "network"]


class News(Message):
    """Somebody else changed the picture that this client has open."""

    type: Literal["news"] = "news"
    delta: dict[str, Any]


class ImageNews(Message):
    """A picture's entry in the list changed, or it is new."""

    type: Literal["image"] = "image"
    image: ImageShape


class ClassesNews(Message):
    """The classes changed."""

    type: Literal["classes"] = "classes"
    classes: Classes


class ModelNews(Message):
    """A network changed its state."""

    type: Literal["model"] = "model"
    model: ModelShape


class ProgressNews(Message):
    """How far the project is now."""

    type: Literal["progress"] = "progress"
    progress: ProgressShape


class Reload(Message):
    """So much changed (an import, a bundle) that lists and documents should be asked for again."""

    type: Literal["reload"] = "reload"
    reason: str = ""


class Pong(Message):
    """The answer to ping."""

    type: Literal["pong"] = "pong"


FromServer = (
    Welcome
    | Result
    | Preview
    | Superseded
    | Error
    | Busy
    | News
    | ImageNews
    | ClassesNews
    | ModelNews
    | ProgressNews
    | Reload
    | Pong
)

CLOSE_UNAUTHORISED = 4401
"""WebSocket close code: no hello in time, or a wrong token."""
CLOSE_TAKEN_OVER = 4409
"""The same client connected again; this connection must not come back by itself."""
CLOSE_PROTOCOL = 4400
"""The page speaks another protocol version: reload it."""
HELLO_SECONDS = 5.0
"""How long a connection may be silent before its hello."""
