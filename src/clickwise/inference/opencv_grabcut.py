"""A baseline that has learned nothing: OpenCV's GrabCut, driven by the clicks.

Colour mixtures and a graph cut (Rother, Kolmogorov, Blake 2004) on the picture at 320 pixels. Clicks fix small discs
as object or background; at the first click what lies near it is probably object, later the previous mask is. It is an
engine without a network and a chain of its own, so that `Predictor` serves it with everything else (undo, box, mask).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clickwise.clicks.click import ClickList
from clickwise.engines.base import Engine
from clickwise.errors import ModelError
from clickwise.inference.chains import ChainResult
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame, WindowMap, whole
from clickwise.models.interface import Capabilities, Gate, InferenceDefaults, ModelOutput
from clickwise.types import MaskArray, Size

NAME = "opencv-grabcut"
CHAIN = "opencv_grabcut"

LONGEST_SIDE = 320
"""Larger pictures are scaled down to this; 224, 320 and 480 were compared on GrabCut, 320 was best."""
ITERATIONS = 3
CLICK_RADIUS = 5
"""Pixels of the original picture that a click fixes around it."""
FIRST_REACH = 0.25
"""At the first click, this share of the shorter side around it is probably object."""
FRAME_WIDTH = 2
"""While there is no background click, so many pixels along the border are surely background."""
SEED = 0
"""OpenCV starts its colour mixtures at random; the same seed makes equal clicks give equal masks."""

_DEFAULTS: Mapping[str, Any] = MappingProxyType({"longest_side": LONGEST_SIDE, "iterations": ITERATIONS})


@dataclass(frozen=True)
class OpenCVGrabCut:
    """The engine of the baseline: says which chain to run; there is no network behind it."""

    name: str = "opencv"
    capabilities: Capabilities = Capabilities()  # noqa: RUF009 (immutable)
    inference_defaults: InferenceDefaults = InferenceDefaults(chain=CHAIN, flip=False, extra=_DEFAULTS)  # noqa: RUF009

    def run(self, image: Tensor, prev_mask: Tensor | None, points: Tensor, gate: Gate = None) -> ModelOutput:
        """There is nothing to run: always a ModelError."""
        raise ModelError(f"{NAME} has no network; it runs its own chain {CHAIN} only, leave mode and chain out")


def opencv_grabcut(engine: Engine, frame: Frame, state: PredictorState, options: InferenceOptions) -> ChainResult:
    """The chain: a new mask for the clicks in ``state``, starting from its previous mask."""
    size = _working_size(frame.size, int(options.extra.get("longest_side", LONGEST_SIDE)))
    picture = np.asarray(cv2.resize(frame.rgb, (size[1], size[0]), interpolation=cv2.INTER_AREA), dtype=np.uint8)
    labels = _start(frame.size, size, state)
    is_object = _cut(picture, labels, int(options.extra.get("iterations", ITERATIONS)))
    clicks = [(x, y) for x, y, positive in _places(state.clicks, frame.size, size) if positive]
    if clicks:
        is_object = _components_with(is_object, clicks)
    # Bilinear on the way back: its edge at one half is smoother than enlarged pixels.
    return ChainResult(WindowMap(frame.size, whole(frame.size), is_object.astype(np.float32)), forwards=0)


# Told to the evaluation: which entries of ``extra`` the chain takes, and that it asks no network.
opencv_grabcut.needs_network = False  # type: ignore[attr-defined]
opencv_grabcut.extra_options = tuple(_DEFAULTS)  # type: ignore[attr-defined]


def _working_size(size: Size, longest: int) -> Size:
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _places(clicks: ClickList, frame: Size, size: Size) -> list[tuple[int, int, bool]]:
    """(x, y, is_positive) of the clicks in pixels of the smaller picture."""
    return [
        (
            min(size[1] - 1, int((click.x + 0.5) * size[1] / frame[1])),
            min(size[0] - 1, int((click.y + 0.5) * size[0] / frame[0])),
            click.is_positive,
        )
        for click in clicks
    ]


def _start(frame: Size, size: Size, state: PredictorState) -> NDArray[np.uint8]:
    """(h, w) GrabCut labels before the cut: what is sure and what is likely."""
    height, width = size
    labels = np.full(size, cv2.GC_PR_BGD, dtype=np.uint8)
    places = _places(state.clicks, frame, size)
    if state.probs is not None and state.probs.values.any():
        labels[state.probs.sample(whole(frame), size) > 0.5] = cv2.GC_PR_FGD
    else:
        ys, xs = np.ogrid[:height, :width]
        reach = FIRST_REACH * min(size)
        for x, y, is_positive in places:
            if is_positive:
                labels[(ys - y) ** 2 + (xs - x) ** 2 <= reach**2] = cv2.GC_PR_FGD
    if not state.clicks.negatives and min(size) > 2 * FRAME_WIDTH:
        labels[:FRAME_WIDTH] = labels[-FRAME_WIDTH:] = cv2.GC_BGD
        labels[:, :FRAME_WIDTH] = labels[:, -FRAME_WIDTH:] = cv2.GC_BGD
    radius = max(1, round(CLICK_RADIUS * width / frame[1]))
    for x, y, is_positive in places:
        cv2.circle(labels, (x, y), radius, cv2.GC_FGD if is_positive else cv2.GC_BGD, thickness=-1)
    return labels


def _cut(picture: NDArray[np.uint8], labels: NDArray[np.uint8], iterations: int) -> MaskArray:
    """(h, w) bool after the given rounds of mixtures and cut. Without both kinds of pixels there is nothing to cut."""
    likely = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    if likely.all() or not likely.any():
        return np.asarray(likely)
    cv2.setRNGSeed(SEED)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    result = labels.copy()
    try:
        # The rectangle is not looked at in this mode.
        cv2.grabCut(picture, result, (0, 0, 1, 1), background, foreground, iterations, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        return np.asarray(likely)  # fewer pixels of one kind than the mixture has colours
    return np.asarray((result == cv2.GC_FGD) | (result == cv2.GC_PR_FGD))


def _components_with(mask: MaskArray, places: list[tuple[int, int]]) -> MaskArray:
    """Only the connected parts that hold one of the places (x, y)."""
    _, parts = cv2.connectedComponents(mask.astype(np.uint8))
    wanted = {int(parts[y, x]) for x, y in places} - {0}
    return np.isin(parts, list(wanted))
