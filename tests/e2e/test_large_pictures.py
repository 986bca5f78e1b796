"""A large picture opens in tiles and is clicked like a small one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from e2e.browsing import Desk
from e2e.serving import Server


def scene(path: Path, side: int) -> tuple[float, float, int]:
    """A square picture of noise with a bright disc; its centre and radius."""
    small = np.random.default_rng(0).integers(30, 70, (side // 8, side // 8, 3), np.uint8)
    picture = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
    x, y, radius = int(side * 0.7), int(side * 0.3), 150
    cv2.circle(picture, (x, y), radius, (60, 200, 240), -1)
    cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 60])
    return x, y, radius


@pytest.mark.parametrize("side", [4500, pytest.param(10_000, marks=pytest.mark.soak)], ids=["20 MP", "100 MP"])
def test_large_picture(server: Server, tmp_path: Path, desks: Callable[..., Desk], side: int) -> None:
    x, y, radius = scene(tmp_path / "large.jpg", side)
    image = server.upload(tmp_path / "large.jpg", f"large-{side}.jpg")
    tiles: list[str] = []
    desk = desks(server, start=False)
    desk.page.on("request", lambda request: tiles.append(request.url) if "/tiles/" in request.url else None)
    desk.go(image)
    assert 0 < len(tiles) < 12, "a small level is enough for the whole picture"
    assert not [url for url in tiles if "/tiles/0/" in url]

    place, zoom = desk.at((x, y)), desk.state["view"]["zoom"]
    mouse = (round(place[0]), round(place[1]))  # of a wheel's place browsers tell whole pixels
    desk.page.mouse.move(*mouse)
    for _ in range(12):
        desk.page.mouse.wheel(0, -240)
    desk.until("s.view.zoom > 1").idle()
    under = (x + (mouse[0] - place[0]) / zoom, y + (mouse[1] - place[1]) / zoom)
    assert desk.at(under) == pytest.approx(mouse, abs=1.5), "the wheel enlarges what is under the mouse"
    assert [url for url in tiles if "/tiles/0/" in url]
    assert len(tiles) < 80

    desk.click((x, y)).idle()
    (item,) = desk.objects
    disc = np.pi * radius**2
    assert 0.5 * disc < item["area"] < 2 * disc
    desk.agrees()
    parts = desk.state["lastClick"]["parts"]
    assert parts["decode"] < 1000, "it was decoded when it was opened"
