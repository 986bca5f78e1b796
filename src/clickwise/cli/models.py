"""``clickwise models``: which architectures and weights there are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from clickwise.weights.zoo import Scores, ZooEntry


def models(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    compute: Annotated[
        bool, typer.Option("--compute", help="Count parameters and multiply-adds anew (half a minute).")
    ] = False,
) -> None:
    """List architectures with size, multiply-adds, licence and published NoC, and weights with where they are."""
    from clickwise.weights import zoo

    weights = [_weights(entry) for entry in zoo.entries()]
    architectures = _architectures(compute, weights)
    if as_json:
        typer.echo(json.dumps({"architectures": architectures, "weights": weights}, indent=2))
    else:
        _print_tables(architectures, weights)


def _architectures(compute: bool, weights: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from clickwise.models.complexity import counted, figures_of
    from clickwise.models.registry import architectures

    rows = []
    for name, architecture in architectures().items():
        figures = counted(architecture) if compute else figures_of(architecture)
        own = [row for row in weights if row["architecture"] == name]
        rows.append(
            {
                "name": name,
                "parameters": figures.parameters,
                "multiply_adds": figures.multiply_adds,
                "native_size": list(figures.size),
                "weights_licence": ", ".join(dict.fromkeys(row["licence"] for row in own)) or None,
                "published": _published(name, own),
                "source": architecture.source,
            }
        )
    return rows


def _published(architecture: str, weights: list[dict[str, Any]]) -> dict[str, Any]:
    """Training data in short -> data set -> NoC, of the weights with a name and of networks published by numbers only.

    The first one is what a table with room for one shows: COCO+LVIS if there is any.
    """
    from clickwise.weights import zoo

    found = {row["name"].removeprefix(f"{architecture}-"): row["published"] for row in weights if row["published"]}
    found |= {name: _plain(scores) for name, scores in zoo.reported().get(architecture, {}).items()}
    found = {"" if name == architecture else name: scores for name, scores in found.items()}
    return {_DATA_IN_SHORT.get(name, name): scores for name, scores in found.items()}


_DATA_IN_SHORT = {"cocolvis": "COCO+LVIS", "sbd": "SBD", "": "several sets"}
_DATASETS_SHOWN = ("GrabCut", "Berkeley", "SBD", "DAVIS")


def _plain(scores: Scores) -> dict[str, dict[str, float | None]]:
    return {name: dict(values) for name, values in scores.items()}


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
        "by_hand": not entry.embedded and not entry.addresses,
        "published": _plain(entry.published),
        "embedded": entry.embedded,
        "local": None if local is None else str(local),
    }


def _print_tables(architectures: list[dict[str, Any]], weights: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=180)
    title = "Architectures (published clicks to reach 90 % IoU, with the training data named)"
    table = Table("architecture", title=title, title_justify="left")
    for name in ("parameters", "multiply-adds", *_DATASETS_SHOWN):
        table.add_column(name, justify="right")
    for name in ("trained on", "licence of weights", "paper"):
        table.add_column(name)
    for row in architectures:
        counted = row["multiply_adds"]
        height, width = row["native_size"]
        work = f"{counted / 1e9:.1f} G at {height}x{width}" if counted else "unknown"
        published: dict[str, dict[str, dict[str, float | None]]] = row["published"]
        data = next(iter(published), "")
        scores = published.get(data, {})
        noc = [_shown(scores.get(name, {}).get("0.90")) for name in _DATASETS_SHOWN]
        licence = row["weights_licence"] or "none published"
        table.add_row(row["name"], f"{row['parameters'] / 1e6:.2f} M", work, *noc, data, licence, row["source"])
    console.print(table)

    table = Table("weights", title="Weights (published clicks to reach 90 % IoU)", title_justify="left")
    known = dict.fromkeys(name for row in weights for name, noc in row["published"].items() if noc.get("0.90"))
    datasets = [*_DATASETS_SHOWN, *(name for name in known if name not in _DATASETS_SHOWN)]
    for name in datasets:
        table.add_column(name, justify="right")
    table.add_column("MiB", justify="right")
    table.add_column("licence")
    table.add_column("here")
    for row in weights:
        table.add_row(
            row["name"],
            *(_shown(row["published"].get(name, {}).get("0.90")) for name in datasets),
            "" if row["megabytes"] is None else f"{row['megabytes']:g}",
            row["licence"],
            _place(row),
        )
    console.print(table)
    console.print("Fetch weights with: clickwise download NAME (which says how where it is by hand)", highlight=False)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _place(row: dict[str, Any]) -> str:
    if row["local"]:
        return "in the package" if row["embedded"] else "yes"
    return "missing" if row["embedded"] else "no, by hand" if row["by_hand"] else "no"
