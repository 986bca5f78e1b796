"""What readers of text annotations share: telling what is wrong."""

from __future__ import annotations

from pathlib import Path

from clickwise.data.findings import Finding, Level, Report, refuse


class ReportingReader:
    """A reader that tells all that is wrong to ``report``, which decides whether to go on; see `findings`."""

    def __init__(self, root: Path, name: str, report: Report | None) -> None:
        self.root = root
        self.name = name or root.resolve().name
        self._report = report or refuse

    def wrong(self, place: Path | str, rule: str, message: str, level: Level = "error") -> None:
        """Report one finding; ``message`` goes on after the place."""
        self._report(Finding(str(place), rule, f"{self.name}: {place} {message}", level))
