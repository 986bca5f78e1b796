"""Published files -> ours, one module per method. See `clickwise.weights.adapters.base`."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from clickwise.weights.adapters.base import Adapter

MODULES = (
    "clickwise.weights.adapters.icmformer",
    "clickwise.weights.adapters.iglr",
    "clickwise.weights.adapters.ritm",
    "clickwise.weights.adapters.simpleclick",
    "clickwise.weights.adapters.srafs",
)
"""Modules with a tuple ``ADAPTERS``."""


@cache
def adapters() -> tuple[Adapter, ...]:
    """All adapters."""
    return tuple(adapter for name in MODULES for adapter in import_module(name).ADAPTERS)


def adapter_for_class(class_path: str) -> Adapter | None:
    """The adapter of a published class path, or None."""
    return next((adapter for adapter in adapters() if class_path in adapter.classes), None)


def adapter_for_architecture(architecture: str) -> Adapter | None:
    """The adapter that makes one of our architectures, or None (our own models have none)."""
    return next((adapter for adapter in adapters() if architecture in adapter.architectures), None)
