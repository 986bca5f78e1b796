"""``clickwise data``: one file per sub-command, each with a typer function, and one line here.

The files import nothing heavy when they are loaded, as all commands.
"""

from __future__ import annotations

import typer

from clickwise.cli.data.build_cocolvis import build_cocolvis
from clickwise.cli.data.check import check
from clickwise.cli.data.download import download
from clickwise.cli.data.pack import pack
from clickwise.cli.data.show import show

data = typer.Typer(name="data", add_completion=False)


@data.callback(invoke_without_command=True)
def _group(ctx: typer.Context) -> None:
    """Data sets on this machine: build, check, pack and look at them."""
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


data.command("check")(check)
data.command("show")(show)
data.command("pack")(pack)
data.command("download")(download)
data.command("build-cocolvis")(build_cocolvis)
