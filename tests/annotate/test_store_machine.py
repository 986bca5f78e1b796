"""Anything in any order, with reopening in between, against the slow obvious model: a list of whole contents."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from drawing import SIZE, random_action
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from PIL import Image

from clickwise.annotate.document import Content
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ConflictError, ProjectError


class Users(RuleBasedStateMachine):
    """Two users with the same picture open in two programs; the second one looks up only now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        Image.new("RGB", SIZE[::-1]).save(self.folder / "photo.png")
        self.stores = [ProjectStore.open(self.folder / "project") for _ in range(2)]
        (entry,) = self.stores[0].add_images([self.folder])
        self.image_id = entry.image_id
        self.past: list[Content] = []
        self.present = Content()
        self.future: list[Content] = []
        self.seen = 0

    @rule(seed=st.integers(0, 10_000), user=st.integers(0, 1))
    def does_something(self, seed: int, user: int) -> None:
        store = self.stores[user]
        done = store.record(self.image_id, random_action(np.random.default_rng(seed), store.document(self.image_id), 1))
        if done.event is not None:
            self.past.append(self.present)
            self.future.clear()
        self.present = done.document.content

    @rule(seed=st.integers(0, 10_000))
    def acts_on_what_was_seen_long_ago(self, seed: int) -> None:
        action = random_action(np.random.default_rng(seed), self.stores[1].document(self.image_id), 1)
        try:
            done = self.stores[1].record(self.image_id, action, base_version=self.seen)
        except ConflictError:
            return
        if done.event is not None:
            self.past.append(self.present)
            self.future.clear()
        self.present = done.document.content
        self.seen = done.document.version

    @rule(user=st.integers(0, 1))
    def undoes(self, user: int) -> None:
        if not self.past:
            with pytest.raises(ProjectError, match="nothing to undo"):
                self.stores[user].undo(self.image_id)
            return
        self.future.append(self.present)
        self.present = self.past.pop()
        assert self.stores[user].undo(self.image_id).document.content == self.present

    @precondition(lambda self: self.future)
    @rule(user=st.integers(0, 1))
    def redoes(self, user: int) -> None:
        self.past.append(self.present)
        self.present = self.future.pop()
        assert self.stores[user].redo(self.image_id).document.content == self.present

    @rule(user=st.integers(0, 1))
    def reopens(self, user: int) -> None:
        self.stores[user].close()
        self.stores[user] = ProjectStore.open(self.folder / "project", create=False)

    @invariant()
    def both_see_the_same(self) -> None:
        for store in self.stores:
            document = store.document(self.image_id)
            assert document.content == self.present
            assert (len(document.undoable), len(document.redoable)) == (len(self.past), len(self.future))

    def teardown(self) -> None:
        assert self.stores[0].check() == []
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)


Users.TestCase.settings = settings(max_examples=6, stateful_step_count=20, deadline=None)
TestUsers = Users.TestCase


class ManyUsers(Users):
    """The same, longer."""


ManyUsers.TestCase.settings = settings(max_examples=200, stateful_step_count=80, deadline=None)
TestManyUsers = pytest.mark.soak(pytest.mark.timeout(3600)(ManyUsers.TestCase))
