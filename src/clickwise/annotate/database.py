"""Opening a project's database: SQLite in WAL mode in a file of the project's folder, or any database by its URL.

Before SQLite may write to a file at all, the file is looked at read-only: one that is damaged, newer than this program
or not ours gives one clear error and keeps every byte.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from clickwise.annotate.tables import SCHEMA_VERSION, classes, meta, metadata
from clickwise.errors import ProjectError

# isort: split
# After `tables`, whose import says what to install when SQLAlchemy is missing.
from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from clickwise.annotate.migrations import MIGRATIONS

PROJECT_FILE = "project.sqlite"
_FILE_SUFFIXES = (".sqlite", ".sqlite3", ".db")
_SQLITE_START = b"SQLite format 3\0"
_PATIENCE_S = 30.0
"""How long one process waits for another's transaction, which lasts milliseconds."""
_PAUSE_S = 0.02
_WRITES = "clickwise_writes"
_PACKAGES = {
    "psycopg": "psycopg[binary]",
    "psycopg2": "psycopg2-binary",
    "mysqldb": "mysqlclient",
    "mysqlconnector": "mysql-connector-python",
    "mariadbconnector": "mariadb",
}
"""What to install for a driver, where it is not called like the driver."""


def open_database(place: str | os.PathLike[str], create: bool = True, name: str = "") -> Engine:
    """An engine for the project at ``place``: a folder, a file, or a URL with ``://``.

    With ``create`` a project that is not there is made. Raises ProjectError saying what is wrong: not there, damaged,
    newer than this program, of another program, no permission.
    """
    file = sqlite_file(place)
    if file is None:
        engine = create_engine(_url(place), pool_pre_ping=True)
    else:
        _check_file(file, create)
        engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": _PATIENCE_S})
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with speaking(place_name(place)), writing(engine) as connection:
            _make_or_migrate(connection, create, name, place_name(place))
    except BaseException:
        engine.dispose()
        raise
    return engine


def project_file(place: str | os.PathLike[str]) -> Path:
    """The database's file: of a project folder the file in it, else the file itself."""
    path = Path(place).expanduser()
    # Asked in this order another program may make the folder meanwhile: it is then no file either.
    is_folder = path.is_dir() or (path.suffix.lower() not in _FILE_SUFFIXES and not path.is_file())
    return (path / PROJECT_FILE if is_folder else path).absolute()


def sqlite_file(place: str | os.PathLike[str]) -> Path | None:
    """The SQLite file behind a place, None when it is a database server."""
    if "://" not in str(place):
        return project_file(place)
    url = _url(place)
    if url.get_backend_name() != "sqlite":
        return None
    if not url.database or url.database == ":memory:":
        raise ProjectError(f"database {place_name(place)} would be lost at the end; name a file")
    return project_file(url.database)


def _url(place: str | os.PathLike[str]) -> URL:
    try:
        url = make_url(str(place))
        dialect = url.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise ProjectError(f"database {place_name(place)} cannot be used: {_one_line(error)}; check the URL") from error
    try:
        dialect.import_dbapi()
    except ImportError as error:
        raise ProjectError(
            f"database {place_name(place)} needs the driver {dialect.driver}, which is not installed "
            f'({_one_line(error)}); install it with: pip install "{_PACKAGES.get(dialect.driver, dialect.driver)}"'
        ) from error
    return url


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that writes: the only one at that moment on SQLite; stored when the block ends."""
    with engine.connect() as connection:
        connection = connection.execution_options(**{_WRITES: True})
        with connection.begin():
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection in a transaction that sees one moment of the database, whatever others write."""
    with engine.connect() as connection, connection.begin():
        yield connection


