"""``clickwise data pack``: data sets into a few memory-mapped shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickwise.cli.data.sets import ConfigOption, DataRootOption, open_set, parse_bytes


def pack(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME-OR-FOLDER...", help="Data sets by name, folder or annotation file.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="New folder for the shards.")],
    max_side: Annotated[
        int | None, typer.Option(metavar="PIXELS", help="Scale pictures down to this longest side. [default: never]")
    ] = None,
    quality: Annotated[
        int | None, typer.Option(metavar="1..100", help="Of lossy pictures. [default: every pixel as it is]")
    ] = None,
    picture_format: Annotated[str, typer.Option("--format", metavar="webp|jpeg", help="Of lossy pictures.")] = "webp",
    limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="At most so many bytes in all, e.g. 60MB: a fair choice of samples."),
    ] = None,
    shard_size: Annotated[str, typer.Option(metavar="SIZE", help="Size at which the next shard begins.")] = "32MB",
    threads: Annotated[int, typer.Option(help="Samples prepared at the same time.")] = 2,
    data_root: DataRootOption = None,
    config: ConfigOption = None,
) -> None:
    """Pack data sets into a folder of few large files that any number of processes reads through memory maps.

    Objects, hierarchy, regions without truth, start masks, sources and their terms are kept, layers without loss. The
    same command makes the same bytes; run again after an interruption, it goes on after the last finished shard.
    """
    from typing import cast

    from clickwise.data.catalogue import source_notes
    from clickwise.data.shard_pictures import PictureKind, PictureOptions
    from clickwise.data.shard_writer import PackOptions
    from clickwise.data.shard_writer import pack as write_shards
    from clickwise.errors import OptionError
    from clickwise.evaluation.progress import Progress

    if threads < 1:
        raise OptionError(f"--threads is {threads}; expected at least 1")
    options = PackOptions(
        pictures=PictureOptions(max_side, quality, cast(PictureKind, picture_format)),
        limit=parse_bytes(limit, "--limit"),
        shard_size=parse_bytes(shard_size, "--shard-size") or 0,
    )
    datasets = [open_set(name, data_root, config) for name in names]
    total = sum(len(dataset) for dataset in datasets)
    with Progress(f"packing {' '.join(dataset.name for dataset in datasets)}", total, shown=True) as bar:
        done = write_shards(
            datasets,
            output,
            options,
            sources={dataset.name: source_notes(dataset.name) for dataset in datasets},
            threads=threads,
            tick=lambda count: bar.show(count, total),
        )
    before = f", {done.resumed} were there already" if done.resumed else ""
    typer.echo(
        f"{output}: {done.samples} of {done.of} samples, {done.bytes / 1e6:.1f} MB in {done.shards} "
        f"shard{'s' if done.shards > 1 else ''}{before}"
    )
