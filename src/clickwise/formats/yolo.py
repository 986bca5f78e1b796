"""YOLO segmentation: ``labels/STEM.txt`` with one outline per line, ``data.yaml`` with splits and class names.

Corners are shares of width and height of the upright picture. An object of several parts is one line: its outlines are
joined by lines drawn out and back, which is how the format's own converter joins them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from clickwise.errors import DatasetError
from clickwise.formats.files import (
    Wrong,
    by_plain_stem,
    picture_facts,
    pictures_below,
    plain,
    read_lines,
    read_yaml,
    refuse,
)
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.outlines import fill_polygon
from clickwise.formats.records import LabelClass, LabelledImage, LabelledObject, Labels, RunLengths
from clickwise.formats.tracing import bridged, trace
from clickwise.types import MaskArray

SPLITS = ("train", "val", "valid", "test")
_SLACK = 1e-3
"""Exports round; so much beyond 0..1 is no mistake."""
_DIGITS = 7
"""After the point: half a unit of the last is less than half a pixel up to ten million pixels, so masks come back."""
_RULE = "rule: CLASS x1 y1 x2 y2 x3 y3 ..., at least 3 corners as shares of width and height"


class YoloFolder:
    """The pictures of a data.yaml, or of ``images/`` where there is none, and the classes.

    place: the folder or its YAML file. split: "all", "train", "val" or "test". name: of the data set, for messages.
    pictures: in order, each once. classes: number -> name; None where nothing names them.
    Raises DatasetError for a file without splits; missing pictures are told to ``wrong``.
    """

    def __init__(self, place: Path, split: str = "all", *, name: str = "", wrong: Wrong = refuse) -> None:
        self._wrong = wrong
        self._name = f"{name}: " if name else ""
        self.settings_file = place if place.is_file() else settings_file(place)
        self.root = self.settings_file.parent if place.is_file() and self.settings_file else place
        self.classes: dict[int, str] | None = None
        found = self._listed(self.settings_file, split) if self.settings_file else pictures_below(self.root / "images")
        self.pictures = list(dict.fromkeys(found))

    def _listed(self, file: Path, wanted: str) -> Iterator[Path]:
        """Pictures of one split, or of all, of a data.yaml."""
        content = read_yaml(file, self._name.removesuffix(": "))
        if not isinstance(content, dict) or not any(content.get(split) for split in SPLITS):
            raise DatasetError(f"{self._name}{file} names no split; expected a line like train: images/train")
        self.classes = class_names(content)
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
            self._wrong(file, "split missing", f"names {entry} for {split}, which is not below {base}")
        elif place.is_dir():
            yield from pictures_below(place)
        else:
            yield from self._of_list(place)

    def _of_list(self, file: Path) -> Iterator[Path]:
        for number, line in enumerate(read_lines(file, self._name.removesuffix(": ")), 1):
            if line.strip():
                picture = file.parent / line.strip()
                if picture.is_file():
                    yield picture
                else:
                    self._wrong(f"{file} line {number}", "picture missing", f"names {line.strip()}, which is not there")

    def outlines(self, file: Path) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """(class number, (N, 2) corners as shares of width and height) of each line; none without such a file."""
        if not file.is_file():
            return
        for number, line in enumerate(read_lines(file, self._name.removesuffix(": ")), 1):
            if line.strip():
                found = parse_line(f"{file} line {number}", line.split(), self.classes, self._wrong)
                if found is not None:
                    yield found


def parse_line(
    place: str, words: list[str], classes: dict[int, str] | None, wrong: Wrong = refuse
) -> tuple[int, NDArray[np.float64]] | None:
    """(class number, (N, 2) corners); None when malformed and ``wrong`` wants to go on."""
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError:
        wrong(place, "line", f"holds words that are no numbers; {_RULE}")
        return None
    if len(numbers) == 5:
        wrong(place, "box instead of outline", f"is a box, not an outline; {_RULE}")
    elif len(numbers) < 7 or len(numbers) % 2 == 0:
        wrong(place, "outline", f"has {len(numbers)} numbers; {_RULE}")
    elif not (np.isfinite(numbers).all() and numbers[1:].min() >= -_SLACK and numbers[1:].max() <= 1 + _SLACK):
        wrong(place, "outline", f"has a corner outside 0..1; {_RULE}")
    elif classes is not None and numbers[0] not in classes:
        wrong(place, "class", f"has the class {numbers[0]:g}, which data.yaml does not name")
    else:
        return int(numbers[0]), numbers[1:].reshape(-1, 2)
    return None


def mask_of(corners: NDArray[np.float64], height: int, width: int) -> MaskArray:
    """(H, W) mask of an outline in shares."""
    return fill_polygon(corners * np.array([width, height]), (height, width))


def class_names(content: dict[str, Any]) -> dict[int, str] | None:
    """Number -> name of a data.yaml, whether it lists or numbers them; None when it names none."""
    names = content.get("names")
    if not isinstance(names, (list, dict)) or not names:
        return None
    pairs = enumerate(names) if isinstance(names, list) else names.items()
    return {_whole(key): str(names_one) for key, names_one in pairs}


def labels_file(picture: Path) -> Path:
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
    return settings_file(place) is not None or ((place / "images").is_dir() and (place / "labels").is_dir())


def settings_file(root: Path) -> Path | None:
    """``data.yaml``, or the only YAML file that names splits and classes."""
    found = sorted(p for pattern in ("*.yaml", "*.yml") for p in root.glob(pattern)) if root.is_dir() else []
    usual = [p for p in found if p.stem in ("data", "dataset")]
    for file in (*usual, *found):
        try:
            content = read_yaml(file)
        except DatasetError:
            if file in usual:
                return file  # it says itself what is wrong
            continue
        named = isinstance(content, dict) and "names" in content
        if named and (file in usual or any(split in content for split in SPLITS)):
            return file
    return None


def read(place: Path, options: ReadOptions) -> Labels:
    """Every picture with its lines. Corners are shares, so the pictures must be there: in the folder or in ``images``.

    Raises DatasetError naming file and line for what is malformed, and for a text file without picture.
    """
    if options.images:
        found = list(_with_pictures_elsewhere(place, options.images))
        folder: YoloFolder = _Elsewhere(place)
    else:
        folder = YoloFolder(place)
        found = [(_name(path, folder.root), path, labels_file(path)) for path in folder.pictures]
        _need_pictures(folder.root, [file for _, _, file in found])
    if not found:
        raise DatasetError(
            f"{place} holds no picture; YOLO's corners are shares of its width and height: put the pictures into "
            "images/, or say where they are with --images DIR"
        )
    images, used = [], set()
    for name, path, file in found:
        facts = picture_facts(path)
        objects = []
        for number, corners in folder.outlines(file):
            used.add(number)
            objects.append(LabelledObject(_class(number, folder.classes), RunLengths.of(mask_of(corners, *facts.size))))
        images.append(LabelledImage(name, *facts.size, tuple(objects), facts.orientation, path))
    numbers = sorted(used if folder.classes is None else folder.classes)
    return Labels(tuple(LabelClass(_class(number, folder.classes)) for number in numbers), tuple(images))


class _Elsewhere(YoloFolder):
    """Classes and lines of a folder whose pictures lie somewhere else."""

    def _listed(self, file: Path, wanted: str) -> Iterator[Path]:
        content = read_yaml(file)
        self.classes = class_names(content) if isinstance(content, dict) else None
        return iter(())


def _with_pictures_elsewhere(place: Path, folders: Sequence[Path]) -> Iterator[tuple[str, Path, Path]]:
    """(name, picture, text file) of every text file below labels/; its picture has the same path in another folder."""
    root = (place.parent if place.is_file() else place) / "labels"
    pictures = [(folder, by_plain_stem(pictures_below(folder), folder)) for folder in folders]
    for file in sorted(root.rglob("*.txt"), key=lambda path: path.relative_to(root).parts):
        stem = plain(file.relative_to(root).with_suffix("").as_posix())
        for folder, found in pictures:
            if stem in found:
                yield found[stem].relative_to(folder).as_posix(), found[stem], file
                break
        else:
            raise DatasetError(
                f"{file} has no picture; rule: labels/{stem}.txt belongs to {stem}.jpg (or another kind)"
            )


def _need_pictures(root: Path, files: Sequence[Path]) -> None:
    """Raise DatasetError for a text file below labels/ that belongs to no picture."""
    known = {file.resolve() for file in files}
    for file in sorted((root / "labels").rglob("*.txt")):
        if file.resolve() not in known and file.name != "classes.txt":
            raise DatasetError(
                f"{file} has no picture; rule: it belongs to the picture of the same name in images/; "
                "put it there or give --images DIR"
            )


def _name(path: Path, root: Path) -> str:
    """Below the last folder ``images`` of its path, which says nothing; else below the root."""
    parts = path.relative_to(root).parts if path.is_relative_to(root) else path.parts[-1:]
    places = [number for number, part in enumerate(parts[:-1]) if part == "images"]
    return "/".join([*parts[: places[-1]], *parts[places[-1] + 1 :]] if places else parts)


def _class(number: int, names: dict[int, str] | None) -> str:
    return names[number] if names else f"class {number}"


def write(labels: Labels, target: Path, options: WriteOptions) -> None:
    """``data.yaml``, ``labels/STEM.txt``; the pictures belong into ``images/``."""
    numbers = {one.name: number for number, one in enumerate(labels.classes)}
    content: dict[str, Any] = {"train": "images", "val": "images", "names": {n: name for name, n in numbers.items()}}
    (target / "data.yaml").write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    (target / "labels").mkdir()
    (target / "images").mkdir()
    for image in labels.images:
        scale = np.array([image.width, image.height])
        lines = []
        for one in image.objects:
            rings = trace(one.mask.mask())
            holes = rings.holes if options.holes == "bridge" else ()
            corners = np.array(bridged([*rings.parts, *holes])) / scale
            lines.append(f"{numbers[one.class_name]} " + " ".join(_short(value) for value in corners.ravel().tolist()))
        file = target / "labels" / f"{image.stem}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def _short(value: float) -> str:
    return f"{value:.{_DIGITS}f}".rstrip("0").rstrip(".")


def _whole(key: Any) -> int:
    return int(key) if isinstance(key, int) or str(key).isdigit() else -1
