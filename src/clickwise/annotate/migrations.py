"""What turns a project of an older format into one of the next; `database` applies it when a project is opened."""

from __future__ import annotations

from collections.abc import Callable

# isort: split
from sqlalchemy import Boolean, Column, Connection, false
from sqlalchemy.schema import CreateColumn

Migration = Callable[[Connection], None]
"""Changes tables and rows, inside the transaction that it is given."""


def _leave_out(connection: Connection) -> None:
    """1 to 2: pictures can be left out. Written out here, since the tables may go on changing."""
    column = CreateColumn(Column("left_out", Boolean, nullable=False, server_default=false()))
    connection.exec_driver_sql(f"ALTER TABLE images ADD COLUMN {column.compile(dialect=connection.dialect)}")
    connection.exec_driver_sql("CREATE INDEX images_left_out ON images (left_out, position)")


MIGRATIONS: dict[int, Migration] = {1: _leave_out}
"""What turns a database of schema version n into one of n + 1, by n. Runs in one transaction with the new number."""
