"""The plain folder: ``images/`` and ``masks/``, any number of objects per picture (protocol 1.3, "Images-dir")."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import (
    by_stem,
    complain_about,
    find_folder,
    lay_on,
    load_labels,
    load_picture,
    need_folder,
    picture_files,
    split_grey,
    stem_of,
)
from clickwise.data.findings import Finding, Report, refuse
from clickwise.data.layering import layered_sample
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.formats.indexed import read_indices
from clickwise.formats.png_plain import no_truth_of
from clickwise.formats.rasters import values_in
from clickwise.imaging import LoadedImage, read_header
from clickwise.types import MaskArray

_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>\d+)")
_RULE = (
    "the mask of images/STEM.* is masks/STEM.*, or masks/STEM_1.*, masks/STEM_2.*, ... or the files in masks/STEM/ "
    "for several objects"
)


class ImagesMasks:
    """Pictures in ``images/``; their objects in ``masks/STEM.*``, ``masks/STEM_k.*`` (k a number) or ``masks/STEM/*``.

    A grey mask is one object: 0 background, 128 ignored (for every object of the picture), above 128 object. An indexed
    mask in colours holds any number: 0 background, 255 ignored, every other index in use is one object. So does a grey
    mask of 16 bits, with 65535 ignored unless it is the only value. Objects are ordered by k, the file without k first,
    and by index within a file.
    Raises DatasetError when a folder is missing or empty or a file has no partner.
    """

    def __init__(self, root: str | os.PathLike[str], name: str = "", *, report: Report | None = None) -> None:
        self.root = Path(root)
        self.name = name or self.root.resolve().name
        self._report = report or refuse
        images = by_stem(picture_files(need_folder(self.root, "images", self.name), self.name), self.name)
        found: dict[str, list[tuple[int, Path]]] = {stem: [] for stem in images}
        lonely: list[Path] = []
        for stem, path in self._mask_files():
            numbered = _NUMBERED.fullmatch(stem)
            if stem in found:  # a picture's full name wins: a_1.png is the mask of a_1.jpg where that exists
                found[stem].append((-1, path))
            elif numbered and numbered["stem"] in found:
                found[numbered["stem"]].append((int(numbered["number"]), path))
            else:
                lonely.append(path)
        complain_about(lonely, self.name, "picture", _RULE, report)
        complain_about([images[stem] for stem, files in found.items() if not files], self.name, "mask", _RULE, report)
        self.sample_ids: Sequence[str] = [stem for stem in images if found[stem]]
        self._images = [images[stem] for stem in self.sample_ids]
        self._masks = [[path for _, path in sorted(found[stem])] for stem in self.sample_ids]

    def _mask_files(self) -> Iterator[tuple[str, Path]]:
        """(stem of the picture or with a number, file) of every mask."""
        folder = need_folder(self.root, "masks", self.name)
        own = sorted((p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")), key=lambda p: p.name)
        for place in own:
            stem = unicodedata.normalize("NFC", place.name)
            yield from ((stem, path) for path in picture_files(place, self.name))
        if not own or any(path.is_file() for path in folder.iterdir()):
            yield from by_stem(picture_files(folder, self.name), self.name).items()

    def __len__(self) -> int:
        return len(self._images)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages: its file, or all where a file holds several."""
        files = self._masks[index]
        return str(files[min(object_id, len(files) - 1)])

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self._images[index]

    def load(self, index: int) -> Sample:
        """Read picture and masks; DatasetError naming file and rule when one of them is malformed."""
        image = load_picture(self._images[index], self.name)
        objects: list[MaskArray] = []
        unknown: list[MaskArray] = []
        for path in self._masks[index]:
            try:
                found, ignored = self._split(path, image)
            except DatasetError as error:
                self._report(Finding(str(path), "mask", str(error)))
                continue
            objects += found
            unknown += [ignored] if ignored.any() else []
        return layered_sample(stem_of(self._images[index]), image.rgb, objects, unknown)

    def _split(self, path: Path, image: LoadedImage) -> tuple[list[MaskArray], MaskArray]:
        """Objects and ignored region of one mask file, each (H, W)."""
        indices = read_indices(path)
        if indices is None:
            grey = load_labels(path, image, self.name)
            if grey.dtype == np.uint16 and grey.ndim == 2:
                return _numbered(grey)
            is_object, ignored = split_grey(grey, path, self.name)
            # A file with nothing but "no truth" is no object, unlike one with nothing at all.
            return [is_object] if is_object.any() or not ignored.any() else [], ignored
        values = lay_on(indices, read_header(path).orientation, path, image, self.name)
        return _numbered(values)


def _numbered(values: NDArray[Any]) -> tuple[list[MaskArray], MaskArray]:
    """Objects and ignored region of a mask whose values number its objects."""
    present = [value for value in values_in(values) if value]
    void = no_truth_of(values.dtype, present)
    return [np.asarray(values == value) for value in present if value != void], np.asarray(values == (void or -1))


def recognises(root: Path) -> bool:
    """Whether a folder holds images/ and masks/."""
    return all(find_folder(root, name) for name in ("images", "masks"))
