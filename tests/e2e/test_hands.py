"""Without a mouse: with the keyboard alone, with a finger, and what a screen reader is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from e2e.browsing import Desk, Point
from e2e.pictures import CUP, SAUCER, TABLE
from e2e.serving import Server


def test_with_the_keyboard_alone(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """From the start address to a corrected, classified, finished object, and no mouse at all."""
    desk = desks(server, image)
    desk.press("ArrowRight")
    assert desk.state["cross"] is not None
    walk(desk, CUP)
    desk.press("Enter").idle()
    walk(desk, TABLE)
    desk.press("-").idle()
    (item,) = desk.objects
    assert [positive for *_, positive in item["clicks"]] == [True, False]
    assert "click 2" in desk.page.locator("#live").inner_text()

    desk.press("Escape", "2").idle()
    assert desk.objects[0]["classId"] == 2
    desk.press("Enter")
    assert desk.state["selection"] == [], "the object is done"
    desk.press("Tab")
    assert desk.state["selection"] == [item["id"]]
    assert "cup" in desk.page.locator("#live").inner_text()
    desk.press("F2")
    desk.page.keyboard.type("my cup")
    desk.press("Enter").until("s.objects[0].name === 'my cup'")
    desk.idle().press("Shift+S").until("s.image.finished")
    desk.idle().agrees()


def walk(desk: Desk, to: Point) -> None:
    """Arrow keys until the crosshair is within a few pixels of a place."""
    for axis, keys in (("x", ("ArrowLeft", "ArrowRight")), ("y", ("ArrowUp", "ArrowDown"))):
        target = to[axis == "y"]
        while abs(far := target - desk.state["cross"][axis]) > 5:
            desk.press(("Shift+" if abs(far) > 12 else "") + keys[far > 0])


def test_every_part_is_reached_by_f6_and_has_a_name(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    desk = desks(server, image)
    desk.click(CUP).idle()
    nameless = desk.page.evaluate(
        """() => [...document.querySelectorAll("button, input, select, [role=slider], [tabindex='0']")]
            .filter(each => each.offsetParent !== null)
            .filter(each => !(each.getAttribute("aria-label") || each.getAttribute("aria-labelledby") ||
                each.innerText?.trim() || each.title || each.labels?.length))
            .map(each => each.outerHTML.slice(0, 200))"""
    )
    assert nameless == []
    reached = []
    for _ in range(6):
        desk.press("F6")
        reached.append(
            desk.page.evaluate("document.activeElement.closest('[id]').id + '/' + document.activeElement.tagName")
        )
    assert len(set(reached)) >= 4, reached


def test_shortcuts_are_listed_and_can_be_changed(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """A key of one's own; one that is taken is refused with what it means; it holds after a reload."""
    desk = desks(server, image).press("?")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_title("Change the key for: Brush", exact=True).click()
    desk.press("d")
    dialog.get_by_text("D already means “Next picture”").wait_for()
    assert desk.page.evaluate("document.activeElement.title") == "Change the key for: Brush"
    desk.press("Enter", "j")
    dialog.get_by_text("Changed: Brush.").wait_for()
    desk.press("Escape")
    dialog.wait_for(state="detached")
    for _ in range(2):
        desk.press("b").press("j")
        assert desk.state["tool"] == "brush"
        desk.reload().press("b")
        assert desk.state["tool"] == "click", "the old key means nothing any more"


def test_object_is_hidden_and_deleted_from_its_row(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """Right goes to what can be done to the object; the row that is left has the keyboard afterwards."""
    for x in (100, 300):
        server.do(image, "stroke", points=[(x, 100)], radius=20, erases=False, object_id=None)
    desk = desks(server, image)
    desk.page.locator(".row").first.focus()
    desk.press("ArrowRight", "ArrowRight", "Enter").until("s.objects.some(each => each.hidden)").idle()
    desk.press("ArrowRight", "ArrowRight", "Enter").until("s.objects.length === 1").idle()
    assert desk.page.evaluate("document.activeElement.className").startswith("row")


def test_messages_of_a_dialog_are_in_it(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """A class without a name is told before anything is sent; what the server refuses can be read and closed."""
    server.do(image, "stroke", points=[(100, 100)], radius=20, erases=False, object_id=None, class_id=1)
    desk = desks(server, image)
    desk.forgive("409", "400")
    desk.button("Change classes").click()
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Add class").click()
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_text("has no name").wait_for()
    dialog.get_by_role("button", name="Remove class", exact=True).click()
    dialog.get_by_role("button", name="Remove object", exact=True).click()
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_role("alert").get_by_text("objects have it").wait_for()
    dialog.get_by_role("button", name="Close message").click()
    desk.press("Escape")
    # "close" comes after the key, in a task of its own.
    desk.page.locator("body > #toasts").wait_for(state="attached")


def touch(desk: Desk, kind: str, *points: Point) -> None:
    """Fingers at these pixels of the window."""
    line: Any = getattr(desk, "_line", None) or desk.page.context.new_cdp_session(desk.page)
    desk._line = line  # type: ignore[attr-defined]
    line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})


@pytest.mark.parametrize("size", [(390, 844), (1024, 768)], ids=["phone", "tablet"])
def test_with_a_finger(server: Server, image: str, desks: Callable[..., Desk], size: tuple[int, int]) -> None:
    """A tap is a click, a long press a background click, one finger moves the picture, two enlarge it."""
    viewport = {"width": size[0], "height": size[1]}
    desk = desks(server, image, viewport=viewport, has_touch=True, device_scale_factor=2)
    desk.page.touchscreen.tap(*desk.at(CUP))
    desk.idle()
    assert len(desk.objects[0]["clicks"]) == 1
    touch(desk, "touchStart", desk.at(TABLE))
    desk.until("s.objects[0].clicks.length === 2 || s.pending > 0")
    touch(desk, "touchEnd")
    desk.idle()
    assert [positive for *_, positive in desk.objects[0]["clicks"]] == [True, False]

    # From here on no finger rests, however long the next touch takes to arrive.
    desk.page.evaluate(
        "() => { const later = setTimeout; window.setTimeout = (...all) => all[1] === 500 ? 0 : later(...all); }"
    )
    before = desk.state["view"]
    x, y = desk.at(SAUCER)
    touch(desk, "touchStart", (x, y))
    for step in range(1, 5):
        touch(desk, "touchMove", (x + 10 * step, y + 5 * step))
    touch(desk, "touchEnd")
    desk.idle()
    moved = desk.state["view"]
    assert moved["zoom"] == before["zoom"]
    assert moved["x"] > before["x"]
    touch(desk, "touchStart", (x - 20, y))
    touch(desk, "touchStart", (x - 20, y), (x + 20, y))
    for step in range(1, 5):
        touch(desk, "touchMove", (x - 20 - 10 * step, y), (x + 20 + 10 * step, y))
    touch(desk, "touchEnd")
    desk.idle()
    assert desk.state["view"]["zoom"] > 1.5 * moved["zoom"]
    assert len(desk.objects[0]["clicks"]) == 2, "moving and enlarging clicks nothing"
    desk.agrees()
