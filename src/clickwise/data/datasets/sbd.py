"""SBD, the Semantic Boundaries Dataset (Hariharan et al. 2011), for evaluation and for training (protocol 1.3)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.io import loadmat

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.index_cache import cached_arrays
from clickwise.data.datasets.listings import labelled_sample, need_files, need_size, read_names, root_with
from clickwise.data.datasets.safe_pickle import read_pickle
from clickwise.data.datasets.sharing import OneSource
from clickwise.data.findings import Finding, Report, refuse
from clickwise.data.sample import Dataset, Sample
from clickwise.errors import DatasetError

WEIGHTS_FILE = "sbd_samples_weights.pkl"
"""RITM's sample weights, looked for in the root and in ``assets/`` below and beside it."""
WEIGHTS_GAMMA = 1.25
"""Exponent of the published recipes (protocol 1.2)."""
_LEAST_FILL = 0.08
"""Training: an object is "buggy" when it covers less than this share of its bounding box (protocol 1.3)."""
_LEAST_SCORE, _MOST_SCORE = 0.049, 0.995
"""Range of the published scores."""
_RIM = 3
"""Our own score: share of an object that is further than this many pixels from its outline."""
_INNER_FOLDERS = ("dataset", "benchmark_RELEASE/dataset")


def open_sbd(root: str | os.PathLike[str], name: str, split: str = "val", *, report: Report | None = None) -> Dataset:
    """``val``: evaluation, a sample per object of val.txt. ``train``: training, a sample per picture of train.txt."""
    reader = SbdTraining if split == "train" else SbdObjects
    return reader(root, name, split, report=report)


def open_sbd_train(root: str | os.PathLike[str], name: str, *, report: Report | None = None) -> Dataset:
    """Evaluation on train.txt, one sample per object ("SBD_Train" of the published command line)."""
    return SbdObjects(root, name, "train", report=report)


class _Sbd:
    """``SPLIT.txt``, ``img/NAME.jpg``, ``inst/NAME.mat``; the root, or its folder dataset/, holds them."""

    def __init__(self, root: str | os.PathLike[str], name: str, split: str, *, report: Report | None = None) -> None:
        self.name = name
        self.root = root_with(Path(root), (f"{split}.txt", "img", "inst"), _INNER_FOLDERS, name)
        self.list_file = self.root / f"{split}.txt"
        names = read_names(self.list_file, name)
        missing = need_files(names, self.root / "img", ".jpg", name, self.list_file, report)
        missing |= need_files(names, self.root / "inst", ".mat", name, self.list_file, report)
        self.names = [picture for picture in names if picture not in missing]

    def mat_file(self, name: str) -> Path:
        """The instance file of a picture."""
        return self.root / "inst" / f"{name}.mat"

    def labels(self, name: str) -> NDArray[np.uint8]:
        """(H, W) instance map of a picture."""
        return read_instances(self.mat_file(name), self.name)

    def all_labels(self) -> Iterator[NDArray[np.uint8]]:
        """The instance maps of all pictures, in order."""
        return map(self.labels, self.names)

    def picture_and_labels(self, name: str) -> tuple[Any, NDArray[np.uint8]]:
        """Picture and (H, W) instance map; DatasetError when their sizes differ."""
        image, labels = load_picture(self.root / "img" / f"{name}.jpg", self.name), self.labels(name)
        need_size(labels, image, self.mat_file(name), self.name)
        return image, labels


