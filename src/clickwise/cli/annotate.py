"""``clickwise annotate``: the annotator in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickwise.cli.options import DEFAULT_MODEL, DeviceOption
from clickwise.errors import OptionError

_DEVICES = ("auto", "cpu", "cuda", "mps")


def annotate(
    pictures: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[IMAGES-OR-FOLDER]...", help="Pictures to annotate.", show_default=False),
    ] = None,
    project: Annotated[
        str | None,
        typer.Option(
            "--project",
            metavar="DIR",
            help="Where the work is kept: a folder, or a database's URL. Default: .clickwise in the pictures' folder.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen at; 0.0.0.0 for other computers too.")
    ] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, help="Default: 8765, or a free one if that is taken. 0: a free one."),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            envvar="CLICKWISE_TOKEN",
            show_envvar=False,
            help="Secret that the page must know. Default: $CLICKWISE_TOKEN, which other users of this computer do not "
            "see, or a new one at every start.",
        ),
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, open nothing.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="NAME-OR-FILE", help="Weights to offer, the default first; may be repeated."),
    ] = None,
    device: DeviceOption = "auto",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host", metavar="HOST", help="Name under which others reach this server; may be repeated."
        ),
    ] = None,
    root_path: Annotated[
        str, typer.Option("--root-path", metavar="/PREFIX", help="Path under which a proxy shows this server.")
    ] = "",
    most_upload: Annotated[
        int, typer.Option("--most-upload", metavar="MB", min=1, help="Largest upload of pictures, labels and projects.")
    ] = 200,
) -> None:
    """Open pictures in the browser and click objects; every step is saved as it is made.

    Without pictures, the project in this folder is opened. Ctrl-C ends the server; nothing is lost.
    """
    from clickwise.annotate.server.run import Start, run

    if device.partition(":")[0] not in _DEVICES:  # asked without torch: the page is there before it is loaded
        raise OptionError(f"device is {device!r}; expected one of {', '.join(_DEVICES)}")
    run(
        Start(
            pictures=tuple(pictures or ()),
            project=project,
            host=host,
            port=port,
            token=token,
            open_browser=not no_browser,
            models=tuple(model or (DEFAULT_MODEL,)),
            device=device,
            allowed_hosts=tuple(allow_host or ()),
            root_path=root_path,
            most_upload=most_upload,
        ),
        typer.echo,
    )
