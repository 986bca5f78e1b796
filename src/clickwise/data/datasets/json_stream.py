"""JSON files of gigabytes, one item after the other: LVIS as a whole would take ten times its size in memory."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TextIO

from clickwise.errors import DatasetError

_CHUNK = 1 << 20
_LARGEST_ITEM = 1 << 28
"""No item is as long as this; a file that is damaged early must not be read as a whole to find out."""
_BLANKS = " \t\r\n"
_AFTER_A_VALUE = frozenset(f"{_BLANKS},:]}}")
_DECODER = json.JSONDecoder()


def stream_items(path: Path, keys: Collection[str], dataset: str) -> Iterator[tuple[str, Any]]:
    """(key, item) for each item of the lists under ``keys`` of the object in a JSON file, in the order of the file.

    Other keys are passed over. Raises DatasetError when the file is missing, damaged or holds no object, when one of
    the keys is missing, and when what is under it is no list.
    """
    try:
        with path.open(encoding="utf-8") as file:
            missing = set(keys)
            for key, item in _Scanner(file).items(keys):
                missing.discard(key)
                if item is not _BEGIN:
                    yield key, item
    except FileNotFoundError:
        raise DatasetError(f"{dataset}: {path} does not exist; check the layout of the data set") from None
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DatasetError(f"{dataset}: {path} is not valid JSON ({reason}); get a fresh copy") from error
    if missing:
        raise DatasetError(f"{dataset}: {path} has no {sorted(missing)[0]!r}; get the published annotations")


_BEGIN = object()
"""Stands for "the list begins", so that empty lists are noticed."""


class _Scanner:
    """A window that moves over the text of a file."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at, self._ended = file, "", 0, False

    def items(self, keys: Collection[str]) -> Iterator[tuple[str, Any]]:
        """Items of the lists under ``keys``; each list begins with `_BEGIN`."""
        self._expect("{")
        if self._peek() == "}":
            return
        while True:
            key = self._value()
            if not isinstance(key, str):
                raise ValueError(f"a key is {key!r}")
            self._expect(":")
            is_wanted = key in keys
            if self._peek() == "[":
                if is_wanted:
                    yield key, _BEGIN
                for item in self._list():
                    if is_wanted:
                        yield key, item
            elif is_wanted:
                raise ValueError(f"{key!r} is no list")
            else:
                self._value()
            if self._peek() == "}":
                return
            self._expect(",")

    def _list(self) -> Iterator[Any]:
        self._expect("[")
        if self._peek() == "]":
            self._at += 1
            return
        while True:
            yield self._value()
            if self._peek() == "]":
                self._at += 1
                return
            self._expect(",")

    def _value(self) -> Any:
        """The next value. A number at the end of the window may go on (1, 1e, 1e+5), so its end must be seen."""
        self._peek()
        while True:
            is_last = len(self._text) - self._at > _LARGEST_ITEM
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError:
                if is_last or not self._more():
                    raise
                continue
            if self._text[end : end + 1] in _AFTER_A_VALUE or is_last or not self._more():
                self._at = end
                return value

    def _peek(self) -> str:
        """The next character that is not blank; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANKS:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _expect(self, character: str) -> None:
        found = self._peek()
        if found != character:
            raise ValueError(f"{found or 'the end'!r} instead of {character!r}")
        self._at += 1

    def _more(self) -> bool:
        """Read on; what was passed is forgotten. The window at least doubles, so that retries stay cheap."""
        if self._ended:
            return False
        chunk = self._file.read(max(_CHUNK, len(self._text) - self._at))
        self._ended = not chunk
        self._text, self._at = self._text[self._at :] + chunk, 0
        return bool(chunk)
