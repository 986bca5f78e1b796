"""The field's ``config.yml`` for evaluation: besides folders, checkpoints by name (protocol 1.6)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from clickwise.data.config import MachinePaths, read_paths
from clickwise.errors import ModelError
from clickwise.inference.factory import WITHOUT_LEARNING
from clickwise.weights import zoo

MODELS_KEY = "INTERACTIVE_MODELS_PATH"
_CHECKPOINT_SUFFIX = ".pth"


@dataclass(frozen=True)
class MachineConfig(MachinePaths):
    """Folders of this machine, and the checkpoints in one of them."""

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
    """The configuration in a file, or in ./config.yml; see `clickwise.data.config.read_paths`. Raises InputError."""
    found = read_paths(path)
    return MachineConfig(found.paths, found.source, found.encoders)


def _is_plain(name: str) -> bool:
    return bool(name) and not any(c in name for c in "*?[]/\\")
