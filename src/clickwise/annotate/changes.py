"""The difference between two contents, exact both ways: what an event stores, and what undo turns round.

Only what differs is kept. Clicks, strokes and the order grow at their ends, so of these a change holds the common
beginning's length and the two ends.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias, cast

from clickwise.annotate.document import Content, MaskObject
from clickwise.errors import ProjectError

FIELDS = tuple(item.name for item in fields(MaskObject) if item.name != "object_id")
GROWING = ("clicks", "strokes")
"""Fields that are lists; a change holds their ends."""


@dataclass(frozen=True, slots=True)
class End:
    """The last part of a list: what comes after the first ``keep`` items."""

    keep: int
    items: tuple[Any, ...]


Values: TypeAlias = dict[str, Any]
"""Field name -> value; `End` for the growing ones."""


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """What happened to one object. before None: it was not there; after None: it is gone. Else what differs."""

    object_id: int
    before: Values | None
    after: Values | None


@dataclass(frozen=True, slots=True)
class Change:
    """From one content to another. order and finished: (before, after), None where nothing changed."""

    objects: tuple[ObjectChange, ...] = ()
    order: tuple[End, End] | None = None
    finished: tuple[bool, bool] | None = None

    @property
    def reversed(self) -> Change:
        """The way back."""
        return Change(
            tuple(ObjectChange(item.object_id, item.after, item.before) for item in self.objects),
            self.order and (self.order[1], self.order[0]),
            self.finished and (self.finished[1], self.finished[0]),
        )

    @property
    def touched(self) -> frozenset[int]:
        """Ids of the objects that came, went or differ."""
        return frozenset(item.object_id for item in self.objects)

    @property
    def created(self) -> tuple[int, ...]:
        """Ids of the objects that came."""
        return tuple(item.object_id for item in self.objects if item.before is None)

    @property
    def is_empty(self) -> bool:
        """Whether both contents are equal."""
        return not self.objects and self.order is None and self.finished is None

    def apply(self, content: Content) -> Content:
        """The content after this change. ProjectError when it was made for another content."""
        known = {item.object_id: item for item in content.objects}
        for change in self.objects:
            present = known.get(change.object_id)
            if (present is None) != (change.before is None):
                raise ProjectError(f"the history does not fit object {change.object_id}; the project is damaged")
            if change.after is None:
                del known[change.object_id]
            elif present is None:
                full = {key: _joined((), value) for key, value in change.after.items()}
                known[change.object_id] = MaskObject(change.object_id, **full)
            else:
                new = {key: _joined(getattr(present, key), value) for key, value in change.after.items()}
                known[change.object_id] = replace(present, **new)
        order = content.order if self.order is None else _joined(content.order, self.order[1])
        if set(order) != set(known):
            raise ProjectError("the history does not fit the order of the objects; the project is damaged")
        finished = content.finished if self.finished is None else self.finished[1]
        return Content(tuple(known[object_id] for object_id in order), finished)


def difference(before: Content, after: Content) -> Change:
    """What leads from ``before`` to ``after``; applied reversed it leads back."""
    old = {item.object_id: item for item in before.objects}
    new = {item.object_id: item for item in after.objects}
    ids = [*old, *(object_id for object_id in new if object_id not in old)]
    changes = (_object_change(object_id, old.get(object_id), new.get(object_id)) for object_id in ids)
    return Change(
        tuple(change for change in changes if change is not None),
        None if before.order == after.order else _ends(before.order, after.order),
        None if before.finished == after.finished else (before.finished, after.finished),
    )


def _object_change(object_id: int, old: MaskObject | None, new: MaskObject | None) -> ObjectChange | None:
    if old is new or old == new:
        return None
    if old is None or new is None:
        return ObjectChange(object_id, _all_values(old), _all_values(new))
    before, after = {}, {}
    for name in FIELDS:
        was, is_now = getattr(old, name), getattr(new, name)
        if was != is_now:
            before[name], after[name] = _ends(was, is_now) if name in GROWING else (was, is_now)
    return ObjectChange(object_id, before, after)


def _all_values(item: MaskObject | None) -> Values | None:
    if item is None:
        return None
    values = {name: getattr(item, name) for name in FIELDS}
    return {name: End(0, value) if name in GROWING else value for name, value in values.items()}


def _ends(before: tuple[Any, ...], after: tuple[Any, ...]) -> tuple[End, End]:
    keep = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        keep += 1
    return End(keep, before[keep:]), End(keep, after[keep:])


def _joined(present: Any, value: Any) -> Any:
    if not isinstance(value, End):
        return value
    if value.keep > len(present):
        raise ProjectError("the history does not fit a list of clicks, strokes or objects; the project is damaged")
    return (*cast("tuple[Any, ...]", present)[: value.keep], *value.items)
