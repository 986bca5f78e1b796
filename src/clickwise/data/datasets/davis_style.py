"""DAVIS (Perazzi et al. 2016, the 345 frames of Jang and Kim 2019) and COCO_MVal, in one layout (protocol 1.3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.paired import PairedDataset
from clickwise.types import MaskArray


class Davis(PairedDataset):
    """``img/`` pictures, ``gt/`` masks: a pixel is object when the largest of its three channels is above 0."""

    images_folder = "img"
    masks_folder = "gt"

    def split(self, values: NDArray[np.generic], path: Path) -> tuple[MaskArray, MaskArray]:
        """See `PairedDataset.split`. An alpha channel does not count; nothing is ignored."""
        if values.ndim == 3:
            values = values[:, :, : 1 if values.shape[2] == 2 else 3].max(axis=2)
        is_object: MaskArray = values.astype(bool)
        return is_object, np.zeros_like(is_object)
