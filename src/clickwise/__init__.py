"""Click segmentation: a few clicks on a picture become a precise mask of the object.

Public names are imported when they are first used, so that ``import clickwise`` and ``clickwise --help`` are instant.

>>> import clickwise
>>> predictor = clickwise.Predictor(clickwise.load_model("clickwise-s"))
>>> _ = predictor.set_image(clickwise.sample().image)
>>> predictor.click(290, 150).mask.shape
(400, 600)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clickwise.assets import sample
    from clickwise.clicks.click import Click, ClickList
    from clickwise.errors import ClickwiseError
    from clickwise.evaluation.protocol import EvaluationProtocol
    from clickwise.evaluation.result import EvaluationResult
    from clickwise.evaluation.runner import evaluate
    from clickwise.inference.prediction import Prediction
    from clickwise.inference.predictor import Predictor
    from clickwise.models.registry import build_model
    from clickwise.weights.load import list_models, load_model

    __version__: str

__all__ = [
    "Click",
    "ClickList",
    "ClickwiseError",
    "EvaluationProtocol",
    "EvaluationResult",
    "Prediction",
    "Predictor",
    "__version__",
    "build_model",
    "evaluate",
    "list_models",
    "load_model",
    "sample",
]

_HOMES = {
    "Click": "clickwise.clicks.click",
    "ClickList": "clickwise.clicks.click",
    "ClickwiseError": "clickwise.errors",
    "EvaluationProtocol": "clickwise.evaluation.protocol",
    "EvaluationResult": "clickwise.evaluation.result",
    "Prediction": "clickwise.inference.prediction",
    "Predictor": "clickwise.inference.predictor",
    "build_model": "clickwise.models.registry",
    "evaluate": "clickwise.evaluation.runner",
    "list_models": "clickwise.weights.load",
    "load_model": "clickwise.weights.load",
    "sample": "clickwise.assets",
}
"""Public name -> module that defines it."""


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562) and keep it."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("clickwise")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module 'clickwise' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names, before and after they are imported."""
    return sorted({*globals(), *__all__})
