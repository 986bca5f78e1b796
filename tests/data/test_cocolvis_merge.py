"""The merge of COCO and LVIS against a second implementation that works on sets of pixels, one rule after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from miniatures import blob

from clickwise.data.cocolvis_merge import BoxedMask, box_iou, merge_picture, stack

SIZE = (40, 60)
Pixels = frozenset[tuple[int, int]]


def pixels(mask: np.ndarray) -> Pixels:
    return frozenset((int(y), int(x)) for y, x in np.argwhere(mask))


def sides(mask: Pixels) -> tuple[set[int], set[int]]:
    """The rows and columns between the first and the last."""
    rows, columns = {y for y, _ in mask}, {x for _, x in mask}
    return set(range(min(rows), max(rows) + 1)), set(range(min(columns), max(columns) + 1))


def slow_box_iou(a: Pixels, b: Pixels) -> float:
    shares = [len(p & q) / len(p | q) for p, q in zip(sides(a), sides(b), strict=True)]
    return shares[0] * shares[1]


def slow_merge(lvis: list[Pixels], things: list[Pixels], stuff: list[Pixels]):
    lvis = [mask for mask in lvis if len(mask) >= 80]
    things = [mask for mask in things if len(mask) >= 80]

    def same(a: Pixels, b: Pixels, least: float) -> bool:
        return slow_box_iou(a, b) > 0.7 and len(a & b) / len(a | b) > least

    kept = []
    for number, mask in enumerate(lvis):
        if not [later for later in lvis[number + 1 :] if same(mask, later, 0.85)]:
            kept.append(mask)
    for mask in things:
        if not [other for other in lvis if same(mask, other, 0.7)]:
            kept.append(mask)
    kept.sort(key=len, reverse=True)
    rest = [mask - frozenset().union(*kept) for mask in stuff]
    rest = sorted((mask for mask in rest if len(mask) > 500), key=len, reverse=True)

    parents, levels = [], []
    for j, inner in enumerate(kept):
        best = None
        for i, outer in enumerate(kept[:j]):
            common = [p & q for p, q in zip(sides(inner), sides(outer), strict=True)]
            box = [len(side) for side in sides(inner)]
            in_box = len(common[0]) * len(common[1]) >= 0.7 * box[0] * box[1]
            is_inside = in_box and len(inner & outer) > 0.8 * len(inner)
            if is_inside and (best is None or levels[i] >= levels[best]):
                best = i
        parents.append(best)
        levels.append(0 if best is None else levels[best] + 1)

    layers: list[list[Pixels]] = []
    places = {}
    everything = [*kept, *rest]
    for number in sorted(range(len(everything)), key=lambda k: -len(everything[k])):
        mask = everything[number]
        free = [n for n, layer in enumerate(layers) if len(layer) < 255 and not any(mask & other for other in layer)]
        k = free[0] if free else len(layers)
        if not free:
            layers.append([])
        layers[k].append(mask)
        places[number] = (k, len(layers[k]))
    return everything, len(kept), parents, levels, [places[k] for k in range(len(everything))]


BOXES = st.tuples(st.integers(0, 45), st.integers(0, 28), st.integers(3, 40), st.integers(3, 30))
SHAPES = st.tuples(BOXES, st.booleans())


def drawn(shape) -> np.ndarray:
    (x, y, width, height), is_ring = shape
    mask = blob((x, y, x + width, y + height), SIZE)
    if is_ring:
        mask &= ~blob((x + 2, y + 2, x + width - 2, y + height - 2), SIZE)
    return mask


@settings(max_examples=60, deadline=None)
@given(
    lvis=st.lists(SHAPES, max_size=5),
    things=st.lists(SHAPES, max_size=3),
    stuff=st.lists(BOXES, max_size=2),
    doubles=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.booleans()), max_size=3),
)
def test_second_implementation(lvis, things, stuff, doubles) -> None:
    lvis_masks, thing_masks = [drawn(shape) for shape in lvis], [drawn(shape) for shape in things]
    for number, margin, is_thing in doubles:  # nearly the same objects again
        if lvis:
            x, y, width, height = lvis[number % len(lvis)][0]
            double = blob((x + margin, y + margin, x + width, y + height), SIZE)
            (thing_masks if is_thing else lvis_masks).append(double)
    stuff_masks = [blob((x, y, x + w + 10, y + h), SIZE) for x, y, w, h in stuff]
    got = merge_picture(lvis_masks, thing_masks, stuff_masks, SIZE)
    everything, count, parents, levels, places = slow_merge(
        *([pixels(mask) for mask in masks] for masks in (lvis_masks, thing_masks, stuff_masks))
    )
    assert got.instances == count
    assert list(got.parents) == parents
    assert list(got.levels) == levels
    assert list(got.places) == places
    for mask, (layer, value) in zip(everything, got.places, strict=True):
        assert pixels(got.layers[layer] == value) == mask
    assert got.rows() == [
        [*place, parent] for place, parent in zip(places, [*parents, *[None] * (len(places) - count)], strict=True)
    ]


class TestRules:
    def count(self, lvis=(), things=(), stuff=()) -> tuple[int, int]:
        merged = merge_picture(*([blob(box, SIZE) for box in boxes] for boxes in (lvis, things, stuff)), SIZE)
        return merged.instances, len(merged.places) - merged.instances

    def test_small_objects(self) -> None:
        assert self.count(lvis=[(0, 0, 8, 10)]) == (1, 0)
        assert self.count(lvis=[(0, 0, 79, 1)]) == (0, 0)
        assert self.count(things=[(0, 0, 10, 8)]) == (1, 0)
        assert self.count(things=[(0, 0, 11, 7)]) == (0, 0)

    def test_doubles(self) -> None:
        assert self.count(lvis=[(0, 0, 20, 20)], things=[(0, 0, 20, 15)]) == (1, 0)  # IoU 0.75: the same
        assert self.count(lvis=[(0, 0, 20, 20)], things=[(0, 0, 20, 14)]) == (2, 0)  # 0.70 is not enough
        assert self.count(lvis=[(0, 0, 20, 20), (0, 0, 20, 18)]) == (1, 0)  # 0.9
        assert self.count(lvis=[(0, 0, 20, 20), (0, 0, 20, 17)]) == (2, 0)  # 0.85 is not enough

    def test_of_doubles_in_lvis_the_later_stays(self) -> None:
        first, second = blob((0, 0, 20, 20), SIZE), blob((0, 0, 20, 18), SIZE)
        assert int((merge_picture([first, second], [], [], SIZE).layers[0] > 0).sum()) == second.sum()
        assert int((merge_picture([second, first], [], [], SIZE).layers[0] > 0).sum()) == first.sum()

    def test_stuff_is_what_the_objects_leave(self) -> None:
        assert self.count(stuff=[(0, 0, 50, 10)]) == (0, 0)  # 500 is not more than 500
        assert self.count(stuff=[(0, 0, 51, 10)]) == (0, 1)
        assert self.count(lvis=[(0, 0, 10, 10)], stuff=[(0, 0, 60, 10)]) == (1, 0)
        merged = merge_picture([blob((0, 0, 10, 10), SIZE)], [], [blob((0, 0, 60, 12), SIZE)], SIZE)
        assert len(merged.layers) == 1  # they never meet
        assert (merged.layers[0] == merged.places[1][1]).sum() == 620

    def test_deepest_parent(self) -> None:
        boxes = [(0, 0, 40, 40), (2, 2, 30, 30), (4, 4, 20, 20), (50, 2, 60, 20)]
        merged = merge_picture([blob(box, SIZE) for box in boxes], [], [], SIZE)
        assert merged.parents == (None, 0, 1, None)
        assert merged.levels == (0, 1, 2, 0)
        assert merged.nodes() == {
            0: {"children": [1], "parent": None, "node_level": 0},
            1: {"children": [2], "parent": 0, "node_level": 1},
            2: {"children": [], "parent": 1, "node_level": 2},
            3: None,
        }
        assert merged.places == ((0, 1), (1, 1), (2, 1), (0, 2))

    def test_the_deepest_is_not_the_smallest(self) -> None:
        root, deep, small = blob((0, 0, 40, 40), SIZE), blob((5, 10, 35, 40), SIZE), blob((20, 20, 60, 40), SIZE)
        merged = merge_picture([root, deep, small, blob((22, 22, 34, 38), SIZE)], [], [], SIZE)
        assert merged.levels == (0, 1, 0, 2)
        assert merged.parents == (None, 0, None, 1)

    @pytest.mark.parametrize(("end", "parent"), [(26, 0), (27, None)])
    def test_how_much_of_the_box_must_lie_inside(self, end, parent) -> None:
        outer = blob((0, 0, 20, 20), SIZE)
        inner = blob((6, 0, 20, 10), SIZE) | blob((20, 0, end, 1), SIZE)  # 14 of 20 columns, or 14 of 21
        assert merge_picture([outer, inner], [], [], SIZE).parents == (None, parent)

    @pytest.mark.parametrize(("inside", "parent"), [(17, 0), (16, None)])
    def test_how_much_must_lie_inside(self, inside, parent) -> None:
        outer, inner = blob((0, 0, 20, 20), SIZE), blob((20 - inside, 0, 40 - inside, 10), SIZE)
        assert merge_picture([outer, inner], [], [], SIZE).parents == (None, parent)  # 0.85 is, 0.80 is not


def test_layers_hold_255_objects() -> None:
    size = (1, 600)
    masks = [BoxedMask(blob((2 * k, 0, 2 * k + 1, 1), size)) for k in range(300)]
    layers, places = stack(masks, size)
    assert len(layers) == 2
    assert places[254] == (0, 255)
    assert places[255] == (1, 1)


def test_box_iou_is_a_product_of_intervals() -> None:
    assert box_iou((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(5 / 15)
    assert box_iou((0, 0, 10, 10), (5, 5, 15, 15)) == pytest.approx(1 / 9)
    assert box_iou((0, 0, 10, 10), (10, 0, 20, 10)) == 0
