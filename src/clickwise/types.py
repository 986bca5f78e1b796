"""Names for arrays with their axes, and the coordinate conventions, stated once.

Coordinates
    * In public, a point is ``(x, y)``: x to the right, y down, in pixels of the upright original image; pixel centres
      lie at integers, so ``0 <= x <= W - 1`` and ``0 <= y <= H - 1``.
    * Boxes are half-open ``(x0, y0, x1, y1)``: the pixel column ``x1`` is the first one outside.
    * Only networks see ``(y, x, order)`` rows; `clickwise.clicks.encoding.points_array` alone makes them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

ImageArray: TypeAlias = NDArray[np.uint8]
"""(H, W, 3) RGB, 0..255."""

MaskArray: TypeAlias = NDArray[np.bool_]
"""(H, W) True on the object."""

ProbsArray: TypeAlias = NDArray[np.float32]
"""(H, W) probabilities in [0, 1]."""

PointsArray: TypeAlias = NDArray[np.float32]
"""(2N, 3) rows (y, x, order): N positive, then N negative; unused rows are -1."""

LabelArray: TypeAlias = NDArray[np.int32]
"""(H, W) object numbers, 0 = background."""

Box: TypeAlias = tuple[int, int, int, int]
"""Half-open (x0, y0, x1, y1)."""

Size: TypeAlias = tuple[int, int]
"""(height, width)."""
