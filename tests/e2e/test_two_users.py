"""Two users, two browsers, one project."""

from __future__ import annotations

from collections.abc import Callable

from e2e.browsing import Desk
from e2e.pictures import CUP, SAUCER, SPOON
from e2e.serving import Server


def test_two_browsers_on_one_picture(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """Each sees what the other does, at once and without doing anything."""
    anna, ben = desks(server, image), desks(server, image)
    anna.click(CUP).idle()
    ben.until("s.objects.length === 1")
    ben.agrees()
    ben.press("b", "Enter").drag((400, 30), (500, 30)).idle()
    anna.until("s.objects.length === 2")
    anna.idle().agrees()
    assert anna.state["selection"] == [anna.objects[0]["id"]], "what others do changes no selection"

    ben.press("Shift+S").idle()
    anna.until("s.image.finished && s.progress.finished >= 1")


def test_both_at_the_same_moment(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """Work on different objects never stands in each other's way, whoever was first."""
    anna, ben = desks(server, image), desks(server, image)
    anna.press("b")
    ben.press("b")
    for step in range(3):
        anna.press("Enter").drag((30, 40 + 30 * step), (90, 40 + 30 * step))
        ben.press("Enter").drag((400, 40 + 30 * step), (500, 40 + 30 * step))
    for desk in (anna, ben):
        desk.idle().until("s.objects.length === 6")
        desk.idle().agrees()
        assert [item["strokes"] for item in desk.objects] == [1] * 6


def test_conflict_is_told_and_nothing_is_overwritten(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """Ben corrects an object whose newest mask has not reached him: he is told, and sees Anna's."""
    ben = desks(server, image, wire=True)
    ben.press("Shift+S").idle()  # its answer shows that the server knows which picture he looks at
    anna = desks(server, image)
    anna.click(CUP).idle()
    ben.until("s.objects.length === 1").idle()
    ben.wire.hold(down=True)
    anna.click(SAUCER).idle()
    after = server.document(image)
    ben.forgive("409")
    ben.click(CUP, keys=["Control"])
    ben.click(SPOON)
    ben.page.wait_for_timeout(200)
    ben.wire.release()
    ben.page.locator("#toasts .toast.bad").first.wait_for()
    ben.idle().until("s.objects[0].clicks.length === 2")
    ben.agrees()
    now = server.document(image)
    assert (now["objects"], now["version"]) == (after["objects"], after["version"])

    ben.click(SPOON).idle()
    assert len(ben.objects[0]["clicks"]) == 3, "the same click again, on what is there now"
    anna.until("s.objects[0].clicks.length === 3")


def test_classes_of_one_are_classes_of_all(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    anna, ben = desks(server, image), desks(server, image)
    number = len(anna.state["classes"])
    anna.press("Shift+C")
    anna.page.get_by_role("dialog").get_by_role("textbox").fill("table")
    anna.page.keyboard.press("Enter")
    ben.until("s.classes.length > a && s.classes.at(-1).name === 'table'", number)
    assert anna.idle().state["classes"] == ben.idle().state["classes"]
