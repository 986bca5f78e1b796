"""ADE20K in the release of 2016-07-26, objects and their parts (Zhou et al. 2017; protocol 1.3 and 1.5)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.data.datasets.folders import complain_about, load_picture
from clickwise.data.datasets.index_cache import Arrays, cached_arrays
from clickwise.data.datasets.listings import check_probability, need_size, raster
from clickwise.data.datasets.sharing import OneSource
from clickwise.data.findings import Finding, Report, refuse
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError
from clickwise.imaging import LoadedImage
from clickwise.types import LabelArray

_STUFF_TEXT = (
    "water,wall,snow,sky,sea,sand,road,route,river,path,mountain,mount,land,ground,soil,hill,grass,floor,flooring,field,"
    "earth,fence,ceiling,wave,crosswalk,hay bale,bridge,span,building,edifice,cabinet,cushion,curtain,drape,drapery,"
    "mantle,pall,door,fencing,house,pole,seat,windowpane,window,tree,towel,table,stairs,steps,streetlight,street lamp,"
    "sofa,couch,lounge,skyscraper,signboard,sign,sidewalk,pavement,shrub,bush,rug,carpet"
)
STUFF_NAMES = frozenset(_STUFF_TEXT.split(","))
"""An instance is stuff when one of its class names is here (protocol 1.5)."""
_FOLDERS = {"train": "training", "val": "validation"}
_INNER_FOLDERS = ("ADE20K_2016_07_26",)
_RULE = "lines of _atr.txt are: instance # layer # occluded # class names # raw name # attributes"


@dataclass(frozen=True)
class _Layer:
    """One label file: its numbers of instances, and which of them are stuff."""

    file: Path
    instances: NDArray[np.int32]
    is_stuff: NDArray[np.bool_]


class Ade20k(OneSource):
    """``images/training/.../ADE_train_NUMBER.jpg`` with ``_seg.png``, ``_parts_1.png``, ... and ``_atr.txt`` beside it.

    Layer 0 of a sample is _seg.png, layer k is _parts_k.png; the label is the blue channel. The release numbers the
    blue values of a file by their rank: where a value is not itself an instance of _atr.txt and there are as many
    values as instances, the k-th value is taken for instance k. Labels that _atr.txt does not list are objects.

    stuff_prob: with this probability `load_random` keeps the stuff; else it becomes background. (The published reader
    compares places in the sorted list of labels; here the label itself decides.) `load` holds it unless stuff_prob
    is 0, and all layers; there the parent of a part is the object of the layer before that covers most of it.
    `load_random` holds one layer, drawn uniformly.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str,
        split: str = "train",
        stuff_prob: float = 0.0,
        *,
        report: Report | None = None,
    ) -> None:
        self.name = name
        self.stuff_prob = check_probability(stuff_prob, "stuff_prob", name)
        self.root = _find_images(Path(root), _FOLDERS.get(split, split), name)
        folders = sorted(Path(place) for place, _, _ in os.walk(self.root))
        self._index = self._scan(report) if report else cached_arrays("ade20k", folders, self._scan)
        self.sample_ids: Sequence[str] = [Path(str(file)).stem for file in self._index["files"]]

    def _scan(self, report: Report | None = None) -> Arrays:
        """Per picture its layers, per layer the instances of _atr.txt.

        What is missing or odd is told to ``report``, or raised as a DatasetError without one.
        """
        files: list[str] = []
        layers: list[int] = []
        counts: list[int] = []
        instances: list[tuple[int, bool]] = []
        found = sorted(self.root.rglob("*.jpg"), key=lambda path: path.name)
        self._complain_about_lonely_masks(found, report)
        for image in found:
            try:
                listed = read_attributes(_beside(image, "_atr.txt"), self.name)
                masks = _layer_files(image, self.name)
            except DatasetError as error:
                (report or refuse)(Finding(str(image), "annotation", str(error)))
                continue
            files.append(image.relative_to(self.root).as_posix())
            layers.append(len(masks))
            for number in range(len(masks)):
                rows = sorted((instance, stuff) for (layer, instance), stuff in listed.items() if layer == number)
                counts.append(len(rows))
                instances += rows
        if not files:
            raise DatasetError(f"{self.name}: {self.root} holds no picture; expected folders with ADE_*.jpg")
        return {
            "files": np.array(files, dtype=np.str_),
            "layers": np.cumsum([0, *layers], dtype=np.int64),
            "starts": np.cumsum([0, *counts], dtype=np.int64),
            "instances": np.array([number for number, _ in instances], dtype=np.int32),
            "is_stuff": np.array([stuff for _, stuff in instances], dtype=bool),
        }

    def _complain_about_lonely_masks(self, images: Sequence[Path], report: Report | None) -> None:
        known = {_beside(image, "_seg.png") for image in images}
        lonely = sorted(path for path in self.root.rglob("*_seg.png") if path not in known)
        complain_about(lonely, self.name, "picture", "every ADE_*.jpg has its _seg.png and _atr.txt beside it", report)

    def __len__(self) -> int:
        return len(self.sample_ids)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of a sample comes from, for messages."""
        return str(self._layers(index)[0].file)

    def load(self, index: int) -> Sample:
        """Picture, objects, parts, parts of parts; the stuff too, unless stuff_prob is 0. Raises DatasetError."""
        image = self._picture(index)
        layers = self._layers(index)
        labels = [self._labels(layer, image, with_stuff=self.stuff_prob > 0) for layer in layers]
        objects: list[ObjectRef] = []
        for number, layer in enumerate(labels):
            owners = {ref.values[0]: k for k, ref in enumerate(objects) if ref.layer == number - 1}
            for value in _values(layer):
                parent = _covering(layer == value, labels[number - 1]) if number else 0
                objects.append(ObjectRef(number, (value,), owners.get(parent)))
        linked = [
            replace(ref, children=tuple(k for k, other in enumerate(objects) if other.parent == number))
            for number, ref in enumerate(objects)
        ]
        return Sample(self.sample_ids[index], image.rgb, np.stack(labels, axis=2), tuple(linked))

    def load_random(self, index: int, rng: np.random.Generator) -> Sample:
        """Picture and the objects of one layer, the stuff among them with probability stuff_prob."""
        image = self._picture(index)
        layers = self._layers(index)
        chosen = layers[int(rng.integers(len(layers)))]
        labels = self._labels(chosen, image, with_stuff=bool(rng.random() < self.stuff_prob))
        objects = tuple(ObjectRef(0, (value,)) for value in _values(labels))
        return Sample(self.sample_ids[index], image.rgb, labels[:, :, None], objects)

    def _picture(self, index: int) -> LoadedImage:
        return load_picture(self.root / str(self._index["files"][index]), self.name)

    def _layers(self, index: int) -> list[_Layer]:
        first, end = int(self._index["layers"][index]), int(self._index["layers"][index + 1])
        image = self.root / str(self._index["files"][index])
        found = []
        for number, row in enumerate(range(first, end)):
            part = slice(int(self._index["starts"][row]), int(self._index["starts"][row + 1]))
            file = _beside(image, f"_parts_{number}.png" if number else "_seg.png")
            found.append(_Layer(file, self._index["instances"][part], self._index["is_stuff"][part]))
        return found

    def _labels(self, layer: _Layer, image: LoadedImage, *, with_stuff: bool) -> LabelArray:
        """(H, W) instance numbers of a label file; stuff is 0 unless it is wanted."""
        values = raster(layer.file, self.name)
        if values.ndim != 3 or values.shape[2] < 3 or values.dtype != np.uint8:
            raise DatasetError(f"{self.name}: mask {layer.file} is no 8-bit colour PNG; rule: instance = blue channel")
        need_size(values, image, layer.file, self.name)
        labels = instance_numbers(values[:, :, 2], layer.instances)
        if not with_stuff:
            labels[np.isin(labels, layer.instances[layer.is_stuff])] = 0
        return labels


def instance_numbers(blue: NDArray[np.uint8], instances: NDArray[np.int32]) -> LabelArray:
    """(H, W) int32 instance numbers: the blue values, or their ranks where only these fit the listed instances."""
    values = np.unique(blue)
    values = values[values > 0]
    if len(values) == len(instances) and not np.isin(values, instances).all():
        table = np.zeros(256, dtype=np.int32)
        table[values] = np.sort(instances)
        return np.asarray(table[blue])
    return blue.astype(np.int32)


def read_attributes(path: Path, dataset: str) -> dict[tuple[int, int], bool]:
    """(layer, instance) -> whether it is stuff, of an _atr.txt file. DatasetError naming the first line that is odd."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DatasetError(f"{dataset}: {path} cannot be read: {error.strerror}; it lies beside the picture") from error
    found = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        fields = [field.strip() for field in line.split("#")]
        if len(fields) < 5 or not (fields[0].isdecimal() and fields[1].isdecimal()):
            raise DatasetError(f"{dataset}: {path} line {number} is {line[:40]!r}; rule: {_RULE}")
        names = {name.strip() for name in fields[3].split(",")}
        found[int(fields[1]), int(fields[0])] = bool(names & STUFF_NAMES)
    return found


