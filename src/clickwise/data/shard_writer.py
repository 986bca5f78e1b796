"""Writes data sets into shards: in order, in several threads, resumable, with the same bytes every time.

While it works, each finished ``shard-NNNNN.bin`` has a ``shard-NNNNN.json`` beside it that says what is inside and for
which job. A killed job goes on after its last finished shard. ``index.json`` is written last; it makes the folder a
data set (`datasets.shards`).
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import count, groupby
from pathlib import Path
from typing import Any

from clickwise.data.datasets.shards import COLUMNS, FORMAT, INDEX, VERSION, read_index
from clickwise.data.sample import Dataset
from clickwise.data.shard_pictures import PictureOptions
from clickwise.data.shard_samples import Task, gather, records
from clickwise.errors import DatasetError, OptionError, OutputError
from clickwise.imaging import atomic_write, write_text

Row = tuple[str, str, int, int, int, int]
"""What the index says of a sample; see `datasets.shards.COLUMNS`."""
Tick = Callable[[int], None]
"""Called with the number of samples done so far."""

_INDEX_HEAD, _INDEX_SHARD = 200, 150
"""At most so many bytes are brackets and names of columns in the index, and about one shard."""


@dataclass(frozen=True, slots=True)
class PackOptions:
    """pictures: how they are stored. limit: at most so many bytes in all, index included; then samples are taken in an
    order given by checksums of their names until one does not fit. shard_size: bytes at which the next shard begins.
    """

    pictures: PictureOptions = field(default_factory=PictureOptions)
    limit: int | None = None
    shard_size: int = 32_000_000

    def __post_init__(self) -> None:
        if self.shard_size < 1:
            raise OptionError(f"shard size is {self.shard_size}; expected at least 1 byte")
        if self.limit is not None and self.limit < 1:
            raise OptionError(f"limit is {self.limit}; expected at least 1 byte")


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written: samples of how many, bytes in all, shards, and how many samples were there already."""

    samples: int
    of: int
    bytes: int
    shards: int
    resumed: int


def pack(
    datasets: Sequence[Dataset],
    folder: Path,
    options: PackOptions | None = None,
    *,
    sources: Mapping[str, Mapping[str, Any]] | None = None,
    threads: int = 1,
    tick: Tick | None = None,
) -> Packed:
    """Pack data sets into ``folder``, which may be missing, empty, or hold the beginning of this very job.

    sources: what is to be remembered of each source (terms, origin), for those that do not know it themselves.
    Raises DatasetError when a sample cannot be read, OutputError when the folder holds something else or cannot be
    written, OptionError when not even one sample fits.
    """
    options = options or PackOptions()
    tasks, known = gather(datasets, sources or {})
    job = _Job(folder, options, _fingerprint(tasks, options), known, [d.name for d in datasets], tasks)
    finished = job.finished()
    if finished is not None:
        return finished
    job.prepare()
    return job.run(threads, tick or (lambda done: None))


def _fingerprint(tasks: Sequence[Task], options: PackOptions) -> str:
    """Tells jobs apart: what is packed and how."""
    job = {
        "version": VERSION,
        "options": asdict(options),
        "samples": [(task.sample_id, task.source) for task in tasks],
    }
    return hashlib.sha256(json.dumps(job, sort_keys=True).encode()).hexdigest()


