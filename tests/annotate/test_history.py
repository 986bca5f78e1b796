"""Undo, redo, replay and conflicts, on random histories against a list of snapshots."""

from __future__ import annotations

import numpy as np
import pytest
from drawing import SIZE, blob, random_action
from hypothesis import given, settings
from hypothesis import strategies as st

from clickwise.annotate import actions, history
from clickwise.annotate.changes import difference
from clickwise.annotate.codec import action_text, change_text, digests, read_action, read_change
from clickwise.annotate.document import ImageDocument, Stroke
from clickwise.annotate.history import Event
from clickwise.clicks.click import Click
from clickwise.errors import ClickError, InputError, MaskError, ProjectError

EMPTY = ImageDocument("a", SIZE)
SEEDS = st.integers(0, 10_000)


class Desk:
    """A document, its events, and the slow obvious model: whole contents in two lists."""

    def __init__(self) -> None:
        self.document = EMPTY
        self.events: list[Event] = []
        self.before: list = []
        self.after: list = []

    def take(self, event: Event) -> None:
        self.events.append(event)
        self.document = history.apply(self.document, event)

    def act(self, action: actions.Action) -> None:
        event = history.act(self.document, action)
        if event.change.is_empty:
            return
        self.before.append(self.document.content)
        self.after.clear()
        self.take(event)

    def undo(self) -> None:
        self.after.append(self.document.content)
        self.take(history.undo(self.document, self.events[self.document.undoable[-1] - 1]))
        assert self.document.content == self.before.pop()

    def redo(self) -> None:
        self.before.append(self.document.content)
        self.take(history.redo(self.document, self.events[self.document.redoable[-1] - 1]))
        assert self.document.content == self.after.pop()


def worked_on(seed: int, steps: int = 40) -> Desk:
    rng = np.random.default_rng(seed)
    desk = Desk()
    for _ in range(steps):
        roll = rng.random()
        if roll < 0.2 and desk.document.undoable:
            desk.undo()
        elif roll < 0.35 and desk.document.redoable:
            desk.redo()
        else:
            desk.act(random_action(rng, desk.document))
    return desk


@given(SEEDS)
@settings(max_examples=20, deadline=None)
def test_undo_and_redo_walk_through_every_content(seed: int) -> None:
    desk = worked_on(seed)
    assert history.replay(EMPTY, desk.events) == desk.document
    end = desk.document.content
    steps = len(desk.document.undoable)
    for _ in range(steps):
        desk.undo()
    assert desk.document.content == EMPTY.content
    for _ in range(steps):
        desk.redo()
    assert desk.document.content == end


@given(SEEDS)
@settings(max_examples=15, deadline=None)
def test_events_survive_being_written(seed: int) -> None:
    for event in worked_on(seed, 25).events:
        masks: dict = {}
        action, change = action_text(event.action, masks), change_text(event.change, masks)
        assert digests(action) | digests(change) == set(masks)
        assert read_action(action, masks) == event.action
        assert read_change(change, masks) == event.change


@given(SEEDS, SEEDS)
@settings(max_examples=20, deadline=None)
def test_a_change_is_exact_both_ways(one: int, other: int) -> None:
    a, b = worked_on(one, 15).document.content, worked_on(other, 15).document.content
    change = difference(a, b)
    assert change.apply(a) == b
    assert change.reversed.apply(b) == a
    assert difference(a, a).is_empty


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_harmless_means_that_the_order_does_not_matter(seed: int) -> None:
    """Two actions on one version: if they do not conflict, both orders leave the same masks, classes and names."""
    rng = np.random.default_rng(seed)
    document = worked_on(seed, 12).document
    one, other = random_action(rng, document), random_action(rng, document)
    first, second = history.act(document, one), history.act(document, other)
    if any(isinstance(action, actions.CutOthers | actions.Together) for action in (one, other)):
        return  # they change what they find: order matters, and both orders are right
    if first.change.is_empty or second.change.is_empty:
        return  # never stored
    if first.change.created and second.change.created:
        return  # ids are given in order of arrival
    after = history.apply(document, first)
    try:
        late = history.act(after, other)
    except ProjectError:
        return  # the object is gone: refused
    if history.conflict(late, [first]):
        return
    before = history.apply(document, second)
    try:
        early_event = history.act(before, one)
    except ProjectError:
        return
    if history.conflict(early_event, [second]):
        return  # one named an object that it found unchanged; whoever comes second wins
    early = history.apply(before, early_event)
    assert {item.object_id: item for item in history.apply(after, late).objects} == {
        item.object_id: item for item in early.objects
    }


