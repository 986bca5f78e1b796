"""``clickwise export-labels``: labels of any readable format into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickwise.errors import OptionError


def export_labels(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="File or folder with labels, or a project.", show_default=False)
    ],
    to: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="NAME",
            help="coco, coco-polygons, labelme, yolo, voc, png-objects, png-indexed, png-binary; project: a zip.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="F", help="File (COCO: .json, project: .zip) or folder.", show_default=False
        ),
    ],
    source_format: Annotated[
        str, typer.Option("--from", metavar="auto|NAME", help="Format of SOURCE; auto goes by what it holds.")
    ] = "auto",
    images: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Where the pictures are, if not with the labels; may be repeated."),
    ] = None,
    holes: Annotated[
        str | None,
        typer.Option(
            metavar="refuse|bridge|fill",
            help="Holes where a format has none: an error, cut open by a line of no width, or closed. "
            "[default: fill for coco-polygons, refuse for yolo]",
        ),
    ] = None,
    with_pictures: Annotated[bool, typer.Option("--with-pictures", help="Copy the pictures too.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace labels that are there; other files in a folder stay.")
    ] = False,
) -> None:
    """Write labels in another format: every mask and class exactly, or an error that names the formats that can.

    Colours, numbers and attributes of objects that a format has no place for are left out, and told.
    """
    from typing import cast

    from clickwise.annotate.labels import PROJECT, SOURCES, export_project
    from clickwise.formats.options import Holes, ReadOptions, WriteOptions
    from clickwise.formats.registry import find_format, read_labels, write_labels

    if to == PROJECT.name:
        done = export_project(source, output, pictures=with_pictures, overwrite=overwrite)
        for note in done.notes:
            typer.echo(f"note: {note}", err=True)
        typer.echo(
            f"{output}: the project with its history; pictures: {done.images}, with their files: {done.pictures}"
        )
        return
    found = find_format(to)
    options = WriteOptions(cast(Holes | None, holes), with_pictures)
    folders = check_folders(images)
    labels = read_labels(
        source, source_format, ReadOptions(folders, lambda line: typer.echo(f"note: {line}", err=True)), formats=SOURCES
    )
    if not labels.images:
        raise OptionError(f"{source} lists no picture; there is nothing to write")
    for note in write_labels(labels, output, found.name, options, overwrite=overwrite):
        typer.echo(f"note: {note}", err=True)
    pictures, classes = len(labels.images), len(labels.classes)
    typer.echo(
        f"{output}: {found.what}; {labels.object_count} object{'' if labels.object_count == 1 else 's'} in "
        f"{pictures} picture{'' if pictures == 1 else 's'}, {classes} class{'' if classes == 1 else 'es'}"
    )


def check_folders(images: list[Path] | None) -> tuple[Path, ...]:
    """The folders given by --images; OptionError for one that is none."""
    for folder in images or []:
        if not folder.is_dir():
            raise OptionError(f"--images {folder} is not a folder; give the one that holds the pictures")
    return tuple(images or [])
