"""A project with a picture and some history, to test on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from drawing import random_action

from clickwise.annotate.store import ProjectStore

WIDTH, HEIGHT = 32, 24


def started(place: Path, photos: Path) -> tuple[ProjectStore, str]:
    store = ProjectStore.open(place)
    store.add_images([photos / "b2.png"])
    return store, store.images()[0].image_id


def scribble(store: ProjectStore, image_id: str, steps: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        document = store.document(image_id)
        roll = rng.random()
        if roll < 0.2 and document.undoable:
            store.undo(image_id)
        elif roll < 0.3 and document.redoable:
            store.redo(image_id)
        else:
            store.record(image_id, random_action(rng, document, classes=1))
