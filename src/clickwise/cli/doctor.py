"""``clickwise doctor``: does this installation work, and on what."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False) -> None:
    """Show what is installed and which device and engine will be used, and run one self-test."""
    from clickwise.benchmark.doctor import examine
    from clickwise.errors import ClickwiseError

    findings = examine()
    wrong = [finding for finding in findings if finding.ok is False]
    if as_json:
        report = {"ok": not wrong, "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(report, indent=2))
    else:
        marks = {True: "ok", False: "WRONG", None: ""}
        for finding in findings:
            typer.echo(f"{finding.name:24} {marks[finding.ok]:6} {finding.text}".rstrip())
    if wrong:
        raise ClickwiseError("; ".join(f"{finding.name}: {finding.text}" for finding in wrong))
