"""From what a client sent to clicks, boxes and actions."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from clickwise.annotate.actions import Action, AddObject, AddStroke, CutOthers, SetMask, Together
from clickwise.annotate.brush import painted
from clickwise.annotate.codec import read_action
from clickwise.annotate.deltas import read_patch
from clickwise.annotate.document import MaskObject, Stroke
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.protocol import Asking, DoAction, DoBox, DoClick, DoMask, DoStroke
from clickwise.clicks.click import Click
from clickwise.errors import ClickError, InputError
from clickwise.types import Box, Size


def prompt(
    commands: Sequence[Asking], size: Size, item: MaskObject | None
) -> tuple[MaskRuns | None, tuple[Click, ...]]:
    """The start mask of a box on a new object, and the clicks."""
    height, width = size
    start, clicks = None, []
    for command in commands:
        if isinstance(command, DoBox):
            x0, y0, x1, y1 = _whole_box(command, size)
            if item is None:
                start = MaskRuns.of_crop(size, x0, y0, np.ones((y1 - y0, x1 - x0), bool))
            clicks.append(Click((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2))
        elif isinstance(command, DoClick):
            clicks.append(Click(command.x, command.y, command.positive).checked(width, height))
    return start, tuple(clicks)


def _whole_box(command: DoBox, size: Size) -> Box:
    """Whole pixels of a box, cut to the picture. ClickError when nothing is left."""
    height, width = size
    x0, x1 = (min(max(round(x), 0), width) for x in sorted((command.x0, command.x1)))
    y0, y1 = (min(max(round(y), 0), height) for y in sorted((command.y0, command.y1)))
    if x0 == x1 or y0 == y1:
        raise ClickError(
            f"box ({command.x0:g}, {command.y0:g}, {command.x1:g}, {command.y1:g}) holds no pixel of the image of "
            f"{width} x {height}; draw it larger"
        )
    return x0, y0, x1, y1


def drawn(command: DoStroke | DoMask, size: Size, item: MaskObject | None, class_id: int) -> Action:
    """What a stroke or a mask does to an object, None = a new one. MaskError when the mask does not fit."""
    if isinstance(command, DoMask):
        mask = read_patch(command.mask, size)
        if item is not None:
            return SetMask(item.object_id, mask, "mask")
        return AddObject(mask, class_id, "paste", command.name)
    stroke = Stroke(tuple(command.points), command.radius, command.erases)
    mask = painted(MaskRuns.empty(size) if item is None else item.mask, stroke)
    return AddStroke(stroke, mask, None if item is None else item.object_id, class_id)


def as_one(steps: list[Action], object_id: int, cut: bool) -> Action:
    """One step of undo, which also takes the object's pixels from all others if asked to."""
    if cut:
        steps = [*steps, CutOthers(object_id)]
    return steps[0] if len(steps) == 1 else Together(tuple(steps))


def wire_action(command: DoAction) -> Action:
    """The action itself. InputError when a field is missing, ProjectError when one has no meaning."""
    try:
        action = read_action(json.dumps(command.action), {})
    except TypeError as error:
        raise InputError(f"action {command.action.get('action')!r} lacks a field: {error}") from error
    if action is None:
        raise InputError("the action is empty; see protocol.ACTION_FIELDS")
    return action
