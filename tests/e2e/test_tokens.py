"""A user comes with a wrong token, or with none."""

from __future__ import annotations

from collections.abc import Callable

from e2e.browsing import Desk
from e2e.serving import TOKEN, Server


def test_wrong_token(server: Server, desks: Callable[..., Desk]) -> None:
    """The page says what is wrong and asks; the whole address may be pasted."""
    desk = desks(server, start=False)
    desk.forgive("401")
    desk.page.goto(f"{server.url}/#token=wrong-token")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_text("token").first.wait_for()
    assert desk.page.locator("#pictures").get_by_role("option").count() == 0
    field = dialog.get_by_label("Token")
    field.fill("again wrong")
    field.press("Enter")
    desk.page.get_by_role("dialog").get_by_text("does not know this token").wait_for()
    desk.page.get_by_role("dialog").get_by_label("Token").fill(server.address)
    desk.page.keyboard.press("Enter")
    desk.until("s.image !== null").idle()
    assert TOKEN not in desk.page.url


def test_no_token(server: Server, desks: Callable[..., Desk]) -> None:
    desk = desks(server, start=False)
    desk.page.goto(server.url)
    desk.page.get_by_role("dialog").get_by_label("Token").fill(TOKEN)
    desk.button("Open").click()
    desk.until("s.image !== null").idle()

    desk.page.goto("about:blank")
    desk.page.goto(server.url)
    desk.until("s.image !== null").idle()  # the browser kept it for the next time


def test_server_with_another_token(server: Server, desks: Callable[..., Desk]) -> None:
    """A server that was started anew has a new token: the page asks for it."""
    desk = desks(server)
    desk.forgive("401", "4401")
    desk.page.evaluate(
        "() => { for (const each of [localStorage, sessionStorage]) each.setItem('clickwise.token', 'old'); }"
    )
    desk.page.reload()
    desk.page.get_by_role("dialog").get_by_text("started anew").wait_for()
