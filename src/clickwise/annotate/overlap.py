""" "Do not overlap others", as functions from masks to masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from clickwise.annotate.document import Content, MaskObject
from clickwise.annotate.mask_runs import MaskRuns


def outside_of(mask: MaskRuns, others: Iterable[MaskRuns]) -> MaskRuns:
    """What of ``mask`` no other mask covers: for a new answer that shall leave existing objects as they are."""
    for other in others:
        mask = mask - other
    return mask


def beside_others(mask: MaskRuns, content: Content, object_id: int | None = None) -> MaskRuns:
    """What of ``mask`` no object covers but ``object_id`` itself; hidden and locked objects count as all others."""
    return outside_of(mask, (item.mask for item in content.objects if item.object_id != object_id))


def cut_others(content: Content, object_id: int) -> tuple[MaskObject, ...]:
    """The objects that lose pixels when ``object_id`` shall have all of its own; locked ones lose nothing."""
    winner = content.get(object_id)
    cut = []
    for item in content.objects:
        if item.object_id != object_id and not item.locked:
            rest = item.mask - winner.mask
            if rest != item.mask:
                cut.append(replace(item, mask=rest))
    return tuple(cut)


def overlaps(content: Content) -> tuple[tuple[int, int, int], ...]:
    """(lower id, upper id, shared pixels) of every two objects that share any."""
    found = []
    boxes = [item.mask.box for item in content.objects]
    for upper, item in enumerate(content.objects):
        for lower in range(upper):
            a, b = boxes[lower], boxes[upper]
            if a and b and a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]:
                shared = (content.objects[lower].mask & item.mask).area
                if shared:
                    found.append((content.objects[lower].object_id, item.object_id, shared))
    return tuple(found)
