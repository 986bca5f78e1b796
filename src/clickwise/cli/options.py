"""Options that several commands share, and the parsing of places on a picture. Imports nothing heavy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

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
