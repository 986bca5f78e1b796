"""``clickwise data show``: a contact sheet of a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickwise.cli.data.sets import ConfigOption, DataRootOption, SetArgument, open_set


def show(
    name: SetArgument,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Picture to write.")] = Path(
        "sheet.png"
    ),
    count: Annotated[int, typer.Option(help="So many samples.")] = 24,
    seed: Annotated[int, typer.Option(help="Decides which samples are drawn.")] = 0,
    cell: Annotated[int, typer.Option(help="Longest side of each picture on the sheet, in pixels.")] = 224,
    data_root: DataRootOption = None,
    config: ConfigOption = None,
) -> None:
    """Draw samples of a data set with the outlines of their objects onto one picture."""
    from clickwise.data.sheet import choose, contact_sheet
    from clickwise.evaluation.progress import Progress
    from clickwise.imaging import check_image_suffix, write_image

    check_image_suffix(output)
    dataset = open_set(name, data_root, config)
    chosen = choose(len(dataset), count, seed)
    with Progress(f"drawing {dataset.name}", len(chosen), shown=True) as bar:
        sheet = contact_sheet(dataset, chosen, cell=cell, tick=bar.advance)
    write_image(output, sheet)
    typer.echo(f"{output}: {len(chosen)} of {len(dataset)} samples")
