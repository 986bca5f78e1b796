"""What a long build has done, one line per picture; it survives a kill at any moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clickwise.data.cocolvis_work import NAME
from clickwise.errors import DatasetError
from clickwise.imaging import write_text


class Journal:
    """``with journal: journal.add(entry)``. done: entries by picture id, also those of earlier runs.

    Raises DatasetError when the file there was begun with another header.
    """

    def __init__(self, path: Path, header: dict[str, object]) -> None:
        self.path, self.header = path, header
        self.done: dict[str, dict[str, Any]] = {}
        if path.exists():
            self._read()
        # Also drops half a line that a kill has left behind.
        write_text(path, "".join(f"{line_of(entry)}\n" for entry in (header, *self.done.values())))

    def _read(self) -> None:
        lines = self.path.read_text(encoding="utf-8").splitlines()
        try:
            header = json.loads(lines[0]) if lines else self.header
        except ValueError:
            header = None
        if header != self.header:
            raise DatasetError(
                f"{NAME}: {self.path} was begun with other files or another form; remove it to begin anew"
            )
        for line in lines[1:]:
            try:
                entry = json.loads(line)
                self.done[entry["id"]] = entry
            except (ValueError, KeyError, TypeError):
                return

    def __enter__(self) -> Journal:
        self._file = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, entry: dict[str, Any]) -> None:
        """One more picture."""
        self._file.write(f"{line_of(entry)}\n")
        self._file.flush()
        self.done[entry["id"]] = entry


def line_of(entry: dict[str, Any]) -> str:
    """JSON on one line, without blanks."""
    return json.dumps(entry, separators=(",", ":"))
