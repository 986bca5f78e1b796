"""One user's work on one picture: from a command to what is stored. Everything here blocks; servers call it in threads.

A click takes three steps, each in another thread: the picture is decoded (`clickwise.annotate.decoded`), the network
answers (`Session.ask`), the answer is stored (`Session.record_clicks`).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clickwise.annotate import history
from clickwise.annotate.actions import Action, AddClick, AddObject, SetMask
from clickwise.annotate.answers import mask_of
from clickwise.annotate.decoded import Picture
from clickwise.annotate.document import ImageDocument, MaskObject
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.prompts import as_one, drawn, prompt, wire_action
from clickwise.annotate.protocol import (
    Asking,
    Command,
    DoAction,
    DoMask,
    DoRedo,
    DoStroke,
    DoThreshold,
    DoUndo,
    Drawing,
)
from clickwise.annotate.states import StateKey, States
from clickwise.annotate.store import ProjectStore, Recorded
from clickwise.clicks.click import Click
from clickwise.errors import ClickError, InputError, LockedError, ProjectError

if TYPE_CHECKING:
    from clickwise.engines.base import Engine
    from clickwise.inference.predictor import Predictor
    from clickwise.inference.state import PredictorState

MOST_REPLAYED = 10
"""An object with more clicks whose state is gone is taken up from its mask: replaying would keep the user waiting."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a network said. version: of the document it saw. start: the filled box a new object begins with, if any."""

    mask: MaskRuns
    clicks: tuple[Click, ...]
    state: PredictorState
    model: str
    threshold: float
    version: int
    milliseconds: float
    start: MaskRuns | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What one user does to one picture.

    author: the user's name. own: ids of the commands of this client: their events never count as somebody else's.
    """

    store: ProjectStore
    states: States
    image_id: str
    author: str = ""
    own: Collection[str] = ()

    # ------------------------------------------------------------------------------------------ with a network

    def ask(
        self, engine: Engine, picture: Picture, model: str, commands: Sequence[Asking], object_id: int | None
    ) -> Answer:
        """The network's answer to one or more clicks at once, or to a box. Stores nothing; call it in its thread.

        Raises ClickError, LockedError, or ProjectError when the object is gone.
        """
        document = self.store.document(self.image_id)
        item = None if object_id is None else _open(document, object_id, commands[-1].base_version)
        begin = time.perf_counter()
        predictor = _predictor(engine, picture, model)
        start, clicks = prompt(commands, document.size, item)
        state = _state_of_mask(start) if start is not None else self._state(predictor, item, model)
        try:
            predictor.reset()
            predictor.restore(state)
            predictor.click_together(clicks)
            answered = predictor.state
        finally:
            predictor.reset()
        threshold = commands[-1].threshold or predictor.options.threshold
        mask = mask_of(answered.probs, document.size, threshold)
        spent = 1000 * (time.perf_counter() - begin)
        return Answer(mask, clicks, answered, model, threshold, document.version, spent, start)

    def replay(self, engine: Engine, picture: Picture, model: str, object_id: int) -> None:
        """Find again what is needed to change an object's threshold; call it in the network's thread.

        Raises InputError when its mask is no answer of this network to its clicks.
        """
        item = _open(self.store.document(self.image_id), object_id)
        if self._replayed(_predictor(engine, picture, model), item, model) is None:
            raise _no_probabilities(object_id)

    def _state(self, predictor: Predictor, item: MaskObject | None, model: str) -> PredictorState:
        """What the predictor goes on from: the state kept, else one replayed, else the mask as it is."""
        from clickwise.inference.state import PredictorState

        if item is None:
            return PredictorState()
        kept = self.states.get(StateKey.of(self.image_id, item, model))
        return kept or self._replayed(predictor, item, model) or _state_of_mask(item.mask)

    def _replayed(self, predictor: Predictor, item: MaskObject, model: str) -> PredictorState | None:
        """The state after all clicks of an object, one by one, if that leads to its mask."""
        if item.strokes or not 0 < len(item.clicks) <= MOST_REPLAYED:
            return None
        try:
            predictor.reset()
            if item.start is not None:
                predictor.restore(_state_of_mask(item.start))
            for click in item.clicks:
                predictor.click(click.x, click.y, click.is_positive)
            state = predictor.state
        except ClickError:  # clicks that mean something only together with a mask that is gone
            return None
        finally:
            predictor.reset()
        if mask_of(state.probs, item.mask.size, predictor.options.threshold) != item.mask:
            return None
        self.states.keep(StateKey.of(self.image_id, item, model), state)
        return state

    # ------------------------------------------------------------------------------------------ stored

    def record_clicks(self, commands: Sequence[Asking], object_id: int | None, answer: Answer) -> Recorded:
        """Store an answer as one step of undo, under the id of the last command."""
        last = commands[-1]
        class_id = self._class_of(commands[0], object_id)

        def action(document: ImageDocument) -> Action:
            number = document.next_object_id if object_id is None else object_id
            steps: list[Action] = []
            if answer.start is not None:
                steps.append(AddObject(answer.start, class_id, "box"))
            for click in answer.clicks:
                target = None if object_id is None and not steps else number
                steps.append(
                    AddClick(click, answer.mask, target, class_id, answer.model, round(answer.milliseconds, 1))
                )
            return as_one(steps, number, last.cut_others)

        base = answer.version if last.base_version is None else min(last.base_version, answer.version)
        recorded = self.store.record(
            self.image_id, action, base_version=base, author=self.author, token=last.id, own=self.own
        )
        self._keep_state(recorded, answer.mask, answer.state, answer.model, touched_object(recorded, object_id))
        return recorded

    def perform(self, command: Command, object_id: int | None = None) -> Recorded:
        """Do and store what needs no network. object_id: of the object that a drawing command means."""
        common = {"author": self.author, "token": command.id, "own": self.own, "base_version": command.base_version}
        match command:
            case DoUndo():
                return self.store.undo(self.image_id, **common)  # type: ignore[arg-type]
            case DoRedo():
                return self.store.redo(self.image_id, **common)  # type: ignore[arg-type]
            case DoAction():
                return self.store.record(self.image_id, wire_action(command), **common)  # type: ignore[arg-type]
            case DoStroke() | DoMask():
                class_id = self._class_of(command, object_id)

                def action(document: ImageDocument) -> Action:
                    number = document.next_object_id if object_id is None else object_id
                    item = None if object_id is None else document.content.get(object_id)
                    return as_one([drawn(command, document.size, item, class_id)], number, command.cut_others)

                return self.store.record(self.image_id, action, **common)  # type: ignore[arg-type]
        raise InputError(f"command {type(command).__name__} cannot be done here")

    def threshold(self, command: DoThreshold, model: str) -> tuple[MaskObject, MaskRuns]:
        """The object and its mask at another threshold. KeyError when nothing is kept; then `replay` comes first."""
        document = self.store.document(self.image_id)
        item = _open(document, command.object_id, command.base_version)
        if not item.clicks:
            raise _no_probabilities(command.object_id)
        state = self.states.get(StateKey.of(self.image_id, item, model))
        if state is None:
            raise KeyError(command.object_id)
        return item, mask_of(state.probs, document.size, command.value)

    def record_threshold(self, command: DoThreshold, model: str) -> Recorded:
        """Store an object's mask at another threshold."""
        item, mask = self.threshold(command, model)
        state = self.states.get(StateKey.of(self.image_id, item, model))
        recorded = self.store.record(
            self.image_id,
            SetMask(command.object_id, mask, f"threshold {command.value:g}"),
            base_version=command.base_version,
            author=self.author,
            token=command.id,
            own=self.own,
        )
        if state is not None:
            self._keep_state(recorded, mask, state, model, command.object_id)
        return recorded

    def _keep_state(
        self, recorded: Recorded, mask: MaskRuns, state: PredictorState, model: str, object_id: int | None
    ) -> None:
        for item in recorded.document.objects:
            if item.object_id == object_id and item.mask == mask:
                self.states.keep(StateKey.of(self.image_id, item, model), state)

    def _class_of(self, command: Drawing, object_id: int | None) -> int:
        if command.class_id is not None or object_id is not None:
            return command.class_id or 1
        return self.store.classes()[0].first.class_id


