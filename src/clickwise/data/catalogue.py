"""Data sets that can be fetched, as data: addresses, checksums, terms. The entries stand in ``catalogue.yaml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clickwise.data.datasets.registry import find_entry
from clickwise.errors import DatasetError
from clickwise.nearest import did_you_mean

CATALOGUE_FILE = Path(__file__).with_name("catalogue.yaml")


class Archive(BaseModel):
    """One file to fetch and unpack; fields as described on top of ``catalogue.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    addresses: Annotated[tuple[str, ...], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    megabytes: Annotated[float, Field(gt=0)] | None = None
    take: str | None = None
    into: str = ""
    inner: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        """Its name, from its first address."""
        return self.addresses[0].rpartition("/")[2]


class CatalogueEntry(BaseModel):
    """One data set; fields as described on top of ``catalogue.yaml``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    licence: str
    source: str
    page: str
    samples: Annotated[int, Field(gt=0)] | None = None
    by_hand: str = ""
    archives: tuple[Archive, ...] = ()

    @property
    def notice(self) -> str:
        """What a user should know before the bytes arrive, in one line."""
        known = [archive.megabytes for archive in self.archives]
        size = f"; about {sum(part or 0 for part in known):,.0f} MB" if any(known) else ""
        return f"{self.name}: {self.licence}; {self.source}; {self.page}{size}"


def read_catalogue(path: Path) -> tuple[CatalogueEntry, ...]:
    """Entries of a catalogue file in its order; DatasetError when one is malformed or a name is used twice."""
    try:
        found = tuple(CatalogueEntry.model_validate(item) for item in yaml.safe_load(path.read_text("utf-8")))
    except (OSError, ValidationError, yaml.YAMLError, TypeError) as error:
        raise DatasetError(f"{path} is no catalogue of data sets: {' '.join(str(error).split())}") from error
    names = [entry.name for entry in found]
    for entry in found:
        if names.count(entry.name) > 1:
            raise DatasetError(f"{path} has {entry.name} twice; names must be unique")
        if bool(entry.archives) == bool(entry.by_hand):
            raise DatasetError(f"{path}: {entry.name} needs either archives or by_hand")
    return found


@cache
def entries() -> tuple[CatalogueEntry, ...]:
    """Our own catalogue."""
    return read_catalogue(CATALOGUE_FILE)


def get(name: str, known: tuple[CatalogueEntry, ...] | None = None) -> CatalogueEntry:
    """The entry of that name; case, ``-`` and ``_`` do not matter. DatasetError naming the nearest."""
    known = entries() if known is None else known
    found = next((entry for entry in known if _plain(entry.name) == _plain(name)), None)
    if found is None:
        names = [entry.name for entry in known]
        raise DatasetError(
            f"no data set to download is called {name!r}; {did_you_mean(name, names)}known: {', '.join(names)}"
        )
    return found


def source_notes(name: str) -> dict[str, Any]:
    """What is to be remembered of a data set by name, split or not: terms, paper, page; nothing for unknown ones."""
    registered = find_entry(name)
    plain = _plain(registered.name if registered else name.partition(":")[0])
    found = next((entry for entry in entries() if _plain(entry.name) == plain), None)
    return {"terms": found.licence, "source": found.source, "page": found.page} if found else {}


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")
