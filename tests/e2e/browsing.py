"""A user at the page: looks, clicks on pixels of the picture, presses keys, and waits until the page is idle."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from e2e.serving import Server
from e2e.wire import Wire

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

Point = tuple[float, float]
HEARD = """
window.said = [];
new MutationObserver((changes) => {
    for (const { addedNodes } of changes) for (const node of addedNodes)
        if (node instanceof Element && node.matches(".toast")) window.said.push(node.textContent);
}).observe(document, { childList: true, subtree: true });
"""
"""Remembers what the page told the user: messages go away after some seconds."""
GONE = ("WebSocket", "ERR_CONNECTION", "ERR_EMPTY", "Failed to load resource")
"""What a browser says about a server that is not there."""


class Desk:
    """One page. Coordinates are pixels of the picture, x right, y down, pixel centres at integers.

    What a user does (`click`, `drag`, `press`) does not wait for the answer; `idle` does.
    """

    wire: Wire

    def __init__(self, page: Page, server: Server) -> None:
        self.page, self.server = page, server
        self.complaints: list[str] = []
        self._forgiven: tuple[str, ...] = ()
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("console", self._heard)
        page.add_init_script(HEARD)

    def forgive(self, *words: str) -> None:
        """The console may complain about these from now on: the test makes them happen."""
        self._forgiven += words

    def _heard(self, message: ConsoleMessage) -> None:
        text = f"{message.type}: {message.text} {message.location.get('url', '')}"
        forgiven = self._forgiven if self.server.is_running else (*self._forgiven, *GONE)
        if message.type in ("error", "warning") and not any(word in text for word in forgiven):
            self.complaints.append(text)

    # ------------------------------------------------------------------------------------------ going there

    def go(self, image: str | None = None) -> Desk:
        """Open the start address, as the command printed it, or the page of a picture."""
        self.page.goto(self.server.address + (f"&image={image}" if image else ""))
        return self.ready()

    def reload(self) -> Desk:
        """F5."""
        self.page.reload()
        return self.ready()

    def ready(self) -> Desk:
        """Wait until the first picture is shown."""
        self.page.wait_for_function("window.clickwise !== undefined")
        self.page.evaluate("window.clickwise.ready")
        return self.until("s.connection === 'open'").idle()

    def idle(self) -> Desk:
        """Wait until every command is answered, nothing is fetched and everything is drawn."""
        self.page.evaluate("window.clickwise.idle()")
        return self

    def until(self, condition: str, argument: Any = None) -> Desk:
        """Wait until an expression of the page's `state`, named s, is true; the argument is named a."""
        self.page.wait_for_function(f"a => {{ const s = window.clickwise.state(); return {condition}; }}", arg=argument)
        return self

    def drop(self, files: dict[str, bytes]) -> Desk:
        """Drop files (name -> content) onto the picture."""
        dropped = self.page.evaluate_handle(
            """files => {
                const transfer = new DataTransfer();
                for (const [name, data] of files) {
                    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
                    transfer.items.add(new File([bytes], name));
                }
                return transfer;
            }""",
            [[name, base64.b64encode(data).decode()] for name, data in files.items()],
        )
        for event in ("dragenter", "dragover", "drop"):
            self.page.locator("#stage").dispatch_event(event, {"dataTransfer": dropped})
        return self

    # ------------------------------------------------------------------------------------------ looking

    @property
    def state(self) -> Any:
        """What the page says of itself."""
        return self.page.evaluate("window.clickwise.state()")

    @property
    def image(self) -> str:
        """Id of the picture that is shown."""
        return self.state["image"]["imageId"]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects, lowest first."""
        return self.state["objects"]

    def button(self, name: str) -> Locator:
        """The button of exactly that name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def saw(self, text: str) -> None:
        """Wait for a message that says this, or find that there was one since the page was loaded."""
        self.page.wait_for_function("text => window.said.some((each) => each.includes(text))", arg=text)

    @property
    def said(self) -> list[str]:
        """All messages since the page was loaded."""
        return self.page.evaluate("window.said")

    def look(self) -> np.ndarray:
        """(H, W, 3) uint8: what is on the screen, in CSS pixels."""
        data = self.page.screenshot(scale="css")
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    def mask_layer(self, points: Sequence[Point]) -> list[int]:
        """How opaque, 0 to 255, the layer of masks is at these pixels: what was painted, not what is known."""
        return self.page.evaluate(
            """points => {
                const layer = document.querySelector("#stage canvas.masks"), box = layer.getBoundingClientRect();
                const pen = layer.getContext("2d"), scale = layer.width / box.width;
                return points.map(([x, y]) => {
                    const at = window.clickwise.at(x, y);
                    return pen.getImageData((at.x - box.left) * scale, (at.y - box.top) * scale, 1, 1).data[3];
                });
            }""",
            [list(point) for point in points],
        )

    def agrees(self) -> None:
        """What the page holds of its picture is what the server holds."""
        there, here = self.server.document(self.image), self.state
        assert here["image"]["version"] == there["version"]
        assert [item["id"] for item in here["objects"]] == there["order"]
        by_id = {item["object_id"]: item for item in there["objects"]}
        for item in here["objects"]:
            other = by_id[item["id"]]
            assert (item["pixels"], item["area"], item["bbox"]) == (other["area"], other["area"], other["bbox"])
            assert (item["clicks"], item["classId"]) == (other["clicks"], other["class_id"])

    # ------------------------------------------------------------------------------------------ doing

    def at(self, point: Point) -> Point:
        """Where a picture pixel lies in the window."""
        place = self.page.evaluate("([x, y]) => window.clickwise.at(x, y)", [float(value) for value in point])
        return place["x"], place["y"]

    def click(self, *points: Point, button: Any = "left", keys: Sequence[str] = ()) -> Desk:
        """Click there, one after the other, with keys held."""
        for key in keys:
            self.page.keyboard.down(key)
        for point in points:
            self.page.mouse.click(*self.at(point), button=button)
        for key in keys:
            self.page.keyboard.up(key)
        return self

    def drag(self, *points: Point) -> Desk:
        """Pull the mouse over these pixels with the button down."""
        self.page.mouse.move(*self.at(points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.at(point), steps=4)
        self.page.mouse.up()
        return self

    def press(self, *keys: str) -> Desk:
        """Keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def menu(self, entry: str) -> Desk:
        """Choose from the menu at the top right."""
        self.page.locator("#bar").get_by_role("button", name="More", exact=True).click()
        self.page.get_by_role("menuitem", name=entry).click()
        return self
