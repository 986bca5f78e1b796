"""Public ImageNet files that a training starts from (protocol 6.1): the backbone's entries are taken by name.

HRNetV2 classification files of the official repository (names perhaps behind ``model.``; ``last_layer`` becomes the
auxiliary head where shapes agree) and ResNets with torchvision's names. What else such a file holds (classifier, final
norm) is ignored; the report says what was used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from torch import Tensor

from clickwise.errors import CheckpointError, ModelError
from clickwise.models.backbones.imagenet import BackboneReport
from clickwise.models.interface import InteractiveModel
from clickwise.weights.checkpoint import is_safetensors, read_checkpoint
from clickwise.weights.published import unpickle

_WRAPPERS = ("model", "state_dict")
"""Keys under which some publishers put the entries."""


def load_backbone(model: InteractiveModel, path: str | PathLike[str]) -> BackboneReport | None:
    """Start a model's backbone from a public file.

    Returns what was used, ignored and left as it was (None for models that demand the complete file). Raises ModelError
    for a model that takes no such file, CheckpointError for a file that is unreadable or of another backbone.
    """
    loader: Callable[[Mapping[str, Tensor]], BackboneReport | None] | None = getattr(model, "load_encoder", None)
    if loader is None:
        raise ModelError(
            f"{model.architecture or type(model).__name__} takes no backbone file; start it from its own weights"
        )
    entries = read_backbone_entries(path)
    try:
        return loader(entries)
    except KeyError as error:
        raise CheckpointError(f"{path} lacks the entry {error} that {model.architecture} needs") from None
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


def read_backbone_entries(path: str | PathLike[str]) -> dict[str, Tensor]:
    """Tensors by name from a ``.pth`` or ``.safetensors`` file, unwrapped; other content is left out."""
    file = Path(path)
    if not file.is_file():
        raise CheckpointError(f"there is no file {file}; give the path of a backbone's .pth or .safetensors file")
    content: Any = read_checkpoint(file).entries if is_safetensors(file) else unpickle(file)
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{file} holds a {type(content).__name__}; expected tensors by name")
    entries = {name: value for name, value in content.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not entries:
        raise CheckpointError(f"{file} holds no tensors by name; is it a backbone's file?")
    return entries
