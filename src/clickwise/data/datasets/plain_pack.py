"""Opens a training pack (`pack`) like any other data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from clickwise.data.datasets import shards
from clickwise.data.datasets.pack import PackDataset, Split
from clickwise.data.datasets.shards import ShardDataset


def read_pack(root: str | os.PathLike[str], name: str = "", *, split: str = "all") -> PackDataset:
    """The pictures of a pack; ``split`` as in `PackDataset`. Raises DatasetError."""
    dataset = PackDataset(Path(root), split=cast(Split, split))
    dataset.name = name or Path(root).resolve().name
    return dataset


def read_pictures(root: Path, *, split: Split = "all") -> PackDataset | ShardDataset:
    """What training draws from: a pack, or the shards made of one, whichever the folder holds. Raises DatasetError."""
    return ShardDataset(root, split=split) if shards.recognises(root) else PackDataset(root, split=split)


def recognises(root: Path) -> bool:
    """Whether a folder holds a manifest beside images/ and masks/."""
    return all((root / part).exists() for part in ("manifest.json", "images", "masks"))
