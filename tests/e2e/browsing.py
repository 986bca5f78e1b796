"""A user at the page: looks, clicks on pixels of the picture, presses keys, and waits until the page is idle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from e2e.serving import Server

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page


class Desk:
    """One page. Coordinates are pixels of the picture, x right, y down, pixel centres at integers."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.complaints: list[str] = []
        self.forgiven: tuple[str, ...] = ()
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("console", self._heard)

    def forgive(self, *words: str) -> None:
        """The console may complain about these from now on: the test makes them happen."""
        self.forgiven += words

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.type}: {message.text} {message.location.get('url', '')}"
        if message.type in ("error", "warning") and not any(word in text for word in self.forgiven):
            self.complaints.append(text)
