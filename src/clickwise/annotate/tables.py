"""The tables of a project's database. docs/concepts/annotation-project.md explains them to people with SQL.

``events`` and ``masks`` only grow and are the truth. ``objects``, ``clicks``, ``strokes`` and the marks in ``images``
are what the events lead to, kept up to date in the same transaction, so that opening and listing never replay.
"""

from __future__ import annotations

from clickwise.errors import MissingExtraError

try:
    from sqlalchemy import (
        BigInteger,
        Boolean,
        Column,
        Float,
        Index,
        Integer,
        MetaData,
        String,
        Table,
        Text,
        UniqueConstraint,
        false,
    )
except ImportError as error:
    raise MissingExtraError("sqlalchemy", "annotate", "an annotation project") from error

SCHEMA_VERSION = 2

metadata = MetaData()

meta = Table(
    "clickwise_meta",
    metadata,
    Column("key", String(40), primary_key=True),
    Column("value", Text, nullable=False),
)
"""schema_version, project_name, class_version, made_by."""

classes = Table(
    "classes",
    metadata,
    Column("class_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Column("name", String(200), nullable=False),
    Column("colour", String(7), nullable=False),
    Column("key", String(1), nullable=False),
    Column("retired", Boolean, nullable=False),
)

class_changes = Table(
    "class_changes",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("author", String(200), nullable=False),
    Column("time", Float, nullable=False),
)

images = Table(
    "images",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("orientation", Integer, nullable=False),
    Column("file_bytes", BigInteger, nullable=False),
    Column("modified", Float, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("trouble", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("next_object_id", Integer, nullable=False),
    Column("object_count", Integer, nullable=False),
    Column("finished", Boolean, nullable=False, server_default=false()),
    Column("left_out", Boolean, nullable=False, server_default=false()),
    Index("images_in_order", "position"),
    Index("images_by_path", "path"),
    Index("images_by_content", "sha256"),
    Index("images_left_out", "left_out", "position"),
)

masks = Table(
    "masks",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("digest", String(32), primary_key=True),
    Column("counts", Text, nullable=False),
    Column("area", Integer, nullable=False),
)

objects = Table(
    "objects",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("object_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, nullable=False),
    Column("class_id", Integer, nullable=False, index=True),
    Column("mask", String(32), nullable=False),
    Column("start", String(32)),
    Column("name", String(200), nullable=False),
    Column("colour", String(7)),
    Column("hidden", Boolean, nullable=False),
    Column("locked", Boolean, nullable=False),
)

clicks = Table(
    "clicks",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("object_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("x", Float, nullable=False),
    Column("y", Float, nullable=False),
    Column("is_positive", Boolean, nullable=False),
)

strokes = Table(
    "strokes",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("object_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("radius", Float, nullable=False),
    Column("erases", Boolean, nullable=False),
    Column("points", Text, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("image_id", String(32), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(4), nullable=False),
    Column("target", Integer, nullable=False),
    Column("action_kind", String(20)),
    Column("action", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("next_object_id", Integer, nullable=False),
    Column("author", String(200), nullable=False),
    Column("time", Float, nullable=False),
    Column("token", String(64)),
    UniqueConstraint("image_id", "token", name="one_event_per_token"),
)
