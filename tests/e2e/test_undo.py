"""A user takes back everything, of every kind, and does it again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e.browsing import Desk
from e2e.pictures import CUP, SAUCER, TABLE
from e2e.serving import Server


def content(desk: Desk) -> Any:
    """What a picture holds, and nothing about how it came there. The page must hold the same."""
    desk.idle().agrees()
    document = desk.server.document(desk.image)
    return [document[name] for name in ("objects", "order", "finished")]


def test_undo_through_everything(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    desk = desks(server, image)
    steps: list[Callable[[], object]] = [
        lambda: desk.click(CUP),
        lambda: desk.click(TABLE, button="right"),
        lambda: desk.press("b").drag((30, 40), (90, 40)),
        lambda: desk.press("e").drag((60, 20), (60, 60)),
        lambda: desk.press("2"),
        lambda: desk.press("b", "Enter").drag((400, 30), (500, 30)),
        lambda: desk.press("l"),
        lambda: desk.press("l"),
        lambda: desk.press("Control+ArrowDown"),
        lambda: desk.press("t"),
        lambda: desk.press("t"),
        lambda: desk.press("Control+a", "m"),
        lambda: desk.press("Shift+S"),
        lambda: desk.press("Delete"),
    ]
    states = [content(desk)]
    for step in steps:
        step()
        states.append(content(desk))
        assert states[-1] != states[-2]
    assert desk.state["image"]["undoable"] == len(steps)

    for state in states[-2::-1]:
        desk.press("Control+z")
        assert content(desk) == state
    assert desk.state["image"]["undoable"] == 0
    desk.press("Control+z")
    desk.saw("Nothing is left to undo")

    desk.reload()
    for state in states[1:]:
        desk.press("Control+y")
        assert content(desk) == state
    assert desk.state["image"]["redoable"] == 0


def test_many_keys_at_once(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """Faster than the network: nothing is lost, and everything happens in the order of the keys."""
    desk = desks(server, image)
    desk.click(CUP, SAUCER).press("Control+z", "b", "Enter").drag((400, 30), (500, 30)).press("3").idle()
    *first, second = desk.objects  # none where both clicks went to the network together, and so were one step
    assert [len(item["clicks"]) for item in first] in ([], [1])
    assert (second["strokes"], second["classId"]) == (1, 3)
    desk.agrees()
