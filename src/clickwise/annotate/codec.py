"""Events as JSON and back. Masks stay outside, named by their digests, so that each is stored once.

A tuple is a list; the other values name themselves: ``{"mask": digest}``, ``{"click": [x, y, is_positive]}``,
``{"stroke": [radius, erases, [x, y], ...]}``, ``{"end": keep, "items": [...]}``, ``{"action": kind, ...its fields}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import cache
from typing import Any, get_type_hints

from pydantic import TypeAdapter, ValidationError

from clickwise.annotate import actions
from clickwise.annotate.changes import FIELDS, Change, End, ObjectChange
from clickwise.annotate.document import Stroke
from clickwise.annotate.easel import Action
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.clicks.click import Click
from clickwise.errors import ProjectError

ACTIONS: dict[str, type[Action]] = {
    kind.kind: kind
    for kind in (
        actions.AddClick,
        actions.AddStroke,
        actions.AddObject,
        actions.SetMask,
        actions.CutOthers,
        actions.SetClass,
        actions.Rename,
        actions.Recolour,
        actions.Hide,
        actions.Lock,
        actions.Delete,
        actions.Merge,
        actions.Move,
        actions.Finish,
        actions.Together,
    )
}
"""Every action by the name that it has in the database and on the wire."""
Masks = Mapping[str, MaskRuns] | Callable[[str], MaskRuns]
_DEEPEST = 8


def action_text(action: Action | None, masks: dict[str, MaskRuns]) -> str:
    """JSON of an action; its masks are put into ``masks`` under their digests. None is "null"."""
    return _text(_plain(action, masks))


def read_action(text: str, masks: Masks) -> Action | None:
    """Inverse of `action_text`. ProjectError when the text or a value in it has no meaning."""
    value = _value(_loaded(text), _lookup(masks))
    if value is not None and not isinstance(value, Action):
        raise ProjectError(f"an action is a {type(value).__name__}; expected one of {', '.join(sorted(ACTIONS))}")
    return value


def change_text(change: Change, masks: dict[str, MaskRuns]) -> str:
    """JSON of a change; its masks are put into ``masks`` under their digests."""
    objects = [
        [item.object_id, _values_plain(item.before, masks), _values_plain(item.after, masks)] for item in change.objects
    ]
    return _text({"objects": objects, "order": _plain(change.order, masks), "finished": _plain(change.finished, masks)})


def read_change(text: str, masks: Masks) -> Change:
    """Inverse of `change_text`. ProjectError when the text has no meaning."""
    plain, find = _loaded(text), _lookup(masks)
    try:
        objects = tuple(ObjectChange(n, _read_values(a, find), _read_values(b, find)) for n, a, b in plain["objects"])
        return Change(objects, _value(plain["order"], find), _value(plain["finished"], find))
    except (KeyError, TypeError, ValueError) as error:
        raise ProjectError(f"an event of the project is damaged: {error}; restore a backup") from error


def digests(text: str) -> set[str]:
    """The masks that a text of this module names."""
    found: set[str] = set()

    def note(digest: str) -> MaskRuns:
        found.add(digest)
        return _NO_MASK

    _walk(_loaded(text), note)
    return found


_NO_MASK = MaskRuns.empty((1, 1))


def _walk(plain: Any, find: Callable[[str], MaskRuns]) -> None:
    if isinstance(plain, dict) and isinstance(plain.get("mask"), str):
        find(plain["mask"])
    for child in plain.values() if isinstance(plain, dict) else plain if isinstance(plain, list) else ():
        _walk(child, find)


def _plain(value: Any, masks: dict[str, MaskRuns]) -> Any:
    """What JSON can hold."""
    if isinstance(value, MaskRuns):
        masks[value.digest] = value
        return {"mask": value.digest}
    if isinstance(value, Click):
        return {"click": [value.x, value.y, value.is_positive]}
    if isinstance(value, Stroke):
        return {"stroke": [value.radius, value.erases, *map(list, value.points)]}
    if isinstance(value, End):
        return {"end": value.keep, "items": _plain(value.items, masks)}
    if isinstance(value, Action):
        own = {item.name: _plain(getattr(value, item.name), masks) for item in fields(value)}
        return {"action": value.kind, **own}
    if isinstance(value, (tuple, list)):
        return [_plain(item, masks) for item in value]
    return value


def _value(plain: Any, find: Callable[[str], MaskRuns], depth: int = 0) -> Any:
    """Inverse of `_plain`."""
    if depth > _DEEPEST:
        raise ProjectError(f"an action is nested deeper than {_DEEPEST}; expected a flat one")
    if isinstance(plain, list):
        return tuple(_value(item, find, depth + 1) for item in plain)
    if not isinstance(plain, dict):
        return plain
    try:
        if "action" in plain:
            return _read_action(plain, find, depth)
        if "mask" in plain:
            return find(plain["mask"])
        if "click" in plain:
            x, y, is_positive = plain["click"]
            return Click(float(x), float(y), bool(is_positive))
        if "stroke" in plain:
            radius, erases, *points = plain["stroke"]
            return Stroke(tuple((float(x), float(y)) for x, y in points), float(radius), bool(erases))
        return End(int(plain["end"]), _value(plain["items"], find, depth + 1))
    except (KeyError, TypeError, ValueError) as error:
        raise ProjectError(
            f"a value of an event has no meaning: {str(plain)[:80]}; expected what clickwise wrote"
        ) from error


def _read_action(plain: dict[str, Any], find: Callable[[str], MaskRuns], depth: int) -> Action:
    kind = ACTIONS.get(plain["action"])
    if kind is None:
        raise ProjectError(f"action {plain['action']!r} is unknown; expected one of {', '.join(sorted(ACTIONS))}")
    given = {name: _value(value, find, depth + 1) for name, value in plain.items() if name != "action"}
    extra = set(given) - {item.name for item in fields(kind)}
    if extra:
        raise ProjectError(
            f"action {kind.kind!r} has no {sorted(extra)[0]!r}; it takes {[f.name for f in fields(kind)]}"
        )
    checked = {}
    for name, value in given.items():
        try:
            checked[name] = _checkers(kind.kind)[name].validate_python(value, strict=True)
        except ValidationError as error:
            raise ProjectError(f"action {kind.kind!r}: its {name} is wrong: {error.errors()[0]['msg']}") from error
    return kind(**checked)


@cache
def _checkers(kind: str) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(ACTIONS[kind])
    return {item.name: TypeAdapter(hints[item.name]) for item in fields(ACTIONS[kind])}


def _values_plain(values: dict[str, Any] | None, masks: dict[str, MaskRuns]) -> Any:
    return None if values is None else {name: _plain(value, masks) for name, value in values.items()}


def _read_values(plain: Any, find: Callable[[str], MaskRuns]) -> dict[str, Any] | None:
    if plain is None:
        return None
    unknown = set(plain) - set(FIELDS)
    if unknown:
        raise ValueError(f"objects have no {sorted(unknown)[0]!r}")
    return {name: _value(value, find) for name, value in plain.items()}


def _lookup(masks: Masks) -> Callable[[str], MaskRuns]:
    if callable(masks):
        return masks

    def find(digest: str) -> MaskRuns:
        try:
            return masks[digest]
        except KeyError as error:
            raise ProjectError(f"mask {digest} is missing; the project is damaged") from error

    return find


def _text(plain: Any) -> str:
    return json.dumps(plain, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ProjectError(f"an event is damaged: {error}; restore a backup") from error
