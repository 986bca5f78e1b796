"""COCO+LVIS, the combined annotations of RITM (Sofiiuk et al. 2022), with their hierarchy (protocol 1.4).

Two forms of the same content are read: the published one, pickles, which are read as data (`safe_pickle`), and ours,
`ANNOTATIONS_FILE` beside PNG files, which `clickwise data build-cocolvis` writes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.coco_lvis_files import (
    ANNOTATIONS_FILE,
    NOBODY,
    PUBLISHED_FILE,
    decode_masks,
    read_layers,
    read_own,
    read_published,
)
from clickwise.data.datasets.folders import complain_about, load_picture
from clickwise.data.datasets.index_cache import Arrays, cached_arrays
from clickwise.data.datasets.listings import check_probability, listed, need_files, need_size, root_with
from clickwise.data.datasets.sharing import WithStuff
from clickwise.data.findings import Report
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError
from clickwise.formats.files import read_json


@dataclass(frozen=True)
class _Index:
    """What is known of all pictures: object k of picture i is row ``starts[i] + k``."""

    ids: NDArray[np.str_]
    instances: NDArray[np.int32]
    starts: NDArray[np.int64]
    parents: NDArray[np.int32]
    places: NDArray[np.int32]

    @staticmethod
    def of(arrays: Arrays) -> _Index:
        """From the kept arrays."""
        return _Index(arrays["ids"], arrays["instances"], arrays["starts"], arrays["parents"], arrays["places"])


class CocoLvis(WithStuff):
    """``SPLIT/images/ID.jpg``, ``SPLIT/masks/``, and ``SPLIT/hannotation.pickle`` or our annotations.jsonl.

    stuff_prob: with this probability `load_random` adds the stuff of the picture, all of it, as objects without a
    parent; else it is background. `load` holds it unless stuff_prob is 0.
    allow_list: a JSON file with a list of image ids; others are left out.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str,
        split: str = "train",
        stuff_prob: float = 0.0,
        allow_list: str | os.PathLike[str] | None = None,
        *,
        report: Report | None = None,
    ) -> None:
        self.name = name
        self.stuff_prob = check_probability(stuff_prob, "stuff_prob", name)
        self.root = root_with(Path(root), (f"{split}/images", f"{split}/masks"), (), name) / split
        own = self.root / ANNOTATIONS_FILE
        self.list_file = own if own.is_file() else self.root / PUBLISHED_FILE
        self.is_published = not own.is_file()
        if not self.list_file.is_file():
            raise DatasetError(
                f"{name}: {self.root} has neither {PUBLISHED_FILE} nor {ANNOTATIONS_FILE}; get the published "
                "annotations or make them with: clickwise data build-cocolvis"
            )
        reader = read_published if self.is_published else read_own
        self._index = _Index.of(cached_arrays("cocolvis", [self.list_file], lambda: reader(self.list_file, name)))
        wanted = self._chosen(allow_list)
        names = [str(self._index.ids[row]) for row in wanted]
        suffix = ".pickle" if self.is_published else "_0.png"
        missing = need_files(names, self.root / "images", ".jpg", name, self.list_file, report)
        missing |= need_files(names, self.root / "masks", suffix, name, self.list_file, report)
        self._rows = [row for row, picture in zip(wanted, names, strict=True) if picture not in missing]
        self.sample_ids: Sequence[str] = [picture for picture in names if picture not in missing]
        self._complain_about_lonely_masks(suffix, report)

    def _chosen(self, allow_list: str | os.PathLike[str] | None) -> list[int]:
        if allow_list is None:
            return list(range(len(self._index.ids)))
        allowed = read_json(Path(allow_list), self.name)
        if not isinstance(allowed, list):
            raise DatasetError(f"{self.name}: {allow_list} is no list; expected a JSON list of image ids")
        wanted = {str(item) for item in allowed}
        rows = [row for row, picture in enumerate(self._index.ids) if str(picture) in wanted]
        if not rows:
            raise DatasetError(f"{self.name}: {allow_list} allows no picture of {self.list_file}")
        return rows

    def _complain_about_lonely_masks(self, suffix: str, report: Report | None) -> None:
        pictures = listed(self.root / "images", self.name)
        masks = sorted(name for name in listed(self.root / "masks", self.name) if name.endswith(suffix))
        lonely = [self.root / "masks" / n for n in masks if f"{n.removesuffix(suffix)}.jpg" not in pictures]
        complain_about(lonely, self.name, "picture", f"the mask of images/ID.jpg is masks/ID{suffix}", report)

    def __len__(self) -> int:
        return len(self._rows)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return f"{self._mask_files(index)} object {object_id}"

    def _mask_files(self, index: int) -> str:
        end = ".pickle" if self.is_published else "_*.png"
        return str(self.root / "masks" / f"{self.sample_ids[index]}{end}")

    def _load(self, index: int, *, with_stuff: bool) -> Sample:
        row, picture = self._rows[index], self.sample_ids[index]
        first, end = int(self._index.starts[row]), int(self._index.starts[row + 1])
        instances, parents = int(self._index.instances[row]), self._index.parents[first:end]
        image = load_picture(self.root / "images" / f"{picture}.jpg", self.name)
        if self.is_published:
            path = self.root / "masks" / f"{picture}.pickle"
            layers, places = decode_masks(path, self.name)
            if len(places) < instances:
                raise DatasetError(
                    f"{self.name}: {path} holds {len(places)} objects, {self.list_file.name} speaks of {instances}"
                )
        else:
            path = self.root / "masks" / f"{picture}_0.png"
            places = [(int(layer), int(value)) for layer, value in self._index.places[first:end]]
            layers = read_layers(self.root / "masks", picture, places, self.name)
        stacked = np.stack(layers, axis=2).astype(np.int32)
        need_size(stacked, image, path, self.name)
        self._check_labels(layers, places, path)
        for layer, value in () if with_stuff else places[instances:]:
            stacked[:, :, layer][stacked[:, :, layer] == value] = 0
        count = len(places) if with_stuff else instances
        return Sample(picture, image.rgb, stacked, _objects(places[:count], parents[:instances]))

    def _check_labels(self, layers: Sequence[NDArray[np.uint8]], places: Sequence[tuple[int, int]], path: Path) -> None:
        """Every label must belong to an object."""
        for number, layer in enumerate(layers):
            known = {0, *(value for place, value in places if place == number)}
            unknown = sorted(set(np.unique(layer).tolist()) - known)
            if unknown:
                raise DatasetError(
                    f"{self.name}: {path} layer {number} holds the value {unknown[0]}, which is no object; rule: every "
                    "value belongs to one object of the list"
                )


def _objects(places: Sequence[tuple[int, int]], parents: NDArray[np.int32]) -> tuple[ObjectRef, ...]:
    """Instances with their hierarchy, then stuff without."""
    found = [None if parent == NOBODY else int(parent) for parent in parents.tolist()]
    found += [None] * (len(places) - len(found))
    children: dict[int, list[int]] = {}
    for number, parent in enumerate(found):
        if parent is not None:
            children.setdefault(parent, []).append(number)
    return tuple(
        ObjectRef(layer, (value,), found[number], tuple(children.get(number, ())))
        for number, (layer, value) in enumerate(places)
    )
