"""BRS modes: zoom-in and flip pair as always, but from the second click on the answer is made to agree with all clicks.

RGB-BRS varies the image, DistMap-BRS the two click maps, f-BRS-A/B/C a scale and a bias per channel of inner features
at an early, middle or late place of the network (protocol 7; objective and minimiser: `clickwise.inference.brs`). The
variables go on from click to click in `PredictorState.memory`, so that undo restores them with everything else. A
network of two stages gives its coarse answer here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clickwise.engines.base import Engine
from clickwise.errors import OptionError
from clickwise.inference.brs import (
    Objective,
    Values,
    click_squares,
    input_penalty,
    minimise,
    scale_bias_penalty,
)
from clickwise.inference.chains import ChainResult
from clickwise.inference.chains.zoom_flip import merged_probs, network_input, zoomed
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.steps import View
from clickwise.inference.window import Frame
from clickwise.models.interface import FeatureModel, FeaturePlace, InteractiveModel, MapModel, PointedMapModel

INPUT_CLICKS, FEATURE_CLICKS = 5, 8
"""So many clicks the network sees (published ``net_clicks_limit``); `InferenceOptions.net_clicks_limit` overrides."""
PUBLISHED_CALLS = 20
_SCALE_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"none": lambda s: s, "tanh": torch.tanh, "sin": torch.sin}
EXTRA_OPTIONS = frozenset({"brs_calls", "brs_min_iou_diff", "brs_scale_activation"})
"""Entries of ``InferenceOptions.extra``: most L-BFGS calls per click (20), smallest change of the mask that counts as
progress (0.01), bounded scales ("none", "tanh" or "sin"; f-BRS only)."""

Answer = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Variables (n,) -> logits (B, 1, h, w), penalty."""


@dataclass(frozen=True, eq=False)
class BrsMemory:
    """What the next click starts from; never changed.

    mode, view: what the values belong to. values: the variables. features: at the place of f-BRS, once later clicks
    no longer reach the network.
    """

    mode: str
    view: View
    values: Values
    features: tuple[Tensor, Tensor | None] | None = None


@dataclass(frozen=True)
class Inputs:
    """A batch (1, or 2 with the mirror image) on the network's device; image in [0, 1]. gate: see `Gate`."""

    image: Tensor
    prev_mask: Tensor
    points: Tensor
    gate: float | None = None


class Method(ABC):
    """What a mode varies."""

    name: str
    clicks_limit: int

    @abstractmethod
    def check(self, model: InteractiveModel) -> None:
        """OptionError when a network cannot be varied in this way."""

    @abstractmethod
    def prepare(
        self, model: InteractiveModel, inputs: Inputs, options: InferenceOptions, memory: BrsMemory | None
    ) -> tuple[int, Answer, tuple[Tensor, Tensor | None] | None]:
        """Number of variables, their effect, and features to remember. memory: of the same mode and view."""

    def start(self, count: int, memory: BrsMemory | None, view: View) -> Values:
        """Where the minimiser begins."""
        if memory is None or len(memory.values) != count:
            return np.zeros(count)
        return memory.values


