"""What several commands share: options, places on a picture, checks of outputs. Imports nothing heavy."""

from __future__ import annotations

import inspect
import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from clickwise.errors import OptionError

DEFAULT_MODEL = "clickwise-s"

DeviceOption = Annotated[
    str, typer.Option("--device", metavar="auto|cpu|cuda|mps", help="Where the network runs; auto takes the fastest.")
]
ModelOption = Annotated[
    str, typer.Option("--model", metavar="NAME-OR-FILE", help="Weights by name (`clickwise models`) or a file.")
]


def parse_numbers(text: str, option: str, names: str) -> tuple[float, ...]:
    """ "10,20.5" -> (10.0, 20.5). ``names`` is what was expected, e.g. "X,Y"; OptionError for anything else."""
    parts = text.split(",")
    try:
        values = tuple(float(part) for part in parts)
    except ValueError:
        values = ()
    if len(values) != len(names.split(",")):
        raise OptionError(f"{option} is {text!r}; expected {names}: numbers of pixels without spaces")
    return values


def parse_point(text: str, option: str) -> tuple[float, float]:
    """ "X,Y" -> (x, y); OptionError for anything else."""
    x, y = parse_numbers(text, option, "X,Y")
    return x, y


def parse_box(text: str, option: str) -> tuple[float, float, float, float]:
    """ "X0,Y0,X1,Y1" -> (x0, y0, x1, y1); OptionError for anything else."""
    x0, y0, x1, y1 = parse_numbers(text, option, "X0,Y0,X1,Y1")
    return x0, y0, x1, y1


def same_file(a: Path, b: Path) -> bool:
    """Whether two names lead to the same file, also through links; works when one does not exist yet."""
    try:
        if a.samefile(b):
            return True
    except OSError:
        pass
    return os.path.realpath(a) == os.path.realpath(b)


def check_outputs(json_file: Path | None, plots: Path | None) -> None:
    """Refuse, before the long work, what could not be written after it."""
    from clickwise.errors import OutputError
    from clickwise.evaluation.plots import make_folder, need_matplotlib

    if json_file is not None:
        folder = json_file.resolve().parent
        if json_file.is_dir():
            raise OutputError(f"cannot write {json_file}: it is a folder; give a file name")
        if not folder.is_dir():
            raise OutputError(f"cannot write {json_file}: the folder {folder} does not exist; create it first")
        if not os.access(folder, os.W_OK):
            raise OutputError(f"cannot write {json_file}: no permission to write to {folder}")
    if plots is not None:
        need_matplotlib()
        make_folder(plots)


def command_line(name: str, function: Callable[..., None], given: Mapping[str, Any]) -> str:
    """The command line that leads to the same numbers: arguments, and options that were not left at their default."""
    words = ["clickwise", name, *given["models"], "--datasets", given["datasets"]]
    for option, parameter in inspect.signature(function).parameters.items():
        value = given[option]
        if option in ("models", "datasets") or value == parameter.default:
            continue
        flag = "json" if option == "json_file" else option.replace("_", "-")
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", str(value)]
    return shlex.join(words)
