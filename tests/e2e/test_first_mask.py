"""A user opens the address, clicks on a cup, and sees its mask."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from clickwise.assets import sample
from e2e.browsing import Desk
from e2e.pictures import CUP, SAUCER, SPOON, TABLE
from e2e.serving import Server, overlap


def test_first_mask_from_a_click(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    desk = desks(server, image)
    assert "token" not in desk.page.url, "the address can be shown to others"
    assert desk.objects == []
    desk.click(CUP).idle()
    (item,) = desk.objects
    ((x, y, positive),) = item["clicks"]
    assert (x, y, positive) == (pytest.approx(CUP[0], abs=0.01), pytest.approx(CUP[1], abs=0.01), True)
    assert desk.mask_layer([CUP, TABLE])[0] > 0
    assert desk.mask_layer([TABLE]) == [0]
    assert str(round(desk.state["lastClick"]["milliseconds"])) in desk.page.locator("#status").inner_text()

    desk.click(SAUCER, SPOON).idle()
    (item,) = desk.objects
    assert len(item["clicks"]) == 3
    assert overlap(server.masks(image)[item["id"]], sample().truth) > 0.8
    desk.agrees()


def test_mask_on_the_screen_is_exact(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """Enlarged, the painted pixels are those of the server's mask, one for one, along the border too."""
    desk = desks(server, image)
    desk.click(CUP).idle()
    mask = next(iter(server.masks(image).values()))
    desk.press("Shift+F").idle()
    x0, y0, x1, y1 = desk.objects[0]["bbox"]
    middle = (y0 + y1) // 2
    points = [(x, middle) for x in range(max(x0 - 5, 0), min(x1 + 5, 600), 3)]
    shown = [value > 0 for value in desk.mask_layer(points)]
    assert shown == [bool(mask[y, x]) for x, y in points]
