"""One history for everything that is done to a picture: events, undo and redo without end, and who comes first.

An event is stored before it counts. Applying one is a pure function of document and event, so replaying a history,
following another user and coming back after a crash are the same thing. Undo and redo are events as well: the
history only ever grows, and undo itself can be seen, replayed and followed.

Two users on one picture: an action names the version of the document that its user saw. When others stored events
since, it is still accepted if it has nothing to do with them (`conflict` gives the exact rule); if not, a ConflictError
says so and nothing is stored. Undo and redo always want the newest version: one history belongs to the picture, and
nobody should undo what they have not seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from clickwise.annotate.changes import Change, difference
from clickwise.annotate.document import ImageDocument
from clickwise.annotate.easel import Action, Easel
from clickwise.errors import ConflictError, ProjectError

DO, UNDO, REDO = "do", "undo", "redo"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of a picture's history.

    version: of the document after it; versions run without gaps.
    kind: DO, UNDO or REDO; target: version of the event that undo or redo took, for DO its own.
    action: what the user did; None for undo and redo.
    change: what became of it, with everything needed to apply and to invert it exactly.
    time: seconds since 1970, for people only. token: the client's own name for it, so that sending twice stores once.
    """

    version: int
    kind: str
    target: int
    action: Action | None
    change: Change
    next_object_id: int
    author: str = ""
    time: float = 0.0
    token: str = ""


def act(document: ImageDocument, action: Action) -> Event:
    """The event of an action. ProjectError, MaskError or ClickError when it does not fit the document."""
    easel = Easel(document.content, document.size, document.next_object_id)
    action.perform(easel)
    change = difference(document.content, easel.content)
    version = document.version + 1
    return Event(version, DO, version, action, change, easel.next_object_id)


def undo(document: ImageDocument, target: Event) -> Event:
    """The event that takes back ``target``, which must be the last of ``document.undoable``."""
    _need_last(document.undoable, target, UNDO)
    return Event(document.version + 1, UNDO, target.version, None, target.change.reversed, document.next_object_id)


def redo(document: ImageDocument, target: Event) -> Event:
    """The event that does ``target`` again, which must be the last of ``document.redoable``."""
    _need_last(document.redoable, target, REDO)
    return Event(document.version + 1, REDO, target.version, None, target.change, document.next_object_id)


def apply(document: ImageDocument, event: Event) -> ImageDocument:
    """The document after an event. ProjectError when the event is not the next one of this document."""
    if event.version != document.version + 1:
        raise ProjectError(f"event {event.version} cannot follow version {document.version}; events come in order")
    undoable, redoable = stacks(document.undoable, document.redoable, [(event.kind, event.target)])
    return replace(
        document,
        version=event.version,
        content=event.change.apply(document.content),
        next_object_id=event.next_object_id,
        undoable=undoable,
        redoable=redoable,
    )


def replay(document: ImageDocument, events: Iterable[Event]) -> ImageDocument:
    """The document after all these events."""
    for event in events:
        document = apply(document, event)
    return document


def stacks(
    undoable: tuple[int, ...], redoable: tuple[int, ...], steps: Iterable[tuple[str, int]]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What can be undone and redone after steps of (kind, target), starting from these."""
    done, undone = list(undoable), list(redoable)
    for kind, target in steps:
        if kind == DO:
            done.append(target)
            undone.clear()
            continue
        taken, given = (done, undone) if kind == UNDO else (undone, done)
        if not taken or taken[-1] != target:
            raise ProjectError(f"the history wants to {kind} event {target}, which is not next; the project is damaged")
        given.append(taken.pop())
    return tuple(done), tuple(undone)


def conflict(ours: Event, missed: Iterable[Event]) -> str:
    """Why an action that was made without seeing ``missed`` must not be stored, "" when it is harmless.

    ours: the event of the action on the newest document. It is harmless when none of the objects that it reads or
    changes was changed by the others, when at most one side changed the order other than by adding on top, and when
    at most one side touched the mark "finished".
    """
    reads = ours.change.touched | (ours.action.reads if ours.action else frozenset())
    for event in missed:
        common = reads & event.change.touched
        who = f"{event.author or 'somebody'} changed"
        if common:
            return f"{who} object {min(common)} meanwhile (version {event.version})"
        if _reorders(ours.change) and _reorders(event.change):
            return f"{who} the order of the objects meanwhile (version {event.version})"
        if ours.change.finished and event.change.finished:
            return f"{who} the mark 'finished' meanwhile (version {event.version})"
    return ""


def refuse(reason: str, base: int, newest: int) -> ConflictError:
    """The error for a stale action."""
    return ConflictError(f"{reason}; this was made on version {base}, the newest is {newest}; look at it and try again")


def _reorders(change: Change) -> bool:
    return change.order is not None and bool(change.order[0].items)


def _need_last(versions: tuple[int, ...], target: Event, what: str) -> None:
    if not versions:
        raise ProjectError(f"there is nothing to {what}")
    if target.version != versions[-1]:
        raise ProjectError(f"event {target.version} cannot be taken by {what}; the next one is {versions[-1]}")
