"""The wire between page, scripts and server: every message as a typed model. No torch, no web library.

One text of JSON is one message; ``type`` says which. Coordinates are pixels of the upright picture, x right, y down,
pixel centres at integers. docs/reference/annotator-protocol.md is this module in words.

A command names itself by ``id``, which is also the store's resend token: sent twice, it is done once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from clickwise.errors import InputError

T = TypeVar("T")
PROTOCOL_VERSION = 1
"""Goes up when an older page could not work with a newer server, or the other way round."""

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


# ---------------------------------------------------------------------------------------------- shapes


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


# ---------------------------------------------------------------------------------------------- from the client


class Hello(Message):
    """The first message. client: random, one per page load or script, so that a lost connection can be taken up again.

    user: a name for others to see; becomes the author of events.
    """

    type: Literal["hello"]
    token: str = Field(max_length=512)
    user: str = Field("", max_length=100)
    client: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")
    protocol: int = PROTOCOL_VERSION


class Open(Message):
    """Work on this picture from now on; queued clicks of the one before are dropped."""

    type: Literal["open"]
    image_id: ImageId


class Close(Message):
    """Work on no picture."""

    type: Literal["close"]


class Ping(Message):
    """Answered by pong."""

    type: Literal["ping"]


class Cancel(Message):
    """Drop a command that has not begun. It answers with an error "cancelled"; one that has begun ends as usual."""

    type: Literal["cancel"]
    target: CommandId


class Command(Message):
    """Base of everything that changes a picture.

    base_version: the version of the picture that the user saw, None = whatever is newest.
    """

    id: CommandId
    image_id: ImageId
    base_version: Version | None = None


class Drawing(Command):
    """Base of what makes or changes one object's mask.

    object_id: the object. object_of: id of an earlier command of this client: the object that it made (or is about to
    make), for a user who is faster than the network. Both None: a new object.
    class_id: class of a new object, None = the first one offered. cut_others: take the result away from all other
    objects that are not locked, in the same step of undo.
    """

    object_id: ObjectId | None = None
    object_of: CommandId | None = None
    class_id: ObjectId | None = None
    cut_others: bool = False


class Asking(Drawing):
    """Base of what needs a network. model: None = the default one. threshold: None = the model's own."""

    model: str | None = Field(None, max_length=200)
    threshold: Threshold | None = None


class DoClick(Asking):
    """One click, at the centre of pixel (x, y) or between pixels: 0 <= x <= W - 1, 0 <= y <= H - 1."""

    type: Literal["click"]
    x: Number
    y: Number
    positive: bool = True


class DoBox(Asking):
    """A box, in pixel edges: 0 <= x0 < x1 <= W. For a new object: filled it is the start mask, its centre a click."""

    type: Literal["box"]
    x0: Number
    y0: Number
    x1: Number
    y1: Number


class DoStroke(Drawing):
    """A pull of brush or eraser. points: path of the centre, may leave the picture; radius in pixels."""

    type: Literal["stroke"]
    points: list[Point] = Field(min_length=1, max_length=100_000)
    radius: Annotated[float, Field(gt=0, le=100_000)]
    erases: bool = False


class DoMask(Drawing):
    """An object from a mask, or another mask for an object. mask: relative to empty."""

    type: Literal["mask"]
    mask: Patch
    name: str = Field("", max_length=200)


class DoThreshold(Command):
    """Another threshold for the latest answer of the network. commit False: answered by a preview and not stored."""

    type: Literal["threshold"]
    object_id: ObjectId
    value: Threshold
    commit: bool = False
    model: str | None = Field(None, max_length=200)


class DoAction(Command):
    """Anything without a mask: {"action": kind, ...its fields}, see `ACTION_FIELDS`."""

    type: Literal["action"]
    action: dict[str, Any]

    @field_validator("action")
    @classmethod
    def _known(cls, value: dict[str, Any]) -> dict[str, Any]:
        _need_action(value)
        return value


class DoUndo(Command):
    """Take back the last step of this picture, whoever made it."""

    type: Literal["undo"]


class DoRedo(Command):
    """Do again what was taken back last."""

    type: Literal["redo"]


ACTION_FIELDS: dict[str, tuple[str, ...]] = {
    "class": ("object_ids", "class_id"),
    "rename": ("object_id", "name"),
    "colour": ("object_id", "colour"),
    "hide": ("object_ids", "hidden"),
    "lock": ("object_ids", "locked"),
    "delete": ("object_ids",),
    "merge": ("into", "others"),
    "move": ("object_id", "place"),
    "finish": ("finished",),
    "cut_others": ("object_id",),
    "together": ("actions",),
}
"""Actions that may come over the wire, with their fields."""
_MOST_TOGETHER = 1000


def _need_action(value: object, depth: int = 0) -> None:
    kind = value.get("action") if isinstance(value, dict) else None
    if not isinstance(value, dict) or kind not in ACTION_FIELDS or depth > 1:
        raise ValueError(f"action {kind!r} cannot be sent; expected one of {', '.join(ACTION_FIELDS)}")
    if kind == "together":
        inner = value.get("actions")
        if not isinstance(inner, list) or len(inner) > _MOST_TOGETHER:
            raise ValueError(f"together takes a list of at most {_MOST_TOGETHER} actions")
        for item in inner:
            _need_action(item, depth + 1)


AnyCommand = DoClick | DoBox | DoStroke | DoMask | DoThreshold | DoAction | DoUndo | DoRedo
FromClient = Hello | Open | Close | Ping | Cancel | AnyCommand
_FROM_CLIENT: TypeAdapter[FromClient] = TypeAdapter(Annotated[FromClient, Field(discriminator="type")])
_COMMAND: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="type")])


def read_message(text: str | bytes) -> FromClient:
    """A client's message. InputError, in one line, for anything that is none."""
    return _checked(_FROM_CLIENT, text)


def read_command(text: str | bytes) -> AnyCommand:
    """A command alone, as REST takes it. InputError for anything that is none."""
    return _checked(_COMMAND, text)


def _checked(adapter: TypeAdapter[T], text: str | bytes) -> T:
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise InputError(f"message cannot be used: {explain(error)}") from error


def explain(error: ValidationError) -> str:
    """The first thing that is wrong, in one line."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


# ---------------------------------------------------------------------------------------------- from the server


class Welcome(Message):
    """The answer to hello. project: as GET /api/project gives it. known: ids of this client that are answered already
    or on their way, when it comes back after a lost connection.
    """

    type: Literal["welcome"] = "welcome"
    user: str
    protocol: int = PROTOCOL_VERSION
    project: dict[str, Any]
    known: list[str] = []


class Result(Message):
    """A command is stored. delta: None when it changed nothing. news: what others did since base_version, in order.

    object_id: the object that the command made or changed, if there is one.
    """

    type: Literal["result"] = "result"
    id: str
    image_id: str
    version: int
    delta: dict[str, Any] | None
    news: list[dict[str, Any]] = []
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
    """A command waits for the network: state of the model, and how many clicks go before."""

    type: Literal["busy"] = "busy"
    id: str
    image_id: str
    reason: Literal["queue", "model", "picture"]


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
