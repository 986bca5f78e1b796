"""DAVIS-585 (Chen et al. 2022): 585 objects in frames of DAVIS, with rough masks to start from (protocol 1.3)."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from clickwise.data.datasets.folders import load_labels, load_picture
from clickwise.data.datasets.reporting import ReportingReader
from clickwise.data.datasets.sharing import FilePairs
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.formats.files import bright
from clickwise.imaging import LoadedImage
from clickwise.types import MaskArray

MODES = ("zero", "stm", "sp")
"""What the clicks of a sample may start from."""
_MASK = re.compile(r"object\w*_(?P<frame>[^_]+)", re.IGNORECASE)
_PICTURES = (".jpg", ".jpeg", ".png")
_RULE = "layout: SEQUENCE/NNNNN.jpg with SEQUENCE/objectK_NNNNN.png, init_stm_objectK_NNNNN.png, init_sp_..."


class Davis585(FilePairs, ReportingReader):
    """One sample per mask ``SEQUENCE/objectK_NNNNN.png`` on ``SEQUENCE/NNNNN.jpg``; first channel above 128: object.

    split: "zero" starts clicks from nothing, "stm" from ``init_stm_MASK`` (a tracker's answer), "sp" from
    ``init_sp_MASK`` (superpixels). The sequences lie in the root or in ``data/`` below it.
    Raises DatasetError when there is no mask, or one without picture or start mask.
    """

    def __init__(
        self, root: str | os.PathLike[str], name: str = "", *, split: str = "zero", report: Report | None = None
    ) -> None:
        super().__init__(Path(root), name, report)
        if split not in MODES:
            raise DatasetError(f"{self.name}: start {split!r} is not known; there are {', '.join(MODES)}")
        self.start = "" if split == "zero" else split
        base = self.root if _sequences(self.root) else self.root / "data"
        self._files: list[tuple[Path, Path]] = []
        ids: list[str] = []
        for sequence in _sequences(base):
            for mask, frame in _masks(sequence):
                picture = next((p for p in (sequence / f"{frame}{s}" for s in _PICTURES) if p.is_file()), None)
                if picture is None:
                    self.wrong(mask, "mask without picture", f"has no picture {frame}.jpg beside it; {_RULE}")
                    continue
                if self.start and not self._start_file(mask).is_file():
                    self.wrong(mask, "no start mask", f"has no {self._start_file(mask).name} beside it; {_RULE}")
                    continue
                self._files.append((picture, mask))
                ids.append(f"{sequence.name}/{mask.stem}")
        if not self._files:
            raise DatasetError(f"{self.name}: {root} holds no object mask; {_RULE}")
        self.sample_ids: Sequence[str] = ids

    def load(self, index: int) -> Sample:
        """Read picture and mask; DatasetError naming file and rule when one of them is malformed."""
        picture, mask = self._files[index]
        image = load_picture(picture, self.name)
        return layered_sample(self.sample_ids[index], image.rgb, [self._mask(mask, image)])

    def start_mask(self, index: int) -> MaskArray | None:
        """See `HasStartMasks`."""
        if not self.start:
            return None
        picture, mask = self._files[index]
        return self._mask(self._start_file(mask), load_picture(picture, self.name))

    def _start_file(self, mask: Path) -> Path:
        return mask.with_name(f"init_{self.start}_{mask.name}")

    def _mask(self, file: Path, image: LoadedImage) -> MaskArray:
        return bright(load_labels(file, image, self.name))


def recognises(root: Path) -> bool:
    """Whether a folder, or ``data/`` in it, holds sequences with start masks."""
    return any(
        next(sequence.glob("init_s*_object*.png"), None) is not None
        for base in (root, root / "data")
        for sequence in (base.iterdir() if base.is_dir() else ())
        if sequence.is_dir()
    )


def _sequences(base: Path) -> list[Path]:
    """Folders with at least one object mask, by name."""
    if not base.is_dir():
        return []
    return sorted((p for p in base.iterdir() if p.is_dir() and any(_masks(p))), key=lambda p: p.name)


def _masks(sequence: Path) -> list[tuple[Path, str]]:
    """(mask file, name of its frame), by name."""
    found = ((p, _MASK.fullmatch(p.stem)) for p in sorted(sequence.glob("*.png")))
    return [(path, match["frame"]) for path, match in found if match]
