"""Seconds per click (SPC) and per object (SPI), as the field measures them (protocol 5.2): wall time of the whole loop.

They include reading, decoding and the simulated user, so they compare only within one machine and one run. For the
network alone see ``clickwise benchmark``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import TracebackType


def seconds_per_click(elapsed: float, clicks: int) -> float:
    """SPC; 0 when nothing was clicked."""
    return elapsed / clicks if clicks else 0.0


def seconds_per_object(elapsed: float, objects: int) -> float:
    """SPI; 0 when there was no object."""
    return elapsed / objects if objects else 0.0


@dataclass
class ClickTimer:
    """Adds up wall time and clicks; ``with timer:`` around the loop (it may be entered again).

    clock: seconds from any start; replaceable in tests.
    """

    elapsed: float = 0.0
    clicks: int = 0
    objects: int = 0
    clock: Callable[[], float] = field(default=time.perf_counter, repr=False, compare=False)
    _started: float = field(default=0.0, init=False, repr=False, compare=False)

    def __enter__(self) -> ClickTimer:
        self._started = self.clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.elapsed += self.clock() - self._started

    def count_object(self, clicks: int) -> None:
        """One more object, with so many clicks."""
        self.objects += 1
        self.clicks += clicks

    def merge(self, other: ClickTimer) -> ClickTimer:
        """Working time and clicks of two processes together: SPC stays the cost of a click, not of the fleet."""
        return replace(
            self,
            elapsed=self.elapsed + other.elapsed,
            clicks=self.clicks + other.clicks,
            objects=self.objects + other.objects,
        )

    @property
    def spc(self) -> float:
        """Seconds per click."""
        return seconds_per_click(self.elapsed, self.clicks)

    @property
    def spi(self) -> float:
        """Seconds per object."""
        return seconds_per_object(self.elapsed, self.objects)
