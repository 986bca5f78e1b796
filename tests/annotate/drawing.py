"""Random masks and random things to do to a picture, for the tests of history and store."""

from __future__ import annotations

import numpy as np

from clickwise.annotate import actions
from clickwise.annotate.actions import Action
from clickwise.annotate.document import ImageDocument, Stroke
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.clicks.click import Click

SIZE = (24, 32)


def blob(rng: np.random.Generator, size: tuple[int, int] = SIZE) -> MaskRuns:
    """A rectangle with a speck, sometimes nothing."""
    mask = np.zeros(size, bool)
    y, x = rng.integers(0, size[0]), rng.integers(0, size[1])
    mask[y : y + rng.integers(0, 12), x : x + rng.integers(0, 12)] = True
    mask[rng.integers(0, size[0]), rng.integers(0, size[1])] ^= True
    return MaskRuns.of(mask)


def random_action(rng: np.random.Generator, document: ImageDocument, classes: int = 3) -> Action:
    """Something that fits the document, with objects, clicks and strokes in a natural mixture."""
    free = [item.object_id for item in document.objects if not item.locked]
    known = [item.object_id for item in document.objects]
    one = int(rng.choice(free)) if free else None
    new = None if rng.random() < 0.3 else one
    kind = int(rng.integers(1, classes + 1))
    roll = rng.random()
    if roll < 0.4 or one is None:
        if len(known) > 6:
            return actions.Lock(tuple(known), False) if not free else actions.Delete((free[0],))
        click = Click(float(rng.integers(0, SIZE[1])), float(rng.integers(0, SIZE[0])), bool(rng.random() < 0.7))
        return actions.AddClick(click, blob(rng), new, kind, model="clickwise-s", milliseconds=12.5)
    if roll < 0.55:
        stroke = Stroke(tuple(map(tuple, rng.random((3, 2)).tolist())), 2.5, bool(rng.random() < 0.5))
        return actions.AddStroke(stroke, blob(rng), one, kind)
    others = tuple(object_id for object_id in free if object_id != one)[:2]
    choices: list[Action] = [
        actions.AddObject(blob(rng), kind, "mask", "pre-label"),
        actions.SetMask(one, blob(rng)),
        actions.CutOthers(one),
        actions.SetClass((one, *others), kind),
        actions.Rename(one, f"name {rng.integers(9)} é"),
        actions.Recolour(one, (1, 2, int(rng.integers(256)))),
        actions.Recolour(one, None),
        actions.Hide((one,), bool(rng.random() < 0.5)),
        actions.Lock((one,)),
        actions.Lock(tuple(known), False),
        actions.Delete((one,)),
        actions.Move(one, int(rng.integers(0, 5))),
        actions.Finish(bool(rng.random() < 0.5)),
        actions.Together((actions.SetMask(one, blob(rng)), actions.CutOthers(one))),
    ]
    if others:
        choices.append(actions.Merge(one, others))
    return choices[int(rng.integers(len(choices)))]
