"""Tiny data sets in the field's layouts, written to a folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

SIZE = (24, 32)
"""(height, width)."""


def picture(size: tuple[int, int] = SIZE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def blob(box: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W) bool, True in the half-open box (x0, y0, x1, y1)."""
    mask = np.zeros(size, dtype=bool)
    mask[box[1] : box[3], box[0] : box[2]] = True
    return mask


def grey(mask: np.ndarray, ignored: np.ndarray | None = None) -> np.ndarray:
    values = np.where(mask, 255, 0).astype(np.uint8)
    if ignored is not None:
        values[ignored] = 128
    return values


def save(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


def pairs(root: Path, images: str, masks: str, names: tuple[str, ...] = ("a", "b", "c")) -> list[np.ndarray]:
    """Pictures ``NAME.png`` and grey masks ``NAME.bmp``; returns the truths, (H, W) bool."""
    truths = []
    for number, name in enumerate(names):
        truths.append(blob((4 + number, 5, 16 + 2 * number, 18)))
        save(root / images / f"{name}.png", picture(seed=number))
        save(root / masks / f"{name}.bmp", grey(truths[-1]))
    return truths


def instance_mat(path: Path, labels: np.ndarray) -> Path:
    """An SBD file: a MATLAB struct GTinst with Segmentation, Boundaries and Categories."""
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    boundaries = np.zeros((int(labels.max()), 1), dtype=object)
    struct = {
        "Segmentation": labels.astype(np.uint8),
        "Boundaries": boundaries,
        "Categories": np.ones((int(labels.max()), 1), np.uint8),
    }
    savemat(path, {"GTinst": struct}, do_compression=True)
    return path


def regions(*boxes: tuple[int, int, int, int], size: tuple[int, int] = SIZE) -> np.ndarray:
    """(H, W) uint8 labels 1, 2, ... in half-open boxes (x0, y0, x1, y1); later ones win."""
    labels = np.zeros(size, dtype=np.uint8)
    for value, box in enumerate(boxes, start=1):
        labels[blob(box, size)] = value
    return labels
