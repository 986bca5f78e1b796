"""Our own file of weights: safetensors whose header says how to rebuild the module.

The header's metadata entry "clickwise" is JSON: ``{"format": 1, "architecture": ..., "params": {...}, "variant": ...,
"info": {...}}``; params go to the registry's builder, info is the model card (licence, trained_on, recipe, noc, ...).
Entries that a module computes itself (`DERIVED_ENDINGS`) are not stored. Equal models give equal bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from clickwise.errors import CheckpointError, ModelError
from clickwise.imaging.atomic import atomic_write
from clickwise.models.backbones.imagenet import DERIVED_ENDINGS
from clickwise.models.interface import InteractiveModel

FORMAT = 1
"""Version of the header; a reader refuses any other."""

_KEY = "clickwise"
_DTYPE_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_HEADER_ALIGNMENT = 8


@dataclass(frozen=True)
class CheckpointHeader:
    """What a file says about its weights, as plain data."""

    architecture: str
    params: Mapping[str, Any] = field(default_factory=dict)
    variant: str | None = None
    info: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line, keys sorted."""
        content = {
            "format": FORMAT,
            "architecture": self.architecture,
            "params": dict(self.params),
            "variant": self.variant,
            "info": dict(self.info),
        }
        return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Checkpoint:
    """A file's entries by name, and its header; None when some other program wrote it."""

    header: CheckpointHeader | None
    entries: Mapping[str, Tensor]


def save_checkpoint(
    model: InteractiveModel,
    path: str | PathLike[str],
    *,
    dtype: torch.dtype | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Write a model's weights in our own format, whole or not at all.

    dtype: of the floating entries in the file (torch.float16 halves it); None keeps them as they are.
    info: plain data for the model card.
    Raises CheckpointError when a value does not fit ``dtype``, OutputError when the file cannot be written.
    """
    if not model.architecture:
        raise ModelError(f"{type(model).__name__} has no architecture name; build it with clickwise.build_model")
    variant = model.params.get("variant")
    header = CheckpointHeader(model.architecture, model.params, variant, info or {})
    try:
        text = header.to_json()
    except TypeError as error:
        raise ModelError(f"parameters or info of {model.architecture} are not plain data: {error}") from None
    entries = {
        name: _stored(name, value, dtype)
        for name, value in sorted(model.state_dict().items())
        if not name.endswith(DERIVED_ENDINGS)
    }
    with atomic_write(path) as file:
        _write(file, entries, text)


def read_header(path: str | PathLike[str]) -> CheckpointHeader | None:
    """The header alone, without touching the weights; None when some other program wrote the file."""
    try:
        with safe_open(str(path), framework="pt") as handle:
            return _parse_header(path, (handle.metadata() or {}).get(_KEY))
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None


def read_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Header and entries (read when they are touched) of a safetensors file.

    Raises CheckpointError for a file that is truncated, of another kind or of another format version.
    """
    try:
        with safe_open(str(path), framework="pt") as handle:
            header = _parse_header(path, (handle.metadata() or {}).get(_KEY))
            return Checkpoint(header, {name: handle.get_tensor(name) for name in handle.keys()})  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise _unreadable(path, error) from None


def _parse_header(path: str | PathLike[str], text: str | None) -> CheckpointHeader | None:
    if text is None:
        return None
    try:
        content = json.loads(text)
        version = content["format"]
        if version != FORMAT:
            raise CheckpointError(
                f"{path} has format version {version}; this clickwise reads {FORMAT}: update clickwise"
            )
        header = CheckpointHeader(
            content["architecture"], dict(content["params"]), content.get("variant"), dict(content.get("info") or {})
        )
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"{path} has a damaged header ({type(error).__name__}: {error}); fetch it again"
        ) from None
    if not isinstance(header.architecture, str):
        raise CheckpointError(f"{path} has a damaged header (architecture is {header.architecture!r}); fetch it again")
    return header


def _unreadable(path: str | PathLike[str], error: Exception) -> CheckpointError:
    reason = " ".join(str(error).split())
    return CheckpointError(f"{path} is not a complete safetensors file ({reason}); is it truncated? fetch it again")


def _stored(name: str, value: Tensor, dtype: torch.dtype | None) -> Tensor:
    value = value.detach().cpu()
    if dtype is None or not value.is_floating_point():
        return value.contiguous()
    converted = value.to(dtype)
    if not torch.equal(converted.isfinite(), value.isfinite()):
        raise CheckpointError(
            f"{name} has values up to {value.abs().max().item():.3g}, too large for {dtype}; store it as fp32"
        )
    return converted.contiguous()


def _write(file: BinaryIO, entries: Mapping[str, Tensor], metadata: str) -> None:
    """The safetensors layout: length of the header, header (JSON), then the bytes of every entry, one after the other.

    Written here rather than by the library, which needs the path (no atomic replacement) or a second copy in memory.
    """
    header: dict[str, Any] = {"__metadata__": {_KEY: metadata}}
    offset = 0
    # Widest types first, so that every entry is aligned.
    ordered = sorted(entries.items(), key=lambda item: (-item[1].element_size(), item[0]))
    for name, value in ordered:
        end = offset + value.numel() * value.element_size()
        header[name] = {"dtype": _DTYPE_NAMES[value.dtype], "shape": list(value.shape), "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % _HEADER_ALIGNMENT)
    file.write(struct.pack("<Q", len(text)))
    file.write(text)
    for _, value in ordered:
        file.write(value.reshape(-1).view(torch.uint8).numpy().data)


def is_safetensors(path: Path) -> bool:
    """Whether the file begins like a safetensors file (a length, then a JSON object)."""
    with path.open("rb") as file:
        start = file.read(9)
    return len(start) == 9 and start[8:] == b"{"
