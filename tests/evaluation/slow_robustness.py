"""Second implementations for the robustness analysis: pixel by pixel, slow and obvious."""

from __future__ import annotations

import math
from itertools import product

import cv2
import numpy as np


def pixels(mask: np.ndarray) -> list[tuple[int, int]]:
    return [(y, x) for y, x in product(range(mask.shape[0]), range(mask.shape[1])) if mask[y, x]]


def pieces(mask: np.ndarray, diagonal: bool) -> list[set[tuple[int, int]]]:
    """Connected pieces by flood fill."""
    left, found = set(pixels(mask)), []
    steps = [(dy, dx) for dy, dx in product((-1, 0, 1), repeat=2) if (dy or dx) and (diagonal or not (dy and dx))]
    while left:
        piece, todo = set(), [left.pop()]
        while todo:
            y, x = todo.pop()
            piece.add((y, x))
            for dy, dx in steps:
                if (y + dy, x + dx) in left:
                    left.remove((y + dy, x + dx))
                    todo.append((y + dy, x + dx))
        found.append(piece)
    return found


def depth(mask: np.ndarray) -> float:
    """Greatest distance to a pixel outside the mask; all around the picture is outside."""
    outside = pixels(~np.pad(mask, 1))
    return max(min(math.dist((y + 1, x + 1), other) for other in outside) for y, x in pixels(mask))


def fine_share(mask: np.ndarray, radius: int) -> float:
    """Share of pixels that no disc inside the object covers; beyond the picture each pixel is as the nearest in it."""
    height, width = mask.shape

    def inside(y: int, x: int) -> bool:
        return bool(mask[min(max(y, 0), height - 1), min(max(x, 0), width - 1)])

    reach = [d for d in product(range(-radius, radius + 1), repeat=2) if d[0] ** 2 + d[1] ** 2 <= radius**2]
    fitting = {
        (y, x)
        for y, x in product(range(-radius, height + radius), range(-radius, width + radius))
        if all(inside(y + dy, x + dx) for dy, dx in reach)
    }
    lost = [(y, x) for y, x in pixels(mask) if not any((y + dy, x + dx) in fitting for dy, dx in reach)]
    return len(lost) / len(pixels(mask))


def shape(image: np.ndarray, mask: np.ndarray, ignored: np.ndarray) -> dict[str, float]:
    """The measures by name; thresholds written out."""
    area, (height, width) = int(mask.sum()), mask.shape
    radius = math.sqrt(area / math.pi)
    parts = [sum(bool(mask[p]) for p in piece) for piece in pieces(mask | ignored, diagonal=True)]
    rim = {(y, x) for y, x in pixels(np.ones_like(mask)) if y in (0, height - 1) or x in (0, width - 1)}
    holes = []
    for piece in pieces(~mask, diagonal=False):
        size = sum(not ignored[p] for p in piece)
        if not piece & rim and size >= 0.005 * area and size:
            holes.append(size)
    steps = contrasts(image, mask, ignored)
    return {
        "area": area,
        "area_share": area / int((~ignored).sum()),
        "thickness": depth(mask) / radius,
        "fine_share": fine_share(mask, max(1, round(0.15 * radius))),
        "parts": max(1, sum(size >= 0.01 * area for size in parts if size)),
        "holes": len(holes),
        "hole_share": sum(holes) / area,
        "rim_share": sum(bool(mask[p]) for p in rim) / len(rim),
        "contrast": float(np.median(steps)) if steps else math.nan,
        "weak_share": sum(step < 10 for step in steps) / len(steps) if steps else math.nan,
    }


def contrasts(image: np.ndarray, mask: np.ndarray, ignored: np.ndarray) -> list[float]:
    reach = max(2, round(0.01 * math.hypot(*mask.shape)))
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    found = []
    for y, x in pixels(mask):
        near = [
            (b, a)
            for b, a in product(range(y - reach, y + reach + 1), range(x - reach, x + reach + 1))
            if 0 <= b < mask.shape[0] and 0 <= a < mask.shape[1]
        ]
        inner = [lab[p].astype(float) for p in near if mask[p]]
        outer = [lab[p].astype(float) for p in near if not mask[p] and not ignored[p]]
        if outer:
            found.append(float(np.linalg.norm(np.mean(inner, axis=0) - np.mean(outer, axis=0))))
    return found


def near_outline(truth: np.ndarray, reach: float) -> np.ndarray:
    """Pixels at most so far from one on the other side."""
    result = np.zeros_like(truth)
    for p in pixels(np.ones_like(truth)):
        result[p] = any(math.dist(p, other) <= reach for other in pixels(truth != truth[p]))
    return result


def iou(mask: np.ndarray, truth: np.ndarray, ignored: np.ndarray) -> float:
    both = sum(bool(mask[p] and truth[p]) for p in pixels(~ignored))
    return both / sum(bool(mask[p] or truth[p]) for p in pixels(~ignored))


def srgb_dark(value: int, share: float) -> int:
    """One level with a share of its light."""
    v = value / 255
    light = share * (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4)
    return round(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Every pixel the weighted mean of those around it; the picture is mirrored about its outermost pixels."""
    reach = int(4 * sigma) + 1
    weights = [math.exp(-(d**2) / (2 * sigma**2)) for d in range(-reach, reach + 1)]
    weights = [w / sum(weights) for w in weights]
    result = image.astype(float)
    for axis in (0, 1):
        wide = np.pad(result, [(reach, reach) if a == axis else (0, 0) for a in range(3)], mode="reflect")
        result = sum(w * np.take(wide, range(i, i + image.shape[axis]), axis=axis) for i, w in enumerate(weights))  # type: ignore[assignment]
    return result


def averaged(image: np.ndarray, factor: int) -> np.ndarray:
    """Mean colour of squares; sides must be divisible."""
    height, width = (side // factor for side in image.shape[:2])
    result = np.zeros((height, width, 3))
    for y, x in product(range(height), range(width)):
        square = image[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        result[y, x] = square.reshape(-1, 3).astype(float).mean(axis=0)
    return result


def mean_and_error(values: list[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    spread = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
    return mean, math.sqrt(spread / len(values))


def clicks_to(ious: list[float], target: float, budget: int) -> int:
    for number, value in enumerate(ious[:budget], start=1):
        if value >= target:
            return number
    return budget


def spearman(first: list[float], second: list[float]) -> float:
    """Correlation of ranks, where a rank is the number of smaller values plus half the number of other equal ones."""

    def ranks(values: list[float]) -> list[float]:
        return [sum(o < v for o in values) + (sum(o == v for o in values) - 1) / 2 for v in values]

    a, b = ranks(first), ranks(second)
    ma, mb = sum(a) / len(a), sum(b) / len(b)
    top = sum((x - ma) * (y - mb) for x, y in zip(a, b, strict=True))
    return top / math.sqrt(sum((x - ma) ** 2 for x in a) * sum((y - mb) ** 2 for y in b))
