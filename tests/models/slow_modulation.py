"""Mask modulation pixel by pixel, as the specification reads (reference page srafs, section 2)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float32]


def slow_modulate(prev: Map, points: NDArray[np.float32], max_radius: float, rule: str) -> Map:
    """One item: prev (H, W), points (2N, 3). Tie: the last row; no click: prev."""
    valid = [row for row, (y, x, _) in enumerate(points) if max(y, x) >= 0]
    if not valid:
        return prev.copy()
    last = max(valid, key=lambda row: (points[row, 2], row))
    half = len(points) // 2
    positive = last < half
    u = points[last, :2]
    others = [points[row, :2] for row in valid if (row < half) != positive]
    height, width = prev.shape
    p = float(prev[min(max(math.floor(u[0]), 0), height - 1), min(max(math.floor(u[1]), 0), width - 1)])

    def gap(c: NDArray[np.float32]) -> np.float32:  # float32, as published
        return np.sqrt((c[0] - u[0]) ** 2 + (c[1] - u[1]) ** 2)

    radius, barred = float(max_radius), []
    if others:
        nearest = min(gap(c) for c in others)
        radius = float(nearest / np.float32(2))
        if radius < 10:
            radius = 10.0
            barred = [(c, float(gap(c))) for c in others if gap(c) < 10]
    window = []
    for y in range(height):
        for x in range(width):
            d = math.sqrt((y - float(u[0])) ** 2 + (x - float(u[1])) ** 2)
            if d <= radius and not any(
                math.sqrt((y - float(c[0])) ** 2 + (x - float(c[1])) ** 2) <= r for c, r in barred
            ):
                window.append((y, x, d))
    out = prev.astype(np.float64)
    if p == (0.0 if positive else 1.0):
        far = max((d for _, _, d in window), default=0.0) + 1e-8
        for y, x, d in window:
            out[y, x] = 1 - d / far if positive else d / far
        return out.astype(np.float32)
    peak = 1.0
    if positive and p < 0.99:
        peak = math.log(p) / math.log(0.99)
        if rule == "released":
            peak = 1 / (peak + 1e-8)
    if not positive and p > 0.01:
        peak = math.log(0.01) / math.log(p)
    for y, x, d in window:
        value = float(prev[y, x])
        omega = 1 + 0.2 * math.exp(-((value - p) ** 2) / (2 * 0.2**2))
        gamma = omega * peak * (1 - d / radius) + d / radius
        out[y, x] = value ** (1 / gamma if positive else gamma)
    y, x = round(float(u[0])), round(float(u[1]))
    if 0 <= y < height and 0 <= x < width:
        out[y, x] = 1.0 if positive else 0.0
    return out.astype(np.float32)
