"""Test-time chains by name: what happens between a click and new probabilities.

A chain is a function ``(engine, frame, state, options) -> ChainResult``; the state already holds the new click. A new
chain is one module and one line in `CHAINS`; third parties add theirs through the entry-point group "clickwise.chains"
(name = chain, value = module:function).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import Any, Protocol, cast

from clickwise.engines.base import Engine
from clickwise.errors import OptionError
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame, WindowMap
from clickwise.nearest import nearest
from clickwise.types import Box

CHAINS: Mapping[str, str] = MappingProxyType(
    {
        "zoom_flip": "clickwise.inference.chains.zoom_flip:zoom_flip",
        "cascade": "clickwise.inference.chains.cascade:cascade",
        "crops": "clickwise.inference.chains.crops:crops",
        "CMRefiner-V2": "clickwise.inference.chains.cmrefiner:cmrefiner",
        "ISLR": "clickwise.inference.chains.focus_refine:focus_refine",
        "RGB-BRS": "clickwise.inference.chains.brs:rgb_brs",
        "DistMap-BRS": "clickwise.inference.chains.brs:distmap_brs",
        "f-BRS-A": "clickwise.inference.chains.brs:f_brs_a",
        "f-BRS-B": "clickwise.inference.chains.brs:f_brs_b",
        "f-BRS-C": "clickwise.inference.chains.brs:f_brs_c",
        "opencv_grabcut": "clickwise.inference.opencv_grabcut:opencv_grabcut",
    }
)
"""Name -> module:function."""


@dataclass(frozen=True, slots=True)
class ChainResult:
    """What a chain found.

    probs: probabilities over the frame; window: region to remember; memory: anything for the next click;
    forwards: how often the network ran.
    """

    probs: WindowMap
    window: Box | None = None
    memory: Any = None
    forwards: int = 1


class Chain(Protocol):
    """See the module's text."""

    def __call__(self, engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
        """New probabilities for the clicks in ``state``."""
        ...


def chain_names() -> list[str]:
    """All registered names, sorted."""
    return sorted({*CHAINS, *(e.name for e in entry_points(group="clickwise.chains"))})


def get_chain(name: str) -> Chain:
    """The chain of that name, or OptionError naming the nearest ones."""
    target = CHAINS.get(name) or next((e.value for e in entry_points(group="clickwise.chains") if e.name == name), None)
    if target is None:
        near = nearest(name, chain_names(), most=3)
        raise OptionError(f"there is no chain {name!r}; nearest: {near} (or 'published')")
    module, _, function = target.partition(":")
    return cast(Chain, getattr(import_module(module), function))
