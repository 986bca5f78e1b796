"""``clickwise data download``: data sets from their official addresses."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clickwise.cli.data.sets import ConfigOption, DataRootOption

if TYPE_CHECKING:
    from clickwise.data.catalogue import CatalogueEntry
    from clickwise.data.sample import Dataset


def download(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A data set of the list.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List what is known, and leave.")] = False,
    data_root: DataRootOption = None,
    config: ConfigOption = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archives in DIR/.NAME.download/.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
) -> None:
    """Fetch a data set and unpack it into DIR/NAME, or into the folder that config.yml gives it.

    Interrupted downloads go on where they stopped, archives are checked, nothing is unpacked outside the folder. For
    sets that cannot be fetched for you, it says what to get and where to put it.
    """
    from clickwise.data import catalogue
    from clickwise.data.download import Downloader
    from clickwise.errors import DatasetError, DownloadError, OptionError
    from clickwise.weights.hub import is_offline

    if list_all or name is None:
        for known in catalogue.entries():
            typer.echo(known.notice + ("; by hand" if known.by_hand else ""))
        return
    entry = catalogue.get(name)
    target = _target(entry, data_root, config)
    there = target.exists()
    if not there and entry.archives:
        if offline or is_offline():
            raise DownloadError(
                f"{entry.name} is not in {target} and offline mode is on; put it there, see {entry.page}"
            )
        if not target.parent.is_dir():
            raise OptionError(f"{target.parent} is not a folder; make it, or give another with --data-root")
        typer.echo(f"terms: {entry.notice}")
    with _network(entry.name) as (fetch, step):
        Downloader(fetch, step, keep).download(entry, target)
    found = _opened(entry, target)
    if entry.samples is not None and len(found) != entry.samples:
        raise DatasetError(
            f"{entry.name}: {target} holds {len(found)} samples, expected {entry.samples}; remove it first"
        )
    typer.echo(f"{'already here' if there else 'downloaded'}: {target}, {len(found)} samples")


def _opened(entry: CatalogueEntry, target: Path) -> Dataset:
    """The set in its folder, read as its name says."""
    from clickwise.data.datasets.registry import find_entry, open_dataset

    registered = find_entry(entry.name)
    return open_dataset(entry.name, config={registered.config_key: target}) if registered else open_dataset(target)


def _target(entry: CatalogueEntry, data_root: Path | None, config: Path | None) -> Path:
    """The folder that config.yml names for this set, else that of its name below the data root."""
    from clickwise.data.config import read_paths
    from clickwise.data.datasets.registry import DATA_VARIABLE, find_entry
    from clickwise.errors import OptionError

    registered = find_entry(entry.name)
    paths = read_paths(config).paths
    for key in (registered.config_key, *registered.other_keys) if registered else ():
        if key in paths:
            return paths[key]
    root = data_root or (Path(os.environ[DATA_VARIABLE]) if os.environ.get(DATA_VARIABLE) else None)
    if root is None:
        raise OptionError(f"{entry.name}: no place to put it; give --data-root DIR or set {DATA_VARIABLE}")
    return root / entry.name


@contextmanager
def _network(title: str) -> Iterator[tuple[Any, Any]]:
    """Fetching and unpacking with a bar on a terminal."""
    from functools import partial

    from clickwise.cli.download import byte_progress
    from clickwise.weights.fetch import fetch

    with byte_progress(title) as show:
        step = None if show is None else lambda text, done, total: show(done, total)
        yield partial(fetch, progress=show), step
