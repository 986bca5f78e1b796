"""The eager PyTorch engine, and the choice of a device."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from clickwise.errors import ModelError, OptionError
from clickwise.models.interface import (
    Capabilities,
    Gate,
    InferenceDefaults,
    InteractiveModel,
    ModelOutput,
    RefiningModel,
)

Precision = Literal["fp32", "bf16", "auto"]
DEVICES = ("auto", "cpu", "cuda", "mps")

# One lock per network, shared by all engines around it: two forwards at once would only fight for the same cores.
_LOCKS: WeakKeyDictionary[InteractiveModel, threading.Lock] = WeakKeyDictionary()
_LOCKS_GUARD = threading.Lock()


def _lock_of(model: InteractiveModel) -> threading.Lock:
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(model, threading.Lock())


def resolve_device(name: str | torch.device = "auto") -> torch.device:
    """A usable device: "auto" takes cuda, else mps, else cpu; also "cuda:1" and the like.

    Raises OptionError for an unknown name or a device that this machine does not have.
    """
    text = str(name).lower()
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True, "auto": True}
    kind, _, index = text.partition(":")
    if kind not in has or (index and (kind != "cuda" or not index.isdigit())):
        raise OptionError(f"device is {text!r}; expected one of {', '.join(DEVICES)}")
    if text == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if has[kind]))
    if not has[kind] or (index and int(index) >= torch.cuda.device_count()):
        raise OptionError(f"device {text!r} is not available on this machine; use --device cpu (or auto)")
    return torch.device(text)


@cache
def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bf16 natively (avx512_bf16 or amx_bf16 on x86, bf16 on ARM); known on Linux only."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = {flag for line in text.splitlines() if line.startswith(("flags", "Features")) for flag in line.split()}
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


class TorchEngine:
    """Runs an `InteractiveModel` eagerly.

    device: where to run; None leaves the network where it is, anything else moves it there (the module itself).
    precision: "fp32"; "bf16" autocasts; "auto" autocasts only on hardware with bf16 units.
    channels_last: hand images over in that memory order (same numbers; faster for convolutions on some machines).
    """

    name = "torch"

    def __init__(
        self,
        model: InteractiveModel,
        *,
        device: str | torch.device | None = None,
        precision: Precision = "fp32",
        channels_last: bool = False,
    ) -> None:
        if not isinstance(model, InteractiveModel):
            raise ModelError(
                f"model is a {type(model).__name__}; expected one from clickwise.load_model or build_model"
            )
        if precision not in ("fp32", "bf16", "auto"):
            raise OptionError(f"precision is {precision!r}; expected fp32, bf16 or auto")
        self.model = model if device is None else model.to(resolve_device(device))
        self.device, self.dtype = _home(self.model)
        self.autocast = precision == "bf16" or (precision == "auto" and _fast_bf16(self.device))
        self.channels_last = channels_last
        self._lock = _lock_of(model)

    @property
    def capabilities(self) -> Capabilities:
        """What the network can do."""
        return self.model.capabilities

    @property
    def inference_defaults(self) -> InferenceDefaults:
        """The published test-time chain of the network."""
        return self.model.inference_defaults

    def run(self, image: Tensor, prev_mask: Tensor | None, points: Tensor, gate: Gate = None) -> ModelOutput:
        """See `clickwise.engines.base.Engine.run`."""
        image = image.to(self.device, self.dtype)
        if self.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        prev_mask = None if prev_mask is None else prev_mask.to(self.device, self.dtype)
        autocast: AbstractContextManager[object] = (
            torch.autocast(self.device.type, dtype=torch.bfloat16) if self.autocast else nullcontext()
        )
        with self._lock, _evaluating(self.model), torch.inference_mode(), autocast:
            # Points keep fp32: half precision cannot name pixels beyond 2048.
            output = self.model(image, prev_mask, points.to(self.device), gate)
        return _as_float(output)

    def refine(
        self, image_focus: Tensor, points_focus: Tensor, feature: Tensor, logits: Tensor, roi: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See `clickwise.engines.base.RefiningEngine.refine`."""
        if not isinstance(self.model, RefiningModel):
            raise ModelError(
                f"{self.model.architecture or type(self.model).__name__} has no refiner; use another chain"
            )
        image_focus, feature, logits = (x.to(self.device, self.dtype) for x in (image_focus, feature, logits))
        autocast: AbstractContextManager[object] = (
            torch.autocast(self.device.type, dtype=torch.bfloat16) if self.autocast else nullcontext()
        )
        with self._lock, _evaluating(self.model), torch.inference_mode(), autocast:
            out = self.model.refine(image_focus, points_focus.to(self.device), feature, logits, roi.to(self.device))
        refined, boundary, coarse = (x.float() for x in out)
        return refined, boundary, coarse

    @contextmanager
    def with_gradients(self) -> Iterator[InteractiveModel]:
        """The network itself, in evaluation mode and for this caller alone: for chains that optimise what it gets."""
        with self._lock, _evaluating(self.model), torch.inference_mode(mode=False), torch.enable_grad():
            yield self.model


@contextmanager
def _evaluating(model: InteractiveModel) -> Iterator[None]:
    """Evaluation mode for one forward; a network that is being trained goes on training afterwards."""
    if not model.training:
        yield
        return
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _home(model: InteractiveModel) -> tuple[torch.device, torch.dtype]:
    parameter = next((p for p in model.parameters() if p.is_floating_point()), None)
    return (torch.device("cpu"), torch.float32) if parameter is None else (parameter.device, parameter.dtype)


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_has_bf16()


def _as_float(output: ModelOutput) -> ModelOutput:
    answer = replace(output)
    for field in fields(answer):
        value = getattr(answer, field.name)
        if isinstance(value, Tensor):
            setattr(answer, field.name, value.float())
    return answer
