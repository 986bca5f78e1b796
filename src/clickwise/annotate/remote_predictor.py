"""A predictor whose network runs on a server: the methods of the local one, without torch."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from clickwise.annotate.deltas import read_patch
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.remote_calls import Calls
from clickwise.annotate.scratch_wire import ScratchAnswer, sent_mask
from clickwise.clicks.click import Click, ClickList
from clickwise.errors import ClickError, ImageError
from clickwise.imaging import LoadedImage, image_from, mask_from
from clickwise.types import Box, MaskArray, ProbsArray, Size

_MOST_CERTAIN = 1e-7
"""As in `clickwise.inference.prediction`: probabilities are kept this far from 0 and 1 for log-odds."""
_BOX_BYTES = 16
_PNG_SPEED = 1


class RemotePrediction:
    """A mask with what led to it, as `clickwise.Prediction`. The mask is here; probs come over when they are asked for.

    size: (height, width) of the upright picture. clicks: hints so far. threshold: probability above which a pixel
    belongs to the mask. window: region that the zoom is in, half-open (x0, y0, x1, y1), or None. forwards: how often
    the network ran for it. score: expected IoU of the mask. milliseconds: what the server spent.
    """

    def __init__(self, size: Size, answer: ScratchAnswer, fetch: Callable[[int], bytes]) -> None:
        self.size = size
        self.clicks = ClickList(Click(x, y, positive) for x, y, positive in answer.clicks)
        self.threshold, self.window, self.forwards = answer.threshold, answer.window, answer.forwards
        self.score, self.milliseconds = answer.score, answer.milliseconds
        self._runs: MaskRuns = read_patch(answer.mask, size)
        self._number, self._fetch = answer.answer, fetch
        self._packed: bytes | None = None

    @property
    def mask(self) -> MaskArray:
        """(H, W) bool, probability > threshold; a new array at each access."""
        return self._runs.array()

    @property
    def probs(self) -> ProbsArray:
        """(H, W) float32 probabilities; fetched once. The server keeps those of the last 32 answers: ProjectError."""
        if self._packed is None:
            self._packed = self._fetch(self._number)
        x0, y0, x1, y1 = struct.unpack("<4i", self._packed[:_BOX_BYTES])
        values = np.frombuffer(zlib.decompress(self._packed[_BOX_BYTES:]), "<f4").reshape(y1 - y0, x1 - x0)
        full: ProbsArray = np.zeros(self.size, np.float32)
        full[y0:y1, x0:x1] = values
        return full

    @property
    def logits(self) -> ProbsArray:
        """(H, W) float32 log-odds, finite; a new array at each access."""
        probs = np.clip(self.probs, np.float32(_MOST_CERTAIN), np.float32(1 - _MOST_CERTAIN))
        logits: ProbsArray = np.log(probs / (1 - probs))
        return logits

    @property
    def box(self) -> Box | None:
        """Bounding box of the mask, half-open (x0, y0, x1, y1); None for an empty mask."""
        return self._runs.box

    @property
    def area(self) -> int:
        """Number of pixels of the mask."""
        return self._runs.area

    def __repr__(self) -> str:
        return f"RemotePrediction({self.area} pixels, {len(self.clicks)} clicks, {self.milliseconds:.0f} ms)"


class RemotePredictor:
    """Turns clicks into masks with a network on a server: `clickwise.Predictor` from afar.

    address: what ``clickwise annotate`` printed; token, if it is not in the address. model: one that the server offers
    (`RemoteProject.models`), None = its default. threshold: probability above which a pixel belongs to the mask, None =
    the network's own.

    The picture lies on the server until the next `set_image`, `close`, or some minutes of silence; it is not added to
    the project. Undo goes back 256 steps. Raises the errors of the local predictor with the server's message, and
    ServerError when the server cannot be reached, is too busy or refuses the token. One predictor belongs to one user.

    >>> predictor = RemotePredictor("http://127.0.0.1:8765/#token=...")  # doctest: +SKIP
    >>> predictor.set_image("cup.jpg")  # doctest: +SKIP
    >>> predictor.click(290, 150).area  # doctest: +SKIP
    48210
    """

    def __init__(
        self,
        address: str | Calls,
        token: str | None = None,
        *,
        model: str | None = None,
        threshold: float | None = None,
        user: str = "",
    ) -> None:
        self._calls = address if isinstance(address, Calls) else Calls(address, token, user=user)
        self._model, self._threshold = model, threshold
        self._image: LoadedImage | None = None
        self._id = ""

    # ---------------------------------------------------------------------------------------- picture and state

    def set_image(self, image: LoadedImage | Image.Image | NDArray[Any] | str | os.PathLike[str]) -> None:
        """Take a new picture: (H, W, 3) uint8 RGB array, PIL image, path or `LoadedImage`. It is sent to the server.

        Clicks, masks and history are forgotten. Raises ImageError and keeps the old picture when it cannot be read.
        """
        loaded = image_from(image)
        body = Path(image).read_bytes() if isinstance(image, (str, os.PathLike)) else _png(loaded)
        told = self._calls.json("POST", "scratch", body, model=self._model, threshold=self._threshold)
        if (told["height"], told["width"]) != loaded.size:
            self._calls.json("DELETE", f"scratch/{told['scratch_id']}")
            raise ImageError(
                f"the server reads {told['width']} x {told['height']} pixels, this computer {loaded.width} x "
                f"{loaded.height}; give the picture as an array"
            )
        self.close()
        self._image, self._id = loaded, told["scratch_id"]

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
    def prediction(self) -> RemotePrediction:
        """What the clicks so far have given: the latest mask, the mask handed over, or an empty one."""
        return self._step("state")

    def undo(self) -> RemotePrediction:
        """Take back the last click, mask or box; without any, nothing happens."""
        return self._step("undo")

    def redo(self) -> RemotePrediction:
        """Do again what was undone last; without any, nothing happens."""
        return self._step("redo")

    def reset(self) -> None:
        """Forget clicks, masks and history; keep the picture."""
        if self._image is not None:
            self._step("reset")

    def close(self) -> None:
        """Give the picture back to the server; `set_image` begins anew."""
        if self._id:
            self._calls.json("DELETE", f"scratch/{self._id}")
        self._image, self._id = None, ""

    def __enter__(self) -> RemotePredictor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        self._calls.close()

    # ---------------------------------------------------------------------------------------- prompting

    def click(self, x: float, y: float, positive: bool = True) -> RemotePrediction:
        """Add one click and predict. x right, y down, pixel centres at integers, 0 <= x <= W - 1, 0 <= y <= H - 1.

        Raises ClickError outside the picture, for NaN, and for a background click with neither object nor mask before.
        """
        click = Click(float(x), float(y), bool(positive)).checked(self.image.width, self.image.height)
        return self._step("click", x=click.x, y=click.y, positive=click.is_positive)

    def set_mask(self, mask: ArrayLike | MaskArray | ProbsArray) -> RemotePrediction:
        """Start from, or go on with, an existing mask: the earlier clicks give way to it.

        mask: (H, W) or (1, H, W) bool, integers (0/1 or 0/255) or float in [0, 1]. Raises MaskError.
        """
        return self._step("set_mask", mask=_mask_json(mask, self.size))

    def box(self, x0: float, y0: float, x1: float, y1: float, *, keep_mask: bool = False) -> RemotePrediction:
        """Start from a half-open box: filled, it is the start mask and gives the window; its centre is the first click.

        keep_mask: go on from the mask and clicks so far instead of the filled box (the click is made all the same).
        Raises ClickError when the box is empty or reaches outside 0..W, 0..H.
        """
        return self._step("box", box=_finite((x0, y0, x1, y1), "box"), keep_mask=keep_mask)

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

        point_coords: (N, 2) pixels (x, y); point_labels: (N,) 1 object, 0 background. box: (x0, y0, x1, y1).
        mask_input: (H, W) or (1, H, W) bool or float start mask. multimask_output is accepted, there is always one.
        Returns masks (1, H, W) bool (float32 logits with return_logits), scores (1,) and probs (1, H, W) float32.
        The state of `click` and `undo` is not touched. Raises ClickError or MaskError.
        """
        answer = self._step(
            "predict",
            point_coords=None if point_coords is None else _finite(point_coords, "point_coords"),
            point_labels=None if point_labels is None else _finite(point_labels, "point_labels"),
            box=None if box is None else _finite(box, "box"),
            mask=None if mask_input is None else _mask_json(mask_input, self.size),
        )
        masks = answer.logits if return_logits else answer.mask
        return masks[None], np.array([answer.score], dtype=np.float32), answer.probs[None]

    def _step(self, what: str, **fields: Any) -> RemotePrediction:
        size = self.size
        # The id makes a step that is sent twice, because an answer was lost, happen once.
        told = self._calls.json("POST", f"scratch/{self._id}/do", {"do": what, "id": uuid4().hex, **fields})
        scratch_id = self._id
        return RemotePrediction(
            size,
            ScratchAnswer.model_validate(told, strict=False),
            lambda number: self._calls.data(f"scratch/{scratch_id}/probs/{number}"),
        )


def _png(loaded: LoadedImage) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(loaded.rgb)).save(buffer, format="PNG", compress_level=_PNG_SPEED)
    return buffer.getvalue()


def _mask_json(mask: object, size: Size) -> dict[str, Any]:
    sent: dict[str, Any] = sent_mask(mask_from(mask, size)).model_dump(mode="json", exclude_none=True)
    return sent


def _finite(values: ArrayLike, name: str) -> list[Any]:
    """Numbers as lists; their shape is checked where they are used."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ClickError(f"{name} is {values!r}; expected numbers") from error
    if array.ndim == 0:
        raise ClickError(f"{name} has shape (); expected a list of numbers")
    if not np.isfinite(array).all():
        raise ClickError(f"{name} holds values that are not finite numbers; give pixel coordinates")
    listed: list[Any] = array.tolist()
    return listed
