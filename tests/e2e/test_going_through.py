"""A user goes through a folder: one key after the other, good pictures and broken ones, few and a thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from e2e.browsing import Desk
from e2e.pictures import disc, photo
from e2e.serving import Server

BROKEN = {"torn.jpg": None, "empty.png": b"", "text.png": b"these are letters, not pixels"}


FEW = 40


def discs(place: Path, count: int) -> Path:
    """Pictures with small discs, which cost next to nothing."""
    for number in range(count):
        disc(place, f"disc-{number}.jpg", (96, 64), seed=number)
    return place


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of forty good pictures, and three files that no viewer can open."""
    place = discs(tmp_path_factory.mktemp("through") / "photos", FEW)
    for name, data in BROKEN.items():
        (place / name).write_bytes(data if data is not None else disc(place, name).read_bytes()[:150])
    with Server([place]) as server:
        yield server


def test_many_pictures(folder: Server, desks: Callable[..., Desk]) -> None:
    find_pictures(desks(folder), FEW)


@pytest.mark.soak
def test_a_thousand_pictures(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    with Server([discs(tmp_path / "photos", 1000)]) as server:
        find_pictures(desks(server), 1000)


def find_pictures(desk: Desk, count: int) -> None:
    """The list stays as light as one of ten, and each picture can be found by scrolling, by name and by key."""
    desk.forgive("400 (Bad Request)")  # it may meet a broken one
    assert desk.state["images"] >= count
    film = desk.page.get_by_role("listbox", name="Pictures")
    rows = film.get_by_role("option")
    assert rows.count() < 30
    assert film.get_by_text(f"disc-{count - 1}.jpg", exact=True).count() == 0
    film.evaluate("film => { film.scrollTop = film.scrollHeight; }")
    film.get_by_text(f"disc-{count - 1}.jpg", exact=True).click()
    desk.until("s.image?.name === a", f"disc-{count - 1}.jpg").idle()
    desk.page.get_by_role("searchbox").fill(f"disc-{count // 2}.")
    film.get_by_text(f"disc-{count // 2}.jpg").click()
    desk.until("s.image?.name === a", f"disc-{count // 2}.jpg").idle()
    desk.page.get_by_role("searchbox").fill("")
    desk.idle()
    assert rows.count() < 30
    desk.page.locator("#stage").focus()
    desk.press("d").until("s.image?.name === a", f"disc-{count // 2 + 1}.jpg").idle()


def test_list_changes_under_the_mouse(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """Others finish pictures between the press and the release of the button: the click is a click all the same."""
    with Server([discs(tmp_path / "photos", 3)]) as server:
        desk = desks(server)
        row = desk.page.get_by_role("listbox", name="Pictures").get_by_text("disc-1.jpg", exact=True)
        row.hover()
        desk.page.mouse.down()
        for name in ("disc-1", "disc-2"):
            server.do(server.images(q=name)[0]["image_id"], "action", action={"action": "finish", "finished": True})
        desk.page.get_by_text("2 of 3 pictures finished").wait_for()
        desk.page.mouse.up()
        desk.until("s.image.name === 'disc-1.jpg'").idle()


def test_broken_pictures_among_good_ones(folder: Server, desks: Callable[..., Desk]) -> None:
    """A file that cannot be opened says why and stops nobody."""
    desk = desks(folder)
    desk.forgive("400 (Bad Request)")
    assert desk.state["image"]["name"] == "disc-0.jpg"
    desk.page.get_by_role("radio", name="All").focus()
    desk.press("ArrowRight", "ArrowRight").idle()
    assert desk.page.get_by_role("radio", name="Broken").get_attribute("aria-checked") == "true"
    rows = desk.page.get_by_role("listbox", name="Pictures").get_by_role("option")
    assert sorted(rows.locator(".name").all_inner_texts()) == sorted(BROKEN)
    rows.first.click()
    desk.until("s.trouble !== null").idle()
    trouble = desk.state["trouble"]
    assert any(name in trouble for name in BROKEN)
    assert str(folder.pictures[0]) not in trouble
    desk.page.get_by_text("This picture cannot be opened").wait_for()
    desk.button("Go to the next one").click()
    desk.until("s.image?.name === 'disc-0.jpg'").idle()


def test_picture_that_is_torn_behind_its_beginning(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """It opens, and turns out to be broken when it is read: that is said in its place."""
    torn = photo(tmp_path / "photos", "torn.jpg")
    torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 3])
    with Server([torn.parent]) as server:
        desk = desks(server, start=False)
        desk.forgive("400 (Bad Request)")
        desk.go()
        desk.page.get_by_text("This picture cannot be opened").wait_for()
        assert "torn.jpg" in desk.state["trouble"]


def test_leave_a_picture_out_and_take_it_back(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """It is in no list any more, the next one opens; the menu has it, and brings it back with all of it."""
    with Server([discs(tmp_path / "photos", 3)]) as server:
        desk = desks(server)
        rows = desk.page.get_by_role("listbox", name="Pictures").get_by_role("option")
        assert desk.state["image"]["name"] == "disc-0.jpg"
        desk.press("b").drag((20, 20), (60, 40)).press("Shift+Delete").until("s.image.name === 'disc-1.jpg'").idle()
        desk.saw("disc-0.jpg was left out")
        desk.until("s.images === 2").idle().page.get_by_text("0 of 2 pictures finished").wait_for()
        assert rows.locator(".name").all_inner_texts() == ["disc-1.jpg", "disc-2.jpg"]
        assert [item["name"] for item in server.images(filter="left_out")] == ["disc-0.jpg"]

        desk.button("More").click()
        desk.page.get_by_role("menuitem", name="Left-out pictures").click()
        desk.button("Take disc-0.jpg back").click()
        desk.page.get_by_role("dialog").get_by_text("In the project").wait_for()
        desk.press("Escape").page.get_by_text("0 of 3 pictures finished").wait_for()
        desk.until("s.images === 3").idle()
        rows.first.click()
        desk.until("s.image.name === 'disc-0.jpg'").idle()
        assert [item["strokes"] for item in desk.objects] == [1]


def test_somebody_else_leaves_out_what_is_open(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """It stays open, what is done on it is kept, and the user is told; who left it out hears of it once."""
    with Server([discs(tmp_path / "photos", 3)]) as server:
        desk, other = desks(server), desks(server)
        other.press("Shift+Delete").until("s.image.name === 'disc-1.jpg'").idle()
        desk.saw("disc-0.jpg was left out of the project elsewhere")
        desk.press("b").drag((20, 20), (60, 40)).idle().agrees()
        assert [item["strokes"] for item in desk.objects] == [1]
        other.saw("disc-0.jpg was left out. Nothing of it is lost")
        assert not any("elsewhere" in text for text in other.said)


def test_key_held_down_leaves_one_picture_out(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    with Server([discs(tmp_path / "photos", 4)]) as server:
        desk = desks(server)
        keys = desk.page.keyboard
        keys.down("Shift")
        keys.down("Delete")
        desk.until("s.image.name === 'disc-1.jpg'").idle()
        keys.down("Delete")  # while it is down: a repetition
        desk.idle()
        assert desk.state["image"]["name"] == "disc-1.jpg"
        keys.up("Delete")
        desk.press("Delete").until("s.image.name === 'disc-2.jpg'").idle()
        keys.up("Shift")
        assert [item["name"] for item in server.images(filter="left_out")] == ["disc-0.jpg", "disc-1.jpg"]


def test_leave_out_the_only_picture(tmp_path: Path, desks: Callable[..., Desk]) -> None:
    with Server([discs(tmp_path / "photos", 1)]) as server:
        desk = desks(server)
        desk.button("More").click()
        desk.page.get_by_role("menuitem", name="Leave this picture out").click()
        desk.until("s.image === null").page.get_by_role("heading", name="No pictures yet").wait_for()
        desk.button("More").click()
        assert desk.page.get_by_role("menuitem", name="Leave this picture out").count() == 0
        desk.page.get_by_role("menuitem", name="Left-out pictures").click()
        desk.button("Take disc-0.jpg back").click()
        desk.until("s.image?.name === 'disc-0.jpg'").idle()


def test_finish_and_next_with_one_key(folder: Server, desks: Callable[..., Desk]) -> None:
    """S finishes, saves and opens the next unfinished one, never a broken one; at the end it says that none is left."""
    for item in folder.images(filter="unfinished")[3:]:
        folder.do(item["image_id"], "action", action={"action": "finish", "finished": True})
    desk = desks(folder)
    seen = []
    for done in range(3):
        seen.append(desk.state["image"]["name"])
        desk.press("b").drag((20, 20), (60, 40)).press("s")
        desk.until("s.progress.finished === a", FEW - 2 + done)
        if done < 2:
            desk.until("s.image.name !== a", seen[-1]).idle()
    assert seen == [f"disc-{number}.jpg" for number in range(3)]
    desk.saw("Every picture is finished")
    desk.page.get_by_text(f"{FEW} of {FEW} finished, {len(BROKEN)} broken").wait_for()
    assert folder.images(filter="unfinished") == []

    desk.press("PageUp").until("s.image.name === 'disc-1.jpg'").idle()
    desk.press("Shift+S").until("!s.image.finished && s.progress.finished === a", FEW - 1).idle()
    desk.press("a").until("s.image.name === 'disc-0.jpg'").idle()
    desk.press("a").saw("This is the first picture")
    desk.press("u").until("s.image.name === 'disc-1.jpg'").idle()
    desk.press("u").saw("this one is not")
    assert desk.objects[0]["strokes"] == 1


def test_drop_files_onto_the_page(server: Server, tmp_path: Path, desks: Callable[..., Desk]) -> None:
    """Good ones are added, one that is no picture is told by name; the page goes on."""
    desk = desks(server)
    desk.forgive("400 (Bad Request)")
    number = desk.state["images"]
    desk.drop({"dropped é.png": disc(tmp_path, "a.png").read_bytes(), "broken.png": b"no picture"})
    desk.saw("broken.png")
    desk.saw("1 picture added")
    desk.until("s.images === a", number + 1).idle()
    assert [item["name"] for item in server.images(q="dropped")] == ["dropped é.png"]
