"""A project as a zip and back: nothing is lost, nothing dangerous comes in, work of two places comes together."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import stat
import threading
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from drawing import random_action
from PIL import Image

from clickwise.annotate import actions
from clickwise.annotate.bundle import Bundled, is_bundle, write_bundle
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.restoring import merge_bundle, read_bundle, restore_bundle
from clickwise.annotate.store import ProjectStore
from clickwise.annotate.zip_files import SafeZip
from clickwise.clicks.click import Click
from clickwise.errors import ClickwiseError, ConflictError, InputError, ProjectError
from clickwise.formats.options import ReadOptions

SIZE = (24, 32)


def make_photos(folder: Path, names: tuple[str, ...] = ("a.png", "day1/a.png", "day 2/ü.jpg"), seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*SIZE, 3), np.uint8)).save(folder / name)
    return folder


def scribble(store: ProjectStore, image_id: str, steps: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        document = store.document(image_id)
        if rng.random() < 0.2 and document.undoable:
            store.undo(image_id)
        else:
            store.record(image_id, random_action(rng, document, classes=2))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A worked-on project beside its pictures, and its zip: made once, for every event waits for the disk."""
    folder = tmp_path_factory.mktemp("template")
    photos = make_photos(folder / "photos")
    (photos / "broken.png").write_bytes(b"not a picture")
    with ProjectStore.open(folder / "project", name="cups and spoons") as store:
        store.add_images([photos])
        store.set_classes(store.classes()[0].add("spoon"))
        for seed, entry in enumerate(store.images()):
            if not entry.trouble:
                scribble(store, entry.image_id, 12, seed)
        write_bundle(store, folder / "cups.zip")
    return folder


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Iterator[ProjectStore]:
    for name in ("photos", "project"):
        shutil.copytree(template / name, tmp_path / name)
    with ProjectStore.open(tmp_path / "project") as store:
        yield store


@pytest.fixture
def bundle(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(template / "cups.zip", tmp_path))


def assert_same(one: ProjectStore, other: ProjectStore) -> None:
    assert one.project().name == other.project().name
    assert one.classes() == other.classes()
    mine, theirs = one.images(), other.images()
    for a, b in zip(mine, theirs, strict=True):
        assert (a.image_id, a.name, a.size, a.sha256, a.finished) == (b.image_id, b.name, b.size, b.sha256, b.finished)
        assert one.document(a.image_id) == other.document(a.image_id)
        assert one.events(a.image_id) == other.events(a.image_id)
    assert other.check() == []


def test_round_trip_gives_the_same_documents_histories_and_undo(
    store: ProjectStore, bundle: Path, tmp_path: Path
) -> None:
    done = restore_bundle(bundle, tmp_path / "again")
    shutil.rmtree(tmp_path / "photos")  # the restored project has its own
    with ProjectStore.open(tmp_path / "again", create=False) as again:
        assert_same(store, again)
        assert (done.images, done.without_file) == (4, ())
        for entry in again.images():
            path = Path(entry.path)
            assert path.is_file()
            assert path.is_relative_to(tmp_path / "again" / "pictures")
            if entry.name == "broken.png":
                assert entry.trouble
                continue
            assert not entry.trouble
            while again.document(entry.image_id).undoable:
                again.undo(entry.image_id)
            assert again.document(entry.image_id).objects == ()
    (tmp_path / "again").rename(tmp_path / "moved")
    with ProjectStore.open(tmp_path / "moved", create=False) as moved:
        assert all(Path(entry.path).is_file() for entry in moved.images())


def test_what_was_left_out_travels_along_and_each_project_keeps_its_own_choice(
    store: ProjectStore, bundle: Path, tmp_path: Path
) -> None:
    entry = next(entry for entry in store.images() if not entry.trouble)
    document = store.document(entry.image_id)
    store.leave_out(entry.image_id)
    write_bundle(store, tmp_path / "less.zip")
    restore_bundle(tmp_path / "less.zip", tmp_path / "restored")
    with ProjectStore.open(tmp_path / "restored", create=False) as other:
        assert entry.image_id not in [one.image_id for one in other.images()]
        assert other.take_back(entry.image_id).object_count == len(document.objects)
        assert other.document(entry.image_id) == document
        scribble(other, entry.image_id, 3)
        later = other.document(entry.image_id)
        write_bundle(other, tmp_path / "more.zip")
    merge_bundle(tmp_path / "more.zip", store)
    assert entry.image_id not in [one.image_id for one in store.images()]
    assert store.document(entry.image_id) == later != document


