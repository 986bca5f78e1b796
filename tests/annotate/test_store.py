"""A project in its database: what is stored comes back, and several users get along."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from drawing import blob
from PIL import Image
from started_project import HEIGHT, WIDTH, scribble, started

from clickwise.annotate import actions
from clickwise.annotate.importing import import_labels
from clickwise.annotate.labels import import_into
from clickwise.annotate.store import ProjectStore
from clickwise.clicks.click import Click
from clickwise.errors import ConflictError, DatasetError, ImageError, ProjectError
from clickwise.formats.records import LabelledImage, LabelledObject, RunLengths, labels_of


def test_reopening_brings_back_pictures_objects_clicks_and_history(place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    scribble(store, image_id, 40)
    document, entry, events = store.document(image_id), store.image(image_id), store.events(image_id)
    store.close()
    with ProjectStore.open(place, create=False) as again:
        assert again.document(image_id) == document
        assert again.image(image_id) == entry
        assert again.events(image_id) == events
        assert again.check() == []
        while again.document(image_id).undoable:
            again.undo(image_id)
        assert again.document(image_id).objects == ()
        again.redo(image_id)


def test_pictures_are_listed_as_people_count_and_bad_ones_stop_nobody(place: Path, photos: Path) -> None:
    with ProjectStore.open(place) as store:
        seen: list[tuple[int, int]] = []
        store.add_images([photos], on_progress=lambda done, total: seen.append((done, total)))
        assert [entry.name for entry in store.images()] == ["b2.png", "b10.png", "broken.png", "more/b2.png"]
        assert seen[-1] == (4, 4)
        bad = store.images()[2]
        assert "broken.png" in bad.trouble
        assert "\n" not in bad.trouble
        assert len({entry.image_id for entry in store.images()}) == 4
        assert [e.name for e in store.images(unfinished_only=True)] == ["b2.png", "b10.png", "more/b2.png"]
        assert [e.name for e in store.images(offset=1, limit=2)] == ["b10.png", "broken.png"]
        with pytest.raises(ProjectError, match="cannot be opened"):
            store.record(bad.image_id, actions.Finish())
        seen.clear()
        assert store.add_images([photos / "b2.png", photos]) == (
            *store.images()[:1],
            *store.images()[1:],
        )
        assert len(seen) == 0, "known files are not looked at again"
        with pytest.raises(ImageError, match="does not exist"):
            store.add_images([photos / "nowhere"])


def test_progress_and_the_next_one_to_do(place: Path, photos: Path) -> None:
    with ProjectStore.open(place) as store:
        store.add_images([photos])
        first, second, _, last = (entry.image_id for entry in store.images())
        store.record(second, actions.Finish())
        store.record(first, actions.AddObject(blob(np.random.default_rng(0))))
        progress = store.progress()
        assert (progress.finished, progress.total, progress.started) == (1, 4, 2)
        assert (progress.objects, progress.broken) == (1, 1)
        assert store.next_unfinished(first) == last
        assert store.next_unfinished(last) == first
        assert [entry.image_id for entry in store.project().unfinished()] == [first, last]
        store.undo(second)
        assert store.progress().finished == 0
        for image_id in (first, second, last):
            store.record(image_id, actions.Finish())
        assert store.next_unfinished(first) is None


def test_a_moved_picture_keeps_its_objects_and_a_replaced_one_says_so(place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    store.record(image_id, actions.AddObject(blob(np.random.default_rng(0))))
    (photos / "b2.png").rename(photos / "renamed.png")
    store.add_images([photos / "renamed.png"])
    assert [entry.image_id for entry in store.images()] == [image_id]
    assert store.image(image_id).path == str(photos / "renamed.png")
    Image.new("RGB", (5, 5)).save(photos / "renamed.png")
    store.add_images([photos])
    assert "5 x 5 pixels now" in store.image(image_id).trouble
    assert len(store.document(image_id).objects) == 1
    store.close()


def test_a_project_beside_its_pictures_can_be_moved(tmp_path: Path, place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    store.close()
    (tmp_path / "elsewhere").mkdir()
    shutil.move(place, tmp_path / "elsewhere")
    shutil.move(photos, tmp_path / "elsewhere")
    with ProjectStore.open(tmp_path / "elsewhere" / "project") as store:
        assert Path(store.image(image_id).path).read_bytes()


def test_same_names_are_told_apart(place: Path, photos: Path) -> None:
    with ProjectStore.open(place) as store:
        store.add_images([photos / "b2.png", photos / "more" / "b2.png"])
        assert [entry.name for entry in store.images()] == ["b2.png", "more/b2.png"]


def test_a_stale_action_on_the_same_object_is_refused(place: Path, photos: Path) -> None:
    rng = np.random.default_rng(0)
    store, image_id = started(place, photos)
    seen = store.record(image_id, actions.AddObject(blob(rng))).document.version
    store.record(image_id, actions.AddClick(Click(1, 1), blob(rng), 1), base_version=seen, author="Ada")
    before = store.document(image_id)
    with pytest.raises(ConflictError, match="Ada changed object 1 meanwhile"):
        store.record(image_id, actions.AddClick(Click(2, 2), blob(rng), 1), base_version=seen)
    with pytest.raises(ConflictError, match="changed meanwhile"):
        store.undo(image_id, base_version=seen)
    store.record(image_id, actions.Delete((1,)))
    with pytest.raises(ConflictError, match="not on this picture"):
        store.record(image_id, actions.Rename(1, "x"), base_version=seen)
    assert store.document(image_id).version == before.version + 1
    with pytest.raises(ProjectError, match="is not there"):
        store.record(image_id, actions.Finish(), base_version=99)
    store.close()


def test_a_stale_action_on_something_else_is_stored_and_tells_the_news(place: Path, photos: Path) -> None:
    rng = np.random.default_rng(0)
    store, image_id = started(place, photos)
    seen = store.record(image_id, actions.AddObject(blob(rng))).document.version
    store.record(image_id, actions.AddObject(blob(rng)), base_version=seen)
    late = store.record(image_id, actions.AddClick(Click(2, 2), blob(rng), 1), base_version=seen)
    assert [event.version for event in late.news] == [2, 3]
    third = store.record(image_id, actions.AddObject(blob(rng)), base_version=seen)
    assert third.document.content.order == (1, 2, 3)
    assert third.event is not None
    assert third.event.change.created == (3,)
    store.close()


def test_an_action_sent_twice_is_done_once(place: Path, photos: Path) -> None:
    rng = np.random.default_rng(0)
    store, image_id = started(place, photos)
    action = actions.AddObject(blob(rng))
    first = store.record(image_id, action, base_version=0, token="t1")
    again = store.record(image_id, action, base_version=0, token="t1")
    assert again.event == first.event
    assert again.document == first.document
    assert store.undo(image_id, token="t2").event == store.undo(image_id, token="t2").event
    store.close()


def test_what_changes_nothing_is_no_step_of_undo(place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    assert store.record(image_id, actions.Finish(False)).event is None
    assert store.document(image_id).version == 0
    with pytest.raises(ProjectError, match="nothing to undo"):
        store.undo(image_id)
    with pytest.raises(ProjectError, match="not in this project"):
        store.document("nonsense")
    store.close()


def test_many_threads_and_two_stores_lose_nothing(place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    other = ProjectStore.open(place)
    errors: list[Exception] = []

    def work(mine: ProjectStore, seed: int) -> None:
        try:
            for _ in range(8):
                mine.record(image_id, actions.AddObject(blob(np.random.default_rng(seed))))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=((store, other)[n % 2], n)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.document(image_id) == other.document(image_id)
    assert store.document(image_id).content.order == tuple(range(1, 33))
    assert store.check() == []
    store.close()
    other.close()


def test_classes(place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    classes, version = store.classes()
    assert [item.name for item in classes] == ["object"]
    store.set_classes(classes.add("cup"), base_version=version, author="Ada")
    with pytest.raises(ConflictError, match="classes meanwhile"):
        store.set_classes(classes, base_version=version)
    store.record(image_id, actions.AddObject(blob(np.random.default_rng(0)), class_id=2))
    classes, version = store.classes()
    assert classes.of_key("2") == classes.named("cup")
    with pytest.raises(ProjectError, match="1 objects have it"):
        store.set_classes(classes.retire(2))
    with pytest.raises(ProjectError, match="retire it"):
        store.set_classes(classes[:1])
    with pytest.raises(ProjectError, match="class 7 is not"):
        store.record(image_id, actions.SetClass((1,), 7))
    store.undo(image_id)
    store.set_classes(classes.retire(2))
    with pytest.raises(ProjectError, match="not offered"):
        store.record(image_id, actions.AddObject(blob(np.random.default_rng(0)), class_id=2))
    store.redo(image_id) if store.document(image_id).redoable else None
    assert store.labels().images[0].objects[0].class_name == "cup"
    store.close()


def test_labels_are_what_formats_write(place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    rng = np.random.default_rng(3)
    lower, upper = blob(rng), blob(rng)
    store.record(image_id, actions.AddObject(lower, name="left"))
    store.record(image_id, actions.AddObject(upper))
    store.record(image_id, actions.Hide((1,)))
    labels = store.labels()
    (image,) = labels.images
    assert image.file_name == "b2.png"
    assert image.size == (HEIGHT, WIDTH)
    assert np.array_equal(image.objects[0].mask.mask(), lower.array())
    assert [item.class_name for item in image.objects] == ["object", "object"]
    assert store.labels(finished_only=True).images == ()
    store.close()


def test_a_picture_that_is_left_out_keeps_everything(place: Path, photos: Path) -> None:
    with ProjectStore.open(place) as store:
        store.add_images([photos])
        order = [entry.image_id for entry in store.images()]
        first, second, broken, third = order
        scribble(store, second, 12)
        store.record(second, actions.Finish(True))
        before, progress, labels = store.document(second), store.progress(), store.labels()
        entry = store.leave_out(second)
        assert entry.left_out
        with pytest.raises(DatasetError, match=f"{entry.name} was left out"):
            import_into(place, labels, onto_others=True)

        assert second not in [one.image_id for one in store.images()]
        assert second not in [one.image_id for one in store.project().images]
        assert [one.position for one in store.images()] == [0, 1, 2]
        assert [one.image_id for one in store.images(left_out=True)] == [second]
        assert (store.count_images(), store.count_images(left_out=True), store.count_images(left_out=None)) == (3, 1, 4)
        assert (store.progress().total, store.progress().finished) == (progress.total - 1, progress.finished - 1)
        assert store.progress().objects == progress.objects - len(before.objects)
        assert len(store.labels().images) == len(labels.images) - 1
        assert (store.beside(first, 1), store.beside(broken, -1)) == (broken, first)
        assert (store.beside(second, -1), store.beside(second, 1)) == (first, broken)  # whoever has it open can go on
        for entry in store.leave_out(first), store.leave_out(third):
            assert entry.left_out
        assert store.next_unfinished(broken) is None
        assert not store.check()

        store.add_images([photos])  # as every start of the server does
        assert [one.image_id for one in store.images()] == [broken]
    with ProjectStore.open(place) as store:
        for image_id in (third, first, second):
            assert not store.take_back(image_id).left_out
        assert [one.image_id for one in store.images()] == order
        assert (store.document(second), store.progress()) == (before, progress)
        with pytest.raises(ProjectError, match="not in this project"):
            store.leave_out("nothing")


def test_the_model_needs_neither_torch_nor_a_database() -> None:
    code = (
        "import sys, clickwise.annotate.history, clickwise.annotate.codec, clickwise.annotate.overlap; "
        "print({'torch', 'sqlalchemy', 'fastapi', 'starlette'} & set(sys.modules)); import clickwise.annotate.store; "
        "print({'torch', 'fastapi', 'starlette', 'cv2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["set()", "set()"]


def test_roundabout_paths_are_one_picture(place: Path, photos: Path) -> None:
    with ProjectStore.open(place) as store:
        (entry,) = store.add_images([photos / "more" / ".." / "b2.png"])
        assert store.add_images([photos / "b2.png"]) == (entry,)


def test_labels_come_in_as_one_step_for_each_picture(place: Path, photos: Path) -> None:
    store, image_id = started(place, photos)
    rng = np.random.default_rng(0)
    masks = [blob(rng), blob(rng)]
    runs = [RunLengths(mask.size, mask.counts) for mask in masks]
    objects = (LabelledObject("cup", runs[0]), LabelledObject("object", runs[1]))
    labels = labels_of((LabelledImage("elsewhere/b2.jpg", HEIGHT, WIDTH, objects), LabelledImage("other.png", 5, 5)))
    report = import_labels(store, labels, author="Ada")
    assert (report.images, report.objects, report.unknown) == (1, 2, ("other.png",))
    document = store.document(image_id)
    assert [item.mask for item in document.objects] == masks
    assert store.classes()[0].named("cup").class_id == document.objects[0].class_id
    assert store.undo(image_id).document.objects == ()
    wrong = labels_of((LabelledImage("b2.png", 5, 5),))
    with pytest.raises(ProjectError, match="5 x 5"):
        import_labels(store, wrong)
    store.close()
