"""The conditions by name. A new one is one function (or rule) and one line in `CONDITIONS`.

A condition changes the picture, the clicks or the start, or chooses among the objects; each stands alone, nothing is
combined. What is random in it depends on the seed and on the names of condition, picture and object only.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from clickwise.clicks.human import HumanClicks
from clickwise.data.sample import Sample
from clickwise.errors import OptionError
from clickwise.evaluation.robustness import picture_changes, rough_starts
from clickwise.evaluation.robustness.rough_starts import SMALLEST_AREA, RoughStart
from clickwise.evaluation.shapes import Shape
from clickwise.nearest import did_you_mean

PictureChange = Callable[[Sample, np.random.Generator], Sample]
ObjectRule = Callable[[Shape], bool]

PLAIN = "plain"
"""Nothing changed: what all differences are measured against."""
GROUPS = ("picture", "clicks", "start", "objects")


@dataclass(frozen=True)
class Condition:
    """One thing that is made hard.

    group: one of `GROUPS`. says: what is done, in a few words. Exactly one of the next four is given: picture changes a
    sample, clicks say where people click, start makes a mask from the truth, objects chooses by measures.
    smallest_area: objects of fewer pixels under the condition are left out of it.
    """

    name: str
    group: str
    says: str
    picture: PictureChange | None = None
    clicks: HumanClicks | None = None
    start: RoughStart | None = None
    objects: ObjectRule | None = None
    smallest_area: int = 1

    @property
    def is_choice(self) -> bool:
        """Whether it only chooses among the objects of the plain run, so that nothing is evaluated anew."""
        return self.objects is not None


def _start(name: str, says: str, rule: RoughStart) -> Condition:
    return Condition(f"start-{name}", "start", says, start=rule, smallest_area=SMALLEST_AREA)


CONDITIONS: tuple[Condition, ...] = (
    Condition("gray", "picture", "no colour", picture=picture_changes.gray),
    Condition("dark", "picture", "a tenth of the light", picture=picture_changes.dark),
    Condition("low-contrast", "picture", "a quarter of the contrast", picture=picture_changes.low_contrast),
    Condition("noise", "picture", "Gaussian noise, sd 25 of 255", picture=picture_changes.noise),
    Condition("jpeg", "picture", "JPEG quality 8", picture=picture_changes.jpeg),
    Condition("blur", "picture", "Gaussian, sd 0.6 % of the longer side", picture=picture_changes.blur),
    Condition("small", "picture", "sides divided by 4", picture=picture_changes.small, smallest_area=SMALLEST_AREA),
    Condition("rotated", "picture", "a quarter turn", picture=picture_changes.rotated),
    Condition("human-clicks", "clicks", "places drawn as people click", clicks=HumanClicks()),
    Condition("border-clicks", "clicks", "near the error's border", clicks=HumanClicks(core_prob=0, border_prob=1)),
    _start("grown", "from the truth grown, IoU 75-85 %", rough_starts.grown),
    _start("shrunk", "from the truth shrunk, IoU 75-85 %", rough_starts.shrunk),
    _start("wobbly", "from a wobbly outline, IoU 75-85 %", rough_starts.wobbly),
    _start("part", "from the truth less one side, IoU 75-85 %", rough_starts.part_missing),
    Condition("tiny", "objects", "below 1 % of the picture", objects=lambda shape: shape.area_share < 0.01),
    Condition("huge", "objects", "above 40 % of the picture", objects=lambda shape: shape.area_share > 0.40),
    Condition("thin", "objects", "a tenth in fine structure", objects=lambda shape: shape.fine_share >= 0.10),
    Condition("multi-part", "objects", "two or more parts", objects=lambda shape: shape.parts >= 2),
    Condition("holes", "objects", "holes of 1 % of it or more", objects=lambda shape: shape.hole_share >= 0.01),
    Condition("at-rim", "objects", "touches the picture's rim", objects=lambda shape: shape.rim_share > 0),
    Condition("faint", "objects", "contrast below 15 (Lab)", objects=lambda shape: shape.contrast < 15),
)


def conditions_named(names: str) -> list[Condition]:
    """Conditions of a comma-separated list of names and groups; "all" = every one. Each once, in our order.

    ``plain`` may be named; it is measured in any case. Raises OptionError for a name that nobody knows.
    """
    asked = [name.strip().casefold().replace("_", "-") for name in names.split(",") if name.strip()]
    known = ["all", PLAIN, *GROUPS, *(condition.name for condition in CONDITIONS)]
    for name in asked:
        if name not in known:
            raise OptionError(f"no condition is called {name!r}; {did_you_mean(name, known)}known: {', '.join(known)}")
    if not asked:
        raise OptionError(f"--conditions names none; expected some of {', '.join(known)}")
    return [c for c in CONDITIONS if {"all", c.group, c.name} & set(asked)]


def traits(shape: Shape, conditions: Sequence[Condition] = CONDITIONS) -> list[str]:
    """Names of the object conditions that an object fulfils: why it may be hard."""
    return [c.name for c in conditions if c.objects is not None and c.objects(shape)]


def condition_rng(seed: int, condition: str, sample_id: str, object_id: int) -> np.random.Generator:
    """The generator of one object under one condition."""
    names = [zlib.crc32(condition.encode()), zlib.crc32(sample_id.encode())]
    return np.random.default_rng(np.random.SeedSequence([seed, *names, object_id]))
