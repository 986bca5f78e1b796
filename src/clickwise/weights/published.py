"""Reading published ``.pth`` files without running anything in them.

A file is ``{"config": {"class": path, "params": {...}}, "state_dict": {...}}`` or a bare state dict. Files of
SimpleClick, CFR-ICL and iCMFormer carry an object of a foreign class in their config (protocol section 6); it is read
into an empty stand-in and forgotten. Classes named in a config are never imported.
"""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clickwise.errors import CheckpointError
from clickwise.weights.adapters.base import PublishedConfig

_LOSS_MODULE = "isegm.model.modeling.transformer_helper.cross_entropy_loss"
_WRAPPER = "module."
"""Prefix that data-parallel training leaves on every name."""

_lock = threading.Lock()
"""The list of allowed classes is one per process, so two readers must not overlap."""


class _ForeignObject:
    """Stand-in for a pickled object that we do not need."""


def _foreign_function() -> None:
    """Stand-in for a pickled reference to a function that we do not need; never called."""


@dataclass(frozen=True)
class PublishedFile:
    """What a published file holds. config is None when there is none that looks like one."""

    config: PublishedConfig | None
    entries: Mapping[str, Tensor]


def read_published(path: Path) -> PublishedFile:
    """Config and entries of a ``.pth`` file; large files are mapped, not copied.

    Raises CheckpointError for a file that is truncated, of another kind, asks for code to be run, or holds a list.
    """
    content = unpickle(path)
    if isinstance(content, list | tuple):
        raise CheckpointError(
            f"{path} holds a list of {len(content)} checkpoints (one per click); "
            "clickwise reads one network per file: save the one you want alone"
        )
    if not isinstance(content, Mapping):
        raise CheckpointError(
            f"{path} holds a {type(content).__name__}; expected a state dict or config and state_dict"
        )
    entries = content.get("state_dict", content)
    if not isinstance(entries, Mapping) or not entries:
        raise CheckpointError(f"{path} holds no weights; expected a state dict, or config and state_dict")
    strange = [name for name, value in entries.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if strange:
        raise CheckpointError(
            f"{path}: {strange[0]!r} is a {type(entries[strange[0]]).__name__}, not a tensor; expected a state dict"
        )
    if all(name.startswith(_WRAPPER) for name in entries):
        entries = {name.removeprefix(_WRAPPER): value for name, value in entries.items()}
    config = parse_config(content["config"]) if "state_dict" in content and "config" in content else None
    return PublishedFile(config, dict(entries))


def parse_config(config: Any) -> PublishedConfig | None:
    """Class path and plain parameter values; None for anything that is not laid out like a published config."""
    if not isinstance(config, Mapping) or not isinstance(config.get("class"), str):
        return None
    params = config.get("params") or {}
    if not isinstance(params, Mapping):
        return None
    values = {
        str(name): given["value"] if isinstance(given, Mapping) and "value" in given else given
        for name, given in params.items()
    }
    return PublishedConfig(config["class"], values)


def unpickle(path: Path) -> Any:
    """Content of a PyTorch file, plain data and tensors only, on the CPU.

    Raises CheckpointError for a file that is truncated, of another kind or asks for code to be run.
    """
    with path.open("rb") as file:
        start = file.read(4)
    zipped = zipfile.is_zipfile(path)
    if start == b"PK\x03\x04" and not zipped:
        raise CheckpointError(f"{path} is truncated: its table of contents is missing; fetch it again")
    stand_ins: list[Any] = [
        (_ForeignObject, f"{_LOSS_MODULE}.CrossEntropyLoss"),
        (_foreign_function, f"{_LOSS_MODULE}.cross_entropy"),
        set,
    ]
    try:
        with _lock, torch.serialization.safe_globals(stand_ins):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # whatever a hostile or broken file makes the reader raise
        raise CheckpointError(f"{path} {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = str(error)
    wanted = re.search(r"GLOBAL ([\w.]+)", text)
    if wanted:
        return f"asks to run {wanted.group(1)} when it is opened; refused: a file of weights needs no code"
    first = " ".join(text.partition("\n")[0].split())
    if "Weights only load failed" in first:
        cause = text.partition("WeightsUnpickler error:")[2]
        first = " ".join(cause.split())[:200] or "it holds more than plain data and tensors"
    return f"is not a readable checkpoint ({type(error).__name__}: {first[:200]}); is it truncated or of another kind?"
