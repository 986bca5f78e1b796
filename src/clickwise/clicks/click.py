"""One user hint and the ordered, immutable list of hints. Plain Python: no torch, no NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import overload

from clickwise.errors import ClickError


@dataclass(frozen=True, slots=True)
class Click:
    """A hint at one place of the upright original image.

    x, y: pixels, x right, y down, pixel centres at integers (fractions allowed).
    is_positive: True on the object, False on the background.
    """

    x: float
    y: float
    is_positive: bool = True

    def __post_init__(self) -> None:
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise ClickError(f"click ({self.x}, {self.y}) is not a pair of finite numbers; give pixel coordinates x,y")

    def checked(self, width: int, height: int) -> Click:
        """This click, or ClickError if it lies outside an image of ``width`` x ``height`` pixels."""
        if not (0 <= self.x <= width - 1 and 0 <= self.y <= height - 1):
            raise ClickError(
                f"click ({self.x:g}, {self.y:g}) is outside the image of {width} x {height} pixels; "
                f"x must be in 0..{width - 1} and y in 0..{height - 1}"
            )
        return self

    def moved_to(self, x: float, y: float) -> Click:
        """The same hint at another place (used when a step crops, resizes or mirrors)."""
        return replace(self, x=x, y=y)


class ClickList(Sequence[Click]):
    """Hints in the order they were given. Every change returns a new list.

    >>> clicks = ClickList().add(Click(3, 4)).add(Click(0, 0, is_positive=False))
    >>> len(clicks), len(clicks.positives), clicks.undo()[-1]
    (2, 1, Click(x=3, y=4, is_positive=True))
    """

    __slots__ = ("_clicks",)

    def __init__(self, clicks: Iterable[Click] = ()) -> None:
        self._clicks: tuple[Click, ...] = tuple(clicks)

    def add(self, click: Click) -> ClickList:
        """A list with one more hint at the end."""
        return ClickList((*self._clicks, click))

    def undo(self) -> ClickList:
        """A list without the last hint; an empty list stays empty."""
        return ClickList(self._clicks[:-1])

    @property
    def positives(self) -> tuple[Click, ...]:
        """Hints on the object, in order."""
        return tuple(c for c in self._clicks if c.is_positive)

    @property
    def negatives(self) -> tuple[Click, ...]:
        """Hints on the background, in order."""
        return tuple(c for c in self._clicks if not c.is_positive)

    @overload
    def __getitem__(self, index: int) -> Click: ...
    @overload
    def __getitem__(self, index: slice) -> ClickList: ...
    def __getitem__(self, index: int | slice) -> Click | ClickList:
        if isinstance(index, slice):
            return ClickList(self._clicks[index])
        return self._clicks[index]

    def __len__(self) -> int:
        return len(self._clicks)

    def __iter__(self) -> Iterator[Click]:
        return iter(self._clicks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClickList) and self._clicks == other._clicks

    def __hash__(self) -> int:
        return hash(self._clicks)

    def __repr__(self) -> str:
        return f"ClickList({list(self._clicks)!r})"
