"""Works on a project until somebody kills it: tells each action before it begins and after it is acknowledged.

    python killed.py PROJECT IMAGE_ID SEED FIRST LAST

Step number n of seed s is always the same, given the document before it, so whoever killed this can work out by itself
what the project must hold.
"""

from __future__ import annotations

import sys

import numpy as np
from drawing import random_action

from clickwise.annotate import history
from clickwise.annotate.document import ImageDocument
from clickwise.annotate.history import Event
from clickwise.annotate.store import ProjectStore


def step_of(seed: int, number: int, document: ImageDocument, events: list[Event]) -> Event:
    """The event of a step, without a store."""
    what, action = choice(seed, number, document)
    if what == "undo":
        return history.undo(document, events[document.undoable[-1] - 1])
    if what == "redo":
        return history.redo(document, events[document.redoable[-1] - 1])
    return history.act(document, action)


def choice(seed: int, number: int, document: ImageDocument):
    rng = np.random.default_rng((seed, number))
    roll = rng.random()
    if roll < 0.2 and document.undoable:
        return "undo", None
    if roll < 0.3 and document.redoable:
        return "redo", None
    return "do", random_action(rng, document, classes=1)


def main() -> None:
    place, image_id, seed, first, last = sys.argv[1:]
    with ProjectStore.open(place, create=False) as store:
        for number in range(int(first), int(last)):
            what, action = choice(int(seed), number, store.document(image_id))
            print("begin", number, flush=True)
            if what == "undo":
                store.undo(image_id)
            elif what == "redo":
                store.redo(image_id)
            else:
                store.record(image_id, action)
            print("done", number, flush=True)
        print("end", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
