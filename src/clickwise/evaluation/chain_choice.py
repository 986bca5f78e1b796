"""From a model's published defaults and a protocol to the options of the chain that runs.

What a chain can do, it declares as attributes of its function, so that a new chain needs no change here:
    extra_options: entries of ``InferenceOptions.extra`` that it takes (cf_n, cf_click, acf, infer_size, ...);
    needs_network: False for a chain that asks no network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from clickwise.errors import OptionError
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.inference.chains import chain_names, get_chain
from clickwise.inference.options import InferenceOptions
from clickwise.models.interface import InferenceDefaults

PLAIN_MODE, PLAIN_CHAIN = "NoBRS", "zoom_flip"
MODES: Mapping[str, str] = MappingProxyType({PLAIN_MODE: PLAIN_CHAIN})
"""Names of ``--mode`` whose chain is called otherwise; every other chain goes by its own name."""
CASCADE_OPTIONS = frozenset({"cf_n", "cf_click", "acf"})
"""Giving one of these asks for the cascade chain, whatever the model (CFR-ICL works with every model), also beside
``--mode NoBRS``, as in the command of CFR-ICL's release. ``--no-acf`` alone asks for nothing."""


def inference_options(
    defaults: InferenceDefaults, protocol: EvaluationProtocol, dataset: str | None = None
) -> InferenceOptions:
    """Options of the published evaluation of a model on a data set, changed by what the protocol asks for.

    Raises OptionError when the mode or an option has no chain here.
    """
    overrides: dict[str, Any] = {"threshold": protocol.threshold, "chain": chosen_chain(defaults, protocol)}
    if protocol.chain_options:
        overrides["extra"] = MappingProxyType({**defaults.extra, **protocol.chain_options})
    window = protocol.window()
    if window is not None:
        overrides |= {"target_size": window, "skip_clicks": -1}
    return InferenceOptions.for_model(defaults, published=True, dataset=dataset, **overrides)


def chosen_chain(defaults: InferenceDefaults, protocol: EvaluationProtocol) -> str:
    """Name of the chain that runs. Raises OptionError."""
    chain = defaults.chain if protocol.mode is None else chain_of_mode(protocol.mode)
    if chain == PLAIN_CHAIN and not getattr(get_chain(defaults.chain), "needs_network", True):
        chain = defaults.chain
    wanted = set(protocol.chain_options)
    if wanted <= _taken_by(chain):
        return chain
    able = [name for name in chain_names() if wanted <= _taken_by(name)]
    asks = wanted <= CASCADE_OPTIONS and {k: v for k, v in protocol.chain_options.items() if v is not False}
    if asks and len(able) == 1 and (protocol.mode is None or chain == PLAIN_CHAIN):
        return able[0]
    flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(wanted - _taken_by(chain)))
    known = f"chains that do: {', '.join(able)}; ask for one by --mode" if able else "no chain here does"
    raise OptionError(f"the chain {chain} does not take {flags}; {known}, or leave it out")


def chain_of_mode(mode: str) -> str:
    """Name of the chain behind ``--mode``; upper and lower case, ``-`` and ``_`` do not matter. Raises OptionError."""
    names = {_simple(name): name for name in chain_names()} | {_simple(m): chain for m, chain in MODES.items()}
    if _simple(mode) not in names:
        raise OptionError(
            f"mode {mode!r} has no chain here; expected one of {', '.join(mode_names())}, or leave it out"
        )
    return names[_simple(mode)]


def mode_names() -> list[str]:
    """What ``--mode`` accepts."""
    others = (n for n in chain_names() if n not in MODES.values() and getattr(get_chain(n), "needs_network", True))
    return sorted({*MODES, *others}, key=str.lower)


def mode_label(chain: str) -> str:
    """The name of a chain in tables: "NoBRS" for the plain one, as the field prints it; "-" without a network."""
    if chain in chain_names() and not getattr(get_chain(chain), "needs_network", True):
        return "-"
    return next((mode for mode, name in MODES.items() if name == chain), chain)


def plain_options(options: InferenceOptions) -> dict[str, Any]:
    """All options as plain data."""
    values = {f.name: getattr(options, f.name) for f in fields(options)}
    return {**values, "extra": dict(options.extra)}


def _taken_by(chain: str) -> set[str]:
    return set(getattr(get_chain(chain), "extra_options", ()))


def _simple(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")