@contextmanager
def speaking(place: str) -> Iterator[None]:
    """Turns the database's errors into a ProjectError of one line."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
        raise ProjectError(f"project {place}: {_explained(_one_line(cause))}") from error


def _explained(message: str) -> str:
    for sign, advice in (
        ("locked", "another program keeps it busy; close it and try again"),
        ("malformed", "the file is damaged; restore a backup (the pictures are not in it)"),
        ("not a database", "the file is damaged or no project; restore a backup"),
        ("readonly", "it cannot be written; check the permissions of its folder"),
        ("full", "the disk is full; make room, nothing that was stored is lost"),
        ("unable to open", "it cannot be opened; check the folder and its permissions"),
    ):
        if sign in message:
            return f"{message}: {advice}"
    return f"the database answers {message!r}; nothing was stored by this step"


def _check_file(file: Path, create: bool) -> None:
    """Look without touching: ProjectError for a file that is damaged, newer or not ours."""
    try:
        if not file.exists():
            if not create:
                raise ProjectError(f"project {file} does not exist; give the folder or file of an existing one")
            file.parent.mkdir(parents=True, exist_ok=True)
            return
        if file.is_dir():
            raise ProjectError(f"project {file} is a folder; expected a database file there")
        with file.open("rb") as handle:
            start = handle.read(len(_SQLITE_START))
    except OSError as error:
        raise ProjectError(f"project {file} cannot be opened: {error.strerror or error}") from error
    if not start and _journal_is_empty(file):
        return  # the moment between making the file and its first transaction
    if start and start != _SQLITE_START:
        raise ProjectError(f"{file} is no clickwise project; name another file or restore a backup")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE_S)) as connection:
            _check_content(connection, file)
    except sqlite3.Error as error:
        raise ProjectError(f"project {file}: {_explained(_one_line(error))}") from error


def _check_content(connection: sqlite3.Connection, file: Path) -> None:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return
    if meta.name not in tables:
        raise ProjectError(f"{file} is a database of another program; name another file")
    row = connection.execute(f"SELECT value FROM {meta.name} WHERE key = 'schema_version'").fetchone()
    _check_version(row and row[0], str(file))
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise ProjectError(f"project {file} is damaged ({_one_line(verdict)}); restore a backup")


def _check_version(text: Any, place: str) -> int:
    try:
        version = int(text)
    except (TypeError, ValueError):
        raise ProjectError(f"project {place} is damaged: its version is {text!r}; restore a backup") from None
    if version > SCHEMA_VERSION:
        raise ProjectError(
            f"project {place} was made by a newer clickwise (format {version}, this one reads up to {SCHEMA_VERSION}); "
            "update clickwise"
        )
    return version


def _journal_is_empty(file: Path) -> bool:
    journal = file.with_name(file.name + "-wal")
    return not journal.exists() or journal.stat().st_size == 0


def _make_or_migrate(connection: Connection, create: bool, name: str, place: str) -> None:
    """Tables and first rows of a new project, or the steps from an older format to this one."""
    tables = set(inspect(connection).get_table_names())
    if meta.name not in tables:
        if not create:
            raise ProjectError(f"project {place} is empty; give an existing one")
        if tables & set(metadata.tables):
            raise ProjectError(f"database {place} has tables of another program; name another database")
        metadata.create_all(connection)
        first = {"schema_version": str(SCHEMA_VERSION), "project_name": name, "class_version": "0"}
        connection.execute(insert(meta), [{"key": key, "value": value} for key, value in first.items()])
        row = {"class_id": 1, "position": 0, "name": "object", "colour": "#0072b2", "key": "1", "retired": False}
        connection.execute(insert(classes), row)
        return
    stored = connection.execute(select(meta.c.value).where(meta.c.key == "schema_version")).scalar()
    for version in range(_check_version(stored, place), SCHEMA_VERSION):
        if version not in MIGRATIONS:
            raise ProjectError(f"project {place} has format {version}, which this clickwise cannot bring up to date")
        MIGRATIONS[version](connection)
        connection.execute(update(meta).where(meta.c.key == "schema_version").values(value=str(version + 1)))


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    """Settings of each connection. FULL waits until the disk has each transaction: a power cut loses nothing either."""
    connection.isolation_level = None  # transactions begin where `_begin_sqlite` says, not where the driver guesses
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:  # switching does not wait for another process that is switching
            if time.monotonic() > until or "locked" not in str(error):
                raise
            time.sleep(_PAUSE_S)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def place_name(place: str | os.PathLike[str]) -> str:
    """A place for messages, without the password of a URL."""
    if "://" not in str(place):
        return str(project_file(place))
    try:
        return make_url(str(place)).render_as_string(hide_password=True)
    except ArgumentError:
        return "URL"


def _one_line(error: object) -> str:
    return " ".join(str(error).split()) or type(error).__name__
