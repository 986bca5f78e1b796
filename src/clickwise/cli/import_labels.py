"""``clickwise import-labels``: labels of any readable format into a project of the annotator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_labels(
    source: Annotated[
        Path, typer.Argument(metavar="F", help="File or folder with labels, or a zipped project.", show_default=False)
    ],
    project: Annotated[
        Path, typer.Option("--output", "-o", metavar="PROJECT", help="Made when it is not there.", show_default=False)
    ],
    source_format: Annotated[
        str, typer.Option("--format", metavar="auto|NAME", help="Format of F; auto goes by what it holds.")
    ] = "auto",
    images: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Where the pictures are, if not with the labels; may be repeated."),
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Put objects on top of those that a picture has in the project.")
    ] = False,
) -> None:
    """Add pictures and their objects to a project, to correct them there by clicks: every mask and class exactly.

    Pictures stay where they are. A project that export-labels zipped comes with its history, as a new project or into
    one that is there. An import that was interrupted goes on with --add; no object is added twice.
    """
    from clickwise.annotate.labels import SOURCES, import_into, import_project, is_zipped
    from clickwise.cli.export_labels import check_folders
    from clickwise.formats.options import ReadOptions
    from clickwise.formats.registry import read_labels

    folders = check_folders(images)
    if is_zipped(source):
        restored = import_project(source, project, folders)
        for name in restored.without_file:
            typer.echo(f"note: {name} came without its file; add the folder that holds it", err=True)
        typer.echo(f"{project}: pictures with their history: {restored.images}; known already: {restored.known}")
        return
    labels = read_labels(
        source, source_format, ReadOptions(folders, lambda line: typer.echo(f"note: {line}", err=True)), formats=SOURCES
    )
    done = import_into(project, labels, onto_others=add)
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(
        f"{project}: {done.objects} object{'' if done.objects == 1 else 's'} added to "
        f"{done.pictures} picture{'' if done.pictures == 1 else 's'}"
    )
