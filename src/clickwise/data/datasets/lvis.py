"""LVIS v1 (Gupta et al. 2019): polygons on COCO's pictures (protocol 1.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.index_cache import Arrays, cached_arrays
from clickwise.data.datasets.json_stream import stream_items
from clickwise.data.datasets.listings import listed
from clickwise.data.datasets.sharing import OneSource
from clickwise.data.findings import Finding, Report, refuse
from clickwise.data.layering import LayerStack
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError
from clickwise.imaging import LoadedImage
from clickwise.types import LabelArray, MaskArray, Size

_MOST_OVERLAP = 0.5
"""An object is dropped when more than this share of it, or of an earlier object, is overlapped (protocol 1.3)."""
_FEWEST_NUMBERS = 6
"""A polygon has at least three corners."""


@dataclass(frozen=True)
class LvisIndex:
    """All polygons of an LVIS file, pictures by number.

    numbers, sizes (height, width), files ("train2017/000000000009.jpg"): per picture. Objects of picture i are
    ``object_starts[i]`` to ``object_starts[i + 1]``, polygons of object k ``polygon_starts[k]`` to the next, corners of
    polygon p the rows ``corner_starts[p]`` to the next of corners, (x, y) in pixels.
    """

    numbers: NDArray[np.int64]
    sizes: NDArray[np.int32]
    files: NDArray[np.str_]
    object_starts: NDArray[np.int64]
    polygon_starts: NDArray[np.int64]
    corner_starts: NDArray[np.int64]
    corners: NDArray[np.float32]

    def polygons(self, row: int) -> list[list[NDArray[np.float32]]]:
        """Per object of a picture its polygons, each (N, 2) rows (x, y)."""
        found = []
        for number in range(int(self.object_starts[row]), int(self.object_starts[row + 1])):
            parts = range(int(self.polygon_starts[number]), int(self.polygon_starts[number + 1]))
            found.append([np.asarray(self.corners[self.corner_starts[p] : self.corner_starts[p + 1]]) for p in parts])
        return found


def find_lvis(root: Path, split: str, dataset: str) -> Path:
    """``SPLIT/lvis_SPLIT.json`` or ``SPLIT/lvis_v1_SPLIT.json``, or the latter in the root or annotations/."""
    places = [f"{split}/lvis_{split}.json", f"{split}/lvis_v1_{split}.json"]
    more = [f"lvis_v1_{split}.json", f"annotations/lvis_v1_{split}.json"]
    for place in (*places, *more):
        if (root / place).is_file():
            return root / place
    raise DatasetError(f"{dataset}: {root} has neither {' nor '.join(places)}; get the LVIS v1 annotations")


def read_lvis(path: Path, dataset: str) -> LvisIndex:
    """The content of an LVIS file; kept by `index_cache`. Pictures without an object are left out.

    Raises DatasetError for a damaged file, a polygon that is none, an object of an unknown picture.
    """
    kept = cached_arrays("lvis", [path], lambda: _scan(path, dataset))
    return LvisIndex(**{key: kept[key] for key in LvisIndex.__dataclass_fields__})


def _scan(path: Path, dataset: str) -> Arrays:
    pictures: dict[int, tuple[int, int, str]] = {}
    owners: list[int] = []
    parts: list[int] = []
    lengths: list[int] = []
    corners: list[NDArray[np.float32]] = []
    for key, item in stream_items(path, ("images", "annotations"), dataset):
        try:
            if key == "images":
                place = PurePosixPath(str(item.get("coco_url") or item["file_name"]))
                pictures[int(item["id"])] = int(item["height"]), int(item["width"]), "/".join(place.parts[-2:])
                continue
            polygons = [_corners(polygon) for polygon in item["segmentation"]]
            owners.append(int(item["image_id"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(
                f"{dataset}: {path} has an entry of {key} that cannot be used ({error}); get the published annotations"
            ) from None
        parts.append(len(polygons))
        lengths += [len(polygon) for polygon in polygons]
        corners += polygons
    unknown = next((owner for owner in owners if owner not in pictures), None)
    if unknown is not None:
        raise DatasetError(f"{dataset}: {path} has an object of picture {unknown}, which it does not list")
    if not owners:
        raise DatasetError(f"{dataset}: {path} has no objects; get the published annotations")
    return _by_picture(pictures, np.array(owners), np.array(parts), np.array(lengths), np.concatenate(corners))


def _corners(polygon: Sequence[float]) -> NDArray[np.float32]:
    """(N, 2) rows (x, y) of a list x0, y0, x1, y1, ... ValueError when it is none."""
    flat = np.array(polygon, dtype=np.float32)
    if flat.ndim != 1 or len(flat) < _FEWEST_NUMBERS or len(flat) % 2 or not np.isfinite(flat).all():
        raise ValueError("a polygon is a list x0, y0, x1, y1, ... of at least three corners")
    return flat.reshape(-1, 2)


def _by_picture(
    pictures: dict[int, tuple[int, int, str]],
    owners: NDArray[np.int64],
    parts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    corners: NDArray[np.float32],
) -> Arrays:
    """The arrays of `LvisIndex`: objects in the order of the file, gathered by picture, pictures by number."""
    order = np.argsort(owners, kind="stable")
    numbers, counts = np.unique(owners, return_counts=True)
    polygon_starts = np.cumsum([0, *parts])
    polygon_order = np.concatenate([np.arange(polygon_starts[k], polygon_starts[k + 1]) for k in order])
    corner_starts = np.cumsum([0, *lengths])
    shares = [corners[corner_starts[p] : corner_starts[p + 1]] for p in polygon_order.astype(np.int64)]
    return {
        "numbers": numbers,
        "sizes": np.array([pictures[number][:2] for number in numbers.tolist()], dtype=np.int32),
        "files": np.array([pictures[number][2] for number in numbers.tolist()], dtype=np.str_),
        "object_starts": np.cumsum([0, *counts]),
        "polygon_starts": np.cumsum([0, *parts[order]]),
        "corner_starts": np.cumsum([0, *(len(share) for share in shares)]),
        "corners": np.concatenate(shares),
    }


class Lvis(OneSource):
    """``SPLIT/lvis_SPLIT.json`` (or ``lvis_v1_SPLIT.json``), pictures in ``train/images`` and ``val/images``.

    Where a picture lies is decided by the ``train2017`` or ``val2017`` in its ``coco_url``; folders of that name are
    understood too. Corners are rounded to pixels and each polygon is filled with its outline.

    `load` holds every object with all its pixels. `load_random` follows the published rule: the objects are filled one
    after the other in random order, later ones over earlier ones, and an object is dropped when more than half of it
    lies on others, or when it would hide more than half of what is seen of another.
    """

    def __init__(
        self, root: str | os.PathLike[str], name: str, split: str = "train", *, report: Report | None = None
    ) -> None:
        self.name = name
        self.root = Path(root)
        self.list_file = find_lvis(self.root, split, name)
        self._index = read_lvis(self.list_file, name)
        found = find_pictures(self.root, self._index.files.tolist(), name, self.list_file, report)
        self._rows = [row for row, file in enumerate(found) if file is not None]
        self._files = [file for file in found if file is not None]
        self.sample_ids: Sequence[str] = [file.stem for file in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return f"{self.list_file} picture {self._index.numbers[self._rows[index]]} object {object_id}"

    def load(self, index: int) -> Sample:
        """Picture and all objects, in the order of the file, in as many layers as they need. Raises DatasetError."""
        image = self._picture(index)
        stack = LayerStack(image.size)
        objects = tuple(stack.add(mask) for mask in self._masks(index, image.size))
        return Sample(self.sample_ids[index], image.rgb, stack.layers(), objects)

    def load_random(self, index: int, rng: np.random.Generator) -> Sample:
        """Picture and the objects that are left when all are filled in a random order."""
        image = self._picture(index)
        masks = self._masks(index, image.size)
        layer, kept = fill_in_order([masks[number] for number in rng.permutation(len(masks))], image.size)
        objects = tuple(ObjectRef(0, (value,)) for value in kept)
        return Sample(self.sample_ids[index], image.rgb, layer[:, :, None], objects)

    def _masks(self, index: int, size: Size) -> list[MaskArray]:
        return [fill_rounded(polygons, size) for polygons in self._index.polygons(self._rows[index])]

    def _picture(self, index: int) -> LoadedImage:
        image = load_picture(self._files[index], self.name)
        height, width = (int(side) for side in self._index.sizes[self._rows[index]])
        if (height, width) != image.size:
            raise DatasetError(
                f"{self.name}: {self._files[index]} is {image.width} x {image.height} pixels, {self.list_file.name} "
                f"says {width} x {height} (width x height); they must agree"
            )
        return image


def find_pictures(
    root: Path, names: Sequence[str], dataset: str, list_file: Path, report: Report | None = None
) -> list[Path | None]:
    """Where the pictures "train2017/ID.jpg", "val2017/ID.jpg" lie; None where there is none, told to ``report``.

    Without a report the first that is missing is raised as a DatasetError.
    """
    folders: dict[str, Path] = {}
    have: dict[str, set[str]] = {}
    found: list[Path | None] = []
    for name in names:
        part, _, file = name.rpartition("/")
        if part not in folders:
            split = "train" if "train2017" in part else "val"
            places = [root / split / "images", root / part, root / "images" / part]
            folders[part] = next((place for place in places if place.is_dir()), places[0])
            have[part] = listed(folders[part], dataset)
        path = folders[part] / file
        if file not in have[part]:
            message = f"{dataset}: {path} does not exist; {list_file.name} lists it"
            (report or refuse)(Finding(str(path), "missing file", message))
        found.append(path if file in have[part] else None)
    return found


def fill_rounded(polygons: Sequence[NDArray[np.float32]], size: Size) -> MaskArray:
    """(H, W) union of polygons whose corners are rounded to pixels; the outline belongs to them."""
    mask = np.zeros(size, dtype=np.uint8)
    for polygon in polygons:
        cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
    return mask.astype(bool)


def fill_in_order(masks: Sequence[MaskArray], size: Size) -> tuple[LabelArray, list[int]]:
    """((H, W) labels, labels that are objects): each mask is painted over the earlier ones or dropped.

    Label k is mask k - 1. The share of an earlier object that is overlapped is that of its pixels still to be seen.
    """
    labels: LabelArray = np.zeros(size, dtype=np.int32)
    seen = np.zeros(len(masks) + 1, dtype=np.int64)
    kept: list[int] = []
    for value, mask in enumerate(masks, start=1):
        area = int(mask.sum())
        if not area:
            continue
        under = np.bincount(labels[mask], minlength=len(seen))
        under[0] = 0
        shares = under[kept] / np.maximum(seen[kept], 1) if kept else np.zeros(1)
        if max(under.sum() / area, shares.max()) > _MOST_OVERLAP:
            continue
        labels[mask] = value
        seen -= under
        seen[value] = area
        kept.append(value)
    return labels, [value for value in kept if seen[value]]
