"""Server, Chromium and pages for the tests of what users do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image

from e2e.browsing import Desk
from e2e.pictures import photo
from e2e.serving import Server
from e2e.wire import Wire

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
USUAL = {
    "viewport": {"width": 1280, "height": 800},
    "color_scheme": "dark",
    "reduced_motion": "reduce",
    "locale": "en-US",
}
CLASSES = [
    {"class_id": 1, "name": "object", "colour": [0, 114, 178], "key": "1"},
    {"class_id": 2, "name": "cup", "colour": [230, 159, 0], "key": "2"},
    {"class_id": 3, "name": "spoon", "colour": [0, 158, 115], "key": "3"},
]
ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--force-color-profile=srgb"]
WAIT = 200_000
"""Milliseconds that a test waits for something before it fails; on a quiet machine nothing takes one second."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Only known when this folder is named: `pytest tests/e2e --update-screenshots`."""
    parser.addoption(
        "--update-screenshots", action="store_true", help="write docs/images/annotator-*.png while the tests run"
    )
    parser.addoption("--look", metavar="FOLDER", help="keep a picture of every page at the end of its test there")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`-m browser` and `-m "not browser"` choose by what a test needs."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)


def chromium_place() -> str | None:
    """The Chromium of the system, None where there is none."""
    return os.environ.get("CLICKWISE_CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests. Without one they are skipped, and fail where CI says that it must be there."""
    missing, place = None, chromium_place()
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing = "Playwright is not installed (pip install playwright)"
    if place is None:
        missing = f"no Chromium: none of {', '.join(BROWSERS)} is there, and CLICKWISE_CHROMIUM is not set"
    if missing:
        (pytest.fail if os.environ.get("CI") == "1" else pytest.skip)(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=place, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture
def desks(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Desk]]:
    """Opens the page of a server as another user each time it is called; what the console complains about fails.

    image: the picture to open. wire: put a `Wire` in between. start False: open nothing yet. Other arguments are those
    of a browser context.
    """
    opened: list[Desk] = []
    with ExitStack() as closing:

        def opening(
            server: Server, image: str | None = None, *, wire: bool = False, start: bool = True, **options: Any
        ) -> Desk:
            context = browser.new_context(**(USUAL | options))
            closing.callback(context.close)
            context.set_default_timeout(WAIT)
            hand = Wire(context) if wire else None
            desk = Desk(context.new_page(), server)
            if hand is not None:
                desk.wire = hand
            desk.forgive("willReadFrequently")  # the tests read the canvas, the page does not
            opened.append(desk)
            return desk.go(image) if start else desk

        yield opening
        folder = request.config.getoption("--look", default=None)
        for number, desk in enumerate(opened):
            if folder and not desk.page.is_closed():
                Path(folder).mkdir(parents=True, exist_ok=True)
                desk.page.screenshot(path=Path(folder) / f"{request.node.name}-{number}.png")
        for desk in opened:
            assert desk.complaints == []


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests that only need pictures of their own in it; clickwise-s is warm after the first."""
    folder = tmp_path_factory.mktemp("shared")
    with Server([photo(folder / "photos").parent]) as running:
        running.api("PUT", "classes", json={"version": running.api("GET", "classes")["version"], "classes": CLASSES})
        yield running


@pytest.fixture
def image(server: Server, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """The bundled photo, once more, for this test alone: its id."""
    return server.upload(photo(tmp_path), f"{request.node.name[:80]}.jpg")


@pytest.fixture
def screenshot(request: pytest.FixtureRequest) -> Callable[[Desk, str], None]:
    """Writes docs/images/annotator-NAME.png when asked to by --update-screenshots."""

    def take(desk: Desk, name: str) -> None:
        if request.config.getoption("--update-screenshots", default=False):
            shown = Image.fromarray(desk.idle().look())
            shown.save(ROOT / "docs" / "images" / f"annotator-{name}.png", optimize=True)

    return take
