"""What a user decides about reading and writing labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from clickwise.errors import OptionError

Holes = Literal["refuse", "bridge", "fill"]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """images: folders in which pictures are looked for before the places that a format has for them.

    warn: told, in a line, of everything in a file that is left out because no mask comes of it. within: names of
    pictures that lead out of the folders (``..``, absolute ones) are not looked for; for labels from strangers.
    """

    images: tuple[Path, ...] = ()
    warn: Callable[[str], None] = field(default=lambda _: None, compare=False)
    within: bool = False


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """holes: what happens to holes where a format has none. pictures: copy the pictures, byte for byte, too.

    "refuse" raises; "bridge" cuts the object open by a line drawn out and back, so that clickwise reads the same mask
    again; "fill" closes the holes; None is what the format does by itself.
    """

    holes: Holes | None = None
    pictures: bool = False

    def __post_init__(self) -> None:
        if self.holes is not None and self.holes not in get_args(Holes):
            raise OptionError(f"holes is {self.holes!r}; expected one of {', '.join(get_args(Holes))}")