def test_the_same_state_makes_the_same_zip_without_paths_of_the_machine(store: ProjectStore, tmp_path: Path) -> None:
    write_bundle(store, tmp_path / "a.zip")
    write_bundle(store, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert all(str(tmp_path).encode() not in archive.read(name) for name in archive.namelist())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip", "photos", "project"]


def test_a_zip_is_one_moment_while_others_work(store: ProjectStore, tmp_path: Path) -> None:
    image_id = store.images()[0].image_id
    begun, stop = threading.Event(), threading.Event()
    errors: list[Exception] = []

    def work() -> None:
        mask = MaskRuns.empty(SIZE)
        try:
            while not stop.is_set():
                store.record(image_id, actions.AddClick(Click(1, 1), mask))
                begun.set()
                store.undo(image_id)
        except Exception as error:
            errors.append(error)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert begun.wait(200)
        for number in range(2):
            write_bundle(store, tmp_path / f"{number}.zip", pictures=False)
    finally:
        stop.set()
        worker.join()
    assert errors == []
    for number in range(2):
        restore_bundle(tmp_path / f"{number}.zip", tmp_path / str(number))  # checks every history


def test_without_pictures_they_are_looked_for_and_may_come_later(store: ProjectStore, tmp_path: Path) -> None:
    done = write_bundle(store, tmp_path / "small.zip", pictures=False)
    assert done == Bundled(4, 0, (tmp_path / "small.zip").stat().st_size, ())
    found = restore_bundle(tmp_path / "small.zip", tmp_path / "found", images=[tmp_path / "photos"])
    assert found.without_file == ()
    with ProjectStore.open(tmp_path / "found", create=False) as again:
        assert_same(store, again)
        assert all(Path(entry.path).is_relative_to(tmp_path / "photos") for entry in again.images())

    lone = restore_bundle(tmp_path / "small.zip", tmp_path / "lone")
    assert len(lone.without_file) == 4
    with ProjectStore.open(tmp_path / "lone", create=False) as again:
        assert all("without its file" in entry.trouble for entry in again.images())
        assert again.document(store.images()[0].image_id) == store.document(store.images()[0].image_id)
        again.add_images([tmp_path / "photos"])
        named = {entry.name: entry for entry in again.images()}
        assert all(not entry.trouble for name, entry in named.items() if name != "broken.png")
        assert len(named) == 4


def test_a_picture_that_is_gone_is_noted_and_its_labels_are_kept(store: ProjectStore, tmp_path: Path) -> None:
    (tmp_path / "photos" / "a.png").unlink()
    done = write_bundle(store, tmp_path / "cups.zip")
    assert done.pictures == 3
    assert any("a.png cannot be read" in note for note in done.notes)
    back = restore_bundle(tmp_path / "cups.zip", tmp_path / "again")
    assert back.without_file == ("a.png",)
    with ProjectStore.open(tmp_path / "again", create=False) as again:
        for entry in store.images():
            assert again.document(entry.image_id) == store.document(entry.image_id)


def test_a_database_server_is_copied_row_by_row(store: ProjectStore, tmp_path: Path) -> None:
    """What is done where SQLite's own backup cannot be had, done here with SQLite on both sides."""
    store._copy_rows(tmp_path / "copy.sqlite")
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.sqlite"]
    with ProjectStore.open(tmp_path / "copy.sqlite", create=False) as copy:
        assert_same(store, copy)


def test_labels_are_read_from_the_zip_as_from_the_project(store: ProjectStore, bundle: Path) -> None:
    assert is_bundle(bundle)
    assert read_bundle(bundle, ReadOptions()).object_count == store.labels().object_count


def test_what_is_there_is_never_replaced(store: ProjectStore, bundle: Path, tmp_path: Path) -> None:
    before = bundle.read_bytes()
    with pytest.raises(ClickwiseError, match="there already"):
        write_bundle(store, bundle)
    assert bundle.read_bytes() == before
    for place in (tmp_path / "project", tmp_path / "photos", bundle):
        with pytest.raises(ProjectError, match="new folder"):
            restore_bundle(bundle, place)


# ------------------------------------------------------------------------------------------------ merging


def test_merging_into_an_empty_project_brings_everything(store: ProjectStore, bundle: Path, tmp_path: Path) -> None:
    with ProjectStore.open(tmp_path / "new", name="cups and spoons") as new:
        done = merge_bundle(bundle, new)
        assert done.images == 4
        assert_same(store, new)
        again = merge_bundle(bundle, new)
        assert (again.images, again.known) == (0, 4)
        assert_same(store, new)
        assert not [path for path in (tmp_path / "new" / "pictures").iterdir() if path.name.startswith(".")]


def test_work_of_a_colleague_comes_back(store: ProjectStore, bundle: Path, tmp_path: Path) -> None:
    restore_bundle(bundle, tmp_path / "colleague")
    first, second, _ = (entry.image_id for entry in store.images() if not entry.trouble)
    with ProjectStore.open(tmp_path / "colleague") as other:
        scribble(other, first, 5, seed=9)
        make_photos(tmp_path / "more", ("a.png",))
        Image.new("RGB", SIZE[::-1], "red").save(tmp_path / "more" / "a.png")
        other.add_images([tmp_path / "more"])
        write_bundle(other, tmp_path / "back.zip")
        expected = other.document(first)
    scribble(store, second, 3, seed=8)
    own = store.document(second)
    paths = [entry.path for entry in store.images()]
    done = merge_bundle(tmp_path / "back.zip", store)
    assert (done.images, done.known) == (2, 3)
    assert store.document(first) == expected
    assert store.document(second) == own
    assert [entry.path for entry in store.images()[:4]] == paths
    assert Path(store.images()[4].path).is_relative_to(tmp_path / "project" / "pictures")
    assert store.check() == []


def test_work_in_both_places_is_refused_and_nothing_is_stored(
    store: ProjectStore, bundle: Path, tmp_path: Path
) -> None:
    restore_bundle(bundle, tmp_path / "colleague")
    entry = store.images()[0]
    with ProjectStore.open(tmp_path / "colleague") as other:
        other.record(entry.image_id, actions.Finish(not other.document(entry.image_id).finished))
        other.add_images([make_photos(tmp_path / "more", ("z.png",), seed=7)])
        write_bundle(other, tmp_path / "back.zip")
    store.record(entry.image_id, actions.AddClick(Click(1, 1), MaskRuns.empty(SIZE)))
    before = store.images()
    with pytest.raises(ConflictError, match=r"worked on in both projects.*import those"):
        merge_bundle(tmp_path / "back.zip", store)
    assert store.images() == before
    assert not list((tmp_path / "project" / "pictures").rglob("*"))


def test_classes_that_disagree_are_refused_and_new_ones_are_added(
    store: ProjectStore, bundle: Path, tmp_path: Path
) -> None:
    photos = make_photos(tmp_path / "other", ("q.png",), seed=5)
    with ProjectStore.open(tmp_path / "two") as two:
        two.add_images([photos])
        two.record(two.images()[0].image_id, actions.Finish())
        merge_bundle(bundle, two)  # lacks spoon
        assert [item.name for item in two.classes()[0]] == ["object", "spoon"]
    with ProjectStore.open(tmp_path / "three") as three:
        three.set_classes(three.classes()[0].add("fork"))
        with pytest.raises(ConflictError, match="class 2 is 'spoon' in the zip, 'fork'"):
            merge_bundle(bundle, three)
        assert three.images() == ()


# ------------------------------------------------------------------------------------------------ strangers


def rewritten(
    bundle: Path, target: Path, change: dict[str, bytes | None], extra: zipfile.ZipInfo | None = None
) -> Path:
    with zipfile.ZipFile(bundle) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = change.get(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
        for name in change.keys() - set(old.namelist()):
            new.writestr(name, change[name] or b"")
        if extra is not None:
            new.writestr(extra, b"/etc/passwd")
    return target


def link() -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("pictures/link.png")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize("name", ["/abs.png", "../out.png", "pictures/../../out.png", "C:/x.png", "a\\..\\b.png"])
def test_names_that_lead_out_are_refused(bundle: Path, tmp_path: Path, name: str) -> None:
    evil = rewritten(bundle, tmp_path / "evil.zip", {name: b"x"})
    with pytest.raises(InputError, match="leads out"):
        restore_bundle(evil, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert not (tmp_path / "out.png").exists()


def test_links_bombs_and_damage_are_refused(bundle: Path, tmp_path: Path) -> None:
    def refused(file: Path, reason: str, **options: int) -> None:
        with pytest.raises((InputError, ProjectError), match=reason):
            restore_bundle(file, tmp_path / "again", **options)
        assert not (tmp_path / "again").exists()
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".clickwise")]

    evil = tmp_path / "evil.zip"
    refused(rewritten(bundle, evil, {}, link()), "is a link")
    refused(rewritten(bundle, evil, {"pictures/zeros.png": bytes(1 << 25)}), "unpacks")
    refused(bundle, "at most 1000 are allowed", most_bytes=1000)
    refused(rewritten(bundle, evil, {"pictures/a.png": b"other"}), "length")
    with zipfile.ZipFile(bundle) as archive:
        right = archive.read("pictures/a.png")
        manifest = json.loads(archive.read("manifest.json"))
    refused(rewritten(bundle, evil, {"pictures/a.png": bytes(len(right))}), "another checksum")
    refused(rewritten(bundle, evil, {"pictures/a.png": None}), "does not hold pictures/a.png")
    refused(rewritten(bundle, evil, {"manifest.json": None}), "no project of clickwise")
    refused(rewritten(bundle, evil, {"manifest.json": b"{}"}), "none of this clickwise")
    later = json.dumps({**manifest, "schema_version": 99}).encode()
    refused(rewritten(bundle, evil, {"manifest.json": later}), "newer clickwise")
    evil.write_bytes(bundle.read_bytes()[:-100])
    refused(evil, "no complete zip")
    refused(tmp_path / "nothing.zip", "does not exist")
    evil.write_bytes(right)
    refused(evil, "no complete zip")


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TRIGGER t AFTER INSERT ON events BEGIN DELETE FROM masks; END", "trigger"),
        ("CREATE VIEW v AS SELECT 1", "view"),
        ("CREATE TABLE other (x)", "other"),
        ("DELETE FROM masks", "missing"),
        ("UPDATE masks SET counts = 'zz'", "damaged"),
        ("UPDATE objects SET class_id = 77", "not what its history"),
        ("DELETE FROM events WHERE version = 2", "cannot follow"),
        ("UPDATE images SET name = '../../x.png' WHERE position = 0", "usable name"),
        ("UPDATE events SET author = x'00ff'", "holds a bytes as author"),
    ],
)
def test_databases_of_strangers_are_looked_through(bundle: Path, tmp_path: Path, statement: str, reason: str) -> None:
    with zipfile.ZipFile(bundle) as archive:
        (tmp_path / "db").write_bytes(archive.read("project.sqlite"))
        manifest = json.loads(archive.read("manifest.json"))
    with closing(sqlite3.connect(tmp_path / "db")) as database, database:
        database.execute(statement)
    content = (tmp_path / "db").read_bytes()
    manifest["database"] |= {"sha256": hashlib.sha256(content).hexdigest(), "file_bytes": len(content)}
    if "images" in statement:
        manifest["pictures"][0] |= {"name": "../../x.png"}
    change = {"project.sqlite": content, "manifest.json": json.dumps(manifest).encode()}
    with pytest.raises(ProjectError, match=reason):
        restore_bundle(rewritten(bundle, tmp_path / "evil.zip", change), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_no_path_of_the_zip_is_used(store: ProjectStore, tmp_path: Path) -> None:
    """A database that names a private file: the picture waits for its own file instead."""
    write_bundle(store, tmp_path / "small.zip", pictures=False)
    assert all(str(tmp_path) not in entry.path or "again" in entry.path for entry in restored(tmp_path))


def restored(tmp_path: Path) -> tuple[object, ...]:
    restore_bundle(tmp_path / "small.zip", tmp_path / "again")
    with ProjectStore.open(tmp_path / "again", create=False) as again:
        return again.images()


def test_overlapping_entries_are_refused(bundle: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        entries = archive.infolist()
    for entry in entries:
        entry.compress_size = entry.file_size = bundle.stat().st_size
    with SafeZip.opened(bundle) as archive:
        assert "manifest.json" in archive.names
    from clickwise.annotate import zip_files

    with pytest.raises(InputError, match="bytes lie in"):
        zip_files._checked(entries, "x.zip", bundle.stat().st_size, 1 << 40)
