"""Pascal VOC 2012 with the objects of its segmentation part (Everingham et al. 2015; protocol 1.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.index_cache import cached_arrays
from clickwise.data.datasets.listings import (
    labelled_sample,
    need_files,
    need_size,
    read_names,
    root_with,
)
from clickwise.data.datasets.safe_pickle import read_pickle
from clickwise.data.findings import Report
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.formats.files import PictureFacts
from clickwise.formats.rasters import upright_on
from clickwise.formats.voc import VOID, palette_labels
from clickwise.imaging import voc_palette
from clickwise.imaging.orientation import UPRIGHT

Labels = Literal["index", "grey"]

_VOID_INDEX, _VOID_GREY = VOID, 220
"""Boundary, without truth: its place in the palette, and what the grey conversion makes of its colour."""
_INNER_FOLDERS = ("VOC2012", "VOCdevkit/VOC2012")


def grey_levels() -> NDArray[np.uint8]:
    """(256,) grey level of each palette entry, as OpenCV converts colours; not injective (1 and 16 give 38)."""
    palette = voc_palette()
    return np.asarray(cv2.cvtColor(palette[:, None], cv2.COLOR_RGB2GRAY)[:, 0], dtype=np.uint8)


class PascalVoc:
    """``JPEGImages/NAME.jpg``, ``SegmentationObject/NAME.png`` (palette), ``ImageSets/Segmentation/SPLIT.txt``.

    A sample is a picture of train, val or trainval with all its objects. Split "test" is RITM's, from
    ``ImageSets/Segmentation/test.pickle`` = (names, grey levels), one object per sample; where two objects share a
    grey level, each is a sample of its own.

    Pictures with an EXIF orientation come upright, and their masks with them.

    labels: "index", the palette index is the label and 255 the boundary, which is ignored; or "grey", the published
    rule, by which objects of one grey level merge and 220 is ignored. A split name ending in "-grey" asks for the same.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str,
        split: str = "val",
        labels: Labels = "index",
        *,
        report: Report | None = None,
    ) -> None:
        self.name = name
        if labels not in ("index", "grey"):
            raise DatasetError(f"{name}: option labels is {labels!r}; expected 'index' or 'grey'")
        if split.endswith("-grey"):
            split, labels = split.removesuffix("-grey"), "grey"
        self.is_grey = labels == "grey"
        sets = Path("ImageSets", "Segmentation")
        wanted = str(sets / ("test.pickle" if split == "test" else f"{split}.txt"))
        self.root = root_with(Path(root), (wanted, "JPEGImages", "SegmentationObject"), _INNER_FOLDERS, name)
        self.list_file = self.root / wanted
        if split == "test":
            self._objects: list[tuple[str, int | None]] = list(self._single_objects(report))
            self.sample_ids: Sequence[str] = [f"{picture}_{label}" for picture, label in self._objects]
        else:
            names = read_names(self.list_file, name)
            missing = self._missing(names, report)
            self.sample_ids = [picture for picture in names if picture not in missing]
            self._objects = [(picture, None) for picture in self.sample_ids]

    def __len__(self) -> int:
        return len(self._objects)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of a sample comes from, for messages."""
        return str(self._mask_file(self._objects[index][0]))

    def indices_by_source(self) -> dict[str, list[int]]:
        """One source: the data set itself."""
        return {self.name: list(range(len(self)))}

    def load(self, index: int) -> Sample:
        """Picture and objects; DatasetError when a file is damaged or a colour is none of the palette."""
        picture, label = self._objects[index]
        image = load_picture(self.root / "JPEGImages" / f"{picture}.jpg", self.name)
        labels, void = self._labels(picture), _VOID_GREY if self.is_grey else _VOID_INDEX
        if image.orientation != UPRIGHT:  # VOC's own pictures are all upright; those of people's cameras are not
            labels = upright_on(labels, self._mask_file(picture), PictureFacts(image.size, image.orientation))
        need_size(labels, image, self._mask_file(picture), self.name)
        values = [int(value) for value in np.unique(labels) if value not in (0, void)]
        chosen = values if label is None else [label]
        return labelled_sample(self.sample_ids[index], image, labels, chosen, [void])

    def _mask_file(self, picture: str) -> Path:
        return self.root / "SegmentationObject" / f"{picture}.png"

    def _missing(self, pictures: Sequence[str], report: Report | None) -> set[str]:
        """The pictures without one of their files."""
        found = need_files(pictures, self.root / "JPEGImages", ".jpg", self.name, self.list_file, report)
        masks = self.root / "SegmentationObject"
        return found | need_files(pictures, masks, ".png", self.name, self.list_file, report)

    def _labels(self, picture: str) -> NDArray[np.uint8]:
        """(H, W) labels by the chosen rule."""
        path = self._mask_file(picture)
        labels = palette_labels(path, self.name)
        return grey_levels()[labels] if self.is_grey else labels

    def _single_objects(self, report: Report | None) -> list[tuple[str, int]]:
        """(picture, label) of RITM's list; with indices, each entry gives the indices of its grey level that occur."""
        content = read_pickle(self.list_file, self.name)
        try:
            pictures, levels = content
            pairs = [(str(picture), int(level)) for picture, level in zip(pictures, levels, strict=True)]
        except (TypeError, ValueError):
            raise DatasetError(
                f"{self.name}: {self.list_file} is not (names, labels) of equal length; get the published file"
            ) from None
        missing = self._missing(list(dict.fromkeys(picture for picture, _ in pairs)), report)
        pairs = [pair for pair in pairs if pair[0] not in missing]
        if self.is_grey:
            return pairs
        sources = [self.list_file, self.root / "SegmentationObject"]
        kept = self._scan(pairs) if report else cached_arrays("voc-test", sources, lambda: self._scan(pairs))
        return [(pairs[number][0], int(index)) for number, index in kept["found"]]

    def _scan(self, pairs: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.int32]]:
        """found: (N, 2) rows (number of the entry, palette index)."""
        grey, rows = grey_levels(), []
        present: dict[str, NDArray[np.uint8]] = {}
        for number, (picture, level) in enumerate(pairs):
            if picture not in present:
                present[picture] = np.unique(self._labels(picture))
            found = [int(index) for index in present[picture] if index not in (0, _VOID_INDEX) and grey[index] == level]
            if not found:
                raise DatasetError(
                    f"{self.name}: {self._mask_file(picture)} has no object of grey level {level}; "
                    f"{self.list_file.name} lists one"
                )
            rows += [(number, index) for index in found]
        return {"found": np.array(rows, dtype=np.int32).reshape(-1, 2)}
