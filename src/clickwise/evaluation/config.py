"""The field's ``config.yml``: where data sets and checkpoints lie on this machine (protocol 1.6)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from clickwise.errors import InputError, ModelError
from clickwise.inference.factory import WITHOUT_LEARNING
from clickwise.weights import zoo

DEFAULT_NAME = "config.yml"
MODELS_KEY = "INTERACTIVE_MODELS_PATH"
_CHECKPOINT_SUFFIX = ".pth"


@dataclass(frozen=True)
class MachineConfig:
    """Folders of this machine.

    paths: every key ending in ``_PATH`` -> folder; relative ones are relative to the file they stand in.
    source: the file, None when there is none.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    source: Path | None = None

    def checkpoint(self, name: str) -> str:
        """What to load for a model given by name: published checkpoints are also found below INTERACTIVE_MODELS_PATH.

        A baseline, known weights and an existing file stay as they are. Otherwise ``NAME.pth`` is a file below that
        folder, ``NAME`` the only one matching ``NAME*.pth``, and ``MODEL:PREFIX`` the only one matching
        ``MODEL/.../PREFIX*.pth``. A name that matches nothing is returned unchanged, for `load_model` to explain.
        Raises ModelError when several files match.
        """
        folder = self.paths.get(MODELS_KEY)
        if name in WITHOUT_LEARNING or zoo.find(name) is not None or Path(name).exists() or folder is None:
            return name
        if name.endswith(_CHECKPOINT_SUFFIX):
            return str(folder / name) if (folder / name).is_file() else name
        below, _, prefix = name.rpartition(":")
        pattern = f"{prefix}*{_CHECKPOINT_SUFFIX}"
        found = sorted(p for p in (folder / below).rglob(pattern) if p.is_file()) if _is_plain(prefix) else []
        if len(found) > 1:
            names = ", ".join(str(p.relative_to(folder)) for p in found[:4])
            raise ModelError(f"{name!r} matches {len(found)} checkpoints in {folder}: {names}; give more of the name")
        return str(found[0]) if found else name


def read_config(path: str | os.PathLike[str] | None = None) -> MachineConfig:
    """The configuration in a file; with None that of ./config.yml, if there is one and it is a mapping.

    Raises InputError naming the file when it was asked for and cannot be used.
    """
    file = Path(DEFAULT_NAME) if path is None else Path(path)
    if path is None and not file.is_file():
        return MachineConfig()
    try:
        values: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        if path is None:
            return MachineConfig()
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(
            f"config {file} cannot be read ({reason}); expected YAML like GRABCUT_PATH: ./GrabCut"
        ) from None
    if not isinstance(values, dict):
        if path is None:
            return MachineConfig()
        raise InputError(f"config {file} is no mapping; expected lines like GRABCUT_PATH: ./GrabCut")
    return MachineConfig(dict(_paths(values, file, strict=path is not None)), file)


def _paths(values: dict[Any, Any], file: Path, *, strict: bool) -> list[tuple[str, Path]]:
    base = file.resolve().parent
    found = []
    for key, value in values.items():
        if not str(key).endswith("_PATH") or value is None or value == "":
            continue
        if isinstance(value, str):
            found.append((str(key), base / Path(value).expanduser()))
        elif strict:
            raise InputError(f"config {file}: {key} is {value!r}; expected a folder")
    return found


def _is_plain(name: str) -> bool:
    return bool(name) and not any(c in name for c in "*?[]/\\")
