"""``clickwise evaluate``: NoC tables, as JSON and as pictures too."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clickwise.cli.options import DeviceOption, check_outputs, command_line


def evaluate(
    models: Annotated[
        list[str], typer.Argument(metavar="MODEL...", help="Weights by name or file, or opencv-grabcut (no learning).")
    ],
    datasets: Annotated[
        str,
        typer.Option(help="Names (GrabCut, Berkeley, DAVIS, COCO_MVal, HeldOut, ...) or folders, separated by commas."),
    ],
    data_root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder with one folder per data set. [default: $CLICKWISE_DATA]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="YAML with GRABCUT_PATH and the like. [default: ./config.yml]")
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="M",
            help="Test-time chain: NoBRS, RGB-BRS, DistMap-BRS, f-BRS-A, f-BRS-B, f-BRS-C, cascade, crops, ISLR, "
            "CMRefiner-V2. [default: the model's own]",
        ),
    ] = None,
    n_clicks: Annotated[int, typer.Option(help="Clicks per object.")] = 20,
    min_n_clicks: Annotated[int, typer.Option(help="With --early-stop: least clicks per object.")] = 1,
    thresh: Annotated[float, typer.Option(help="Probability above which a pixel is object.")] = 0.49,
    target_iou: Annotated[float, typer.Option(help="IoU at which --early-stop stops; 0.8 to 1.")] = 0.9,
    early_stop: Annotated[bool, typer.Option("--early-stop", help="Stop an object at --target-iou.")] = False,
    eval_mode: Annotated[str, typer.Option(help="Window size: cvpr (published), fixedS or fixedH,W.")] = "cvpr",
    boundary: Annotated[
        bool, typer.Option("--boundary", help="Also boundary IoU and surface distance after each click (slow).")
    ] = False,
    human_clicks: Annotated[
        bool, typer.Option("--human-clicks", help="Clicks where people click, not in the middle of the error.")
    ] = False,
    click_seed: Annotated[int, typer.Option(help="With --human-clicks: other places, another number.")] = 0,
    cf_n: Annotated[int | None, typer.Option(help="Cascade: refinement steps per click.")] = None,
    cf_click: Annotated[int | None, typer.Option(help="Cascade: clicks up to this one are refined.")] = None,
    acf: Annotated[
        bool | None,
        typer.Option("--acf/--no-acf", help="Cascade: stop refining when the mask no longer changes, or never."),
    ] = None,
    infer_size: Annotated[int | None, typer.Option(help="Local refinement: coarse input size.")] = None,
    target_crop_r: Annotated[float | None, typer.Option(help="Local refinement: expansion of the target crop.")] = None,
    focus_crop_r: Annotated[float | None, typer.Option(help="Local refinement: expansion of the focus crop.")] = None,
    architecture: Annotated[
        str | None, typer.Option(metavar="A", help="Of a published file that does not say its own.")
    ] = None,
    device: DeviceOption = "auto",
    processes: Annotated[int, typer.Option(help="Processes on this machine that share the objects.")] = 1,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers and clicks there.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write curves, worst objects and the table there.")
    ] = None,
    worst: Annotated[int, typer.Option(help="With --plots: so many of the worst objects of each row.")] = 8,
) -> None:
    """Measure how many clicks models need on data sets (NoC, NoF, IoU by clicks)."""
    given = dict(locals())
    from clickwise.clicks.human import HumanClicks
    from clickwise.engines.torch import resolve_device
    from clickwise.errors import OptionError
    from clickwise.evaluation.campaign import open_datasets, planned, run_all
    from clickwise.evaluation.config import read_config
    from clickwise.evaluation.protocol import EvaluationProtocol
    from clickwise.evaluation.ranks import device_of_rank, joined_ranks
    from clickwise.evaluation.result import write_results

    chain_options = {
        "cf_n": cf_n,
        "cf_click": cf_click,
        "acf": acf,
        "infer_size": infer_size,
        "target_crop_r": target_crop_r,
        "focus_crop_r": focus_crop_r,
    }
    protocol = EvaluationProtocol(
        n_clicks=n_clicks,
        min_n_clicks=min_n_clicks,
        target_iou=target_iou,
        early_stop=early_stop,
        threshold=thresh,
        eval_mode=eval_mode,
        boundary=boundary,
        human_clicks=HumanClicks() if human_clicks else None,
        click_seed=click_seed,
        mode=mode,
        chain_options={name: value for name, value in chain_options.items() if value is not None},
    )
    if processes < 1:
        raise OptionError(f"--processes is {processes}; expected at least 1")
    if worst < 0:
        raise OptionError(f"--worst is {worst}; expected a number of objects, 0 for no sheet")
    check_outputs(json_file, plots)
    machine = read_config(config)
    tasks = planned(
        [machine.checkpoint(name) for name in models],
        open_datasets(datasets, data_root, machine.paths),
        protocol,
        architecture=architecture,
        device=device_of_rank(str(resolve_device(device))),
    )
    command = command_line("evaluate", evaluate, given)
    with joined_ranks() as ranks:
        say, pictures = (typer.echo, plots) if ranks.is_first else (_nobody, None)
        results = run_all(tasks, command, say=say, processes=processes, ranks=ranks, plots=pictures, worst=worst)
        if json_file is not None and ranks.is_first:
            write_results(json_file, results, command)


def _nobody(_text: str) -> None:
    """What another process than the first says."""
