"""A user takes the work out of the page and brings it back."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco

from e2e.browsing import Desk
from e2e.pictures import disc
from e2e.serving import Server


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Server:  # type: ignore[misc]
    """A server with one picture of two objects, one with a hole, the other in two parts and of another class."""
    with Server([disc(tmp_path_factory.mktemp("drawn") / "photos", "plate.png", (160, 120)).parent]) as server:
        (item,) = server.images()
        for points, erases, object_id in (
            ([(40, 40), (80, 40)], False, None),
            ([(60, 40)], True, 1),
            ([(30, 100)], False, None),
            ([(120, 100)], False, 2),
        ):
            radius = 4 if erases else 12
            server.do(item["image_id"], "stroke", points=points, radius=radius, erases=erases, object_id=object_id)
        yield server


def export(desk: Desk, form: str, folder: Path) -> Path:
    """Export labels… in a format; the file that the browser got."""
    desk.menu("Export labels")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_label("Format").select_option(form)
    with desk.page.expect_download() as download:
        dialog.get_by_role("button", name="Export", exact=True).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    return path


def test_export_and_import_back(drawn: Server, tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """COCO out; other tools read the same masks; everything is deleted; the file brings it back to the pixel."""
    desk = desks(drawn)
    before = drawn.masks(desk.image)
    path = export(desk, "coco", tmp_path)
    labels = json.loads(path.read_text("utf-8"))
    (image,) = labels["images"]
    assert (image["file_name"], image["width"], image["height"]) == ("plate.png", 160, 120)
    read = [coco.decode(item["segmentation"]).astype(bool) for item in labels["annotations"]]
    assert all(np.array_equal(mask, other) for mask, other in zip(read, before.values(), strict=True))

    desk.press("Control+a", "Delete").until("s.objects.length === 0").idle()
    with desk.page.expect_file_chooser() as chooser:
        desk.menu("Import labels")
    chooser.value.set_files(path)
    dialog = desk.page.get_by_role("dialog")
    assert dialog.get_by_label("Format").input_value() == "auto"
    dialog.get_by_role("button", name="Import", exact=True).click()
    dialog.get_by_text("2 objects on 1 picture.").wait_for()
    dialog.get_by_role("button", name="Close", exact=True).last.click()
    desk.until("s.objects.length === 2").idle().agrees()
    after = drawn.masks(desk.image)
    assert all(np.array_equal(mask, other) for mask, other in zip(after.values(), before.values(), strict=True))
    desk.press("Control+z").until("s.objects.length === 0").idle()
    desk.press("Control+z").until("s.objects.length === 2").idle()  # and the deletion


def test_format_that_cannot_hold_it_says_so(drawn: Server, desks: Callable[..., Desk]) -> None:
    """No file with something missing in it: the reason, and the format that can."""
    desk = desks(drawn)
    desk.forgive("409")
    desk.menu("Export labels")
    dialog = desk.page.get_by_role("dialog")
    refusals = []
    for form in [item["name"] for item in drawn.api("GET", "project")["formats"]]:
        answer = drawn.client.get(f"{drawn.url}/api/labels", params={"format": form})
        if answer.status_code == 409:
            refusals.append((form, answer.json()["error"]["message"]))
    assert refusals, "some format cannot hold holes or parts"
    form, reason = refusals[0]
    dialog.get_by_label("Format").select_option(form)
    dialog.get_by_role("button", name="Export", exact=True).click()
    dialog.get_by_text(reason[:40]).wait_for()


def test_holes_that_are_filled_are_told(drawn: Server, desks: Callable[..., Desk]) -> None:
    """Not unless the user wants it so; then the dialog says what the file does not hold."""
    desk = desks(drawn)
    desk.forgive("409")
    desk.menu("Export labels")
    dialog = desk.page.get_by_role("dialog")
    dialog.get_by_label("Format").select_option("coco-polygons")
    dialog.get_by_role("button", name="Export", exact=True).click()
    dialog.get_by_text("has a hole, which coco-polygons cannot hold").wait_for()
    dialog.get_by_label("Holes").select_option("fill")
    with desk.page.expect_download():
        dialog.get_by_role("button", name="Export", exact=True).click()
    dialog.get_by_text("the holes of plate.png").wait_for()


def test_project_as_a_zip(drawn: Server, tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """The whole project, with its history, goes into a new, empty one."""
    desk = desks(drawn)
    before = drawn.document(desk.image)
    with desk.page.expect_download() as download:
        desk.menu("Save project as zip")
    path = tmp_path / "saved.zip"
    download.value.save_as(path)
    assert any(name.endswith("plate.png") for name in zipfile.ZipFile(path).namelist())

    with Server([disc(tmp_path / "other", "other.png", seed=5).parent]) as empty:
        other = desks(empty)
        with other.page.expect_file_chooser() as chooser:
            other.menu("Restore project from zip")
        chooser.value.set_files(path)
        other.page.get_by_role("dialog").get_by_role("button", name="Restore", exact=True).click()
        other.until("s.images === 2").idle()
        (item,) = empty.images(q="plate")
        other.page.get_by_role("listbox", name="Pictures").get_by_text("plate.png").click()
        other.until("s.image.name === 'plate.png'").idle().agrees()
        after = empty.document(item["image_id"])
        for name in ("objects", "order", "undoable", "redoable"):
            assert after[name] == before[name]
