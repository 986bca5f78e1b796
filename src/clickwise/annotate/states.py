"""What predictors knew after each click, kept while there is room, so that the next click goes on from there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from clickwise.annotate.document import MaskObject
from clickwise.clicks.click import Click

if TYPE_CHECKING:
    from clickwise.inference.state import PredictorState

DEFAULT_BUDGET = 256 << 20
"""Bytes: some 400 states of 400 x 400 probabilities, most of them for undo."""
_OVERHEAD = 4096


@dataclass(frozen=True, slots=True)
class StateKey:
    """An object as it was at one moment: equal keys, equal states. digest: of its mask, whatever its threshold was."""

    image_id: str
    object_id: int
    digest: str
    clicks: tuple[Click, ...]
    model: str

    @classmethod
    def of(cls, image_id: str, item: MaskObject, model: str) -> StateKey:
        """The key of an object as it is."""
        return cls(image_id, item.object_id, item.mask.digest, item.clicks, model)


class States:
    """Predictor states by key, the ones used last within a budget of bytes. Every method may be called from any thread.

    States are never altered, so handing the same one to two users is safe.
    """

    def __init__(self, budget: int = DEFAULT_BUDGET) -> None:
        self._budget, self._used = budget, 0
        self._kept: OrderedDict[StateKey, tuple[PredictorState, int]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, key: StateKey) -> PredictorState | None:
        """The state of an object as the key describes it, None when it is not kept."""
        with self._guard:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
            return found[0]

    def keep(self, key: StateKey, state: PredictorState) -> None:
        """Keep a state; the ones not asked for the longest time give way."""
        size = _OVERHEAD + (0 if state.probs is None else int(state.probs.values.nbytes))
        with self._guard:
            old = self._kept.pop(key, None)
            self._used += size - (0 if old is None else old[1])
            self._kept[key] = (state, size)
            while self._used > self._budget and len(self._kept) > 1:
                _, (_, gone) = self._kept.popitem(last=False)
                self._used -= gone

    def __len__(self) -> int:
        return len(self._kept)
