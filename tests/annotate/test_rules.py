"""Brush, "do not overlap others", and the list of classes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickwise.annotate import actions, history
from clickwise.annotate.brush import painted, stroke_area
from clickwise.annotate.classes import DIGIT_KEYS, ClassList, LabelClass, palette_colour
from clickwise.annotate.document import Content, ImageDocument, MaskObject, Stroke
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.overlap import beside_others, cut_others, overlaps
from clickwise.errors import ProjectError

PLACES = st.tuples(st.integers(-6, 26), st.integers(-6, 20)).map(lambda p: (float(p[0]), float(p[1])))


@given(st.lists(PLACES, min_size=1, max_size=4), st.sampled_from([0.4, 1.0, 2.5, 7.0]))
@settings(max_examples=40, deadline=None)
def test_a_stroke_covers_what_lies_within_its_radius(points: list[tuple[float, float]], radius: float) -> None:
    """Against the distance of every pixel to every segment, one by one."""
    height, width = 15, 21
    slow = np.zeros((height, width), bool)
    for y, x in np.ndindex(height, width):
        for (ax, ay), (bx, by) in zip(points, points[1:] or points, strict=False):
            length = (bx - ax) * (bx - ax) + (by - ay) * (by - ay)
            t = min(1.0, max(0.0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) if length else 0.0
            away = (x - (ax + t * (bx - ax)), y - (ay + t * (by - ay)))
            slow[y, x] |= away[0] * away[0] + away[1] * away[1] <= radius * radius
    stroke = Stroke(tuple(points), radius)
    assert np.array_equal(stroke_area(stroke, (height, width)).array(), slow)


def test_brush_adds_and_eraser_takes_away() -> None:
    empty = MaskRuns.empty((9, 9))
    dot = painted(empty, Stroke(((4, 4),), 1))
    assert dot.area == 5
    assert painted(dot, Stroke(((4, 4),), 0.5, erases=True)).area == 4
    assert painted(dot, Stroke(((90, 4),), 3, erases=True)) == dot


def boxes(*corners: tuple[int, int]) -> Content:
    masks = []
    for x, y in corners:
        mask = np.zeros((10, 10), bool)
        mask[y : y + 4, x : x + 4] = True
        masks.append(MaskRuns.of(mask))
    return Content(tuple(MaskObject(number, 1, mask) for number, mask in enumerate(masks, 1)))


def test_do_not_overlap_others() -> None:
    content = boxes((0, 0), (2, 2), (6, 6))
    assert overlaps(content) == ((1, 2, 4),)
    assert beside_others(content.objects[1].mask, content, 2).area == 12
    (cut,) = cut_others(content, 2)
    assert cut.object_id == 1
    assert cut.mask.area == 12
    assert cut_others(content, 3) == ()


def test_locked_objects_are_not_cut_and_one_undo_takes_all_back() -> None:
    document = ImageDocument("a", (10, 10), content=boxes((0, 0), (2, 2), (3, 3)), next_object_id=4)
    document = history.apply(document, history.act(document, actions.Lock((1,))))
    event = history.act(document, actions.CutOthers(2))
    after = history.apply(document, event)
    assert [item.mask.area for item in after.objects] == [16, 16, 7]
    assert history.apply(after, history.undo(after, event)).content == document.content


def test_an_empty_mask_is_a_normal_object() -> None:
    document = ImageDocument("a", (10, 10))
    event = history.act(document, actions.AddObject(MaskRuns.empty((10, 10))))
    assert history.apply(document, event).objects[0].mask.area == 0


def test_digits_choose_classes() -> None:
    classes = ClassList()
    for number in range(12):
        classes = classes.add(f"class {number}")
    assert [item.key for item in classes] == [*DIGIT_KEYS, "", ""]
    classes = classes.retire(3)
    assert classes.free_key() == "3"
    assert classes.add("new").of_key("3") == LabelClass(13, "new", palette_colour(13), "3")
    moved = classes.change(LabelClass(12, "class 11", (1, 2, 3), "1"))
    assert moved.of_key("1") == moved.get(12)
    assert moved.get(1).key == ""
    assert len({palette_colour(number) for number in range(1, 37)}) == 36


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: c.add("cup"), "two classes have the name 'cup'"),
        (lambda c: c.add("  "), "cannot be used"),
        (lambda c: c.add("x", key="1"), "two classes have the key '1'"),
        (lambda c: c.add("x", key="q"), "no digit"),
        (lambda c: c.add("x", (0, 0, 999)), "colour"),
        (lambda c: c.get(9), "not in the project"),
        (lambda c: c.retire(1), "only one"),
    ],
)
def test_classes_that_cannot_be(change, says: str) -> None:
    with pytest.raises(ProjectError, match=says):
        change(ClassList().add("cup"))
