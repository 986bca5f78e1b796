"""GrabCut (Rother et al. 2004) and Berkeley (McGuinness and O'Connor 2010), in the field's layouts (protocol 1.3)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import split_grey
from clickwise.data.datasets.paired import PairedDataset
from clickwise.types import MaskArray

_BACKGROUND = (0, 64)
"""GrabCut's masks may mark the outside of the user's rectangle by 64; it is background like 0."""


class GrabCut(PairedDataset):
    """``data_GT/`` pictures, ``boundary_GT/`` masks: 0 and 64 background, 128 ignored, above 128 object."""

    images_folder = "data_GT"
    masks_folder = "boundary_GT"

    def split(self, values: NDArray[np.generic], path: Path) -> tuple[MaskArray, MaskArray]:
        """See `PairedDataset.split`."""
        return split_grey(values, path, self.name, _BACKGROUND)


class Berkeley(GrabCut):
    """``images/`` and ``masks/`` with GrabCut's rule; a picture with several objects lies there once per object."""

    images_folder = "images"
    masks_folder = "masks"
