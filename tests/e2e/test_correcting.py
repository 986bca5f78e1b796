"""A user corrects: a mask from elsewhere by clicks, and any mask by brush and eraser."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from clickwise.assets import sample
from e2e.browsing import Desk
from e2e.pictures import CUP, TABLE, prelabel
from e2e.serving import Server, overlap, packed


def test_correct_a_prelabel_by_clicks(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """A wrong mask comes from elsewhere; two clicks mend it, and undo gives it back to the pixel."""
    before = prelabel()
    object_id = server.do(image, "mask", mask=packed(before), name="from another tool")["object_id"]
    desk = desks(server, image)
    assert desk.objects[0]["hasStart"]
    assert desk.objects[0]["clicks"] == []
    desk.click(CUP, keys=["Control"])
    assert desk.state["selection"] == [object_id]
    missing = (130.0, 230.0)
    desk.click(missing).idle()
    desk.click(TABLE, button="right").idle()

    (item,) = desk.objects
    assert [positive for *_, positive in item["clicks"]] == [True, False]
    after = server.masks(image)[object_id]
    assert after[int(missing[1]), int(missing[0])]
    assert not after[int(TABLE[1]), int(TABLE[0])]
    assert overlap(after, sample().truth) > overlap(before, sample().truth) + 0.05
    desk.agrees()

    desk.press("Control+z", "Control+z").idle()
    assert np.array_equal(server.masks(image)[object_id], before)
    desk.agrees()
    desk.press("Control+y", "Control+Shift+z").idle()
    assert np.array_equal(server.masks(image)[object_id], after)


def test_drop_a_mask_and_correct_it(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """A mask under any name is dropped onto the page, becomes an object of the open picture, and takes clicks."""
    buffer = io.BytesIO()
    Image.fromarray(prelabel().astype(np.uint8) * 255).save(buffer, "PNG")
    desk = desks(server, image)
    name = desk.state["image"]["name"].rpartition(".")[0]
    pictures = len(server.images())
    desk.drop({f"{name}_mask.png": buffer.getvalue()})
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Import", exact=True).click()
    desk.until("s.objects.length === a", 1)
    dialog.get_by_role("button", name="Import", exact=True).wait_for(state="hidden")
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    assert len(server.images()) == pictures, "it did not become a picture"
    (item,) = desk.objects
    assert np.array_equal(server.masks(image)[item["id"]], prelabel())

    desk.drop({"from elsewhere.txt": b"0 0.1 0.1 0.2 0.1 0.2 0.2 0.1 0.2\n"})
    assert "which is open" in (dialog.locator("select").nth(1).locator("option:checked").text_content() or "")
    dialog.get_by_role("button", name="Import", exact=True).click()
    desk.until("s.objects.length === a", 2)
    dialog.get_by_role("button", name="Import", exact=True).wait_for(state="hidden")
    dialog.get_by_role("button", name="Close", exact=True).last.click()

    desk.click(CUP, keys=["Control"]).click((130.0, 230.0)).idle()
    assert server.masks(image)[item["id"]][230, 130]
    desk.agrees()


def test_start_with_a_box(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    desk = desks(server, image).press("r")
    ys, xs = np.nonzero(sample().truth)
    desk.drag((xs.min(), ys.min()), (xs.max(), ys.max())).idle()
    (item,) = desk.objects
    assert item["hasStart"]
    assert item["area"] > 10_000
    desk.agrees()
    desk.press("Control+z").idle()
    assert desk.objects == []


def test_brush_and_eraser(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    """A stroke makes an object without any network, a second one adds to it, the eraser takes away."""
    desk = desks(server, image).press("b")
    desk.drag((100, 60), (200, 60)).idle()
    (item,) = desk.objects
    mask = server.masks(image)[item["id"]]
    radius = desk.state["settings"]["brush"]
    assert abs(mask.sum() - (2 * radius * 100 + 3.1416 * radius**2)) < 0.05 * mask.sum()
    assert mask[60, 100:201].all()
    assert not mask[60 + int(radius) + 2].any()
    assert desk.mask_layer([(150, 60), (150, 90)])[1] == 0

    desk.press("]").drag((150, 60), (150, 120)).idle()
    assert desk.objects[0]["strokes"] == 2
    assert server.masks(image)[item["id"]][120, 150]
    desk.press("e").drag((140, 40), (140, 80)).idle()
    mask = server.masks(image)[item["id"]]
    assert not mask[60, 140]
    assert mask[60, 100]
    desk.agrees()


def test_threshold_is_shown_while_it_moves(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    desk = desks(server, image)
    desk.click(CUP).idle()
    areas = []
    slider = desk.page.get_by_role("slider", name="Threshold")
    for key in ("End", "Home"):
        slider.focus()
        slider.press(key)
        desk.idle()
        areas.append(desk.objects[0]["area"])
    assert areas[0] < areas[1]
    desk.agrees()


def test_objects_do_not_overlap_when_told_so(server: Server, image: str, desks: Callable[..., Desk]) -> None:
    desk = desks(server, image).press("b").drag((100, 60), (200, 60)).idle()
    desk.press("k", "Enter").drag((150, 40), (150, 100)).idle()
    first, second = server.masks(image).values()
    assert not (first & second).any()
    assert second[60, 150]
    desk.press("Control+z").idle()
    assert server.masks(image)[desk.objects[0]["id"]][60, 150], "one step of undo gives back what was cut"
