"""``clickwise data build-cocolvis``: the combined training set of COCO and LVIS from the official files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from clickwise.cli.data.sets import ConfigOption, DataRootOption


def build_cocolvis(
    output: Annotated[Path, typer.Argument(metavar="DIR", help="Where SPLIT/images, SPLIT/masks and the list go.")],
    lvis: Annotated[
        Path | None,
        typer.Option("--lvis", metavar="DIR", help="LVIS v1: train/lvis_v1_train.json. [default: in the data root]"),
    ] = None,
    coco: Annotated[
        Path | None,
        typer.Option(
            "--coco", metavar="DIR", help="COCO 2017: pictures, annotations/panoptic_*. [default: in the data root]"
        ),
    ] = None,
    split: Annotated[str, typer.Option("--split", metavar="train|val", help="Which part of LVIS.")] = "train",
    form: Annotated[
        str,
        typer.Option(
            "--form", metavar="clickwise|published", help="Our files, or the pickles that the originals read."
        ),
    ] = "clickwise",
    pictures: Annotated[
        str, typer.Option("--pictures", metavar="link|copy|none", help="How pictures come into SPLIT/images.")
    ] = "link",
    processes: Annotated[
        int | None, typer.Option("--processes", metavar="N", help="Pictures merged at once. [default: one per core]")
    ] = None,
    data_root: DataRootOption = None,
    config: ConfigOption = None,
) -> None:
    """Merge LVIS v1 and COCO's panoptic annotations into COCO+LVIS, objects with their parts.

    Needs the extra `data`. The same command goes on after an interruption.
    """
    from typing import Any, cast

    from clickwise.data.cocolvis_build import BuildPlan, build_cocolvis
    from clickwise.data.config import read_paths
    from clickwise.data.datasets.registry import find_entry, root_of
    from clickwise.evaluation.progress import Progress

    paths = read_paths(config).paths

    def root(name: str) -> Path:
        entry = find_entry(name)
        assert entry is not None
        return root_of(entry, data_root, paths)

    plan = BuildPlan(
        lvis=lvis or root("LVIS"),
        coco=coco or root("COCO"),
        output=output,
        split=split,
        form=cast(Any, form),
        pictures=cast(Any, pictures),
        processes=os.cpu_count() or 1 if processes is None else processes,
    )
    with Progress(f"merging {split}", 0, shown=True) as bar:
        done = build_cocolvis(plan, bar.show)
    notes = [f"{done.continued} of them by an earlier run"] if done.continued else []
    notes += [f"{done.left_out} without an object left out"] if done.left_out else []
    notes = [f" ({'; '.join(notes)})"] if notes else []
    typer.echo(f"{done.file}: {done.pictures} pictures, {done.objects} objects, {done.stuff} stuff{''.join(notes)}")
