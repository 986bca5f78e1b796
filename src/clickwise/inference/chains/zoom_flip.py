"""The common chain of RITM, SimpleClick and descendants: zoom-in, longest-side limit, flip pair (protocol 4.2)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from clickwise.clicks.encoding import points_array
from clickwise.engines.base import Engine
from clickwise.inference.chains import ChainResult
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.steps import Flip, ResizeLongest, View, ZoomDecision, ZoomIn
from clickwise.inference.window import Frame
from clickwise.types import Size


def zoom_flip(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
    """New probabilities for the clicks in ``state``."""
    return zoomed(engine, frame, state, options, lambda view: view_probs(engine, frame, state, options, view))


def zoomed(
    engine: Engine,
    frame: Frame,
    state: PredictorState,
    options: InferenceOptions,
    probs_of: Callable[[View], NDArray[np.float32]],
) -> ChainResult:
    """The zoom around any way to turn a view into its (h, w) probabilities; ``probs_of`` is called once or twice."""
    if not options.zoom:
        view = fit(engine, ResizeLongest(options.limit_longest_side).view(frame.size))
        return ChainResult(view.inverse(probs_of(view)))
    zoom = ZoomIn.from_options(options)
    decision = zoom.decide(frame.size, state.clicks, state.probs, state.window, at_once=state.from_mask)
    view = fit(engine, decided_view(frame.size, options, decision))
    probs = view.inverse(probs_of(view))
    if not zoom.should_repeat(frame.size, probs, decision.window):
        return ChainResult(probs, decision.window)
    # The second pass zooms by what the first one found; the network still gets the previous mask of before.
    decision = zoom.decide(frame.size, state.clicks, probs, decision.window, at_once=state.from_mask)
    view = fit(engine, decided_view(frame.size, options, decision))
    return ChainResult(view.inverse(probs_of(view)), decision.window, forwards=2)


def decided_view(frame: Size, options: InferenceOptions, decision: ZoomDecision) -> View:
    """What the network gets: the window at the target size, or the whole frame within the longest-side limit."""
    if decision.active and decision.window is not None:
        return ZoomIn.from_options(options).view(frame, decision.window)
    view = ResizeLongest(options.limit_longest_side).view(frame)
    if options.keep_stale_window and decision.window is not None:
        return View(view.frame, view.box, view.size, paste_box=decision.window)
    return view


def fit(engine: Engine, view: View) -> View:
    """The view at the next larger size that the network takes (a one-pixel line becomes wider)."""
    (height, width), divisor = view.size, engine.capabilities.size_divisor
    least = engine.capabilities.smallest_size
    size = _multiple(max(height, least[0]), divisor[0]), _multiple(max(width, least[1]), divisor[1])
    return view if size == view.size else View(view.frame, view.box, size, view.paste_box or view.box)


def _multiple(length: int, divisor: int) -> int:
    return -(-length // divisor) * divisor


def view_probs(
    engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions, view: View
) -> NDArray[np.float32]:
    """(h, w) probabilities of one network pass over a view, the mirror pair averaged as logits."""
    # Left to the network, a first click would close the gate: a mask from outside, or that of an earlier pass of the
    # cascade, would not be seen.
    gate = 1.0 if engine.capabilities.has_gate and state.probs is not None else None
    logits = engine.run(*network_input(engine, frame, state, options, view), gate=gate).logits
    if tuple(logits.shape[2:]) != view.size:
        logits = F.interpolate(logits, size=view.size, mode="bilinear", align_corners=True)
    return merged_probs(logits, options)


def network_input(
    engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions, view: View
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Image, previous mask and points of a view, on the CPU; with the mirror image as second item if the flip is on."""
    flip = Flip(options.flip)
    rows = points_array(view.clicks(state.clicks), limit=options.net_clicks_limit, offset=state.click_offset)
    # The frame keeps its latest crop: a network must get a copy, for it may normalise in place.
    image = flip.maps(view.image(frame)[None]) if options.flip else view.image(frame)[None].clone()
    points = flip.points(torch.from_numpy(rows)[None], view.size[1])
    prev_mask = None
    if engine.capabilities.supports_prev_mask and state.probs is not None:
        prev_mask = flip.maps(torch.from_numpy(view.map(state.probs))[None, None])
    return image, prev_mask, points


def merged_probs(logits: Tensor, options: InferenceOptions) -> NDArray[np.float32]:
    """Logits (1 or 2, 1, h, w) of a view, or of it and its mirror image -> probabilities (h, w)."""
    with torch.inference_mode():
        probs: NDArray[np.float32] = torch.sigmoid(Flip(options.flip).merge(logits))[0, 0].cpu().numpy()
    return probs
