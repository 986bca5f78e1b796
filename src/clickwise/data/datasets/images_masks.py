"""The plain folder: ``images/`` and ``masks/``, any number of objects per picture (protocol 1.3, "Images-dir")."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from clickwise.data.datasets.folders import (
    by_stem,
    complain_about,
    flat_sample,
    load_labels,
    load_picture,
    need_folder,
    picture_files,
    split_grey,
    stem_of,
)
from clickwise.data.sample import Sample

_NUMBERED = re.compile(r"(?P<stem>.+)_(?P<number>\d+)")
_RULE = "the mask of images/STEM.* is masks/STEM.*, or masks/STEM_1.*, masks/STEM_2.*, ... for several objects"


class ImagesMasks:
    """Pictures in ``images/``; each file ``masks/STEM.*`` or ``masks/STEM_k.*`` (k a number) is one object of STEM.

    Masks: 0 background, 128 ignored (for every object of the picture), above 128 object. Objects are ordered by k, the
    one without k first. Raises DatasetError when a folder is missing or empty or a file has no partner.
    """

    def __init__(self, root: str | os.PathLike[str], name: str = "") -> None:
        self.root = Path(root)
        self.name = name or self.root.resolve().name
        images = by_stem(picture_files(need_folder(self.root, "images", self.name), self.name), self.name)
        masks = by_stem(picture_files(need_folder(self.root, "masks", self.name), self.name), self.name)
        found: dict[str, list[tuple[int, Path]]] = {stem: [] for stem in images}
        lonely: list[Path] = []
        for stem, path in masks.items():
            numbered = _NUMBERED.fullmatch(stem)
            if stem in found:  # a picture's full name wins: a_1.png is the mask of a_1.jpg where that exists
                found[stem].append((-1, path))
            elif numbered and numbered["stem"] in found:
                found[numbered["stem"]].append((int(numbered["number"]), path))
            else:
                lonely.append(path)
        complain_about(lonely, self.name, "picture", _RULE)
        complain_about([images[stem] for stem, files in found.items() if not files], self.name, "mask", _RULE)
        self.sample_ids: Sequence[str] = list(images)
        self._images = list(images.values())
        self._masks = [[path for _, path in sorted(found[stem])] for stem in images]

    def __len__(self) -> int:
        return len(self._images)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return str(self._masks[index][object_id])

    def load(self, index: int) -> Sample:
        """Read picture and masks; DatasetError naming file and rule when one of them is malformed."""
        image = load_picture(self._images[index], self.name)
        masks = [split_grey(load_labels(p, image, self.name), p, self.name) for p in self._masks[index]]
        return flat_sample(stem_of(self._images[index]), image, masks)
