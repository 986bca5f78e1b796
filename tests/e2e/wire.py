"""A hand on the wire between page and server: holds messages back as long as a test wants, in either direction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, WebSocketRoute


class Wire:
    """All WebSockets of a browser context, from now on. Nothing is changed or lost, only late."""

    def __init__(self, context: BrowserContext) -> None:
        self._holds_up = self._holds_down = False
        self._late: list[tuple[Any, str | bytes]] = []
        context.route_web_socket("**/api/live", self._through)

    def hold(self, *, up: bool = False, down: bool = False) -> None:
        """From now on nothing gets to the server (up) or to the page (down)."""
        self._holds_up, self._holds_down = up, down

    def release(self) -> None:
        """Deliver what waited, in order; from now on nothing waits."""
        self._holds_up = self._holds_down = False
        late, self._late = self._late, []
        for to, message in late:
            to.send(message)

    def lose(self) -> None:
        """What waited never arrives: the connection it was on is gone."""
        self._holds_up = self._holds_down = False
        self._late = []

    def holds(self, text: str) -> bool:
        """Whether a message with this text waits."""
        return any(text in str(message) for _, message in self._late)

    def _through(self, page: WebSocketRoute) -> None:
        server = page.connect_to_server()

        def up(message: str | bytes) -> None:
            if self._holds_up:
                self._late.append((server, message))
            else:
                server.send(message)

        def down(message: str | bytes) -> None:
            if self._holds_down:
                self._late.append((page, message))
            else:
                page.send(message)

        page.on_message(up)
        server.on_message(down)
