"""The page is reloaded, the server dies, the line is slow: nothing that was done is lost, nothing is done twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.browsing import GONE, Desk
from e2e.pictures import CUP, SAUCER, SPOON, photo
from e2e.serving import Server


@pytest.mark.parametrize("lost", ["the click", "its answer"])
def test_reload_in_the_middle_of_a_click(server: Server, image: str, desks: Callable[..., Desk], lost: str) -> None:
    """F5 while a click is on its way, to the server or back: it is there afterwards, once."""
    desk = desks(server, image, wire=True)
    desk.click(CUP).idle()
    version = server.document(image)["version"]
    desk.wire.hold(up=lost == "the click", down=lost == "its answer")
    desk.click(SAUCER).until("s.pending === 1")
    if lost == "its answer":
        while not desk.wire.holds('"type":"result"'):
            desk.page.wait_for_timeout(50)
    desk.wire.lose()
    desk.reload()
    (item,) = desk.objects
    assert len(item["clicks"]) == 2
    assert desk.state["pending"] == 0
    assert server.document(image)["version"] == version + 1
    desk.agrees()


def test_server_is_killed_and_started_again(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """kill -9 in the middle of a click; the user goes on; a new server has everything, each click once."""
    with Server([photo(tmp_path / "photos").parent]) as server:
        desk = desks(server)
        desk.forgive(*GONE)
        desk.click(CUP).idle()
        acknowledged = server.document(desk.image)
        desk.click(SAUCER)
        server.kill()
        desk.until("s.connection === 'lost'")
        desk.click(SPOON).press("b", "Enter").drag((400, 30), (500, 30))
        assert desk.state["pending"] >= 2
        desk.page.locator("#status").get_by_text("not saved yet").wait_for()
        desk.until("s.objects.length === 1")  # what was acknowledged stays on the screen
        server.start()
        desk.until("s.connection === 'open' && s.pending === 0").idle()

        first, second = desk.objects
        assert [round(x) for x, *_ in first["clicks"]] == [290, 130, 430]
        assert second["strokes"] == 1
        desk.agrees()
        assert server.document(desk.image)["version"] > acknowledged["version"]
        desk.reload().agrees()
        desk.press(*["Control+z"] * desk.state["image"]["undoable"]).idle()
        assert desk.objects == [], "the history survived as well"


def test_server_is_stopped_and_the_page_says_so(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    with Server([photo(tmp_path / "photos").parent]) as server:
        desk = desks(server)
        desk.forgive(*GONE)
        assert "error" not in server.stop().lower()
        desk.until("s.connection === 'lost'")
        desk.page.locator("#status").get_by_text("Offline").wait_for()


def test_closing_the_tab_with_unsaved_steps_asks_first(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """Steps that the server does not have would be gone with the tab; with all of them saved nothing is asked."""
    with Server([photo(tmp_path / "photos").parent]) as server:
        desk = desks(server)
        desk.forgive(*GONE)
        asked: list[str] = []
        desk.page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        desk.click(CUP).idle()
        server.kill()
        desk.until("s.connection === 'lost'").click(SAUCER).until("s.pending === 1")
        desk.page.close(run_before_unload=True)
        while not asked:
            desk.page.wait_for_timeout(50)
        assert asked == ["beforeunload"]
        server.start()
        desk.until("s.connection === 'open' && s.pending === 0").idle()
        assert len(desk.objects[0]["clicks"]) == 2, "the user stayed, and the step arrived"
        with desk.page.expect_event("close"):
            desk.page.close(run_before_unload=True)
        assert asked == ["beforeunload"]


def test_slow_network(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """A line of a mobile phone in a train: the page comes up, says that it waits, and everything arrives."""
    desk = desks(server, image, wire=True)
    line = desk.page.context.new_cdp_session(desk.page)
    line.send("Network.enable")
    slow = {"offline": False, "latency": 300, "downloadThroughput": 100_000, "uploadThroughput": 20_000}
    line.send("Network.emulateNetworkConditions", slow)
    desk.reload()
    desk.wire.hold(down=True)  # as long as the look at the page takes
    desk.click(CUP)
    desk.page.locator("#status").get_by_text("not saved yet").wait_for()
    desk.wire.release()
    desk.click(SAUCER).idle()
    desk.agrees()
    assert len(desk.objects[0]["clicks"]) == 2
    assert "Saved" in desk.page.locator("#status").inner_text()
