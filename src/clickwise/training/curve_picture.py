"""Mean IoU by clicks at each validation of a run, as one small picture: the newest curve dark, older ones paler."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from clickwise.types import ImageArray

_WIDTH, _HEIGHT = 560, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 30, 40
_LOWEST_GAP = 0.05
_MOST_OLDER = 12
_INK, _GRID, _NEWEST = (40, 40, 40), (225, 225, 225), np.array([0, 90, 160])
_SCALE = 0.42


def curve_picture(curves: Sequence[Sequence[float]], title: str) -> ImageArray:
    """(H, W, 3) RGB. curves: mean IoU after 1, 2, ... clicks at each validation, oldest first; the last one is new."""
    canvas = np.full((_HEIGHT, _WIDTH, 3), 255, dtype=np.uint8)
    shown = [curve for curve in curves[-_MOST_OLDER - 1 :] if len(curve)]
    if not shown:
        return canvas
    clicks = max(len(curve) for curve in shown)
    lowest = max(0.0, np.floor((min(min(curve) for curve in shown) - _LOWEST_GAP) * 10) / 10)
    _draw_axes(canvas, lowest, clicks, title)
    for age, curve in zip(range(len(shown) - 1, -1, -1), shown, strict=True):
        paleness = 0.0 if age == 0 else min(0.85, 0.45 + 0.4 * age / _MOST_OLDER)
        colour = tuple(int(value) for value in 255 * paleness + _NEWEST * (1 - paleness))
        places = [_place(number, value, lowest, clicks) for number, value in enumerate(curve, start=1)]
        cv2.polylines(canvas, [np.array(places, dtype=np.int32)], False, colour, 1 if age else 2, cv2.LINE_AA)
    return canvas


def _place(click: float, iou: float, lowest: float, clicks: int) -> tuple[int, int]:
    across = (click - 1) / max(1, clicks - 1)
    up = (iou - lowest) / max(1e-6, 1 - lowest)
    return (
        round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT)),
        round(_HEIGHT - _BOTTOM - up * (_HEIGHT - _TOP - _BOTTOM)),
    )


def _draw_axes(canvas: ImageArray, lowest: float, clicks: int, title: str) -> None:
    step = 0.1 if 1 - lowest > 0.3 else 0.05
    for value in np.arange(1.0, lowest - 1e-9, -step):
        left, right = _place(1, value, lowest, clicks), _place(max(2, clicks), value, lowest, max(2, clicks))
        cv2.line(canvas, left, right, _GRID, 1)
        _write(canvas, f"{value:.2f}", (8, left[1] + 4))
    for click in range(1, clicks + 1):
        x, y = _place(click, lowest, lowest, clicks)
        _write(canvas, str(click), (x - 4, y + 16))
    _write(canvas, title, (_LEFT, 18))
    _write(canvas, "clicks", (_WIDTH // 2 - 20, _HEIGHT - 6))


def _write(canvas: ImageArray, text: str, place: tuple[int, int]) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, _SCALE, _INK, 1, cv2.LINE_AA)