@dataclass(frozen=True)
class InputMethod(Method):
    """RGB-BRS (on_image) and DistMap-BRS: an offset for every pixel, mirrored for the mirror image."""

    name: str
    on_image: bool
    clicks_limit: int = INPUT_CLICKS

    def check(self, model: InteractiveModel) -> None:
        """Both need the entrance behind the click maps."""
        if not isinstance(model, MapModel):
            raise OptionError(
                f"{self.name} needs a network that can be entered behind its click maps; {_called(model)} offers no "
                f"such entrance; {_instead(model)}"
            )

    def prepare(
        self, model: InteractiveModel, inputs: Inputs, options: InferenceOptions, memory: BrsMemory | None
    ) -> tuple[int, Answer, tuple[Tensor, Tensor | None] | None]:
        """One variable per pixel and channel of the view."""
        assert isinstance(model, MapModel)
        size = inputs.image.shape[2:]
        with torch.no_grad():
            image = model.normalised(inputs.image)
            maps = model.click_maps(inputs.points, size).to(image.dtype)
            mask, gate = inputs.prev_mask, inputs.gate
            if isinstance(model, PointedMapModel):
                mask, gate = model.mask_maps(image, mask, inputs.points, gate)
        shape = (1, 3 if self.on_image else 2, *size)

        def answer(variables: Tensor) -> tuple[Tensor, Tensor]:
            offset = variables.view(shape)
            if len(image) == 2:
                offset = torch.cat([offset, offset.flip(3)])
            penalty, offset = input_penalty(offset), offset.to(image.dtype)
            if self.on_image:
                output = model.logits_from_maps(image + offset, mask, maps, gate)
            else:
                output = model.logits_from_maps(image, mask, maps + offset, gate)
            return output.logits.float(), penalty

        return shape[1] * shape[2] * shape[3], answer, None

    def start(self, count: int, memory: BrsMemory | None, view: View) -> Values:
        """Pixels of another region have nothing to do with these."""
        return super().start(count, memory if memory is not None and memory.view == view else None, view)


@dataclass(frozen=True)
class FeatureMethod(Method):
    """f-BRS: features * (1 + scale) + bias per channel, the same for picture and mirror image."""

    name: str
    place: FeaturePlace
    clicks_limit: int = FEATURE_CLICKS

    def check(self, model: InteractiveModel) -> None:
        """HRNet and DeepLab have the places."""
        if not isinstance(model, FeatureModel) or self.place not in model.feature_places:
            raise OptionError(
                f"{self.name} changes features of RITM's HRNet and DeepLab; {_called(model)} has no place "
                f"{self.place}; {_instead(model)}"
            )

    def prepare(
        self, model: InteractiveModel, inputs: Inputs, options: InferenceOptions, memory: BrsMemory | None
    ) -> tuple[int, Answer, tuple[Tensor, Tensor | None] | None]:
        """Scale and bias of every channel; the first part of the network runs once, or not at all."""
        assert isinstance(model, FeatureModel)
        size = inputs.image.shape[2:]
        found = None if memory is None else memory.features
        if found is None:
            with torch.no_grad():
                image, maps = model.normalised(inputs.image), model.click_maps(inputs.points, size)
                found = model.features_at(self.place, image, inputs.prev_mask, maps)
        features, carried = found
        channels = features.shape[1]
        activation = _SCALE_ACTIVATIONS[options.extra.get("brs_scale_activation", "none")]

        def answer(variables: Tensor) -> tuple[Tensor, Tensor]:
            scale, bias = variables.view(2, 1, channels, 1, 1)
            scale = activation(scale)
            changed = features * (1 + scale.to(features.dtype)) + bias.to(features.dtype)
            return model.logits_after(self.place, changed, carried, size).float(), scale_bias_penalty(scale, bias)

        return 2 * channels, answer, found


def _called(model: InteractiveModel) -> str:
    return model.architecture or type(model).__name__


def _instead(model: InteractiveModel) -> str:
    """What to do: the modes that this network can run."""
    modes = [f"f-BRS-{place}" for place in model.feature_places] if isinstance(model, FeatureModel) else []
    modes += ["RGB-BRS", "DistMap-BRS"] if isinstance(model, MapModel) else []
    return f"use {', '.join(modes)} or NoBRS" if modes else "use NoBRS"


