"""How LVIS objects, COCO objects and COCO stuff of one picture become one set with a hierarchy (protocol 1.4).

Where the published description leaves something open: things are compared with all LVIS masks, also with those that are
dropped themselves; among parents of the same depth the smallest is taken; objects are numbered by descending area.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clickwise.types import Box, MaskArray

SMALLEST_OBJECT = 80
"""Pixels that a mask of LVIS or COCO must have."""
SMALLEST_STUFF = 500
"""More pixels than this must be left of a stuff segment when all objects are taken away."""
SAME_BOX = 0.70
"""Two masks can be the same object only when the IoU of their boxes is above this."""
SAME_THING = 0.70
"""A COCO object is dropped for an LVIS mask when the IoU of the masks is above this."""
SAME_LVIS = 0.85
"""An LVIS mask is dropped for a later one when the IoU of the masks is above this."""
BOX_INSIDE, MASK_INSIDE = 0.7, 0.8
"""j lies inside i: at least this share of the box of j, and more than this share of its mask, lies in i."""
MOST_IN_A_LAYER = 255
"""Objects that a layer of 8 bits can hold."""


class BoxedMask:
    """A mask cut to its bounding box, so that comparing small masks of a large picture is cheap. Not empty."""

    def __init__(self, mask: MaskArray) -> None:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        self.box: Box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        x0, y0, x1, y1 = self.box
        self.inside: MaskArray = mask[y0:y1, x0:x1].copy()
        self.area = int(self.inside.sum())

    def common(self, other: BoxedMask) -> int:
        """Pixels that both masks have."""
        x0, y0, x1, y1 = _intersection(self.box, other.box)
        if x0 >= x1 or y0 >= y1:
            return 0
        parts = (
            mask.inside[y0 - mask.box[1] : y1 - mask.box[1], x0 - mask.box[0] : x1 - mask.box[0]]
            for mask in (self, other)
        )
        return int(np.logical_and(*parts).sum())

    def is_same(self, other: BoxedMask, least: float) -> bool:
        """Whether the IoU of the boxes is above `SAME_BOX` and that of the masks above ``least``."""
        if box_iou(self.box, other.box) <= SAME_BOX:
            return False
        common = self.common(other)
        return common / (self.area + other.area - common) > least

    def holds(self, other: BoxedMask) -> bool:
        """Whether ``other`` lies inside this one."""
        x0, y0, x1, y1 = _intersection(self.box, other.box)
        width, height = other.box[2] - other.box[0], other.box[3] - other.box[1]
        if max(0, x1 - x0) * max(0, y1 - y0) < BOX_INSIDE * width * height:
            return False
        return self.common(other) > MASK_INSIDE * other.area

    def put(self, layer: NDArray[np.uint8], value: int) -> None:
        """Write ``value`` on the pixels of the mask."""
        x0, y0, x1, y1 = self.box
        layer[y0:y1, x0:x1][self.inside] = value

    def meets(self, layer: NDArray[np.uint8]) -> bool:
        """Whether a pixel of the mask is taken."""
        x0, y0, x1, y1 = self.box
        return bool(layer[y0:y1, x0:x1][self.inside].any())


def _intersection(a: Box, b: Box) -> Box:
    return max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])


def box_iou(a: Box, b: Box) -> float:
    """IoU of the column intervals times IoU of the row intervals."""

    def interval(a0: int, a1: int, b0: int, b1: int) -> float:
        common = max(0, min(a1, b1) - max(a0, b0))
        return common / (a1 - a0 + b1 - b0 - common)

    return interval(a[0], a[2], b[0], b[2]) * interval(a[1], a[3], b[1], b[3])


@dataclass(frozen=True)
class MergedPicture:
    """Objects by descending area, then stuff by descending area.

    instances: how many are objects. parents: of each object, None without; stuff has none. levels: 0 without a parent,
    else one more than the parent's. layers: (H, W) uint8 each. places: (layer, value) of objects and stuff.
    """

    instances: int
    parents: tuple[int | None, ...]
    levels: tuple[int, ...]
    layers: tuple[NDArray[np.uint8], ...]
    places: tuple[tuple[int, int], ...]

    def rows(self) -> list[list[int | None]]:
        """[layer, value, parent] of objects and stuff, as our annotations file has them."""
        parents = [*self.parents, *[None] * (len(self.places) - self.instances)]
        return [[layer, value, parent] for (layer, value), parent in zip(self.places, parents, strict=True)]

    def nodes(self) -> dict[int, dict[str, object] | None]:
        """The published hierarchy: object -> None when it stands alone, else children, parent and node_level."""
        return published_nodes(self.parents)


def published_nodes(parents: Sequence[int | None]) -> dict[int, dict[str, object] | None]:
    """The published form of a hierarchy of parents."""
    children: dict[int, list[int]] = {}
    for number, parent in enumerate(parents):
        if parent is not None:
            children.setdefault(parent, []).append(number)
    levels: list[int] = []
    nodes: dict[int, dict[str, object] | None] = {}
    for number, parent in enumerate(parents):  # a parent is larger, so it comes first
        levels.append(0 if parent is None else levels[parent] + 1)
        nodes[number] = None
        if parent is not None or number in children:
            nodes[number] = {"children": children.get(number, []), "parent": parent, "node_level": levels[number]}
    return nodes


def merge_picture(
    lvis: Sequence[MaskArray], things: Sequence[MaskArray], stuff: Sequence[MaskArray], size: tuple[int, int]
) -> MergedPicture:
    """Merge the masks of one picture, each (H, W) bool; lvis in the order of its file."""
    instances = by_area(chosen_instances(lvis, things))
    taken = np.zeros(size, dtype=np.uint8)
    for mask in instances:
        mask.put(taken, 1)
    left = [mask & (taken == 0) for mask in stuff]
    rest = by_area([BoxedMask(mask) for mask in left if mask.sum() > SMALLEST_STUFF])
    parents, levels = find_parents(instances)
    layers, places = stack([*instances, *rest], size)
    return MergedPicture(len(instances), tuple(parents), tuple(levels), tuple(layers), tuple(places))


def by_area(masks: Sequence[BoxedMask]) -> list[BoxedMask]:
    """Largest first; of equal ones the earlier first."""
    return sorted(masks, key=lambda mask: -mask.area)


def chosen_instances(lvis: Sequence[MaskArray], things: Sequence[MaskArray]) -> list[BoxedMask]:
    """The LVIS masks and COCO objects that are large enough and not another's double."""
    own = [BoxedMask(mask) for mask in lvis if mask.sum() >= SMALLEST_OBJECT]
    more = [BoxedMask(mask) for mask in things if mask.sum() >= SMALLEST_OBJECT]
    kept = [
        mask
        for number, mask in enumerate(own)
        if not any(mask.is_same(later, SAME_LVIS) for later in own[number + 1 :])
    ]
    return kept + [mask for mask in more if not any(mask.is_same(other, SAME_THING) for other in own)]


