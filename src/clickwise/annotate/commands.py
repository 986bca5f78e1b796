"""What a client says to the server, as typed messages; `read_message` and `read_command` check what comes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from clickwise.annotate.shapes import (
    CommandId,
    ImageId,
    Message,
    Number,
    ObjectId,
    Patch,
    Point,
    Threshold,
    Version,
    explain,
)
from clickwise.errors import InputError

T = TypeVar("T")
PROTOCOL_VERSION = 1
"""Goes up when an older page could not work with a newer server, or the other way round."""


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