def _run(method: Method, engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
    """New probabilities for the clicks in ``state``; see the module's text."""
    _check_extra(options)
    if options.net_clicks_limit is None:
        options = options.with_(net_clicks_limit=method.clicks_limit)
    memory = state.memory if isinstance(state.memory, BrsMemory) and state.memory.mode == method.name else None
    forwards = 0
    with _network(engine, method) as model:
        method.check(model)

        def probs_of(view: View) -> NDArray[np.float32]:
            nonlocal memory, forwards
            probs, memory, calls = _one_view(method, engine, model, frame, state, options, view, memory)
            forwards += calls
            return probs

        result = zoomed(engine, frame, state, options, probs_of)
    return replace(result, memory=memory, forwards=forwards)


def _network(engine: Engine, method: Method) -> AbstractContextManager[InteractiveModel]:
    opener = getattr(engine, "with_gradients", None)
    if opener is None:
        raise OptionError(f"{method.name} needs gradients, which the engine {engine.name} does not give; use torch")
    return cast(AbstractContextManager[InteractiveModel], opener())


def _one_view(
    method: Method,
    engine: Engine,
    model: InteractiveModel,
    frame: Frame,
    state: PredictorState,
    options: InferenceOptions,
    view: View,
    memory: BrsMemory | None,
) -> tuple[NDArray[np.float32], BrsMemory, int]:
    """Probabilities (h, w) of a view, what to remember, and how often the network (or its rest) ran."""
    image, prev_mask, points = network_input(engine, frame, state, options, view)
    home = next(model.parameters())
    mask = torch.zeros_like(image[:, :1]) if prev_mask is None else prev_mask
    gate = None
    if engine.capabilities.has_gate:
        gate = 1.0 if len(state.clicks) > 1 or state.from_mask else 0.0
    inputs = Inputs(image.to(home), mask.to(home), points.to(home.device), gate)
    clicks_done, limit = len(state.clicks), options.net_clicks_limit or method.clicks_limit
    reusable = memory is not None and memory.view == view and clicks_done > limit
    known = memory if memory is None or reusable else replace(memory, features=None)
    count, answer, features = method.prepare(model, inputs, options, known)
    values = method.start(count, memory, view)
    keep = features if clicks_done >= limit else None
    if clicks_done <= 1:
        with torch.no_grad():
            logits, _ = answer(torch.from_numpy(values).to(home.device, torch.float32))
        return merged_probs(logits, options), BrsMemory(method.name, view, values, keep), 1
    positives, negatives = click_squares(view.clicks(state.clicks), view.size, mirror=options.flip)
    objective = Objective(
        answer,
        positives.to(home.device),
        negatives.to(home.device),
        threshold=options.threshold,
        min_iou_diff=options.extra.get("brs_min_iou_diff", 0.01),
    )
    values = minimise(objective, values, options.extra.get("brs_calls", PUBLISHED_CALLS))
    assert objective.best_logits is not None
    memory = BrsMemory(method.name, view, values, keep)
    return merged_probs(objective.best_logits, options), memory, objective.calls


def _check_extra(options: InferenceOptions) -> None:
    calls = options.extra.get("brs_calls", PUBLISHED_CALLS)
    if not isinstance(calls, int) or calls < 1:
        raise OptionError(f"brs_calls is {calls!r}; expected a whole number of at least 1")
    change = options.extra.get("brs_min_iou_diff", 0.01)
    if not isinstance(change, (int, float)) or not 0 <= change < 1:
        raise OptionError(f"brs_min_iou_diff is {change!r}; expected a number from 0 to below 1")
    activation: Any = options.extra.get("brs_scale_activation", "none")
    if activation not in _SCALE_ACTIVATIONS:
        raise OptionError(f"brs_scale_activation is {activation!r}; expected {', '.join(_SCALE_ACTIVATIONS)}")


rgb_brs = partial(_run, InputMethod("RGB-BRS", on_image=True))
distmap_brs = partial(_run, InputMethod("DistMap-BRS", on_image=False))
f_brs_a = partial(_run, FeatureMethod("f-BRS-A", "A"))
f_brs_b = partial(_run, FeatureMethod("f-BRS-B", "B"))
f_brs_c = partial(_run, FeatureMethod("f-BRS-C", "C"))
for _chain in (rgb_brs, distmap_brs, f_brs_a, f_brs_b, f_brs_c):
    _chain.extra_options = EXTRA_OPTIONS  # type: ignore[attr-defined]
