"""What an object looks like, in numbers: size, thinness, parts, holes, and how well it stands out."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.clicks.depth import deepest_pixel
from clickwise.errors import MaskError
from clickwise.types import ImageArray, MaskArray

OPENING_SHARE = 0.15
"""Fine structure is what a disc of this share of the equal-area radius cannot reach."""
PART_SHARE = 0.01
"""Parts smaller than this share of the object are crumbs of the drawing, not parts."""
HOLE_SHARE = 0.005
"""Likewise for holes."""
CONTRAST_REACH = 0.01
"""Colours on both sides of the outline are averaged over squares that reach this share of the diagonal."""
WEAK_CONTRAST = 10.0
"""Colour difference (CIE 1976, Lab) below which an outline counts as weak; about 2 is just noticeable side by side."""


@dataclass(frozen=True)
class Shape:
    """Measures of one object; `measure` says how each is made.

    area: pixels. area_share: of the picture's pixels with truth. thickness: about 1 for a disc, 0.89 for a square,
    small for thin things. fine_share: share of pixels in parts too thin for a small disc. parts, holes: numbers.
    hole_share: area of the holes / area of the object. rim_share: share of the picture's outermost pixels that are
    object. contrast: median colour difference across the outline. weak_share: share of the outline below
    `WEAK_CONTRAST`. The last two are nan where there is no background near the outline.
    """

    area: int
    area_share: float
    thickness: float
    fine_share: float
    parts: int
    holes: int
    hole_share: float
    rim_share: float
    contrast: float
    weak_share: float

    def as_plain(self) -> dict[str, Any]:
        """JSON types; nan is null."""
        return {name: None if value != value else value for name, value in asdict(self).items()}


def measure(image: ImageArray, object_mask: MaskArray, ignore_mask: MaskArray | None = None) -> Shape:
    """Measure an object (H, W) bool in its picture (H, W, 3); pixels of ``ignore_mask`` have no truth.

    * thickness: greatest depth (distance to the nearest pixel that is not object, beyond the picture included) divided
      by the radius of the disc of equal area.
    * fine_share: pixels lost when the mask is opened by a disc of `OPENING_SHARE` of that radius, at least one pixel.
      Here the object goes on beyond the picture.
    * parts: 8-connected pieces of object and pixels without truth that hold at least `PART_SHARE` of the object.
    * holes: 4-connected pieces of the rest that do not touch the picture's rim and hold background of at least
      `HOLE_SHARE` of the object.
    * contrast: for each object pixel with background in the square around it (`CONTRAST_REACH` of the diagonal to each
      side, at least 2), the distance in Lab between the mean colours of object and background in that square.

    Raises MaskError for an empty object or masks of another size.
    """
    ignored = np.zeros_like(object_mask) if ignore_mask is None else ignore_mask
    if not (object_mask.shape == ignored.shape == image.shape[:2]):
        raise MaskError(f"object {object_mask.shape} and picture {image.shape[:2]} differ; give one (height, width)")
    found = deepest_pixel(object_mask, ())
    if found is None:
        raise MaskError("the object has no pixel; expected at least one")
    area = int(np.count_nonzero(object_mask))
    radius = math.sqrt(area / math.pi)
    hole_areas = _hole_areas(object_mask, ignored, HOLE_SHARE * area)
    steps = _contrasts(image, object_mask, ~object_mask & ~ignored)
    rim = _rim(object_mask)
    return Shape(
        area=area,
        area_share=area / max(1, int(np.count_nonzero(~ignored))),
        thickness=math.sqrt(found.squared_depth) / radius,
        fine_share=1 - np.count_nonzero(_opened(object_mask, max(1, round(OPENING_SHARE * radius)))) / area,
        parts=_count_parts(object_mask, ignored, PART_SHARE * area),
        holes=len(hole_areas),
        hole_share=sum(hole_areas) / area,
        rim_share=float(rim.mean()),
        contrast=float(np.median(steps)) if len(steps) else math.nan,
        weak_share=float((steps < WEAK_CONTRAST).mean()) if len(steps) else math.nan,
    )


def disc(radius: int) -> NDArray[np.uint8]:
    """(2r + 1, 2r + 1) ones where the distance to the middle is at most ``radius``."""
    ys, xs = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    return np.asarray(ys**2 + xs**2 <= radius**2, dtype=np.uint8)


def _opened(mask: MaskArray, radius: int) -> MaskArray:
    """The union of all discs that fit into the mask, which goes on beyond the picture."""
    pad = 2 * radius
    wide = np.pad(mask, pad, mode="edge").astype(np.uint8)
    eroded = cv2.erode(wide, disc(radius), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    opened = cv2.dilate(eroded, disc(radius), borderType=cv2.BORDER_CONSTANT, borderValue=0)
    height, width = mask.shape
    return np.asarray(opened[pad : pad + height, pad : pad + width] > 0) & mask


def _count_parts(mask: MaskArray, ignored: MaskArray, smallest: float) -> int:
    """Pieces with at least ``smallest`` object pixels; the largest counts in any case."""
    _, pieces = cv2.connectedComponents((mask | ignored).astype(np.uint8), connectivity=8)
    areas = np.bincount(pieces[mask])
    return max(1, int(np.count_nonzero(areas[areas > 0] >= smallest)))


def _hole_areas(mask: MaskArray, ignored: MaskArray, smallest: float) -> list[int]:
    """Background pixels of each piece of the rest that is shut in by the object."""
    count, pieces = cv2.connectedComponents((~mask).astype(np.uint8), connectivity=4)
    areas = np.bincount(pieces[~mask & ~ignored], minlength=count)
    areas[np.unique(_rim(pieces))] = 0
    return [int(area) for area in areas[1:] if area > 0 and area >= smallest]


def _rim(values: NDArray[Any]) -> NDArray[Any]:
    """The outermost pixels of (H, W), each once."""
    inner = values[1:-1]
    right = inner[:, -1] if values.shape[1] > 1 else inner[:0, -1]
    bottom = values[-1] if values.shape[0] > 1 else values[-1, :0]
    return np.concatenate([values[0], bottom, inner[:, 0], right])


def _contrasts(image: ImageArray, inside: MaskArray, outside: MaskArray) -> NDArray[np.float64]:
    """Colour differences at each object pixel that has background near it."""
    reach = max(2, round(CONTRAST_REACH * math.hypot(*inside.shape)))
    lab = cv2.cvtColor(image.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2Lab)
    means, counts = [], []
    for mask in (inside, outside):
        weight = mask.astype(np.float64)
        count = np.rint(_box_sums(weight, reach))
        counts.append(count)
        means.append(_box_sums(lab * weight[:, :, None], reach) / np.maximum(count, 1)[:, :, None])
    near = inside & (counts[1] > 0)
    return np.asarray(np.linalg.norm((means[0] - means[1])[near], axis=1))


def _box_sums(values: NDArray[Any], reach: int) -> NDArray[np.float64]:
    """Sums over the square that reaches so far to each side, nothing beyond the picture."""
    size = (2 * reach + 1, 2 * reach + 1)
    sums = cv2.boxFilter(values.astype(np.float64), -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(sums, dtype=np.float64)