def touched_object(recorded: Recorded, named: int | None) -> int | None:
    """The object that an event is about: the one it made, else the one that the command named."""
    if recorded.event is None:
        return named
    created = recorded.event.change.created
    return created[-1] if created else named


# ---------------------------------------------------------------------------------------------- helpers


def _open(document: ImageDocument, object_id: int, base: int | None = None) -> MaskObject:
    """The object, for changing it. ConflictError when it went after the version that the user saw."""
    try:
        item = document.content.get(object_id)
    except ProjectError as error:
        if base is not None and base < document.version:
            raise history.refuse(str(error), base, document.version) from error
        raise
    if item.locked:
        raise LockedError(f"object {object_id} is locked; unlock it first")
    return item


def _predictor(engine: Engine, picture: Picture, model: str) -> Predictor:
    """One predictor for a picture and a network; only the network's thread uses it, between clicks it holds nothing."""
    from clickwise.inference.predictor import Predictor

    found: Predictor | None = picture.work.get(model)
    if found is None or found.engine is not engine:
        found = Predictor(engine)
        found.set_image(picture.loaded)
        picture.work[model] = found
    return found


def _state_of_mask(mask: MaskRuns) -> PredictorState:
    """What `Predictor.set_mask` would begin with, made from the mask's own box only."""
    from clickwise.inference.state import PredictorState
    from clickwise.inference.window import WindowMap

    box = mask.box
    known = WindowMap.empty(mask.size) if box is None else WindowMap(mask.size, box, mask.crop(box))
    return PredictorState(probs=known, from_mask=True)


def _no_probabilities(object_id: int) -> InputError:
    return InputError(
        f"the mask of object {object_id} is not an answer of this network, so it has no threshold; click it once"
    )
