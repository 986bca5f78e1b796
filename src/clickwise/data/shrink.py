"""A sample made smaller, picture and layers together, and one without some of its objects."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import cv2
import numpy as np

from clickwise.data.sample import ObjectRef, Sample
from clickwise.types import MaskArray, Size


def shrunk_size(size: Size, longest: int) -> Size:
    """(height, width) with the longer side at most ``longest``, in proportion, at least 1."""
    scale = longest / max(size)
    if scale >= 1:
        return size
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shrink(sample: Sample, size: Size) -> Sample:
    """The picture averaged over areas, each label taken from the pixel under the centre of the new one.

    Objects that had pixels and have none left are removed; their children become those of their parent.
    """
    image = np.asarray(cv2.resize(sample.image, size[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)
    small = replace(sample, image=image, layers=shrink_labels(sample.layers, size))
    lost = [i for i, ref in enumerate(sample.objects) if sample.region(ref).any() and not small.region(ref).any()]
    return without_objects(small, lost)


def shrink_labels(labels: np.ndarray, size: Size) -> np.ndarray:
    """(H, W, ...) labels or mask of another size."""
    rows, columns = (
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(np.intp), old - 1)
        for new, old in zip(size, labels.shape[:2], strict=True)
    )
    return np.ascontiguousarray(labels[rows[:, None], columns])


def shrink_mask(mask: MaskArray | None, size: Size) -> MaskArray | None:
    """As `shrink_labels`; nothing stays nothing."""
    return None if mask is None else np.asarray(shrink_labels(mask, size), dtype=bool)


def without_objects(sample: Sample, lost: Collection[int]) -> Sample:
    """The sample without some objects, the others numbered anew; children of a lost object move up to its parent."""
    if not lost:
        return sample
    parents = [_kept_parent(sample, number, lost) for number in range(len(sample.objects))]
    kept = [number for number in range(len(sample.objects)) if number not in lost]
    place = {number: position for position, number in enumerate(kept)}
    objects = []
    for number in kept:
        ref, parent = sample.objects[number], parents[number]
        children = tuple(place[i] for i in kept if parents[i] == number)
        objects.append(ObjectRef(ref.layer, ref.values, None if parent is None else place[parent], children))
    return replace(sample, objects=tuple(objects))


def _kept_parent(sample: Sample, number: int, lost: Collection[int]) -> int | None:
    parent = sample.objects[number].parent
    while parent is not None and parent in lost:
        parent = sample.objects[parent].parent
    return parent
