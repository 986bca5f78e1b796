"""``clickwise download``: published weights into the cache."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from clickwise.weights.zoo import ZooEntry


def download(
    name: Annotated[
        str, typer.Argument(help="Weights as `clickwise models` lists them, or their published file name.")
    ],
    from_file: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="Take this file instead of the network.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Accept a licence with conditions without being asked.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network.")] = False,
) -> None:
    """Fetch published weights into the cache, or adopt a file that you already have."""
    from clickwise.weights import hub, zoo

    entry = zoo.get(name)
    local = hub.find_local(entry)
    if from_file is not None:
        typer.echo(f"licence: {entry.licence_notice}")
        typer.echo(f"adopted: {hub.adopt(entry, from_file)}")
        return
    if local is not None:
        typer.echo(f"already here: {local}")
        return

    def announce(notice: str) -> None:
        typer.echo(f"licence: {notice}")
        _accept(entry, yes)

    with byte_progress(entry.name) as progress:
        path = hub.download(entry, announce=announce, progress=progress, offline=True if offline else None)
    typer.echo(f"downloaded: {path}")


def _accept(entry: ZooEntry, yes: bool) -> None:
    """Ask about a licence with conditions; DownloadError when nobody accepts it."""
    from clickwise.errors import DownloadError

    if entry.is_permissive or yes:
        return
    if not (sys.stdin.isatty() and typer.confirm(f"The licence {entry.licence} has conditions. Download?")):
        raise DownloadError(
            f"the licence {entry.licence} of {entry.name} was not accepted; repeat with --yes to accept it"
        )


@contextmanager
def byte_progress(title: str) -> Iterator[Callable[[int, int | None], None] | None]:
    """A progress bar on a terminal, nothing elsewhere. It appears with the first bytes."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(title, total=None)

    def show(done: int, total: int | None) -> None:
        bar.start()  # not before the licence question; starting twice does no harm
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        bar.stop()
