"""What the commands of ``clickwise data`` share: where data sets are looked for, sizes in bytes, progress."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clickwise.errors import OptionError

if TYPE_CHECKING:
    from clickwise.data.findings import Report
    from clickwise.data.sample import Dataset

DataRootOption = Annotated[
    Path | None,
    typer.Option("--data-root", metavar="DIR", help="Folder with one folder per data set. [default: $CLICKWISE_DATA]"),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="YAML with GRABCUT_PATH and the like. [default: ./config.yml]"),
]
SetArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME-OR-FOLDER", help="A data set by name, a folder or an annotation file; NAME:SPLIT too."
    ),
]

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}
_BYTES = re.compile(r"(\d+(?:\.\d+)?)\s*(ki|mi|gi|k|m|g|)b?", re.IGNORECASE)


def open_set(name: str, data_root: Path | None, config: Path | None, report: Report | None = None) -> Dataset:
    """The data set of that name or in that folder, with the folders of config.yml. Raises DatasetError, InputError."""
    from clickwise.data.config import read_paths
    from clickwise.data.datasets.registry import open_dataset

    return open_dataset(name, data_root, read_paths(config).paths, report=report)


def parse_bytes(text: str | None, option: str) -> int | None:
    """ "60MB" -> 60000000, "60MiB" -> 62914560, "500" -> 500; None stays. Raises OptionError for anything else."""
    if text is None:
        return None
    match = _BYTES.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"{option} is {text!r}; expected a size like 60MB, 1.5GB or 64MiB")
    return int(float(match[1]) * _UNITS[match[2].lower()])
