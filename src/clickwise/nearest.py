"""What a misspelt name may have meant, for error messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_ALIKE = 0.5
"""Share of letters in common, as difflib counts, from which two names are alike."""


def nearest(name: str, known: Iterable[str], *, most: int = 1, fallback: Iterable[str] | None = None) -> str:
    """The known names like this one, the most alike first; where none is, all of them, or the fallback.

    >>> nearest("ritm_hrnet18", ["ritm-hrnet18s", "clickwise-s"])
    'ritm-hrnet18s'
    """
    names = list(known)
    alike = get_close_matches(name, names, n=most, cutoff=_ALIKE)
    return ", ".join(alike or (names if fallback is None else fallback))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question that names the one most alike, with a space behind it; "" where none is.

    >>> did_you_mean("coko", ["coco", "yolo"])
    'did you mean coco? '
    """
    alike = get_close_matches(name, list(known), n=1, cutoff=_ALIKE)
    return f"did you mean {alike[0]}? " if alike else ""
