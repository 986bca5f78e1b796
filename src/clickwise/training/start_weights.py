"""What a network starts from: a public file of its encoder, or whole earlier weights; and parameters that stay."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import torch

from clickwise.errors import CheckpointError, ModelError, RecipeError, WeightsMissingError
from clickwise.models.interface import InteractiveModel
from clickwise.training.data import Places
from clickwise.training.recipe import ModelPart
from clickwise.weights.backbone_files import load_backbone
from clickwise.weights.load import load_model

PUBLISHED_KEYS: Mapping[str, str] = MappingProxyType(
    {
        "hrnet_w18_small_model_v2.pth": "HRNETV2_W18_SMALL",
        "hrnetv2_w18_imagenet_pretrained.pth": "HRNETV2_W18",
        "hrnetv2_w32_imagenet_pretrained.pth": "HRNETV2_W32",
        "mae_pretrain_vit_base.pth": "MAE_BASE",
        "mae_pretrain_vit_large.pth": "MAE_LARGE",
        "mae_pretrain_vit_huge.pth": "MAE_HUGE",
    }
)
"""File that recipes ask for -> its key in the map IMAGENET_PRETRAINED_MODELS of the field's config.yml."""

_SHOWN = 3
"""Differing entries that an error names."""


def load_start(model: InteractiveModel, part: ModelPart, places: Places) -> None:
    """Fill everything from ``part.start_weights``, else the encoder from ``part.encoder_weights``, if either is set.

    Paths count from the working folder or from the data root; public encoders that config.yml names win over those
    below the root. Raises RecipeError or CheckpointError when something does not fit.
    """
    if part.encoder_weights is not None and part.start_weights is None:
        try:
            load_backbone(model, _encoder_file(part.encoder_weights, places))
        except CheckpointError as error:
            raise CheckpointError(
                f"encoder weights: {error}; or start from random values: --set model.encoder_weights=null"
            ) from None
        except ModelError:
            raise RecipeError(
                f"model.encoder_weights is set, but {part.architecture} takes none; leave the key out"
            ) from None
    if part.start_weights is not None:
        _fill(model, _loaded(part.start_weights, part.architecture, places.root), part.start_weights)


def _encoder_file(named: str, places: Places) -> Path:
    if Path(named).is_absolute():
        return Path(named)
    key = PUBLISHED_KEYS.get(Path(named).name, "")
    return places.encoders.get(key, _file(named, places.root))


def _file(named: str, data_root: Path) -> Path:
    """The path as it is where there is such a file, else below the data root."""
    return Path(named) if Path(named).is_file() else data_root / named


def _loaded(name_or_path: str, architecture: str, data_root: Path) -> InteractiveModel:
    """The weights in a file, or those of a name; of another architecture too, as it may be the same network."""
    path = _file(name_or_path, data_root)
    is_path = path.is_file() or bool(path.suffix) or Path(name_or_path).name != name_or_path
    source = path if is_path else name_or_path
    try:
        return load_model(source, architecture=architecture)
    except WeightsMissingError as error:
        raise WeightsMissingError(
            f"{error}; or set model.start_weights to a file, or to null for random ones"
        ) from None
    except CheckpointError as first:
        try:
            return load_model(source)
        except CheckpointError:
            raise first from None


@torch.no_grad()
def _fill(model: InteractiveModel, given: InteractiveModel, source: str) -> None:
    ours, theirs = model.state_dict(), given.state_dict()
    differing = sorted(
        name
        for name in ours.keys() | theirs.keys()
        if name not in ours or name not in theirs or ours[name].shape != theirs[name].shape
    )
    if differing:
        more = ", ..." if len(differing) > _SHOWN else ""
        raise CheckpointError(
            f"model.start_weights {source} ({given.architecture}) does not fit {model.architecture}: {len(differing)} "
            f"entries differ ({', '.join(differing[:_SHOWN])}{more}); set model.params as those weights have them"
        )
    model.load_state_dict(theirs)


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
