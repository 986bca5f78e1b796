"""Shards made by ``clickwise data pack``: few large files and an index, read through memory maps.

``index.json`` names the shards, the sources with their terms, and for each sample its shard and place. A map is opened
on the first access in each process and never copied, so data loader workers share the pages of the file.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clickwise.data.datasets.sharing import grouped
from clickwise.data.held_out import is_held_out
from clickwise.data.sample import Sample
from clickwise.data.shard_format import Record
from clickwise.errors import DatasetError
from clickwise.types import MaskArray

INDEX = "index.json"
FORMAT, VERSION = "clickwise-shards", 1
COLUMNS = ("id", "source", "shard", "offset", "length", "objects")
_HEAD = 200


class ShardDataset:
    """Samples of shards, in the order of the data sets that were packed.

    split: "train" and "val" divide them by the last part of their names as the training pack does (one in forty is
    held out), "all" takes both. sources: keep only these. ``sources`` afterwards holds what is known of each source.
    Raises DatasetError when the index or a shard is missing, damaged or of another version.
    """

    def __init__(
        self, root: str | os.PathLike[str], name: str = "", *, split: str = "all", sources: Sequence[str] | None = None
    ) -> None:
        self.root = Path(root)
        index = read_index(self.root)
        self.name = name or str(index["name"])
        self.sources: dict[str, dict[str, Any]] = index["sources"]
        self._shards = [self.root / Path(shard["file"]).name for shard in index["shards"]]
        columns = index["samples"]
        kept = [
            number
            for number, (sample_id, source) in enumerate(zip(columns["id"], columns["source"], strict=True))
            if (sources is None or source in sources)
            and (split == "all" or is_held_out(sample_id.rpartition("/")[2]) == (split == "val"))
        ]
        if not kept:
            raise DatasetError(f"{self.name}: {root} holds no sample for split {split!r} and sources {sources}")
        self.sample_ids: Sequence[str] = [columns["id"][number] for number in kept]
        self._source_of = [columns["source"][number] for number in kept]
        self._places = np.array(
            [[columns[key][number] for key in ("shard", "offset", "length")] for number in kept], dtype=np.int64
        )
        self._maps: dict[int, mmap.mmap] = {}

    def __len__(self) -> int:
        return len(self.sample_ids)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}  # each process maps for itself

    def indices_by_source(self) -> dict[str, list[int]]:
        """Sample numbers grouped by source, sources sorted."""
        return grouped(self._source_of)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of a sample comes from, for messages."""
        return f"of {self.sample_ids[index]} in {self._shards[int(self._places[index, 0])].name}"

    def load(self, index: int) -> Sample:
        """Decode one sample; DatasetError naming shard and sample when it is damaged."""
        try:
            return self._record(index).sample()
        except (ValueError, LookupError, TypeError) as error:
            raise self._damaged(index, error) from None

    def start_mask(self, index: int) -> MaskArray | None:
        """See `HasStartMasks`."""
        try:
            return self._record(index).start_mask()
        except (ValueError, LookupError, TypeError) as error:
            raise self._damaged(index, error) from None

    def picture_bytes(self, index: int) -> bytes:
        """The file of a sample's picture as it lies in the shard."""
        try:
            return self._record(index).picture()
        except (ValueError, LookupError, TypeError) as error:
            raise self._damaged(index, error) from None

    def _record(self, index: int) -> Record:
        shard, offset, length = (int(value) for value in self._places[index])
        return Record(memoryview(self._mapped(shard))[offset : offset + length])

    def _mapped(self, shard: int) -> mmap.mmap:
        if shard not in self._maps:
            try:
                with self._shards[shard].open("rb") as file:
                    self._maps[shard] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:
                raise DatasetError(f"{self.name}: {self._shards[shard]} cannot be mapped ({error})") from None
        return self._maps[shard]

    def _damaged(self, index: int, error: Exception) -> DatasetError:
        shard = self._shards[int(self._places[index, 0])]
        return DatasetError(
            f"{self.name}: sample {self.sample_ids[index]} in {shard} is damaged ({error}); copy or pack it anew"
        )


def recognises(root: Path) -> bool:
    """Whether a folder holds an index of shards, or shards that have none yet."""
    try:
        with (root / INDEX).open("rb") as file:
            return f'"{FORMAT}"'.encode() in file.read(_HEAD)
    except OSError:
        return next(root.glob("shard-*.bin"), None) is not None


def read_index(root: Path) -> dict[str, Any]:
    """The checked index of a folder of shards. Raises DatasetError."""
    path = root / INDEX
    if not path.exists():
        raise DatasetError(f"{root} has no {INDEX}: it is no pack, or not finished; run `clickwise data pack` again")
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
        kind = index["format"], index["version"]
        lengths = {len(index["samples"][column]) for column in COLUMNS}
        # Only the name: an index leads nowhere else.
        sizes = [(root / Path(shard["file"]).name, int(shard["bytes"])) for shard in index["shards"]]
        ends = zip(index["samples"]["shard"], index["samples"]["offset"], index["samples"]["length"], strict=True)
        inside = all(offset >= 0 and offset + length <= sizes[shard][1] for shard, offset, length in ends)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DatasetError(f"{path} is no index of shards ({error}); pack the data anew") from None
    if kind != (FORMAT, VERSION):
        raise DatasetError(f"{path} has the form {kind[0]} {kind[1]}; this version reads {FORMAT} {VERSION}")
    if len(lengths) != 1 or not inside:
        raise DatasetError(f"{path} contradicts itself; pack the data anew")
    for file, size in sizes:
        found = file.stat().st_size if file.is_file() else None
        if found != size:
            what = "is missing" if found is None else f"has {found} bytes"
            raise DatasetError(f"{root}: shard {file.name} {what}, the index says {size}; copy or pack it anew")
    return dict(index)
