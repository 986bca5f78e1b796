"""What GrabCut, Berkeley, DAVIS and COCO_MVal share: one mask file per picture, matched by stem, one object each."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import (
    by_stem,
    complain_about,
    flat_sample,
    load_labels,
    load_picture,
    need_folder,
    picture_files,
)
from clickwise.data.datasets.sharing import FilePairs
from clickwise.data.findings import Report
from clickwise.data.sample import Sample
from clickwise.types import MaskArray


class PairedDataset(FilePairs, ABC):
    """Pictures in one folder, masks of the same stem in another; samples in the order of the picture names.

    The stem is everything before the last dot, for both. (The published readers cut picture names at the first dot and
    then find no mask for names with dots.)
    Raises DatasetError when a folder is missing or empty or a file has no partner.
    """

    images_folder: ClassVar[str]
    masks_folder: ClassVar[str]

    def __init__(self, root: str | os.PathLike[str], name: str, *, report: Report | None = None) -> None:
        self.name = name
        self.root = Path(root)
        images = by_stem(picture_files(need_folder(self.root, self.images_folder, name), name), name)
        masks = by_stem(picture_files(need_folder(self.root, self.masks_folder, name), name), name)
        rule = f"pictures in {self.images_folder}/ and masks in {self.masks_folder}/ belong together by their stem"
        complain_about([p for stem, p in images.items() if stem not in masks], name, "mask", rule, report)
        complain_about([p for stem, p in masks.items() if stem not in images], name, "picture", rule, report)
        self.sample_ids: Sequence[str] = [stem for stem in images if stem in masks]
        self._files = [(images[stem], masks[stem]) for stem in self.sample_ids]

    def load(self, index: int) -> Sample:
        """Read picture and mask; DatasetError naming file and rule when one of them is malformed."""
        image_path, mask_path = self._files[index]
        image = load_picture(image_path, self.name)
        values = load_labels(mask_path, image, self.name)
        return flat_sample(self.sample_ids[index], image, [self.split(values, mask_path)])

    @abstractmethod
    def split(self, values: NDArray[np.generic], path: Path) -> tuple[MaskArray, MaskArray]:
        """(object, ignored), each (H, W) bool, by this data set's label rule. values: (H, W) or (H, W, C)."""
