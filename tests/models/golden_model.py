"""Networks filled by rule under their published entry names, as the golden outputs were made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from deterministic_fill import fill_value

from clickwise.models.interface import InteractiveModel
from clickwise.weights.adapters import adapter_for_architecture
from clickwise.weights.load import _build_empty


@torch.no_grad()
def filled(architecture: str, **params: Any) -> InteractiveModel:
    """The architecture with every entry set by its published name.

    Random start values, which take as long as a forward in large networks, are never made.
    """
    model, adapter = _build_empty(Path("golden"), architecture, params, None), adapter_for_architecture(architecture)
    assert adapter is not None
    values = {name: fill_value(adapter.published_name(name), tensor) for name, tensor in model.state_dict().items()}
    model.load_state_dict(values, assign=True)
    return model.eval()
