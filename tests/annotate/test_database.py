"""What may be opened as a project: nothing damaged, foreign or newer; older ones are brought up to date."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from started_project import HEIGHT, WIDTH

from clickwise.annotate import actions, database
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ProjectError


def refused(file: Path, match: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ProjectError, match=match) as caught:
        ProjectStore.open(file)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before


def test_no_database(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_text("something else, long enough to be a header")
    refused(tmp_path / "a.sqlite", "no clickwise project")
    with pytest.raises(ProjectError, match="does not exist"):
        ProjectStore.open(tmp_path / "missing", create=False)
    assert not (tmp_path / "missing").exists()


def test_a_database_of_another_program(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        connection.execute("CREATE TABLE images (x)")
    connection.close()
    refused(tmp_path / "a.sqlite", "another program")


def test_a_newer_database(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE clickwise_meta SET value = '99' WHERE key = 'schema_version'")
    connection.commit()
    connection.close()
    refused(file, "newer clickwise")


@pytest.mark.parametrize("where", [0.0, 0.3, 0.7])
def test_a_damaged_database(file: Path, where: float) -> None:
    data = bytearray(file.read_bytes())
    start = max(100, int(len(data) * where) // 4096 * 4096)
    data[start : start + 4096] = b"\xa5" * len(data[start : start + 4096])
    file.write_bytes(data)
    refused(file, "damaged|malformed")


def test_a_truncated_database(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    refused(file, "damaged|malformed")


def test_an_empty_file_becomes_a_project(tmp_path: Path) -> None:
    (tmp_path / "new.sqlite").touch()
    with ProjectStore.open(tmp_path / "new.sqlite") as store:
        assert store.images() == ()


def test_damage_inside_is_found_by_check(file: Path) -> None:
    connection = sqlite3.connect(file)
    connection.execute("UPDATE objects SET name = 'forged'")
    connection.execute("UPDATE images SET object_count = object_count")
    connection.commit()
    connection.close()
    with ProjectStore.open(file) as store:
        assert "history" in store.check()[0]


def test_an_older_database_is_brought_up_to_date_in_one_step(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy import text

    monkeypatch.setattr(database, "SCHEMA_VERSION", 3)
    refused(file, "cannot bring up to date")

    def fails(connection: object) -> None:
        connection.execute(text("CREATE TABLE half (x INTEGER)"))  # type: ignore[attr-defined]
        raise ProjectError("no")

    monkeypatch.setitem(database.MIGRATIONS, 2, fails)
    with pytest.raises(ProjectError, match="no"):
        ProjectStore.open(file)
    monkeypatch.setitem(database.MIGRATIONS, 2, lambda c: c.execute(text("CREATE TABLE whole (x INTEGER)")))
    ProjectStore.open(file).close()
    connection = sqlite3.connect(file)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    assert "whole" in tables
    assert "half" not in tables
    assert connection.execute("SELECT value FROM clickwise_meta WHERE key='schema_version'").fetchone() == ("3",)
    connection.close()


def test_urls(tmp_path: Path) -> None:
    with ProjectStore.open(f"sqlite:///{tmp_path}/by_url.sqlite") as store:
        assert store.images() == ()
    (tmp_path / "x.sqlite").write_text("what is this")
    with pytest.raises(ProjectError, match="no clickwise"):
        ProjectStore.open(f"sqlite:///{tmp_path}/x.sqlite")
    for url in ("nonsense://x", "sqlite://", "://"):
        with pytest.raises(ProjectError):
            ProjectStore.open(url)
    with pytest.raises(ProjectError) as caught:
        ProjectStore.open("postgresql+nothing://me:secret@host/x")
    assert "secret" not in str(caught.value)


def test_a_project_from_before_pictures_could_be_left_out(file: Path) -> None:
    with ProjectStore.open(file) as store:
        before = store.project(), [store.document(entry.image_id) for entry in store.images()]
    connection = sqlite3.connect(file)
    connection.execute("DROP INDEX images_left_out")
    connection.execute("ALTER TABLE images DROP COLUMN left_out")
    connection.execute("UPDATE clickwise_meta SET value = '1' WHERE key = 'schema_version'")
    connection.commit()
    connection.close()
    with ProjectStore.open(file, create=False) as store:
        assert (store.project(), [store.document(entry.image_id) for entry in store.images()]) == before
        assert not store.check()
        store.leave_out(store.images()[0].image_id)
        assert len(store.images()) == len(before[1]) - 1
    made = file.with_name("new.sqlite")
    ProjectStore.open(made).close()
    new, old = (
        sorted(row[1] for row in sqlite3.connect(one).execute("PRAGMA table_info(images)").fetchall())
        for one in (made, file)
    )
    assert new == old


@pytest.mark.parametrize(
    ("url", "module", "line"),
    [
        ("postgresql+psycopg://me:secret@host/x", "psycopg", 'pip install "psycopg[binary]"'),
        ("postgresql+psycopg2://me:secret@host/x", "psycopg2", 'pip install "psycopg2-binary"'),
        ("mysql+pymysql://me:secret@host/x", "pymysql", 'pip install "pymysql"'),
    ],
)
def test_a_missing_driver_names_its_pip_line(url: str, module: str, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ProjectError) as caught:
        ProjectStore.open(url)
    assert line in str(caught.value)
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_sql_of_the_documentation_runs(file: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "concepts" / "annotation-project.md").read_text("utf-8")
    (block,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    connection = sqlite3.connect(file)
    by_class, masks = (connection.execute(query).fetchall() for query in block.strip().rstrip(";").split(";"))
    with ProjectStore.open(file) as store:
        objects = store.document(store.images()[0].image_id).objects
    assert by_class == [("object", len(objects), sum(len(item.clicks) for item in objects) / len(objects))]
    assert {(row[1], row[4]) for row in masks} == {(item.object_id, item.mask.counts) for item in objects}
    connection.close()


def test_without_sqlalchemy_the_error_names_the_extra() -> None:
    code = "import sys; sys.modules['sqlalchemy'] = None; import clickwise.annotate.store"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'pip install "clickwise[annotate]"' in done.stderr.splitlines()[-1]


def test_a_full_disk_is_one_line_and_loses_nothing(file: Path) -> None:
    with ProjectStore.open(file) as store:
        image_id = store.images()[0].image_id
        before = store.document(image_id)
        pages = sqlite3.connect(file).execute("PRAGMA page_count").fetchone()[0]
        with store._engine.connect() as connection:  # the pool gives the same connection again
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        rng = np.random.default_rng(5)

        def fill() -> None:
            nonlocal before
            for _ in range(200):
                mask = MaskRuns.of(rng.random((HEIGHT, WIDTH)) < 0.5)
                before = store.record(image_id, actions.AddObject(mask)).document

        with pytest.raises(ProjectError, match="disk is full"):
            fill()
        assert store.document(image_id) == before
    with ProjectStore.open(file) as store:
        assert store.document(image_id) == before
        assert store.check() == []


def test_a_busy_database_says_so(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_PATIENCE_S", 0.05)
    with ProjectStore.open(file) as store:
        image_id = store.images()[0].image_id
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ProjectError, match="another program keeps it busy"):
            store.record(image_id, actions.Finish())
        assert store.document(image_id).finished is False, "reading goes on"
        other.rollback()
        other.close()
        store.record(image_id, actions.Finish())


def test_a_driver_that_fails_while_connecting_is_one_line(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(database, "_prepare_sqlite", fails)
    with pytest.raises(ProjectError, match="check the permissions"):
        ProjectStore.open(file)


def test_a_folder_without_permission_to_write(file: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    file.chmod(0o400)
    with pytest.raises(ProjectError, match="permissions"):
        ProjectStore.open(file)


def test_several_programs_make_one_project_at_once(place: Path) -> None:
    stores: list[ProjectStore] = []
    threads = [threading.Thread(target=lambda: stores.append(ProjectStore.open(place))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(store.classes()[0]) for store in stores] == [1, 1, 1, 1]
    for store in stores:
        store.close()
