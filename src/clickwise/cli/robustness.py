"""``clickwise robustness``: what hard conditions cost a model, and which objects go worst."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickwise.cli.options import DeviceOption, check_outputs, command_line


def _list_conditions(wanted: bool) -> bool:
    if wanted:
        from clickwise.evaluation.robustness.conditions import CONDITIONS

        for condition in CONDITIONS:
            typer.echo(f"{condition.name:<15} {condition.group:<8} {condition.says}")
        raise typer.Exit
    return wanted


def robustness(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Weights by name or file, or opencv-grabcut (no learning).")
    ],
    datasets: Annotated[
        str, typer.Option(help="Names (HeldOut, HeldOut:all, GrabCut, ...) or folders, separated by commas.")
    ],
    conditions: Annotated[
        str,
        typer.Option(
            help="all, or names and groups (picture, clicks, start, objects), separated by commas; --list shows them."
        ),
    ] = "all",
    n_clicks: Annotated[int, typer.Option(help="Clicks per object.")] = 10,
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Only N objects of each data set, evenly spread over it.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides noise, human clicks and rough starts.")] = 0,
    data_root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with one folder per data set. [default: $CLICKWISE_DATA]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML with GRABCUT_PATH and the like. [default: ./config.yml]")
    ] = None,
    architecture: Annotated[
        str | None, typer.Option(metavar="A", help="Of a published file that does not say its own.")
    ] = None,
    device: DeviceOption = "auto",
    processes: Annotated[int, typer.Option(help="Processes on this machine that share the objects.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers and clicks there.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the picture, the worst objects and the tables there.")
    ] = None,
    worst: Annotated[int, typer.Option(help="With --plots: so many of the worst objects of the plain run.")] = 20,
    list_them: Annotated[
        bool, typer.Option("--list", help="Print all conditions and leave.", callback=_list_conditions, is_eager=True)
    ] = False,
) -> None:
    """Measure what hard conditions cost: changed pictures, human clicks, rough starts, difficult objects."""
    given = dict(locals())
    from clickwise.engines.torch import resolve_device
    from clickwise.errors import OptionError
    from clickwise.evaluation.campaign import open_datasets, planned
    from clickwise.evaluation.config import read_config
    from clickwise.evaluation.protocol import EvaluationProtocol
    from clickwise.evaluation.ranks import device_of_rank, joined_ranks
    from clickwise.evaluation.robustness.campaign import limited, run_tasks
    from clickwise.evaluation.robustness.conditions import conditions_named

    chosen = conditions_named(conditions)
    protocol = EvaluationProtocol(n_clicks=n_clicks)
    for name, value, least in (("processes", processes, 1), ("worst", worst, 0), ("seed", seed, 0)):
        if value < least:
            raise OptionError(f"--{name} is {value}; expected at least {least}")
    check_outputs(json_file, plots)
    machine = read_config(config)
    tasks = planned(
        [machine.checkpoint(name) for name in models],
        [(data, limited(units, limit)) for data, units in open_datasets(datasets, data_root, machine.paths)],
        protocol,
        architecture=architecture,
        device=device_of_rank(str(resolve_device(device))),
    )
    command = command_line("robustness", robustness, given)
    with joined_ranks() as ranks:
        say, pictures, numbers = (typer.echo, plots, json_file) if ranks.is_first else (_nobody, None, None)
        run_tasks(
            tasks,
            chosen,
            command,
            say=say,
            seed=seed,
            processes=processes,
            ranks=ranks,
            plots=pictures,
            worst=worst,
            json_file=numbers,
        )


def _nobody(_text: str) -> None:
    """What another process than the first says."""
