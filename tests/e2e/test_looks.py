"""How it looks: nothing sticks out at any size, dark and light; and the pictures of the documentation."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from clickwise.assets import sample
from e2e.browsing import Desk
from e2e.pictures import CUP, SAUCER, SPOON, TABLE, prelabel
from e2e.serving import Server, packed

SHOTS = Callable[[Desk, str], None]
SIZES = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "zoomed to 200 %": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
    "tablet, upright": {"viewport": {"width": 820, "height": 1180}},
    "small phone": {"viewport": {"width": 360, "height": 640}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "has_touch": True,
        "is_mobile": True,
    },
}
CUT_OFF = """() => [...document.querySelectorAll("button, input, select, h2, p, canvas")]
    .filter(each => each.offsetParent !== null && !each.closest(".unseen, [aria-hidden=true], .film, .rows, #objects"))
    .filter(each => getComputedStyle(each).visibility !== "hidden")
    .filter(each => { const box = each.getBoundingClientRect(), around = each.parentElement.getBoundingClientRect();
        const right = Math.min(innerWidth, around.right), left = Math.max(0, around.left);
        return box.width > 1 && (box.left < left - 1 || box.right > right + 1 || box.bottom > innerHeight + 1); })
    .map(each => each.outerHTML.slice(0, 160))"""
"""Controls that leave the window, or what holds them."""
COVERED = """() => {
    const tools = document.querySelector("#tools"), box = tools.getBoundingClientRect();
    const { image } = window.clickwise.state();
    const first = window.clickwise.at(0, 0), last = window.clickwise.at(image.width - 1, image.height - 1);
    const apart = box.right <= first.x || box.left >= last.x || box.bottom <= first.y || box.top >= last.y;
    const whole = tools.scrollWidth <= tools.clientWidth;
    return [...(apart ? [] : ["the tools cover the picture"]), ...(whole ? [] : ["tools are cut off"])];
}"""
"""What is wrong with the place of the tools while the whole picture is shown."""


@pytest.mark.parametrize("size", SIZES)
def test_nothing_sticks_out(server: Server, image: str, desks: Callable[..., Desk], size: str) -> None:
    """Neither the page nor one of its controls is wider than the window; the picture keeps a good part of it."""
    light = "light" if size == "zoomed to 200 %" else "dark"
    desk = desks(server, image, color_scheme=light, **SIZES[size])
    assert desk.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert desk.page.evaluate(CUT_OFF) == []
    assert desk.page.evaluate(COVERED) == []
    stage = desk.page.locator("#stage").bounding_box()
    assert stage is not None
    width, height = (SIZES[size]["viewport"][side] for side in ("width", "height"))
    assert stage["width"] * stage["height"] > 0.3 * width * height
    desk.click(CUP).idle()
    assert len(desk.objects) == 1


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_primary_button_under_the_mouse(server: Server, image: str, desks: Callable[..., Desk], theme: str) -> None:
    """It stays filled: its letters are white in both themes."""
    desk = desks(server, image, color_scheme=theme)
    button = desk.page.locator("#bar .button.primary")
    button.hover()
    filling = button.evaluate("button => getComputedStyle(button).backgroundColor")
    red, green, blue = (int(part) for part in re.findall(r"\d+", filling)[:3])
    assert blue > 150 > green > red


def kitchen(folder: Path) -> Path:
    """The bundled photo as if somebody had taken several."""
    folder.mkdir()
    photo = Image.fromarray(sample().image)
    turned = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    shots = {
        "breakfast-01": photo,
        "breakfast-02": turned,
        "breakfast-03": photo.crop((90, 0, 600, 400)),
        "breakfast-04": ImageEnhance.Brightness(turned.crop((0, 30, 480, 370))).enhance(0.75),
        "breakfast-05": ImageEnhance.Brightness(photo.crop((40, 40, 560, 400))).enhance(1.15),
        "breakfast-06": photo.crop((150, 0, 600, 300)),
    }
    for name, shot in shots.items():
        shot.save(folder / f"{name}.jpg", quality=92)
    return folder


def test_pictures_of_the_documentation(
    tmp_path: Path, desks: Callable[..., Desk], screenshot: SHOTS, request: pytest.FixtureRequest
) -> None:
    """The README's and the tutorial's: a folder half done, a mask from elsewhere, objects of two classes."""
    if not request.config.getoption("--update-screenshots", default=False):
        pytest.skip("writes pictures only; pytest tests/e2e --update-screenshots")
    with Server([kitchen(tmp_path / "kitchen")], ["--project", str(tmp_path / "kitchen-project")]) as server:
        colours = {"cup": [0, 114, 178], "spoon": [230, 159, 0], "plate": [0, 158, 115]}
        classes = [
            {"class_id": number, "name": name, "colour": colour, "key": str(number)}
            for number, (name, colour) in enumerate(colours.items(), 1)
        ]
        server.api("PUT", "classes", json={"version": server.api("GET", "classes")["version"], "classes": classes})
        pictures = server.images()
        for item in pictures[1:3]:
            server.do(item["image_id"], "click", x=item["width"] / 2, y=150)
            server.do(item["image_id"], "action", action={"action": "finish", "finished": True})
        server.do(pictures[0]["image_id"], "mask", mask=packed(prelabel()), class_id=1, name="from another tool")

        desk = desks(server, viewport={"width": 1280, "height": 780})
        desk.click(CUP, keys=["Control"])
        screenshot(desk, "pre-label")
        desk.click(SAUCER).idle()
        desk.click(TABLE, button="right").idle()
        screenshot(desk, "corrected")
        desk.press("Control+z", "Control+z", "Control+z").idle()
        desk.click(CUP).idle()
        screenshot(desk, "first-mask")

        desk.click(SAUCER).idle()
        desk.click(SPOON).idle()
        desk.press("Enter", "k", "b", "2", *["]"] * 5).drag((356, 280), (368, 288)).idle()
        desk.press(*["["] * 8).drag((386, 234), (400, 150), (414, 78)).idle()
        desk.press("q").click(CUP, keys=["Control"])
        desk.page.mouse.move(5, 5)
        screenshot(desk, "dark")
        desk.page.emulate_media(color_scheme="light")
        screenshot(desk, "light")
