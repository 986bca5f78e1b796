"""Names of architectures and how each is built. A new model is one module and one line in `MODULES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from clickwise.errors import ModelError, UnknownModelError
from clickwise.models.interface import InteractiveModel
from clickwise.nearest import nearest

MODULES = (
    "clickwise.models.clickwise_s",
    "clickwise.models.icmformer",
    "clickwise.models.iglr",
    "clickwise.models.ritm",
    "clickwise.models.simpleclick",
    "clickwise.models.srafs",
)
"""Modules with a tuple ``ARCHITECTURES``. Third parties add theirs through the entry-point group "clickwise.models"."""


@dataclass(frozen=True)
class Architecture:
    """A name and the builder behind it.

    build: called with ``params`` overridden by the caller's keyword arguments; returns the module.
    params: plain data (JSON types); with the name it rebuilds the module.
    native_size: (height, width) at which multiply-adds are quoted.
    licence: of the published weights; source: paper.
    """

    name: str
    build: Callable[..., InteractiveModel]
    params: Mapping[str, Any] = field(default_factory=dict)
    native_size: tuple[int, int] = (400, 400)
    licence: str = ""
    source: str = ""


@cache
def architectures() -> dict[str, Architecture]:
    """All registered architectures by name, sorted."""
    found: dict[str, Architecture] = {}
    names = [*MODULES, *(e.value for e in entry_points(group="clickwise.models"))]
    for module_name in names:
        for architecture in import_module(module_name).ARCHITECTURES:
            if architecture.name in found:
                raise ModelError(f"architecture {architecture.name} is registered twice (second time by {module_name})")
            found[architecture.name] = architecture
    return dict(sorted(found.items()))


def get_architecture(name: str) -> Architecture:
    """The architecture of that name, or UnknownModelError naming the nearest ones."""
    try:
        return architectures()[name]
    except KeyError:
        near = nearest(name, architectures(), most=3)
        raise UnknownModelError(
            f"no architecture is called {name!r}; nearest: {near} (`clickwise models` lists all)"
        ) from None


def build_model(name: str, **params: Any) -> InteractiveModel:
    """A module with random weights (torch's global seed decides), in eval mode, fp32, on the default device.

    params override the architecture's own; an unknown one is a ModelError.
    """
    architecture = get_architecture(name)
    merged = {**architecture.params, **params}
    unknown = sorted(set(params) - set(architecture.params))
    if unknown:
        raise ModelError(
            f"{name} has no parameter {unknown[0]!r}; it has: {', '.join(sorted(architecture.params)) or 'none'}"
        )
    model = architecture.build(**merged)
    model.architecture = name
    model.params = merged
    return model.eval()