class SbdObjects(_Sbd):
    """One sample per (picture, label), in file order, then by label. Nothing is left out, nothing ignored.

    The list of labels needs every .mat file once; it is kept (`index_cache`).
    """

    def __init__(self, root: str | os.PathLike[str], name: str, split: str, *, report: Report | None = None) -> None:
        super().__init__(root, name, split, report=report)
        sources = [self.list_file, self.root / "inst"]
        kept = self._scan(report) if report else cached_arrays(f"sbd-objects-{split}", sources, self._scan)
        pairs = kept["pairs"]
        self._pairs = [(int(number), int(label)) for number, label in pairs]
        self.sample_ids: Sequence[str] = [f"{self.names[number]}_{label}" for number, label in self._pairs]

    def _scan(self, report: Report | None = None) -> dict[str, NDArray[Any]]:
        pairs: list[tuple[int, int]] = []
        for number, name in enumerate(self.names):
            try:
                pairs += [(number, label) for label in _values(self.labels(name))]
            except DatasetError as error:
                (report or refuse)(Finding(str(self.mat_file(name)), "instance file", str(error)))
        return {"pairs": np.array(pairs, dtype=np.int32).reshape(-1, 2)}

    def __len__(self) -> int:
        return len(self._pairs)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of a sample comes from, for messages."""
        number, label = self._pairs[index]
        return f"{self.mat_file(self.names[number])} label {label}"

    def load(self, index: int) -> Sample:
        """Picture and the mask of one object."""
        number, label = self._pairs[index]
        image, labels = self.picture_and_labels(self.names[number])
        return labelled_sample(self.sample_ids[index], image, labels, [label])


class SbdTraining(_Sbd, OneSource):
    """One sample per picture with all its objects, without the "buggy" ones, which become background."""

    def __init__(self, root: str | os.PathLike[str], name: str, split: str, *, report: Report | None = None) -> None:
        super().__init__(root, name, split, report=report)
        self.given_root = Path(root)
        self.sample_ids: Sequence[str] = self.names

    def __len__(self) -> int:
        return len(self.names)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of a sample comes from, for messages."""
        return str(self.mat_file(self.names[index]))

    def load(self, index: int) -> Sample:
        """Picture and objects."""
        image, labels = self.picture_and_labels(self.names[index])
        values = [value for value in _values(labels) if bounding_fill(labels == value) >= _LEAST_FILL]
        return labelled_sample(self.names[index], image, labels, values)

    def sample_weights(self, gamma: float = WEIGHTS_GAMMA) -> NDArray[np.float64]:
        """(len,) probabilities: (1 - score) ** gamma, normalised, so that hard pictures come more often.

        score: of the published file `WEIGHTS_FILE` if it is there; else the mean over the objects of a picture of the
        share of the object that lies deeper than 3 pixels inside, that is the IoU that a mask reaches whose outline is
        3 pixels too far in. Both scores are close to 1 for large round objects and low for small and thin ones.
        """
        published = self._weights_file()
        scores = self._published_scores(published) if published else self._own_scores()
        weights = (1.0 - np.clip(scores, _LEAST_SCORE, _MOST_SCORE)) ** gamma
        return np.asarray(weights / weights.sum(), dtype=np.float64)

    def _weights_file(self) -> Path | None:
        places = [
            place / inner
            for place in dict.fromkeys((self.root, self.given_root, self.given_root.parent))
            for inner in (WEIGHTS_FILE, f"assets/{WEIGHTS_FILE}")
        ]
        return next((path for path in places if path.is_file()), None)

    def _published_scores(self, path: Path) -> NDArray[np.float64]:
        """Scores in the order of our pictures from a list of (index, picture name, score)."""
        content = read_pickle(path, self.name)
        try:
            scores = {str(name).removesuffix(".jpg"): float(score) for _, name, score in content}
        except (TypeError, ValueError):
            raise DatasetError(
                f"{self.name}: {path} is no list of (index, name, score); get the file of the RITM release"
            ) from None
        missing = [name for name in self.names if name not in scores]
        if missing:
            raise DatasetError(
                f"{self.name}: {path} has no score for {missing[0]} ({len(missing)} such pictures); it belongs to "
                f"another list than {self.list_file}, remove it to use our own rule"
            )
        values = np.array([scores[name] for name in self.names], dtype=np.float64)
        if not np.isfinite(values).all():
            raise DatasetError(f"{self.name}: {path} holds scores that are not numbers; get a fresh copy")
        return values

    def _own_scores(self) -> NDArray[np.float64]:
        sources = [self.list_file, self.root / "inst"]
        kept = cached_arrays(f"sbd-scores-{_RIM}", sources, lambda: {"scores": self._scan_scores()})
        return np.asarray(kept["scores"], dtype=np.float64)

    def _scan_scores(self) -> NDArray[np.float64]:
        return np.array([_mean_inner_share(labels) for labels in self.all_labels()], dtype=np.float64)


def read_instances(path: Path, dataset: str) -> NDArray[np.uint8]:
    """(H, W) instance map of an SBD file: the first field of its MATLAB struct ``GTinst``. Raises DatasetError."""
    rule = "a MATLAB 5 file with the struct GTinst, whose first field is the instance map"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            struct = loadmat(path, variable_names=["GTinst"])["GTinst"]
    except KeyError:
        raise DatasetError(f"{dataset}: {path} has no GTinst; rule: {rule}") from None
    except Exception as error:  # the parser raises whatever it stumbles over in a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{dataset}: {path} cannot be read ({reason}); rule: {rule}") from error
    fields = struct.dtype.names
    labels = np.asarray(struct[fields[0]].flat[0]) if fields and struct.size else np.empty(0)
    if labels.ndim != 2 or labels.dtype.kind not in "ui" or not labels.size:
        raise DatasetError(f"{dataset}: {path} holds no instance map; rule: {rule}")
    if labels.min() < 0 or labels.max() > 255:
        raise DatasetError(f"{dataset}: {path} holds the label {labels.max()}; rule: labels 0 to 255, 0 background")
    return labels.astype(np.uint8)


def bounding_fill(mask: NDArray[np.bool_]) -> float:
    """Share of its bounding box that a non-empty mask covers."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    return float(mask.sum() / box)


def _values(labels: NDArray[np.uint8]) -> list[int]:
    """Labels of a map, ascending, without 0."""
    return [int(value) for value in np.unique(labels) if value]


def _mean_inner_share(labels: NDArray[np.uint8]) -> float:
    """Mean over the objects of the share of their pixels that is deeper than `_RIM`; 1 without an object."""
    shares = []
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            mask = np.pad(labels[box] == value, 1)
            shares.append(float((ndimage.distance_transform_edt(mask) > _RIM).sum() / mask.sum()))
    return float(np.mean(shares)) if shares else 1.0