def find_parents(masks: Sequence[BoxedMask]) -> tuple[list[int | None], list[int]]:
    """(parent, level) of masks by descending area: the parent is the deepest larger mask that holds the mask."""
    parents: list[int | None] = []
    levels: list[int] = []
    for number, mask in enumerate(masks):
        holders = [other for other in range(number) if masks[other].holds(mask)]
        parent = max(holders, key=lambda other: (levels[other], other)) if holders else None
        parents.append(parent)
        levels.append(0 if parent is None else levels[parent] + 1)
    return parents, levels


def stack(masks: Sequence[BoxedMask], size: tuple[int, int]) -> tuple[list[NDArray[np.uint8]], list[tuple[int, int]]]:
    """Layers, and the place of each mask: largest first, each in the first layer with room where it meets nothing."""
    layers: list[NDArray[np.uint8]] = []
    counts: list[int] = []
    places: dict[int, tuple[int, int]] = {}
    for number in sorted(range(len(masks)), key=lambda k: -masks[k].area):
        mask = masks[number]
        fits = (k for k, layer in enumerate(layers) if counts[k] < MOST_IN_A_LAYER and not mask.meets(layer))
        chosen = next(fits, len(layers))
        if chosen == len(layers):
            layers.append(np.zeros(size, dtype=np.uint8))
            counts.append(0)
        counts[chosen] += 1
        mask.put(layers[chosen], counts[chosen])
        places[number] = chosen, counts[chosen]
    return layers, [places[number] for number in range(len(masks))]
