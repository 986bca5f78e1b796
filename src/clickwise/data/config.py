"""The folders in the field's ``config.yml``: where data sets and checkpoints lie on this machine (protocol 1.6)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clickwise.errors import InputError

DEFAULT_NAME = "config.yml"
_ENCODERS_KEY = "IMAGENET_PRETRAINED_MODELS"


@dataclass(frozen=True)
class MachinePaths:
    """Folders of this machine.

    paths: every key ending in ``_PATH`` -> folder; relative ones are relative to the file they stand in.
    source: the file, None when there is none.
    encoders: name in the map IMAGENET_PRETRAINED_MODELS -> file of a pre-trained encoder.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    source: Path | None = None
    encoders: Mapping[str, Path] = field(default_factory=dict)


def read_paths(path: str | os.PathLike[str] | None = None) -> MachinePaths:
    """The folders named in a file; with None those in ./config.yml, if there is one and it is a mapping.

    Raises InputError naming the file when it was asked for and cannot be used.
    """
    file = Path(DEFAULT_NAME) if path is None else Path(path)
    if path is None and not file.is_file():
        return MachinePaths()
    try:
        values: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        if path is None:
            return MachinePaths()
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(
            f"config {file} cannot be read ({reason}); expected YAML like GRABCUT_PATH: ./GrabCut"
        ) from None
    if not isinstance(values, dict):
        if path is None:
            return MachinePaths()
        raise InputError(f"config {file} is no mapping; expected lines like GRABCUT_PATH: ./GrabCut")
    strict = path is not None
    folders = {key: value for key, value in values.items() if str(key).endswith("_PATH")}
    encoders = values.get(_ENCODERS_KEY) or {}
    if not isinstance(encoders, dict):
        if strict:
            raise InputError(
                f"config {file}: {_ENCODERS_KEY} is {encoders!r}; expected lines like HRNETV2_W18: file.pth"
            )
        encoders = {}
    return MachinePaths(
        dict(_places(folders, file, "a folder", strict=strict)),
        file,
        dict(_places(encoders, file, "a file", strict=strict)),
    )


def _places(values: dict[Any, Any], file: Path, what: str, *, strict: bool) -> list[tuple[str, Path]]:
    """Absolute paths; relative ones start at the file's folder. Empty values are left out."""
    base = file.resolve().parent
    found = []
    for key, value in values.items():
        if isinstance(value, str) and value:
            found.append((str(key), base / Path(value).expanduser()))
        elif strict and value not in (None, ""):
            raise InputError(f"config {file}: {key} is {value!r}; expected {what}")
    return found