def test_an_object_number_is_never_given_twice() -> None:
    desk = Desk()
    desk.act(actions.AddObject(blob(np.random.default_rng(0))))
    desk.undo()
    desk.act(actions.AddObject(blob(np.random.default_rng(1))))
    assert desk.document.content.order == (2,)


def test_merging_keeps_the_union_and_undo_the_clicks() -> None:
    rng = np.random.default_rng(0)
    desk = Desk()
    for _ in range(3):
        desk.act(actions.AddClick(Click(1, 1), blob(rng)))
    whole = desk.document.objects[0].mask | desk.document.objects[2].mask
    desk.act(actions.Merge(1, (3,)))
    assert desk.document.content.order == (1, 2)
    assert desk.document.objects[0].mask == whole == desk.document.objects[0].start
    desk.undo()
    assert [len(item.clicks) for item in desk.document.objects] == [1, 1, 1]


def test_hidden_objects_stay_and_locked_ones_refuse() -> None:
    desk = Desk()
    desk.act(actions.AddObject(blob(np.random.default_rng(0))))
    desk.act(actions.Lock((1,)))
    desk.act(actions.Hide((1,)))
    assert desk.document.objects[0].hidden
    for action in (actions.Delete((1,)), actions.Rename(1, "x"), actions.SetMask(1, blob(np.random.default_rng(1)))):
        with pytest.raises(ProjectError, match="locked"):
            history.act(desk.document, action)


def test_what_does_not_fit_is_refused() -> None:
    mask = blob(np.random.default_rng(0))
    document = history.apply(EMPTY, history.act(EMPTY, actions.AddObject(mask)))
    for action, error in [
        (actions.SetMask(7, mask), "not on this picture"),
        (actions.Merge(1, (1,)), "itself"),
        (actions.Delete(()), "at least one"),
        (actions.Delete((1, 1)), "each once"),
        (actions.Move(1, -1), "below"),
        (actions.Rename(1, "x" * 201), "letters"),
        (actions.Recolour(1, (0, 0, 256)), "colour"),
        (actions.Together(()), "nothing"),
    ]:
        with pytest.raises(ProjectError, match=error):
            history.act(document, action)
    with pytest.raises(ClickError, match="outside"):
        history.act(document, actions.AddClick(Click(SIZE[1], 0), mask))
    with pytest.raises(MaskError, match="pixels"):
        history.act(document, actions.SetMask(1, blob(np.random.default_rng(0), (5, 5))))
    with pytest.raises(ProjectError, match="nothing to redo"):
        history.redo(document, history.act(EMPTY, actions.Finish()))
    with pytest.raises(ProjectError, match="in order"):
        history.apply(document, history.act(EMPTY, actions.Finish()))
    with pytest.raises(InputError, match="radius"):
        Stroke(((0, 0),), 0)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"action":"explode"}',
        '{"action":"rename","object_id":"1","name":"x"}',
        '{"action":"rename","object_id":true,"name":"x"}',
        '{"action":"rename","object_id":1}',
        '{"action":"rename","object_id":1,"name":"x","more":1}',
        '{"action":"mask","object_id":1,"mask":{"mask":"unknown"}}',
        '{"action":"together","actions":[1]}',
        '{"click":[1]}',
        '{"foo":1}',
        "5",
    ],
)
def test_texts_without_meaning_are_refused(text: str) -> None:
    with pytest.raises(ProjectError):
        read_action(text, {})
