"""YOLO segmentation: ``labels/STEM.txt`` with one outline per line, ``data.yaml`` with splits and class names."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clickwise.data.datasets.folders import load_picture, picture_files
from clickwise.data.datasets.reporting import ReportingReader, read_yaml
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.formats.outlines import fill_polygon
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.types import MaskArray, Size

SPLITS = ("train", "val", "valid", "test")
_SLACK = 1e-3
"""Exports round; so much beyond 0..1 is no mistake."""
_RULE = "rule: CLASS x1 y1 x2 y2 x3 y3 ..., at least 3 corners as shares of width and height"


class YoloSeg(ReportingReader):
    """Every picture of the splits in ``data.yaml``; ``images/`` in its path becomes ``labels/`` for its text file.

    Each line is one object, filled as `outlines` says (parts joined by a bridge drawn out and back stay one object,
    and the bridge leaves no trace). A picture without text file, or with an empty one, is a background sample.
    ``root`` may be the YAML file itself; without one, ``images/`` and ``labels/`` below the folder count.
    split: "train", "val" or "test" takes only that one. Raises DatasetError when one is missing or holds no picture.
    """

    def __init__(
        self, root: str | os.PathLike[str], name: str = "", *, split: str = "all", report: Report | None = None
    ) -> None:
        place = Path(root)
        settings_file = place if place.is_file() else _settings_file(place)
        super().__init__(settings_file.parent if place.is_file() and settings_file else place, name, report)
        self._classes: set[int] | None = None
        pictures = (
            self._listed(settings_file, split) if settings_file else _pictures_below(self.root / "images", self.name)
        )
        self._pictures = list(dict.fromkeys(pictures))
        if not self._pictures:
            raise DatasetError(
                f"{self.name}: {root} holds no picture (split {split}); expected images/ with labels/ beside"
            )
        self.sample_ids: Sequence[str] = [_id(path, self.root) for path in self._pictures]

    def _listed(self, file: Path, wanted: str) -> Iterator[Path]:
        """Pictures of one split, or of all, of a data.yaml."""
        content = read_yaml(file, self.name)
        if not isinstance(content, dict) or not any(content.get(split) for split in SPLITS):
            raise DatasetError(f"{self.name}: {file} names no split; expected a line like train: images/train")
        names = content.get("names")
        if isinstance(names, (list, dict)) and names:
            self._classes = set(range(len(names))) if isinstance(names, list) else {_whole(key) for key in names}
        base = file.parent / str(content.get("path") or "")
        if not base.is_dir():
            base = file.parent  # a path of another machine
        for split in SPLITS if wanted == "all" else ("val", "valid") if wanted == "val" else (wanted,):
            entries = content.get(split) or []
            for entry in entries if isinstance(entries, list) else [entries]:
                yield from self._of_entry(file, base, split, str(entry))

    def _of_entry(self, file: Path, base: Path, split: str, entry: str) -> Iterator[Path]:
        # Some exporters write ../train/images for a folder that lies beside the YAML file.
        place = next((p for p in (base / entry, base / entry.removeprefix("../")) if p.exists()), None)
        if place is None:
            self.wrong(file, "split missing", f"names {entry} for {split}, which is not below {base}")
        elif place.is_dir():
            yield from _pictures_below(place, self.name)
        else:
            yield from self._of_list(place)

    def _of_list(self, file: Path) -> Iterator[Path]:
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.name}: {file} is no readable list of pictures ({error})") from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                picture = file.parent / line.strip()
                if picture.is_file():
                    yield picture
                else:
                    self.wrong(f"{file} line {number}", "picture missing", f"names {line.strip()}, which is not there")

    def __len__(self) -> int:
        return len(self._pictures)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return f"{labels_of(self._pictures[index])} object {object_id}"

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self._pictures[index]

    def load(self, index: int) -> Sample:
        """Read a picture, fill its outlines; DatasetError naming file and line when one of them is malformed."""
        picture = self._pictures[index]
        image = load_picture(picture, self.name)
        return layered_sample(self.sample_ids[index], image.rgb, self._masks(labels_of(picture), image.size))

    def _masks(self, file: Path, size: Size) -> Iterator[MaskArray]:
        if not file.is_file():
            return
        try:
            lines = file.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, ValueError) as error:
            raise DatasetError(f"{self.name}: {file} is no readable text ({error})") from None
        for number, line in enumerate(lines, 1):
            if line.strip():
                corners = self._corners(f"{file} line {number}", line.split())
                if corners is not None:
                    yield fill_polygon(corners * np.array([size[1], size[0]]), size)

    def _corners(self, place: str, words: list[str]) -> np.ndarray[Any, np.dtype[np.float64]] | None:
        """(N, 2) shares of width and height; None when malformed and the report wants to go on."""
        try:
            numbers = np.array([float(word) for word in words])
        except ValueError:
            self.wrong(place, "line", f"holds words that are no numbers; {_RULE}")
            return None
        if len(numbers) == 5:
            self.wrong(place, "box instead of outline", f"is a box, not an outline; {_RULE}")
        elif len(numbers) < 7 or len(numbers) % 2 == 0:
            self.wrong(place, "outline", f"has {len(numbers)} numbers; {_RULE}")
        elif not (np.isfinite(numbers).all() and numbers[1:].min() >= -_SLACK and numbers[1:].max() <= 1 + _SLACK):
            self.wrong(place, "outline", f"has a corner outside 0..1; {_RULE}")
        elif self._classes is not None and numbers[0] not in self._classes:
            self.wrong(place, "class", f"has the class {numbers[0]:g}, which data.yaml does not name")
        else:
            return numbers[1:].reshape(-1, 2)
        return None


def labels_of(picture: Path) -> Path:
    """The text file of a picture: the last ``images`` in its path becomes ``labels``; else beside it."""
    parts = list(picture.parts)
    places = [number for number, part in enumerate(parts[:-1]) if part == "images"]
    if places:
        parts[places[-1]] = "labels"
    return Path(*parts).with_suffix(".txt")


def recognises(place: Path) -> bool:
    """Whether a folder holds a data.yaml with splits, or images/ with labels/; or a file is such a YAML."""
    if place.is_file():
        return place.suffix.lower() in (".yaml", ".yml")
    return _settings_file(place) is not None or ((place / "images").is_dir() and (place / "labels").is_dir())


def _settings_file(root: Path) -> Path | None:
    """``data.yaml``, or the only YAML file that names splits and classes."""
    found = sorted(p for pattern in ("*.yaml", "*.yml") for p in root.glob(pattern)) if root.is_dir() else []
    usual = [p for p in found if p.stem in ("data", "dataset")]
    for file in (*usual, *found):
        try:
            content = read_yaml(file, "")
        except DatasetError:
            if file in usual:
                return file  # it says itself what is wrong
            continue
        named = isinstance(content, dict) and "names" in content
        if named and (file in usual or any(split in content for split in SPLITS)):
            return file
    return None


def _pictures_below(folder: Path, name: str) -> list[Path]:
    """Pictures of a folder and of those in it, by path."""
    if not folder.is_dir():
        return []
    own = sorted(p for p in folder.rglob("*") if p.is_dir())
    return [p for place in (folder, *own) if any(place.iterdir()) for p in _own_pictures(place, name)]


def _own_pictures(folder: Path, name: str) -> list[Path]:
    try:
        return picture_files(folder, name)
    except DatasetError:  # a folder of folders
        return []


def _id(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).with_suffix("").as_posix()
    except ValueError:
        return path.with_suffix("").as_posix()


def _whole(key: Any) -> int:
    return int(key) if isinstance(key, int) or str(key).isdigit() else -1
