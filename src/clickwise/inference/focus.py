"""Where a second, local look pays off, and how a change is confined to the place that was clicked.

Masks are (H, W) bool over the frame, boxes half-open (x0, y0, x1, y1), clicks in pixels of the frame. The focus window
is IGLR's (reference page iglr, section 5, after FocalClick, arXiv 2204.02574); its published arithmetic mixes
inclusive and exclusive ends, which is kept: the numbers meet the release's.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.clicks.click import Click
from clickwise.types import Box, MaskArray, Size

FocusRule = Literal["v1", "v2", "object", "click"]
"""v1: the published one. v2, object (box of the mask), click (square around the click): its ablations."""

_LEAST_PIXELS = 10
"""A mask with fewer pixels counts as the whole frame."""
_SMALL_CHANGE = 3
"""A change less than a third as high or wide as the object is looked at in a square around the click."""
_HALF_SIDE = {"v1": 0.2, "v2": 0.16, "click": 0.2}
"""Half the side of that square, as a share of the object's longer side."""
_MOST_OF_THE_CHANGE = 0.5

_Ends = tuple[float, float, float, float]
"""(y1, y2, x1, x2) as the release counts them."""


def changed_component(before: MaskArray, after: MaskArray, click: Click) -> MaskArray | None:
    """The 8-connected component of changed pixels that holds the click; None for a click where nothing changed."""
    changed = before ^ after
    y, x = _pixel(click, changed.shape)
    if not changed[y, x]:
        return None
    _, labels = cv2.connectedComponents(changed.astype(np.uint8), connectivity=8)
    component: MaskArray = labels == labels[y, x]
    return component


def focus_window(
    before: MaskArray, after: MaskArray, click: Click, within: Box, *, ratio: float, rule: FocusRule = "v1"
) -> Box:
    """The window to look at again after ``click`` turned the mask ``before`` into ``after``.

    within: the window stays inside it (what the network saw). ratio: growth of the window about its centre.
    Never empty: where the published rule gives no pixel, the pixel of the click is in it.
    """
    ends = _region(before, after, click, rule)
    y1, y2, x1, x2 = _grown(ends, ratio, after.shape)
    x0, y0, right, bottom = within
    y1, y2, x1, x2 = max(y1, y0), min(y2, bottom), max(x1, x0), min(x2, right)
    if y2 <= y1:
        y1, y2 = _one_pixel(click.y, y0, bottom)
    if x2 <= x1:
        x1, x2 = _one_pixel(click.x, x0, right)
    return x1, y1, x2, y2


def _region(before: MaskArray, after: MaskArray, click: Click, rule: FocusRule) -> _Ends:
    whole_object = _box_ends(after)
    if rule == "click":
        return _square(whole_object, click, rule)
    if rule == "object" or not before.any():
        return whole_object
    changed = before ^ after
    # Published: a click where nothing changed looks at everything that did not change, so about the whole frame.
    component = changed_component(before, after, click)
    region = ~changed if component is None else component
    ends = _box_ends(region)
    height, width = ends[1] - ends[0], ends[3] - ends[2]
    object_height, object_width = whole_object[1] - whole_object[0], whole_object[3] - whole_object[2]
    if height < object_height / _SMALL_CHANGE or width < object_width / _SMALL_CHANGE:
        return _square(whole_object, click, rule)
    if rule == "v2" and np.count_nonzero(region) <= _MOST_OF_THE_CHANGE * np.count_nonzero(changed):
        return whole_object
    return ends


def _box_ends(mask: MaskArray) -> _Ends:
    """First and last row and column with a set pixel; (0, H, 0, W) for a mask with hardly any."""
    if np.count_nonzero(mask) < _LEAST_PIXELS:
        return 0, mask.shape[0], 0, mask.shape[1]
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]), int(columns[0]), int(columns[-1])


def _square(whole_object: _Ends, click: Click, rule: FocusRule) -> _Ends:
    half = _HALF_SIDE[rule] * max(whole_object[1] - whole_object[0], whole_object[3] - whole_object[2])
    return click.y - half, click.y + half, click.x - half, click.x + half


def _grown(ends: _Ends, ratio: float, frame: tuple[int, ...]) -> tuple[int, int, int, int]:
    y1, y2, x1, x2 = ends
    rows, columns = ratio * (y2 - y1 + 1), ratio * (x2 - x1 + 1)
    middle_y, middle_x = (y1 + y2) / 2, (x1 + x2) / 2
    return (
        max(0, int(middle_y - rows / 2)),
        min(frame[0], int(middle_y + rows / 2)),
        max(0, int(middle_x - columns / 2)),
        min(frame[1], int(middle_x + columns / 2)),
    )


def _one_pixel(place: float, low: int, high: int) -> tuple[int, int]:
    start = min(max(int(place), low), high - 1)
    return start, start + 1


def box_in_view(box: Box, view: Box, size: Size) -> NDArray[np.float64]:
    """(x1, y1, x2, y2) of a box in pixels of ``view`` resized to ``size`` (height, width), cut to it."""
    x0, y0, x1, y1 = view
    across, down = size[1] / (x1 - x0), size[0] / (y1 - y0)
    corners = np.array([(box[0] - x0) * across, (box[1] - y0) * down, (box[2] - x0) * across, (box[3] - y0) * down])
    inside: NDArray[np.float64] = np.clip(corners, 0, [size[1], size[0], size[1], size[0]])
    return inside


def progressive_merge(before: MaskArray, after: MaskArray, click: Click, *, published: bool = False) -> MaskArray:
    """``before``, changed only where ``after`` differs from it around the click.

    The changed component under the click is removed if the click lies on the mask, else added. A click where nothing
    changed alters nothing; published: there the release takes everything unchanged for the component, so that the mask
    vanishes or the frame fills up.
    """
    component = changed_component(before, after, click)
    if component is None:
        if not published:
            return before.copy()
        component = ~(before ^ after)
    y, x = _pixel(click, before.shape)
    merged: MaskArray = before & ~component if before[y, x] else before | component
    return merged


def _pixel(click: Click, size: tuple[int, ...]) -> tuple[int, int]:
    """(y, x) of the pixel that holds a click."""
    return min(max(round(click.y), 0), size[0] - 1), min(max(round(click.x), 0), size[1] - 1)
