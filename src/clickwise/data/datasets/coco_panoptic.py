"""COCO with its panoptic annotations (Lin et al. 2014, Kirillov et al. 2019; protocol 1.3)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.index_cache import Arrays, cached_arrays
from clickwise.data.datasets.json_stream import stream_items
from clickwise.data.datasets.listings import check_probability, need_files, need_size, raster
from clickwise.data.datasets.sharing import WithStuff
from clickwise.data.findings import Report
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError

THING, STUFF, CROWD = 0, 1, 2
"""Kinds of segments; a crowd is a thing with iscrowd = 1."""
_LARGEST_ID = 256**3 - 1


@dataclass(frozen=True)
class Segments:
    """All segments of a panoptic file: those of picture i are rows ``starts[i]`` to ``starts[i + 1]``.

    files: names of the PNG files. pictures: image numbers. ids: as in the PNG. kinds: THING, STUFF or CROWD.
    """

    files: NDArray[np.str_]
    pictures: NDArray[np.int64]
    starts: NDArray[np.int64]
    ids: NDArray[np.int32]
    kinds: NDArray[np.uint8]

    def of(self, row: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
        """(ids, kinds) of one picture."""
        part = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return self.ids[part], self.kinds[part]


def read_segments(path: Path, dataset: str) -> Segments:
    """The content of a panoptic JSON file, pictures in its order; kept by `index_cache`. Raises DatasetError."""
    if not path.is_file():
        raise DatasetError(f"{dataset}: {path} does not exist; get COCO's panoptic annotations")
    kept = cached_arrays("panoptic", [path], lambda: _scan(path, dataset))
    return Segments(kept["files"], kept["pictures"], kept["starts"], kept["ids"], kept["kinds"])


def _scan(path: Path, dataset: str) -> Arrays:
    is_thing: dict[int, bool] = {}
    files: list[str] = []
    pictures: list[int] = []
    counts: list[int] = []
    ids: list[int] = []
    categories: list[int] = []
    crowds: list[bool] = []
    for key, item in stream_items(path, ("categories", "annotations"), dataset):
        try:
            if key == "categories":
                is_thing[int(item["id"])] = bool(item["isthing"])
                continue
            segments = item["segments_info"]
            files.append(str(item["file_name"]))
            pictures.append(int(item["image_id"]))
            counts.append(len(segments))
            ids += [int(segment["id"]) for segment in segments]
            categories += [int(segment["category_id"]) for segment in segments]
            crowds += [bool(segment.get("iscrowd", 0)) for segment in segments]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DatasetError(
                f"{dataset}: {path} has an entry of {key} without {error}; get the published annotations"
            ) from None
    unknown = set(categories) - set(is_thing)
    if unknown:
        raise DatasetError(f"{dataset}: {path} uses the category {min(unknown)}, which it does not list")
    if not files:
        raise DatasetError(f"{dataset}: {path} lists no picture; get the published annotations")
    if ids and not 0 < min(ids) <= max(ids) <= _LARGEST_ID:
        raise DatasetError(f"{dataset}: {path} has a segment id outside 1..{_LARGEST_ID}; rule: R + 256 G + 65536 B")
    thing = np.array([is_thing[category] for category in categories], dtype=bool)
    kinds = np.where(thing, np.where(np.array(crowds, dtype=bool), CROWD, THING), STUFF)
    return {
        "files": np.array(files, dtype=np.str_),
        "pictures": np.array(pictures, dtype=np.int64),
        "starts": np.cumsum([0, *counts], dtype=np.int64),
        "ids": np.array(ids, dtype=np.int32),
        "kinds": kinds.astype(np.uint8),
    }


def read_ids(path: Path, known: NDArray[np.int32], dataset: str) -> NDArray[np.int32]:
    """(H, W) segment ids of a panoptic PNG, 0 where nothing is. DatasetError when one is unknown or does not occur."""
    values = raster(path, dataset)
    if values.ndim != 3 or values.dtype != np.uint8:
        raise DatasetError(f"{dataset}: mask {path} is no 8-bit colour PNG; rule: segment id = R + 256 G + 65536 B")
    wide = values.astype(np.int32)
    ids: NDArray[np.int32] = wide[:, :, 0] | wide[:, :, 1] << 8 | wide[:, :, 2] << 16
    found = np.unique(ids)
    for unknown in np.setdiff1d(found, [0, *known]).tolist():
        raise DatasetError(f"{dataset}: mask {path} holds the segment id {unknown}, which the JSON file does not list")
    for absent in np.setdiff1d(known, found).tolist():
        raise DatasetError(f"{dataset}: mask {path} has no pixel of the segment {absent}, which the JSON file lists")
    return ids


class CocoPanoptic(WithStuff):
    """``annotations/panoptic_SPLIT.json``, ``annotations/panoptic_SPLIT/NAME.png``, ``SPLIT/NAME.jpg``.

    SPLIT is train, val, or the same with 2017, and the pictures may lie in images/SPLIT. Things are objects; a thing
    with iscrowd = 1 is none, it is background (or, with ignore_crowd, ignored).
    stuff_prob: with this probability `load_random` adds the stuff of the picture, all of it; else it is background.
    `load` holds it unless stuff_prob is 0.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str,
        split: str = "train",
        stuff_prob: float = 0.0,
        ignore_crowd: bool = False,
        *,
        report: Report | None = None,
    ) -> None:
        self.name = name
        self.stuff_prob = check_probability(stuff_prob, "stuff_prob", name)
        self.ignore_crowd = ignore_crowd
        self.list_file, self.masks, self.images = find_panoptic(Path(root), split, name)
        self._segments = read_segments(self.list_file, name)
        names = [Path(str(file)).stem for file in self._segments.files]
        missing = need_files(names, self.images, ".jpg", name, self.list_file, report)
        missing |= need_files(names, self.masks, ".png", name, self.list_file, report)
        self._rows = [row for row, picture in enumerate(names) if picture not in missing]
        self.sample_ids: Sequence[str] = [names[row] for row in self._rows]

    def __len__(self) -> int:
        return len(self.sample_ids)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return f"{self._mask_file(index)} object {object_id}"

    def _mask_file(self, index: int) -> Path:
        return self.masks / f"{self.sample_ids[index]}.png"

    def _load(self, index: int, *, with_stuff: bool) -> Sample:
        image = load_picture(self.images / f"{self.sample_ids[index]}.jpg", self.name)
        known, kinds = self._segments.of(self._rows[index])
        ids = read_ids(self._mask_file(index), known, self.name)
        need_size(ids, image, self._mask_file(index), self.name)
        objects = known[(kinds == THING) | ((kinds == STUFF) & with_stuff)]
        ignored = known[(kinds == CROWD) & self.ignore_crowd]
        # Segment numbers run to 16 million; small ones are kinder to whoever packs or counts them.
        order = np.concatenate([objects, ignored])
        numbers = np.zeros(len(known) + 1, dtype=np.int32)
        ascending = np.sort(known)
        numbers[np.searchsorted(ascending, order) + 1] = np.arange(1, len(order) + 1)
        layer = numbers[np.where(ids > 0, np.searchsorted(ascending, ids) + 1, 0)]
        refs = [ObjectRef(0, (value,)) for value in range(1, len(order) + 1)]
        return Sample(
            self.sample_ids[index],
            image.rgb,
            layer[:, :, None],
            tuple(refs[: len(objects)]),
            tuple(refs[len(objects) :]),
        )


def find_panoptic(root: Path, split: str, dataset: str) -> tuple[Path, Path, Path]:
    """(JSON file, folder of PNG files, folder of pictures) of a split. Raises DatasetError."""
    names = (split, f"{split}2017")
    for name in names:
        file = root / "annotations" / f"panoptic_{name}.json"
        if file.is_file():
            places = [root / name, root / "images" / name]
            images = next((place for place in places if place.is_dir()), places[0])
            return file, root / "annotations" / f"panoptic_{name}", images
    missing = root / "annotations" / f"panoptic_{names[1]}.json"
    raise DatasetError(
        f"{dataset}: {missing} does not exist; expected annotations/panoptic_SPLIT.json, "
        "annotations/panoptic_SPLIT/NAME.png and SPLIT/NAME.jpg"
    )
