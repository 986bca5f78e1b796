"""The Predictor: give a picture once, then click; every step of the test-time chain can be set."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from clickwise.clicks.click import Click, ClickList
from clickwise.engines.base import Engine
from clickwise.engines.torch import TorchEngine
from clickwise.errors import ClickError, ImageError, MaskError, OptionError
from clickwise.imaging import LoadedImage, image_from, mask_from
from clickwise.inference.chains import get_chain
from clickwise.inference.options import InferenceOptions
from clickwise.inference.prediction import Prediction
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame, WindowMap
from clickwise.models.interface import InteractiveModel
from clickwise.types import Box, MaskArray, ProbsArray, Size

PUBLISHED = "published"
"""Value of ``chain`` for the published evaluation of a model: its own chain, no longest-side limit, quirks on."""
_CHAINS_OF_WINDOWS = ("cascade", "zoom_flip")
"""Those whose network sees a window of ``target_size``."""


class Predictor:
    """Turns clicks into masks with one network. Cheap to make; hundreds may share a network, one per user.

    model: from `clickwise.load_model` or `build_model`, or any `Engine`.
    chain: None = the model's own chain, with whole images limited to 800 pixels; "published" = exactly the published
        evaluation; or the name of another chain (`clickwise.inference.chains`).
    dataset: apply the published exception for this data set (for example "DAVIS").
    options: a complete `InferenceOptions`; then chain and dataset must be left out, and overrides change its fields.
    device: where to run (None: where the model is). overrides: single fields of `InferenceOptions`.

    Not thread-safe itself: one predictor belongs to one user. Every error leaves clicks and masks as they were.

    >>> from clickwise.models.registry import build_model
    >>> predictor = Predictor(build_model("clickwise-s"), flip=False)
    >>> predictor.set_image(np.zeros((48, 64, 3), np.uint8))
    >>> predictor.click(10, 20).mask.shape
    (48, 64)
    """

    def __init__(
        self,
        model: InteractiveModel | Engine,
        *,
        chain: str | None = None,
        dataset: str | None = None,
        options: InferenceOptions | None = None,
        device: str | torch.device | None = None,
        **overrides: Any,
    ) -> None:
        self.engine: Engine = TorchEngine(model, device=device) if isinstance(model, InteractiveModel) else model
        if not isinstance(self.engine, Engine):
            raise OptionError(f"model is a {type(model).__name__}; expected one from load_model or build_model")
        if options is None:
            if chain not in (None, PUBLISHED):
                overrides["chain"] = chain
            options = InferenceOptions.for_model(
                self.engine.inference_defaults, published=chain == PUBLISHED, dataset=dataset, **overrides
            )
        elif chain is not None or dataset is not None:
            raise OptionError("both options and chain or dataset are given; give either")
        else:
            options = options.with_(**overrides)
        self.options = options
        _check_sizes(self.engine, options)
        self._chain = get_chain(options.chain)
        self._frame: Frame | None = None
        self._image: LoadedImage | None = None
        self._forget()

    def _forget(self) -> None:
        self._state = PredictorState()
        self._forwards = 0
        self._past: tuple[PredictorState, ...] = ()
        self._future: tuple[PredictorState, ...] = ()

    # ---------------------------------------------------------------------------------------- picture and state

    def set_image(self, image: LoadedImage | Image.Image | NDArray[Any] | str | os.PathLike[str]) -> None:
        """Take a new picture: (H, W, 3) uint8 RGB array (not copied), PIL image, path or `LoadedImage`.

        Clicks, masks and history are forgotten. Raises ImageError and keeps the old picture when it cannot be read.
        """
        loaded = image_from(image)
        self._image, self._frame = loaded, Frame(loaded.rgb)
        self._forget()

    @property
    def image(self) -> LoadedImage:
        """The picture, upright. Raises ImageError while there is none."""
        if self._image is None:
            raise ImageError("no picture is set; call set_image first")
        return self._image

    @property
    def size(self) -> Size:
        """(height, width) of the picture."""
        return self.image.size

    @property
    def state(self) -> PredictorState:
        """The state so far: immutable, may be kept and handed to `restore`."""
        return self._state

    @property
    def prediction(self) -> Prediction:
        """What the clicks so far have given: the latest mask, the mask handed over, or an empty one."""
        return self._prediction(self._state, self._forwards)

    def restore(self, state: PredictorState) -> Prediction:
        """Go to a state of this picture that was kept earlier; `undo` leads back."""
        if state.probs is not None and state.probs.frame != self.size:
            raise MaskError(f"the state belongs to a picture of size {state.probs.frame}, this one is {self.size}")
        self._advance(state, 0)
        return self.prediction

    def undo(self) -> Prediction:
        """Take back the last click, mask or box; without any, nothing happens."""
        if self._past:
            self._future = (self._state, *self._future)
            self._state, self._past, self._forwards = self._past[-1], self._past[:-1], 0
        return self.prediction

    def redo(self) -> Prediction:
        """Do again what was undone last; without any, nothing happens."""
        if self._future:
            self._past = (*self._past, self._state)
            self._state, self._future, self._forwards = self._future[0], self._future[1:], 0
        return self.prediction

    def reset(self) -> None:
        """Forget clicks, masks and history; keep the picture."""
        self._forget()

    # ---------------------------------------------------------------------------------------- prompting

    def click(self, x: float, y: float, positive: bool = True) -> Prediction:
        """Add one click and predict. x right, y down, pixel centres at integers, 0 <= x <= W - 1, 0 <= y <= H - 1.

        Raises ClickError outside the picture, for NaN, and for a background click with neither object nor mask before.
        """
        return self.click_together([Click(x, y, bool(positive))])

    def click_together(self, clicks: Iterable[Click]) -> Prediction:
        """Add several clicks and predict once: for a user who is faster than the network. Errors as `click`."""
        state, forwards = self._clicked(self._state, *clicks)
        self._advance(state, forwards)
        return self.prediction

    def set_mask(self, mask: ArrayLike | MaskArray | ProbsArray) -> Prediction:
        """Start from, or go on with, an existing mask: the earlier clicks give way to it.

        mask: (H, W) or (1, H, W) bool, integers (0/1 or 0/255) or float in [0, 1]. The network gets it as previous mask
        at the next click only; after that, its own answer. Raises MaskError.
        """
        self._advance(self._masked(mask), 0)
        return self.prediction

    def box(self, x0: float, y0: float, x1: float, y1: float, *, keep_mask: bool = False) -> Prediction:
        """Start from a half-open box: filled, it is the start mask and gives the window; its centre is the first click.

        keep_mask: go on from the mask and clicks so far instead of the filled box (the click is made all the same).
        Raises ClickError when the box is empty or reaches outside 0..W, 0..H.
        """
        state, forwards = self._boxed((x0, y0, x1, y1), self._state if keep_mask else None)
        self._advance(state, forwards)
        return self.prediction

    def predict(
        self,
        point_coords: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask_input: ArrayLike | None = None,
        multimask_output: bool = True,
        return_logits: bool = False,
    ) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
        """One answer to a complete prompt, as Segment Anything's predictor gives it; clicks made so far do not matter.

        point_coords: (N, 2) pixels (x, y); point_labels: (N,) 1 object, 0 background; they are replayed one by one with
        the mask fed back. box: (x0, y0, x1, y1), filled as start mask, its window, and one click at its centre before
        the others. mask_input: (H, W) or (1, H, W) bool or float start mask (instead of the filled box).
        multimask_output is accepted, there is always one mask.
        Returns masks (1, H, W) bool (float32 logits with return_logits), scores (1,) and probs (1, H, W) float32.
        The state of `click` and `undo` is not touched. Raises ClickError or MaskError.
        """
        clicks = _clicks_from(point_coords, point_labels)
        state, forwards = PredictorState(), 0
        if mask_input is not None:
            state = self._masked(mask_input)
        if box is not None:
            state, forwards = self._boxed(_numbers(box, (4,), "box"), None if mask_input is None else state)
        elif not clicks and mask_input is None:
            raise ClickError("no clicks, box or mask; give at least one of point_coords, box and mask_input")
        for click in clicks:
            state, forwards = self._clicked(state, click)
        result = self._prediction(state, forwards)
        probs = result.probs
        masks = result.logits if return_logits else probs > self.options.threshold
        return masks[None], np.array([result.score], dtype=np.float32), probs[None]

    # ---------------------------------------------------------------------------------------- states from states

    def _clicked(self, state: PredictorState, *clicks: Click) -> tuple[PredictorState, int]:
        """The state after one or more clicks at once, and how often the network ran. Changes nothing."""
        image, frame = self.image, self._frame
        assert frame is not None
        if not clicks:
            raise ClickError("no clicks; give at least one")
        for click in clicks:
            state = state.with_click(click.checked(image.width, image.height))
        if not state.clicks.positives and not _has_object(state):
            raise ClickError(
                f"click ({click.x:g}, {click.y:g}) in the image of {image.width} x {image.height} pixels is on the "
                "background, and there is no positive click and no mask yet; click the object first"
            )
        result = self._chain(self.engine, frame, state, self.options)
        return replace(state, probs=result.probs, window=result.window, memory=result.memory), result.forwards

    def _masked(self, mask: object) -> PredictorState:
        return PredictorState(probs=WindowMap.from_full(mask_from(mask, self.size)), from_mask=True)

    def _boxed(self, box: Iterable[float], start: PredictorState | None) -> tuple[PredictorState, int]:
        x0, y0, x1, y1 = _checked_box(box, self.size)
        if start is None:
            filled = np.ones((y1 - y0, x1 - x0), dtype=bool)
            start = PredictorState(probs=WindowMap(self.size, (x0, y0, x1, y1), filled), from_mask=True)
        return self._clicked(start, Click((x0 + x1 - 1) / 2, (y0 + y1 - 1) / 2))

    def _advance(self, state: PredictorState, forwards: int) -> None:
        self._past, self._future = (*self._past, self._state), ()
        self._state, self._forwards = state, forwards

    def _prediction(self, state: PredictorState, forwards: int) -> Prediction:
        probs = state.probs or WindowMap.empty(self.size)
        return Prediction(self.size, probs, state.clicks, self.options.threshold, state.window, forwards)


def _check_sizes(engine: Engine, options: InferenceOptions) -> None:
    """A network that takes only certain sizes needs an exact target from the first click on."""
    divisor, least = engine.capabilities.size_divisor, engine.capabilities.smallest_size
    if divisor == (1, 1) or options.chain not in _CHAINS_OF_WINDOWS:
        return
    target = options.target_size
    if not (options.zoom and isinstance(target, tuple) and options.skip_clicks == -1):
        raise OptionError(
            f"the network takes multiples of {divisor} (height, width) only; expected zoom on, skip_clicks -1 and "
            f"target_size (height, width), got zoom {options.zoom}, skip_clicks {options.skip_clicks}, "
            f"target_size {target}"
        )
    if any(t % d or t < m for t, d, m in zip(target, divisor, least, strict=True)):
        raise OptionError(f"target_size is {target}; the network takes multiples of {divisor}, at least {least}")


def _has_object(state: PredictorState) -> bool:
    return state.from_mask and state.probs is not None and bool(state.probs.values.any())


def _numbers(values: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    """``values`` as floats of that shape (-1: any length), or ClickError."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ClickError(f"{name} is {values!r}; expected numbers of shape {shape}") from error
    if array.ndim != len(shape) or any(want not in (-1, got) for want, got in zip(shape, array.shape, strict=True)):
        raise ClickError(f"{name} has shape {array.shape}; expected {str(shape).replace('-1', 'N')}")
    return array


