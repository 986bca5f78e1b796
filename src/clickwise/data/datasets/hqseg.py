"""HQSeg-44K (Ke et al. 2023) and sets like it: sub-sets of finely cut masks, one object per picture (protocol 1.3)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from clickwise.data.datasets.folders import by_stem, find_folder, load_labels, load_picture, picture_files
from clickwise.data.datasets.reporting import ReportingReader
from clickwise.data.datasets.sharing import FilePairs, grouped
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.formats.files import bright

_PAIRS = ("im", "gt")
_DEPTH = 3
"""Folders below the root at which sub-sets are looked for, e.g. ``DIS5K/DIS-TR``."""
_RULE = "layout: SUBSET/im/STEM.jpg with SUBSET/gt/STEM.png"


class HQSeg(FilePairs, ReportingReader):
    """Every folder with ``im/`` and ``gt/`` in it, the root or up to three levels below, is a sub-set.

    ``im/STEM.jpg`` belongs to ``gt/STEM.png``; a first channel above 128 is object. Samples are called ``SUBSET/STEM``
    and are grouped by sub-set. Raises DatasetError when there is no sub-set or a file has no partner.
    """

    def __init__(self, root: str | os.PathLike[str], name: str = "", *, report: Report | None = None) -> None:
        super().__init__(Path(root), name, report)
        ids: list[str] = []
        self._files: list[tuple[Path, Path]] = []
        self._subsets: list[str] = []
        for folder in sorted(_subsets(self.root), key=lambda p: p.as_posix()):
            subset = folder.relative_to(self.root).as_posix() if folder != self.root else self.name
            for stem, picture, mask in self._pairs(folder):
                ids.append(f"{subset}/{stem}" if folder != self.root else stem)
                self._files.append((picture, mask))
                self._subsets.append(subset)
        if not self._files:
            raise DatasetError(f"{self.name}: {root} holds no sub-set; {_RULE}")
        self.sample_ids: Sequence[str] = ids

    def _pairs(self, folder: Path) -> Iterator[tuple[str, Path, Path]]:
        images, masks = (self._files_in(folder, name) for name in _PAIRS)
        for stem, picture in images.items():
            if stem in masks:
                yield stem, picture, masks[stem]
            else:
                self.wrong(picture, "picture without mask", f"has no mask; {_RULE}")
        for stem, mask in masks.items():
            if stem not in images:
                self.wrong(mask, "mask without picture", f"has no picture; {_RULE}")

    def _files_in(self, folder: Path, name: str) -> dict[str, Path]:
        found = find_folder(folder, name)
        return by_stem(picture_files(found, self.name), self.name) if found else {}

    def indices_by_source(self) -> dict[str, list[int]]:
        """Sample numbers grouped by sub-set, sub-sets sorted."""
        return grouped(self._subsets)

    def load(self, index: int) -> Sample:
        """Read picture and mask; DatasetError naming file and rule when one of them is malformed."""
        picture, mask = self._files[index]
        image = load_picture(picture, self.name)
        is_object = bright(load_labels(mask, image, self.name))
        return layered_sample(self.sample_ids[index], image.rgb, [is_object])


def recognises(root: Path) -> bool:
    """Whether a folder holds sub-sets, or is one."""
    return next(_subsets(root), None) is not None


def _subsets(folder: Path, depth: int = _DEPTH) -> Iterator[Path]:
    """Folders with both ``im/`` and ``gt/``."""
    if all(find_folder(folder, name) for name in _PAIRS):
        yield folder
        return
    if depth and folder.is_dir():
        for entry in os.scandir(folder):
            if entry.is_dir() and not entry.name.startswith("."):
                yield from _subsets(Path(entry.path), depth - 1)
