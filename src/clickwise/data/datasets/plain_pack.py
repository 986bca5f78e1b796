"""Opens a training pack (`pack`) like any other data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

from clickwise.data.datasets.pack import PackDataset, Split


def read_pack(root: str | os.PathLike[str], name: str = "", *, split: str = "all") -> PackDataset:
    """The pictures of a pack; ``split`` as in `PackDataset`. Raises DatasetError."""
    dataset = PackDataset(Path(root), split=cast(Split, split))
    dataset.name = name or Path(root).resolve().name
    return dataset


def recognises(root: Path) -> bool:
    """Whether a folder holds a manifest beside images/ and masks/."""
    return all((root / part).exists() for part in ("manifest.json", "images", "masks"))
