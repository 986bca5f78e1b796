"""Label formats by name. A new one is one file with ``recognises``, ``read`` and a writer, and one line in `FORMATS`.

>>> from pathlib import Path
>>> labels = read_labels(Path("photos.json"))  # doctest: +SKIP
>>> write_labels(labels, Path("out"), "yolo")  # doctest: +SKIP
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Literal

from clickwise.errors import DatasetError, OptionError, OutputError
from clickwise.formats.capabilities import Capabilities, check
from clickwise.formats.options import Holes, ReadOptions, WriteOptions
from clickwise.formats.records import Labels
from clickwise.formats.staging import staged_file, staged_folder
from clickwise.nearest import did_you_mean

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class LabelFormat:
    """A label format.

    name: as in ``--format``. what: for messages. module: dotted name; it has ``recognises(place)`` and
    ``read(place, options)``. writer: name of its function (labels, target, options), "" where it is only read.
    target: what it writes. can: what it keeps. holes: what happens to holes unless a user says otherwise.
    pictures: the folder for copies of the pictures; None where they stay where they are. labels: patterns of its label
    files, which an export over an earlier one replaces. may_merge: its files lie among the pictures.
    """

    name: str
    what: str
    module: str
    writer: str
    target: Literal["file", "folder"]
    can: Capabilities
    holes: Holes = "refuse"
    pictures: str | None = None
    labels: tuple[str, ...] = ()
    may_merge: bool = False

    def recognises(self, place: Path) -> bool:
        """Whether a file or folder has this format; looks at names and at the beginnings of few files."""
        return bool(import_module(self.module).recognises(place))


_PNG = "clickwise.formats.png_masks"
_PNG_LABELS = ("labels.json", "masks/*.png")
_HERE = "clickwise.formats"

FORMATS = (
    LabelFormat(
        "coco", "COCO JSON, run lengths", f"{_HERE}.coco", "write_run_lengths", "file",
        Capabilities(empty=True, by_stem=False),
    ),
    LabelFormat(
        "coco-polygons", "COCO JSON, polygons", f"{_HERE}.coco", "write_polygons", "file",
        Capabilities(holes=False, empty=True, by_stem=False), holes="fill",
    ),
    LabelFormat(
        "labelme", "LabelMe JSON, one per picture", f"{_HERE}.labelme", "write", "folder",
        Capabilities(unused_classes=False, colours=False, reserved=("__ignore__", "_background_")),
        pictures="", labels=("*.json",), may_merge=True,
    ),
    LabelFormat(
        "yolo", "YOLO segmentation (data.yaml, labels/)", f"{_HERE}.yolo", "write", "folder",
        Capabilities(
            holes=False, ignored="none", colours=False, ids=False, attributes=False, endings=False, sizes=False
        ),
        pictures="images", labels=("data.yaml", "labels/*.txt"),
    ),
    LabelFormat(
        "voc", "Pascal VOC (SegmentationObject/, SegmentationClass/)", f"{_HERE}.voc", "write", "folder",
        Capabilities(
            overlaps=False, most=254, most_classes=254, ignored="one", ignored_classes=False, colours=False, ids=False,
            attributes=False, endings=False, forbidden=":#\r\n", reserved=("background", "__ignore__"),
            forbidden_in_files=" \t\r\n",
        ),
        pictures="JPEGImages",
        labels=("labelmap.txt", "SegmentationObject/*.png", "SegmentationClass/*.png", "ImageSets/Segmentation/*.txt"),
    ),
    LabelFormat(
        "png-objects", "PNG masks, one per object", _PNG, "write_objects", "folder", Capabilities(),
        pictures="images", labels=_PNG_LABELS,
    ),
    LabelFormat(
        "png-indexed", "PNG masks, one per picture, objects numbered", _PNG, "write_indexed", "folder",
        Capabilities(overlaps=False, most=65534, ignored="one"), pictures="images", labels=_PNG_LABELS,
    ),
    LabelFormat(
        "png-binary", "PNG masks, one per picture, one object", _PNG, "write_binary", "folder",
        Capabilities(overlaps=False, most=1, ignored="one"), pictures="images", labels=_PNG_LABELS,
    ),
)  # fmt: skip
"""Recognised in this order."""


def find_format(name: str, formats: Sequence[LabelFormat] = FORMATS) -> LabelFormat:
    """The format of that name. Raises OptionError with the nearest and all known names."""
    found = next((one for one in formats if one.name == name), None)
    if found is None:
        names = [one.name for one in formats]
        raise OptionError(f"no label format is called {name!r}; {did_you_mean(name, names)}known: {', '.join(names)}")
    return found


def read_labels(
    source: Path, name: str = AUTO, options: ReadOptions | None = None, *, formats: Sequence[LabelFormat] = FORMATS
) -> Labels:
    """The labels in a file or folder; ``name`` "auto" goes by what it holds.

    Everything is read and checked at once. Raises DatasetError naming file and rule, OptionError for unknown formats.
    """
    if not source.exists():
        raise DatasetError(f"{source} does not exist; expected a file or folder with labels")
    if name == AUTO:
        found = next((one for one in formats if one.recognises(source)), None)
    else:
        found = find_format(name, formats)
    if found is None:
        raise DatasetError(
            f"{source} holds no label format that is known; known: {'; '.join(one.what for one in formats)}"
        )
    labels: Labels = import_module(found.module).read(source, options or ReadOptions())
    return labels


def write_labels(
    labels: Labels,
    target: Path,
    name: str,
    options: WriteOptions | None = None,
    *,
    overwrite: bool = False,
    formats: Sequence[LabelFormat] = FORMATS,
) -> tuple[str, ...]:
    """Write labels as a file or folder, whole or not at all; returns notes on what the format has no place for.

    The same labels make the same bytes. Raises OutputError when the format cannot hold a mask, class or name, with the
    formats that can, and when something is at ``target`` already.
    """
    found, options = find_format(name, formats), options or WriteOptions()
    if not found.writer:
        raise OptionError(f"{name} is only read, not written; choose another format")
    if found.target == "file" and target.suffix.lower() != ".json":
        raise OptionError(f"{name} is one file, {target} does not end in .json; give a name that does")
    options = replace(options, holes=options.holes or found.holes)
    notes = check(labels, name, found.can, options.holes or found.holes, {one.name: one.can for one in formats})
    write = getattr(import_module(found.module), found.writer)
    copies = _copies(labels, found) if options.pictures else {}
    try:
        if found.target == "file":
            with staged_file(target, overwrite=overwrite) as stage:
                write(labels, stage, options)
        else:
            with staged_folder(target, overwrite=overwrite, labels=found.labels, may_merge=found.may_merge) as stage:
                write(labels, stage, options)
                for name_of_copy, source in copies.items():
                    (stage / name_of_copy).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(source, stage / name_of_copy)
    except UnicodeError as error:
        raise OutputError(f"cannot write {target}: a name holds a character that no file can ({error})") from error
    return notes


def _copies(labels: Labels, found: LabelFormat) -> dict[str, Path]:
    """Relative name -> picture to copy. Raises OutputError or OptionError when that is not possible."""
    if found.pictures is None:
        raise OptionError(f"{found.name} is one file; its pictures stay where they are, leave --with-pictures out")
    copies = {}
    for image in labels.images:
        if image.path is None:
            raise OutputError(f"the picture {image.file_name} was not found; say where it is with --images DIR")
        name = image.file_name
        if found.name == "voc":
            if image.path.suffix.lower() not in (".jpg", ".jpeg"):
                raise OutputError(f"{image.path} is no JPEG, and voc has no others; leave --with-pictures out")
            name = f"{image.stem}.jpg"
        copies[f"{found.pictures}/{name}" if found.pictures else name] = image.path
    return copies
