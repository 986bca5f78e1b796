"""What readers of text annotations share: reporting, JSON and YAML files, where a picture lies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from clickwise.data.findings import Finding, Level, Report, refuse
from clickwise.errors import DatasetError
from clickwise.types import MaskArray


class ReportingReader:
    """A reader that tells all that is wrong to ``report``, which decides whether to go on; see `findings`."""

    def __init__(self, root: Path, name: str, report: Report | None) -> None:
        self.root = root
        self.name = name or root.resolve().name
        self._report = report or refuse

    def wrong(self, file: Path | str, rule: str, message: str, level: Level = "error") -> None:
        """Report one finding; ``message`` goes on after the file's name."""
        self._report(Finding(str(file), rule, f"{self.name}: {file} {message}", level))


def read_json(file: Path, name: str) -> Any:
    """The value in a JSON file. Raises DatasetError naming data set and file."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(f"{name}: {file} is no readable JSON ({_reason(error)}); expected a complete file") from None


def read_yaml(file: Path, name: str) -> Any:
    """The value in a YAML file. Raises DatasetError naming data set and file."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DatasetError(f"{name}: {file} is no readable YAML ({_reason(error)}); expected a complete file") from None


def find_file(name: str, folders: Sequence[Path]) -> Path | None:
    """The file of that name (with ``/`` or ``\\``) in the first of the folders that has it."""
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        for folder in folders:
            try:
                if (folder / spelling).is_file():
                    return folder / spelling
            except (OSError, ValueError):  # a name that no file can have
                continue
    return None


def bright(values: NDArray[np.generic]) -> MaskArray:
    """(H, W) True where the first channel of a mask file is above 128, or set in a bilevel one."""
    first = values[:, :, 0] if values.ndim == 3 else values
    return np.asarray(first if first.dtype == np.bool_ else first > 128, dtype=bool)  # type: ignore[operator]


def is_number(value: object) -> bool:
    """Whether a value from a text file is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "strerror", None) or error).split())
