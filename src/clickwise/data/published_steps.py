"""What a random view of RITM's release is made of: steps with their parameters, applied to picture and labels.

Labels take the nearest pixel with centres aligned, exactly as the linear interpolation of the picture sees them (the
release is off by up to a quarter of a pixel there). What lies beyond the picture is black background.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.types import ImageArray, LabelArray, ProbsArray, Size


class Drawn(Protocol):
    """One step with its parameters."""

    @property
    def size(self) -> Size:
        """Of what comes out."""
        ...

    def image(self, image: ImageArray) -> ImageArray:
        """(h, w, 3) -> (H, W, 3)."""
        ...

    def labels(self, layers: LabelArray) -> LabelArray:
        """(h, w, L) -> (H, W, L): no value appears that was not there, except 0 outside."""
        ...

    def soft(self, mask: ProbsArray) -> ProbsArray:
        """(h, w) -> (H, W) by linear interpolation, in [0, 1]."""
        ...


class _Geometry(ABC):
    """A step that moves pixels."""

    __slots__ = ()

    @abstractmethod
    def warp(self, array: NDArray[Any], *, linear: bool) -> NDArray[Any]:
        """Rows and columns are the first two axes."""

    def image(self, image: ImageArray) -> ImageArray:
        return np.asarray(self.warp(image, linear=True), dtype=np.uint8)

    def labels(self, layers: LabelArray) -> LabelArray:
        return np.asarray(self.warp(layers, linear=False), dtype=np.int32)

    def soft(self, mask: ProbsArray) -> ProbsArray:
        return np.asarray(np.clip(self.warp(mask, linear=True), 0, 1), dtype=np.float32)


class _Photometry(ABC):
    """A step that recolours: one look-up table per channel."""

    __slots__ = ()

    @abstractmethod
    def curves(self) -> NDArray[np.float64]:
        """(256, 1) or (256, 3): new value of each old one."""

    def image(self, image: ImageArray) -> ImageArray:
        table = np.broadcast_to(np.clip(np.rint(self.curves()), 0, 255), (256, 3)).astype(np.uint8)
        return np.asarray(cv2.LUT(image, table[None]), dtype=np.uint8)

    def labels(self, layers: LabelArray) -> LabelArray:
        return layers

    def soft(self, mask: ProbsArray) -> ProbsArray:
        return mask


@dataclass(frozen=True, slots=True)
class Resized(_Geometry):
    """The whole picture at another size."""

    size: Size

    def warp(self, array: NDArray[Any], *, linear: bool) -> NDArray[Any]:
        """See `_Geometry`."""
        if linear:
            return np.asarray(cv2.resize(array, self.size[::-1], interpolation=cv2.INTER_LINEAR))
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(np.intp)
            for new, old in zip(self.size, array.shape[:2], strict=True)
        )
        return np.asarray(array[rows[:, None], columns])


@dataclass(frozen=True, slots=True)
class Turned(_Geometry):
    """Counter-clockwise by ``quarters`` of a full turn, after mirroring along the axes asked for."""

    size: Size
    mirror_x: bool = False
    mirror_y: bool = False
    quarters: int = 0

    def warp(self, array: NDArray[Any], *, linear: bool) -> NDArray[Any]:
        """See `_Geometry`; exact."""
        mirrored = array[:: -1 if self.mirror_y else 1, :: -1 if self.mirror_x else 1]
        return np.ascontiguousarray(np.rot90(mirrored, self.quarters))


@dataclass(frozen=True, slots=True)
class Warped(_Geometry):
    """An affine map within the frame: rows of ``matrix`` (2 x 3) take a pixel (x, y) of the picture to the view."""

    size: Size
    matrix: tuple[tuple[float, float, float], tuple[float, float, float]]

    def warp(self, array: NDArray[Any], *, linear: bool) -> NDArray[Any]:
        """See `_Geometry`."""
        if linear:
            return self._warped(array, cv2.INTER_LINEAR)
        layers = [self._warped(layer.astype(np.float64), cv2.INTER_NEAREST) for layer in np.moveaxis(array, 2, 0)]
        return np.stack(layers, axis=2)

    def _warped(self, array: NDArray[Any], interpolation: int) -> NDArray[Any]:
        matrix = np.array(self.matrix)
        warped = cv2.warpAffine(array, matrix, self.size[::-1], flags=interpolation, borderMode=cv2.BORDER_CONSTANT)
        return np.asarray(warped)


@dataclass(frozen=True, slots=True)
class Padded(_Geometry):
    """Zeros around the picture, which begins at row ``top`` and column ``left``."""

    size: Size
    top: int
    left: int

    def warp(self, array: NDArray[Any], *, linear: bool) -> NDArray[Any]:
        """See `_Geometry`; exact."""
        padded = np.zeros((*self.size, *array.shape[2:]), dtype=array.dtype)
        padded[self.top : self.top + array.shape[0], self.left : self.left + array.shape[1]] = array
        return padded


@dataclass(frozen=True, slots=True)
class Cropped(_Geometry):
    """The window that begins at row ``top`` and column ``left``."""

    size: Size
    top: int
    left: int

    def warp(self, array: NDArray[Any], *, linear: bool) -> NDArray[Any]:
        """See `_Geometry`; exact."""
        height, width = self.size
        return np.ascontiguousarray(array[self.top : self.top + height, self.left : self.left + width])


@dataclass(frozen=True, slots=True)
class Framed(_Geometry):
    """The window that begins at row ``top`` and column ``left``, either of which may be negative; zeros outside."""

    size: Size
    top: int
    left: int

    def warp(self, array: NDArray[Any], *, linear: bool) -> NDArray[Any]:
        """See `_Geometry`; exact."""
        framed = np.zeros((*self.size, *array.shape[2:]), dtype=array.dtype)
        y0, x0 = max(0, self.top), max(0, self.left)
        y1 = max(y0, min(array.shape[0], self.top + self.size[0]))
        x1 = max(x0, min(array.shape[1], self.left + self.size[1]))
        framed[y0 - self.top : y1 - self.top, x0 - self.left : x1 - self.left] = array[y0:y1, x0:x1]
        return framed


@dataclass(frozen=True, slots=True)
class Toned(_Photometry):
    """value * (1 + contrast) + brightness * 255."""

    size: Size
    brightness: float
    contrast: float

    def curves(self) -> NDArray[np.float64]:
        """See `_Photometry`."""
        return np.arange(256.0)[:, None] * (1 + self.contrast) + self.brightness * 255


@dataclass(frozen=True, slots=True)
class Shifted(_Photometry):
    """A constant added to each channel."""

    size: Size
    shifts: tuple[float, float, float]

    def curves(self) -> NDArray[np.float64]:
        """See `_Photometry`."""
        return np.asarray(np.arange(256.0)[:, None] + np.array(self.shifts))
