"""The model zoo as data: which weights have a name, where they can be had, under which terms, how well they do.

The entries stand in ``zoo.yaml``; this module reads and checks them. Torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from clickwise.errors import ModelError, UnknownModelError
from clickwise.nearest import nearest

ZOO_FILE = Path(__file__).with_name("zoo.yaml")
REPORTED_FILE = Path(__file__).with_name("reported.yaml")
Scores = Mapping[str, Mapping[str, float | None]]
"""Data set -> {"0.85": NoC, "0.90": NoC}."""
PERMISSIVE = frozenset({"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0"})
"""Licences that ask for no more than a notice; anything else is asked about before a download."""


class ZooEntry(BaseModel):
    """One set of weights with a name.

    megabytes: published size in MiB (rounded by its authors). sha256: of the whole file, lower-case hex, or None.
    published: data set -> {"0.85": NoC, "0.90": NoC}, None where no number is known.
    page: where a person can fetch the file. parts: addresses of a split archive, out of which ``file`` is unpacked.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    aliases: tuple[str, ...] = ()
    file: str
    architecture: str
    embedded: bool = False
    addresses: tuple[str, ...] = ()
    page: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    megabytes: Annotated[float, Field(gt=0)] | None = None
    licence: str
    trained_on: str
    source: str
    published: Scores = Field(default_factory=lambda: MappingProxyType({}))
    parts: tuple[str, ...] = ()

    @property
    def is_permissive(self) -> bool:
        """Whether the licence asks for no more than a notice."""
        return self.licence in PERMISSIVE

    @property
    def licence_notice(self) -> str:
        """What a user should know before the bytes arrive, in one line."""
        return f"{self.name}: licence {self.licence}; trained on {self.trained_on}; {self.source}"


def read_zoo(path: Path) -> tuple[ZooEntry, ...]:
    """Entries of a zoo file in its order; ModelError when one is malformed or a name is used twice."""
    try:
        entries = tuple(ZooEntry.model_validate(item) for item in yaml.safe_load(path.read_text("utf-8")))
    except (ValidationError, yaml.YAMLError) as error:
        raise ModelError(f"{path} is not a list of zoo entries: {error}") from error
    seen: set[str] = set()
    for entry in entries:
        for known in (entry.name, *entry.aliases):
            if known in seen:
                raise ModelError(f"{path} uses the name {known!r} twice; each name and alias must be unique")
            seen.add(known)
    return entries


@cache
def entries() -> tuple[ZooEntry, ...]:
    """All weights we know by name, sorted by name."""
    return tuple(sorted(read_zoo(ZOO_FILE), key=lambda entry: entry.name))


@cache
def reported() -> Mapping[str, Mapping[str, Scores]]:
    """Numbers published without weights: architecture -> what it was trained on -> scores."""
    try:
        found = TypeAdapter(dict[str, dict[str, dict[str, dict[str, float | None]]]]).validate_python(
            yaml.safe_load(REPORTED_FILE.read_text("utf-8"))
        )
    except (ValidationError, yaml.YAMLError) as error:
        raise ModelError(f"{REPORTED_FILE} does not hold scores by architecture: {error}") from error
    return MappingProxyType(found)


def names() -> list[str]:
    """Names of all weights, sorted, without aliases."""
    return [entry.name for entry in entries()]


def find(name_or_alias: str) -> ZooEntry | None:
    """The entry of that name, alias or published file name, or None."""
    for entry in entries():
        if name_or_alias in (entry.name, *entry.aliases, entry.file):
            return entry
    return None


def get(name_or_alias: str) -> ZooEntry:
    """The entry of that name, alias or published file name, or UnknownModelError naming the nearest ones."""
    entry = find(name_or_alias)
    if entry is not None:
        return entry
    of_architecture = [e.name for e in entries() if e.architecture == name_or_alias]
    if of_architecture:
        raise UnknownModelError(
            f"{name_or_alias!r} is an architecture, not weights; weights for it: {', '.join(of_architecture)}"
        )
    known = [label for entry in entries() for label in (entry.name, *entry.aliases)]
    near = nearest(name_or_alias, known, most=3, fallback=names())
    raise UnknownModelError(f"no weights are called {name_or_alias!r}; nearest: {near} (`clickwise models` lists all)")
