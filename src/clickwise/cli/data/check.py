"""``clickwise data check``: all that is wrong in a data set, and what it holds."""

from __future__ import annotations

from typing import Annotated

import typer

from clickwise.cli.data.sets import ConfigOption, DataRootOption, SetArgument, open_set


def check(
    name: SetArgument,
    limit: Annotated[int | None, typer.Option(metavar="N", help="Only so many samples, evenly spread.")] = None,
    data_root: DataRootOption = None,
    config: ConfigOption = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as wrong too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers and findings as JSON.")] = False,
) -> None:
    """Read every sample of a data set; tell all that is wrong by file and rule, then count pictures and objects.

    Exit code 2 when something is wrong. Warnings (samples without object, empty or doubled objects) do not count unless
    --strict is given.
    """
    import json

    from clickwise.data.check import check_dataset
    from clickwise.errors import DatasetError
    from clickwise.evaluation.progress import Progress

    with Progress(f"checking {name}", 0, shown=not as_json) as bar:
        report = check_dataset(
            lambda findings: open_set(name, data_root, config, findings), name, limit=limit, tick=bar.show
        )
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=1, ensure_ascii=False))
    else:
        for line in report.lines():
            typer.echo(line)
    wrong = report.errors + (report.warnings if strict else 0)
    if wrong:
        rules = ", ".join(sorted({one.rule for one in report.findings if strict or one.level == "error"}))
        raise DatasetError(f"{report.name}: {wrong} thing{'s' if wrong > 1 else ''} wrong ({rules}); see the list")
