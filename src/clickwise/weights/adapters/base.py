"""What an adapter is: it knows the published files of one method and says how they become ours.

A new method is one module with a tuple ``ADAPTERS`` and one line in `clickwise.weights.adapters.MODULES`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from clickwise.errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]
"""Entry name -> shape, as in the file."""


@dataclass(frozen=True)
class PublishedConfig:
    """The ``config`` of a published file: dotted class path and constructor parameters as plain values."""

    class_path: str
    params: Mapping[str, Any] = field(default_factory=dict)


class Adapter(Protocol):
    """Everything about the published files of one family of networks."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Dotted class paths that their configs name."""
        ...

    @property
    def architectures(self) -> tuple[str, ...]:
        """Ours that they can become."""
        ...

    def identify(self, config: PublishedConfig | None, shapes: Shapes) -> str | None:
        """Our architecture by config, or by shapes when there is none; None if this is not the family's file.

        Raises CheckpointError for a network of the family that we do not have.
        """
        ...

    def params(self, config: PublishedConfig | None, shapes: Shapes) -> dict[str, Any]:
        """Parameters of our architecture that the file fixes; the config's first, else by shapes."""
        ...

    def our_name(self, published: str) -> str:
        """Our name of a published entry; an unknown one is returned as it is (and will count as unexpected)."""
        ...

    def published_name(self, ours: str) -> str:
        """The inverse of `our_name`."""
        ...

    def never_runs(self, ours: str) -> bool:
        """Whether an entry (our name) has no influence, so that a file may lack it."""
        ...


@dataclass(frozen=True)
class Renaming:
    """Names that differ only in their beginning: pairs (published prefix, our prefix); the longest prefix wins."""

    pairs: tuple[tuple[str, str], ...]

    def ours(self, published: str) -> str:
        """Published -> ours."""
        return self._swap(published, 0, 1)

    def published(self, ours: str) -> str:
        """Ours -> published."""
        return self._swap(ours, 1, 0)

    def _swap(self, name: str, source: int, target: int) -> str:
        fitting = [pair for pair in self.pairs if name == pair[source] or name.startswith(pair[source] + ".")]
        if not fitting:
            return name
        best = max(fitting, key=lambda pair: len(pair[source]))
        return best[target] + name[len(best[source]) :]


def count_children(shapes: Shapes, prefix: str) -> int:
    """How many numbered children entries below ``prefix`` have: 1 + the highest number, 0 if there are none."""
    pattern = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    found = [int(match.group(1)) for name in shapes if (match := pattern.match(name))]
    return max(found, default=-1) + 1


def channels_of(shapes: Shapes, name: str, axis: int) -> int:
    """Length of one axis of an entry that must be there."""
    shape = shapes.get(name)
    if shape is None or len(shape) <= axis:
        raise CheckpointError(f"the file has no usable entry {name!r}, which tells the network's size; is it complete?")
    return shape[axis]
