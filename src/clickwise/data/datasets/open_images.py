"""OpenImages with its object masks (Benenson et al. 2019; protocol 1.3 and 1.5)."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.index_cache import Arrays, cached_arrays
from clickwise.data.datasets.listings import listed, raster, root_with
from clickwise.data.datasets.safe_pickle import read_pickle
from clickwise.data.datasets.sharing import OneSource
from clickwise.data.layering import LayerStack
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.types import ImageArray, MaskArray, Size


class OpenImages(OneSource):
    """``SPLIT/images/ID.jpg``, ``SPLIT/masks/*`` and ``SPLIT/SPLIT-annotations-object-segmentation.csv``.

    Rows of the CSV file whose picture and mask are both there are used; the others are left out, since hardly anybody
    has all of OpenImages. Where the CSV file is missing, the list made by the published converter,
    ``SPLIT-annotations-object-segmentation_clean.pkl``, is read instead.

    Pictures and masks differ in size: they are brought to the smallest height and the smallest width among them, the
    picture by linear interpolation, masks by the nearest pixel; above 0 is object. `load` holds all masks of a picture,
    `load_random` one of them, drawn uniformly.
    """

    def __init__(self, root: str | os.PathLike[str], name: str, split: str = "train") -> None:
        self.name = name
        self.root = root_with(Path(root), (f"{split}/images", f"{split}/masks"), (), name) / split
        table = self.root / f"{split}-annotations-object-segmentation.csv"
        published = self.root / f"{split}-annotations-object-segmentation_clean.pkl"
        self.list_file = table if table.is_file() or not published.is_file() else published
        if not self.list_file.is_file():
            raise DatasetError(f"{name}: {table} does not exist; get it from the OpenImages site")
        sources = [self.list_file, self.root / "images", self.root / "masks"]
        self._index = cached_arrays("openimages", sources, self._scan)
        self.sample_ids: Sequence[str] = [picture.decode() for picture in self._index["ids"].tolist()]

    def _scan(self) -> Arrays:
        """Pictures with their masks, pictures in the order of the list."""
        is_table = self.list_file.suffix == ".csv"
        rows = _table_rows(self.list_file, self.name) if is_table else _published_rows(self.list_file, self.name)
        pictures, masks = (listed(self.root / name, self.name) for name in ("images", "masks"))
        found: dict[str, list[str]] = {}
        for picture, mask in rows:
            if f"{picture}.jpg" in pictures and mask in masks:
                found.setdefault(picture, []).append(mask)
        if not found:
            raise DatasetError(
                f"{self.name}: no row of {self.list_file} has both its picture in images/ and its mask in masks/"
            )
        return {
            "ids": np.array([picture.encode() for picture in found]),
            "starts": np.cumsum([0, *(len(names) for names in found.values())], dtype=np.int64),
            "masks": np.array([mask.encode() for names in found.values() for mask in names]),
        }

    def __len__(self) -> int:
        return len(self.sample_ids)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return str(self._mask_files(index)[object_id])

    def load(self, index: int) -> Sample:
        """Picture and all objects. Raises DatasetError."""
        return self._load(index, self._mask_files(index))

    def load_random(self, index: int, rng: np.random.Generator) -> Sample:
        """Picture and one object."""
        files = self._mask_files(index)
        return self._load(index, [files[int(rng.integers(len(files)))]])

    def _mask_files(self, index: int) -> list[Path]:
        part = self._index["masks"][int(self._index["starts"][index]) : int(self._index["starts"][index + 1])]
        return [self.root / "masks" / mask.decode() for mask in part.tolist()]

    def _load(self, index: int, files: Sequence[Path]) -> Sample:
        image = load_picture(self.root / "images" / f"{self.sample_ids[index]}.jpg", self.name)
        masks = [_object(raster(file, self.name)) for file in files]
        height = min(image.height, *(len(mask) for mask in masks))
        width = min(image.width, *(mask.shape[1] for mask in masks))
        stack = LayerStack((height, width))
        objects = tuple(stack.add(_resized(mask, (height, width))) for mask in masks)
        return Sample(self.sample_ids[index], _resized_image(image.rgb, (height, width)), stack.layers(), objects)


def _table_rows(path: Path, dataset: str) -> Iterator[tuple[str, str]]:
    """(image id, mask file) of each row. DatasetError when the columns are not there."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                picture, mask = row.get("ImageID"), row.get("MaskPath")
                if not picture or not mask:
                    raise DatasetError(
                        f"{dataset}: {path} has a row without ImageID or MaskPath; get the published annotations"
                    )
                yield picture, mask
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{dataset}: {path} is no readable table ({error}); get a fresh copy") from error


def _published_rows(path: Path, dataset: str) -> Iterator[tuple[str, str]]:
    """The same of the published converter's file."""
    content: Any = read_pickle(path, dataset)
    masks = content.get("image_id_to_masks") if isinstance(content, Mapping) else None
    if not isinstance(masks, Mapping) or not all(isinstance(names, (list, tuple)) for names in masks.values()):
        raise DatasetError(f"{dataset}: {path} has no image_id_to_masks; make it again or use the CSV file")
    for picture in sorted(masks, key=str):
        yield from ((str(picture), str(mask)) for mask in masks[picture])


def _object(values: NDArray[Any]) -> MaskArray:
    """(H, W) True where any colour channel is above 0."""
    if values.ndim == 3:
        values = values[:, :, : 1 if values.shape[2] == 2 else 3].max(axis=2)
    return np.asarray(values > 0)


def _resized(mask: MaskArray, size: Size) -> MaskArray:
    if mask.shape == size:
        return mask
    return cv2.resize(mask.astype(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)


def _resized_image(image: ImageArray, size: Size) -> ImageArray:
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