@dataclass
class _Job:
    folder: Path
    options: PackOptions
    fingerprint: str
    sources: dict[str, dict[str, Any]]
    names: list[str]
    tasks: list[Task]

    def finished(self) -> Packed | None:
        """The result, if this very job is done already. Raises OutputError when the folder holds other shards."""
        if not (self.folder / INDEX).exists():
            return None
        try:
            index = read_index(self.folder)
        except DatasetError as error:
            raise OutputError(f"{self.folder} holds a damaged pack ({error}); remove it or name another") from None
        if index.get("job") != self.fingerprint:
            raise OutputError(f"{self.folder} holds another pack; remove it or name another folder")
        samples = len(index["samples"]["id"])
        return Packed(samples, len(self.tasks), _bytes_in(self.folder), len(index["shards"]), samples)

    def prepare(self) -> None:
        """Make the folder; refuse one that holds anything else; clear away what a killed job left half-written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {self.folder}: {error.strerror or error}") from None
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".clickwise-") and path.suffix == ".tmp":
                path.unlink()
            elif not (path.name.startswith("shard-") and path.suffix in (".bin", ".json")):
                raise OutputError(f"{self.folder} is not empty ({path.name}); name a new folder")

    def run(self, threads: int, tick: Tick) -> Packed:
        """Pack what is not packed yet and write the index."""
        rows = self._resume()
        resumed = len(rows)
        tick(resumed)
        for shard, group in groupby(self._placed(rows, threads), key=lambda item: item[0][2]):
            data, side = _files(self.folder, shard)
            written: list[Row] = []
            with atomic_write(data) as file:
                for row, record in group:
                    file.write(record)
                    written.append(row)
                    tick(len(rows) + len(written))
            size = sum(row[4] for row in written)
            write_text(side, json.dumps({"job": self.fingerprint, "bytes": size, "rows": written}))
            rows += written
        if not rows:
            raise OptionError(f"limit is {self.options.limit} bytes; not even one sample fits, give more")
        self._write_index(rows)
        return Packed(len(rows), len(self.tasks), _bytes_in(self.folder), rows[-1][2] + 1, resumed)

    def _placed(self, done: Sequence[Row], threads: int) -> Iterator[tuple[Row, bytes]]:
        """Rows and records after those that are done, until all are placed or the limit is reached."""
        shard = done[-1][2] + 1 if done else 0
        offset = 0
        used = (
            _INDEX_HEAD
            + len(json.dumps(self._head(self.sources)))
            + sum(_index_bytes(row) + row[4] for row in done)
            + shard * _INDEX_SHARD
        )
        for task, record, objects in records(self._order()[len(done) :], self.options.pictures, threads):
            if offset and offset + len(record) > self.options.shard_size:
                shard, offset = shard + 1, 0
            row = (task.sample_id, task.source, shard, offset, len(record), objects)
            used += _index_bytes(row) + len(record) + (0 if offset else _INDEX_SHARD)
            if self.options.limit is not None and used > self.options.limit:
                return
            offset += len(record)
            yield row, record

    def _order(self) -> list[Task]:
        """With a limit by checksums of the names, so that what fits is a fair sample of everything."""
        if self.options.limit is None:
            return self.tasks
        return sorted(self.tasks, key=lambda task: (zlib.crc32(task.sample_id.encode()), task.position))

    def _head(self, sources: Collection[str]) -> dict[str, Any]:
        """What the index says of the whole."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": "+".join(self.names),
            "job": self.fingerprint,
            "options": asdict(self.options),
            "of": len(self.tasks),
            "sources": {name: self.sources[name] for name in sorted(sources)},
        }

    def _resume(self) -> list[Row]:
        """Rows of the shards that a killed job finished."""
        rows: list[Row] = []
        for shard in count():
            note = self._note(shard)
            if note is None:
                break
            rows += note
        unknown = [p for p in sorted(self.folder.glob("shard-*.bin")) if p > _files(self.folder, shard)[0]]
        if unknown:
            raise OutputError(f"{self.folder} holds {unknown[0].name} of another pack; remove it or name a new folder")
        return rows

    def _note(self, shard: int) -> list[Row] | None:
        """What a finished shard holds. Raises OutputError when it belongs to another job."""
        data, side = _files(self.folder, shard)
        if not (data.is_file() and side.is_file()):
            return None
        try:
            note = json.loads(side.read_text(encoding="utf-8"))
            job, size, rows = note["job"], note["bytes"], [tuple(row) for row in note["rows"]]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        if job != self.fingerprint:
            raise OutputError(f"{self.folder} holds the beginning of another pack; remove it or name another folder")
        return rows if data.stat().st_size == size else None

    def _write_index(self, rows: Sequence[Row]) -> None:
        """The samples in the order in which they were given; then the notes beside the shards are no longer needed."""
        shards = rows[-1][2] + 1
        position = {task.sample_id: task.position for task in self.tasks}
        ordered = sorted(rows, key=lambda row: position[row[0]])
        files = [_files(self.folder, number)[0] for number in range(shards)]
        entries = [{"file": file.name, "bytes": file.stat().st_size, "sha256": _sha256(file)} for file in files]
        head = {**self._head({row[1] for row in rows}), "shards": entries}
        columns = {name: [row[place] for row in ordered] for place, name in enumerate(COLUMNS)}
        write_text(self.folder / INDEX, json.dumps({**head, "samples": columns}, ensure_ascii=False))
        for number in range(shards):
            _files(self.folder, number)[1].unlink(missing_ok=True)


def _files(folder: Path, shard: int) -> tuple[Path, Path]:
    """A shard and the note beside it."""
    return folder / f"shard-{shard:05d}.bin", folder / f"shard-{shard:05d}.json"


def _index_bytes(row: Row) -> int:
    """At most so many bytes of the index are about this sample."""
    return sum(len(json.dumps(value)) + 2 for value in row)


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file())


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
