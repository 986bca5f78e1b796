"""What a script and a server say about a picture outside the project. No web library, no torch."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from clickwise.annotate.deltas import read_patch, whole_patch
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.protocol import CommandId, Message, Number, Patch, explain
from clickwise.errors import InputError, MaskError
from clickwise.types import Box, MaskArray, ProbsArray, Size

_MOST_POINTS = 500
"""Each point of `predict` runs the network once."""
_PACKING = 1
"""Level of zlib: probabilities hardly pack, and somebody waits."""


class SentMask(Message):
    """A mask on its way to the server. One of both: a patch relative to empty, or probabilities.

    probs: base64 of zlib of the (H, W) float32 values in [0, 1], little-endian, row by row.
    """

    patch: Patch | None = None
    probs: str | None = None


class _Step(Message):
    id: CommandId


class ScratchClick(_Step):
    """One click; as `Predictor.click`."""

    do: Literal["click"]
    x: Number
    y: Number
    positive: bool = True


class ScratchBox(_Step):
    """A half-open box; as `Predictor.box`."""

    do: Literal["box"]
    box: tuple[Number, Number, Number, Number]
    keep_mask: bool = False


class ScratchMask(_Step):
    """Start from a mask; as `Predictor.set_mask`."""

    do: Literal["set_mask"]
    mask: SentMask


class ScratchPredict(_Step):
    """One answer to a complete prompt, apart from the clicks so far; as `Predictor.predict`."""

    do: Literal["predict"]
    point_coords: list[Any] | None = Field(None, max_length=_MOST_POINTS)
    point_labels: list[Any] | None = Field(None, max_length=_MOST_POINTS)
    box: list[Any] | None = None
    mask: SentMask | None = None


class ScratchWalk(_Step):
    """Undo, redo, or forget everything; as `Predictor.undo`, `redo`, `reset`. state: only tell what there is."""

    do: Literal["undo", "redo", "reset", "state"]


ScratchStep = ScratchClick | ScratchBox | ScratchMask | ScratchPredict | ScratchWalk
_STEP: TypeAdapter[ScratchStep] = TypeAdapter(Annotated[ScratchStep, Field(discriminator="do")])


class ScratchAnswer(Message):
    """What came of a step. mask: relative to empty. answer: by which its probabilities can be asked for."""

    id: str
    answer: int
    mask: Patch
    clicks: list[tuple[float, float, bool]]
    threshold: float
    window: Box | None
    forwards: int
    score: float
    milliseconds: float


def read_step(text: bytes) -> ScratchStep:
    """A step as it is sent. InputError for anything that is none."""
    try:
        return _STEP.validate_json(text)
    except ValidationError as error:
        raise InputError(f"step cannot be used: {explain(error)}") from error


def sent_mask(mask: MaskArray | ProbsArray) -> SentMask:
    """A (H, W) bool or float32 mask for the wire."""
    if mask.dtype == np.bool_:
        return SentMask(patch=whole_patch(MaskRuns.of(mask.astype(bool, copy=False))))
    return SentMask(probs=base64.b64encode(packed_values(mask)).decode("ascii"))


def received_mask(sent: SentMask, size: Size) -> MaskArray | ProbsArray:
    """Inverse of `sent_mask`. MaskError when it does not fit the picture."""
    if (sent.patch is None) == (sent.probs is None):
        raise MaskError("mask has both a patch and probabilities, or neither; send one of them")
    if sent.patch is not None:
        return read_patch(sent.patch, size).array()
    wanted = 4 * size[0] * size[1]
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(sent.probs or "", validate=True), wanted + 1)
    except (binascii.Error, zlib.error) as error:
        raise MaskError(f"mask is no base64 of zlib ({error}); send float32 values row by row") from error
    if len(data) != wanted:
        raise MaskError(f"mask has {len(data)} bytes or more; expected {wanted} for {size[1]} x {size[0]} pixels")
    return np.frombuffer(data, "<f4").reshape(size).astype(np.float32)


def packed_values(values: NDArray[Any]) -> bytes:
    """zlib of values as little-endian float32, row by row."""
    return zlib.compress(values.astype("<f4").tobytes(), _PACKING)
