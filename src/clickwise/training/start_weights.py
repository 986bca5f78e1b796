"""What a network starts from: pre-trained encoder entries, and parameters that stay as they are."""

from __future__ import annotations

from pathlib import Path
from pickle import UnpicklingError

import torch

from clickwise.errors import CheckpointError, RecipeError
from clickwise.models.interface import InteractiveModel
from clickwise.training.recipe import ModelPart


def load_encoder(model: InteractiveModel, part: ModelPart, data_root: Path) -> None:
    """Fill the encoder from ``part.encoder_weights`` below the data root; nothing to do when it is None."""
    if part.encoder_weights is None:
        return
    path = data_root / part.encoder_weights
    loader = getattr(model, "load_encoder", None)
    if loader is None:
        raise RecipeError(f"model.encoder_weights is set, but {part.architecture} takes none; leave the key out")
    try:
        entries = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, UnpicklingError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"encoder weights {path} cannot be read ({first}); check the data root") from None
    loader(entries)


def thaw(model: InteractiveModel, frozen: tuple[str, ...]) -> None:
    """Leave parameters alone whose name starts with one of the prefixes; the others stay as the model wants them.

    (A model may hold parameters that never run and take no gradient, such as the query and key of RITM's OCR.)
    """
    matched: set[str] = set()
    for name, parameter in model.named_parameters():
        prefixes = [prefix for prefix in frozen if name == prefix or name.startswith(prefix + ".")]
        matched.update(prefixes)
        if prefixes:
            parameter.requires_grad_(False)
    if missing := sorted(set(frozen) - matched):
        raise RecipeError(f"model.frozen names {missing[0]!r}, but no parameter of {model.architecture} begins so")
