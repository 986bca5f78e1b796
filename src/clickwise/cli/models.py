"""``clickwise models``: which architectures and weights there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from clickwise.weights.zoo import ZooEntry


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    compute: Annotated[
        bool, typer.Option("--compute", help="Also count multiply-adds at the native size (some seconds).")
    ] = False,
) -> None:
    """List architectures with their size, and weights with licence, published NoC and whether they are here."""
    from clickwise.weights import zoo

    architectures = _architectures(compute)
    weights = [_weights(entry) for entry in zoo.entries()]
    if as_json:
        typer.echo(json.dumps({"architectures": architectures, "weights": weights}, indent=2))
    else:
        _print_tables(architectures, weights, compute)


def _architectures(compute: bool) -> list[dict[str, Any]]:
    from clickwise.models.complexity import multiply_adds, shape_only
    from clickwise.models.registry import architectures

    rows = []
    for name, architecture in architectures().items():
        model = shape_only(name)
        row: dict[str, Any] = {
            "name": name,
            "parameters": model.parameter_count,
            "native_size": list(architecture.native_size),
            "source": architecture.source,
        }
        if compute:
            row["multiply_adds"] = multiply_adds(model, architecture.native_size)
        rows.append(row)
    return rows


def _weights(entry: ZooEntry) -> dict[str, Any]:
    from clickwise.weights import hub

    local = hub.find_local(entry)
    return {
        "name": entry.name,
        "aliases": list(entry.aliases),
        "architecture": entry.architecture,
        "licence": entry.licence,
        "trained_on": entry.trained_on,
        "source": entry.source,
        "megabytes": entry.megabytes,
        "published": {name: dict(values) for name, values in entry.published.items()},
        "embedded": entry.embedded,
        "local": None if local is None else str(local),
    }


def _print_tables(architectures: list[dict[str, Any]], weights: list[dict[str, Any]], compute: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    table = Table("architecture", title="Architectures", title_justify="left")
    table.add_column("parameters", justify="right")
    if compute:
        table.add_column("multiply-adds", justify="right")
    table.add_column("paper")
    for row in architectures:
        counted = row.get("multiply_adds")
        height, width = row["native_size"]
        work = [f"{counted / 1e9:.1f} G at {height}x{width}" if counted else "unknown"] if compute else []
        table.add_row(row["name"], f"{row['parameters'] / 1e6:.2f} M", *work, row["source"])
    console.print(table)

    table = Table("weights", title="Weights (published clicks to reach 90 % IoU)", title_justify="left")
    datasets = list(dict.fromkeys(name for row in weights for name, noc in row["published"].items() if noc.get("0.90")))
    for name in datasets:
        table.add_column(name, justify="right")
    table.add_column("MiB", justify="right")
    table.add_column("licence")
    table.add_column("here")
    for row in weights:
        noc = [row["published"].get(name, {}).get("0.90") for name in datasets]
        table.add_row(
            row["name"],
            *("" if value is None else f"{value:.2f}" for value in noc),
            "" if row["megabytes"] is None else f"{row['megabytes']:g}",
            row["licence"],
            _place(row),
        )
    console.print(table)
    console.print("Fetch weights with: clickwise download NAME", highlight=False)


def _place(row: dict[str, Any]) -> str:
    if row["local"]:
        return "in the package" if row["embedded"] else "yes"
    return "missing" if row["embedded"] else "no"
