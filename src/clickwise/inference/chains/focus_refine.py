"""Coarse answer on a crop, then a second look at a smaller window: IGLR's chain (reference page iglr, section 5).

For every network whose engine can refine (`RefiningEngine`). Differences to the release, on purpose: no infinite
logits; a start mask counts as an earlier click for the gate (published: the first click ignores it); the crop is
pasted where it was cut (published: into an old window when the mask has become empty).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from clickwise.clicks.encoding import points_array
from clickwise.engines.base import Engine, RefiningEngine
from clickwise.errors import OptionError
from clickwise.inference.chains import ChainResult
from clickwise.inference.chains.zoom_flip import fit, merged_probs, network_input
from clickwise.inference.focus import box_in_view, focus_window, progressive_merge
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.steps import View, ZoomIn
from clickwise.inference.window import Frame, WindowMap, box_size, whole
from clickwise.models.interface import ModelOutput
from clickwise.types import Box, MaskArray, Size

FOCUS_CROP_RATIO = 1.4
_THRESHOLD = 0.49
_LOGIT_THRESHOLD = 0.49
"""Published slip, kept: the new mask is thresholded at this *logit*, the previous one at this probability."""
_LATE_CLICK = 10
"""After so many clicks only the focus window changes."""


def focus_refine(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
    """New probabilities for the clicks in ``state``."""
    settings = _Settings(options)
    if not (isinstance(engine, RefiningEngine) and engine.capabilities.has_refiner):
        raise OptionError("the chain ISLR needs a network with a refiner, such as IGLR's; this one has none; use NoBRS")
    zoom = ZoomIn.from_options(replace(options, target_size=settings.size, expansion_ratio=settings.target_ratio))
    decision = zoom.decide(frame.size, state.clicks, state.probs, state.window, at_once=state.from_mask)
    seen = decision.window if decision.active and decision.window is not None else whole(frame.size)
    view = fit(engine, View(frame.size, seen, settings.size))
    coarse = _coarse(engine, frame, state, options, view)
    probs = view.inverse(merged_probs(_at_size(coarse.logits, view.size), options))
    focus = _focus(probs, state, seen, settings)
    refined = _refined(engine, frame, state, view, coarse, focus)
    under = state.probs if len(state.clicks) > _LATE_CLICK and state.probs is not None else probs
    answer = _pasted(under, refined, focus)
    if state.from_mask and settings.merges and state.probs is not None:
        answer = _merged(state.probs, answer, state)
    return ChainResult(answer, decision.window, memory=FocusMemory(seen, focus))


class FocusMemory(NamedTuple):
    """Where the latest click was looked at, half-open in the frame: kept for display and tests, not used again.

    seen: crop that the coarse stage saw; focus: window of the refiner.
    """

    seen: Box
    focus: Box


class _Settings:
    """What the chain takes from ``options.extra``, checked."""

    def __init__(self, options: InferenceOptions) -> None:
        extra = options.extra
        side = extra.get("infer_size")
        if side is not None and not (isinstance(side, int) and not isinstance(side, bool) and side >= 1):
            raise OptionError(f"infer_size is {side!r}; expected a number of pixels >= 1")
        target = (side, side) if side is not None else options.target_size
        self.size: Size = target if isinstance(target, tuple) else (target, target)
        self.target_ratio = _ratio(extra, "target_crop_r", options.expansion_ratio)
        self.focus_ratio = _ratio(extra, "focus_crop_r", FOCUS_CROP_RATIO)
        self.merges = bool(extra.get("progressive_merge", True))


def _ratio(extra: Any, name: str, default: float) -> float:
    value = extra.get(name)
    if value is None:
        return default
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 < value < 1e6:
        raise OptionError(f"{name} is {value!r}; expected a number > 0, such as {default}")
    return float(value)


def _coarse(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions, view: View) -> ModelOutput:
    gate = None
    if engine.capabilities.has_gate:
        gate = 1.0 if len(state.clicks) > 1 or state.from_mask else 0.0
    return engine.run(*network_input(engine, frame, state, options, view), gate=gate)


def _focus(probs: WindowMap, state: PredictorState, seen: Box, settings: _Settings) -> Box:
    after = probs.mask(float(1 / (1 + np.exp(-_LOGIT_THRESHOLD))))
    before: MaskArray = np.zeros_like(after) if state.probs is None else state.probs.mask(_THRESHOLD)
    return focus_window(before, after, state.clicks[-1], seen, ratio=settings.focus_ratio)


def _refined(
    engine: RefiningEngine, frame: Frame, state: PredictorState, view: View, coarse: ModelOutput, focus: Box
) -> NDArray[np.float32]:
    """Probabilities on every pixel of the focus window, from the item that is not mirrored (published)."""
    window = View(frame.size, focus, view.size)
    points = points_array(window.clicks(state.clicks))
    # Published: in the refiner's points every click has order 0; disks do not look at it.
    points[:, 2] = np.where(points[:, :2].max(axis=1) >= 0, 0.0, points[:, 2])
    roi = np.concatenate([[0.0], box_in_view(focus, view.box, view.size)]).astype(np.float32)
    if coarse.feature is None:
        raise OptionError(f"the chain ISLR needs a network that gives its feature map; {engine.name}'s gives none")
    logits, _, _ = engine.refine(
        window.image(frame)[None].clone(),
        torch.from_numpy(points)[None],
        coarse.feature,
        _at_size(coarse.logits, view.size),
        torch.from_numpy(roi)[None],
    )
    with torch.inference_mode():
        probs: NDArray[np.float32] = torch.sigmoid(_at_size(logits, box_size(focus)))[0, 0].cpu().numpy()
    return probs


def _at_size(logits: Tensor, size: Size) -> Tensor:
    if tuple(logits.shape[2:]) == size:
        return logits
    return F.interpolate(logits, size=size, mode="bilinear", align_corners=True)


def _pasted(under: WindowMap, values: NDArray[np.float32], focus: Box) -> WindowMap:
    """``values`` on every pixel of ``focus``, around it what ``under`` says."""
    x0, y0, x1, y1 = focus
    left, top = min(x0, under.box[0]), min(y0, under.box[1])
    right, bottom = max(x1, under.box[2]), max(y1, under.box[3])
    pixels = np.zeros((bottom - top, right - left), dtype=np.float32)
    ux0, uy0, ux1, uy1 = under.box
    pixels[uy0 - top : uy1 - top, ux0 - left : ux1 - left] = under.in_box()
    pixels[y0 - top : y1 - top, x0 - left : x1 - left] = values
    return WindowMap(under.frame, (left, top, right, bottom), pixels)


def _merged(before: WindowMap, after: WindowMap, state: PredictorState) -> WindowMap:
    """`progressive_merge` on probabilities: new ones where the mask is allowed to change, else those of before."""
    old_mask, new_mask = before.mask(_THRESHOLD), after.mask(_THRESHOLD)
    changes = progressive_merge(old_mask, new_mask, state.clicks[-1]) ^ old_mask
    return WindowMap.from_full(np.where(changes, after.full(), before.full()))


focus_refine.extra_options = ("infer_size", "target_crop_r", "focus_crop_r", "progressive_merge")  # type: ignore[attr-defined]