def _clicks_from(coords: ArrayLike | None, labels: ArrayLike | None) -> ClickList:
    if coords is None and labels is None:
        return ClickList()
    if coords is None or labels is None:
        raise ClickError("point_coords and point_labels belong together; give both or neither")
    places = _numbers(coords, (-1, 2), "point_coords")
    signs = _numbers(labels, (-1,), "point_labels")
    if len(places) != len(signs):
        raise ClickError(f"there are {len(places)} point_coords and {len(signs)} point_labels; expected as many")
    if not np.isin(signs, (0, 1)).all():
        raise ClickError(f"point_labels are {signs.tolist()}; expected 1 (object) or 0 (background)")
    return ClickList(Click(float(x), float(y), bool(s)) for (x, y), s in zip(places, signs, strict=True))


def _checked_box(box: Iterable[float], size: Size) -> Box:
    """Whole pixels of a box inside the picture, or ClickError."""
    values = [float(v) for v in box]
    height, width = size
    shown = ", ".join(f"{v:g}" for v in values)
    if not np.isfinite(values).all():
        raise ClickError(f"box ({shown}) is not four finite numbers; give x0,y0,x1,y1 in pixels")
    x0, y0, x1, y1 = (round(v) for v in values)
    if not (x0 >= 0 and y0 >= 0 and x1 <= width and y1 <= height):
        raise ClickError(
            f"box ({shown}) reaches outside the image of {width} x {height} pixels; x 0..{width}, y 0..{height}"
        )
    if not (x0 < x1 and y0 < y1):
        raise ClickError(f"box ({shown}) holds no pixel; expected x0 < x1 and y0 < y1 (the pixel x1, y1 is outside)")
    return x0, y0, x1, y1