def _find_images(root: Path, folder: str, dataset: str) -> Path:
    """``images/FOLDER`` in the root or in the release's own folder in it."""
    for place in (root, *(root / name for name in _INNER_FOLDERS)):
        if (place / "images" / folder).is_dir():
            return place / "images" / folder
    raise DatasetError(f"{dataset}: {root} has no images/{folder}; expected the release of 2016-07-26 as unpacked")


def _layer_files(image: Path, dataset: str) -> list[Path]:
    """_seg.png and the _parts_k.png of a picture. DatasetError when the first, or one between others, is missing."""
    first = _beside(image, "_seg.png")
    if not first.is_file():
        raise DatasetError(f"{dataset}: {first} does not exist; every ADE_*.jpg has its _seg.png and _atr.txt")
    found = [first]
    while (part := _beside(image, f"_parts_{len(found)}.png")).is_file():
        found.append(part)
    return found


def _beside(image: Path, end: str) -> Path:
    return image.with_name(f"{image.stem}{end}")


def _values(labels: NDArray[Any]) -> list[int]:
    return [int(value) for value in np.unique(labels) if value]


def _covering(part: NDArray[np.bool_], labels: LabelArray) -> int:
    """The label that covers most of a part; 0 where none does."""
    values, counts = np.unique(labels[part], return_counts=True)
    counts = np.where(values == 0, 0, counts)
    return int(values[counts.argmax()]) if counts.any() else 0
