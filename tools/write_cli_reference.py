"""Write docs/reference/cli.md from the commands themselves. tests/test_docs.py checks that it is up to date."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import typer

from clickwise.cli.main import COMMANDS

TARGET = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"
HEADING = """# Command line

Written by `tools/write_cli_reference.py` from the commands; do not edit. Exit code 0 = done, 2 = bad input with one
line `error: ...` on stderr, 130 after Ctrl-C. `clickwise --version` prints the version, `--help` after a command what
follows here.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([HEADING, *(part for name, summary in COMMANDS.items() for part in sections(name, summary))])


def sections(name: str, summary: str) -> Iterator[str]:
    """One section for a command, one per sub-command for a group."""
    own = name.replace("-", "_")
    found = getattr(import_module(f"clickwise.cli.{own}"), own)
    if not isinstance(found, typer.Typer):
        yield section(name, summary, found)
        return
    for command in found.registered_commands:
        assert command.callback is not None
        first, _, _ = inspect.cleandoc(command.callback.__doc__ or "").partition("\n")
        yield section(f"{name} {command.name}", first, command.callback)


def section(name: str, summary: str, function: Callable[..., Any]) -> str:
    """One command: summary, description, table of arguments and options."""
    text = inspect.cleandoc(function.__doc__ or "")
    rows = list(parameters(name, function))
    usage = " ".join([name, *(names for names, *_ in rows if not names.startswith("`-"))]).replace("`", "")
    table = ["| option | meaning | default |", "|---|---|---|"]
    table += [f"| {escape(names)} | {escape(meaning)} | {escape(default)} |" for names, meaning, default in rows]
    text = "" if text == summary else f"{text.removeprefix(summary).strip()}\n\n"
    return f"## clickwise {name}\n\n{summary}\n\n```text\nclickwise {usage} [OPTIONS]\n```\n\n{text}" + "\n".join(
        [*table, ""]
    )


def parameters(name: str, function: Callable[..., Any]) -> Iterator[tuple[str, str, str]]:
    """(names, meaning, default) of each argument and option, in order."""
    app = typer.Typer(add_completion=False)
    app.command(name)(function)
    kinds = get_type_hints(function)
    for parameter in typer.main.get_command(app).params:
        if parameter.name not in kinds or getattr(parameter, "hidden", False):
            continue
        kind, default = kinds[parameter.name], parameter.default
        shown = "" if default in (None, False, ..., [], ()) else f"`{default}`"
        if parameter.param_type_name == "argument":
            label = parameter.metavar or parameter.name.upper()
            yield (
                f"`{label}{'...' if is_list(kind) and not label.endswith('...') else ''}`",
                parameter.help or "",
                shown,
            )
        else:
            flags = ", ".join(f"`{flag}`" for flag in (*parameter.opts, *parameter.secondary_opts))
            value = "" if bool in (kind, *get_args(kind)) else parameter.metavar or type_name(kind)
            yield (f"{flags} `{value}`" if value else flags), parameter.help or "", shown


def is_list(kind: Any) -> bool:
    """Whether the type, or what is optional in it, is a list."""
    return get_origin(kind) is list or any(is_list(part) for part in get_args(kind) if part is not type(None))


def type_name(kind: Any) -> str:
    """A word for the value: TEXT, NUMBER, FILE."""
    parts = {kind, *get_args(kind), *(inner for part in get_args(kind) for inner in get_args(part))}
    for python, word in ((Path, "FILE"), (float, "NUMBER"), (int, "NUMBER")):
        if python in parts:
            return word
    return "TEXT"


def escape(text: str) -> str:
    """Text for a table cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def main() -> int:
    """Write the page; returns the exit code."""
    TARGET.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
