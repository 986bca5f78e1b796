"""Data sets by name. A new one is one reader file and one line in `DATASETS`; third parties use entry points.

A name is ``NAME`` or ``NAME:SPLIT``: ``SBD`` is what is evaluated, ``SBD:train`` what is trained on.
An entry point of the group "clickwise.datasets" has the data set's name and the value ``module:ENTRY``, where ENTRY is
a `DatasetEntry`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path
from typing import cast

from clickwise.data.datasets.folders import find_folder
from clickwise.data.datasets.forms import all_forms, form_of
from clickwise.data.findings import Report
from clickwise.data.sample import Dataset
from clickwise.errors import DatasetError
from clickwise.nearest import did_you_mean

DATA_VARIABLE = "CLICKWISE_DATA"


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """A data set that can be asked for by name.

    name: as in ``--datasets`` and as the folder below the data root is called.
    reader: "module:callable"; called with the root folder and the name (and, where the entry has splits, with
        ``split=``), it returns a `Dataset`. Other arguments that it has are options for `open_dataset`.
    config_key: the key of config.yml that gives its root.
    folders: folders that its root holds; by them a folder given by path is recognised.
    objects: how many objects the published evaluation has (0: no fixed number).
    splits: what may follow the name after a colon; the first is meant when nothing follows.
    marks: patterns of files of which it has one; such a folder is recognised before all plain forms.
    other_keys, other_folders: further keys of config.yml and further names of its folder, tried after its own.
    """

    name: str
    reader: str
    config_key: str
    folders: tuple[str, ...] = ()
    objects: int = 0
    splits: tuple[str, ...] = ()
    other_keys: tuple[str, ...] = ()
    other_folders: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()


DATASETS = (
    DatasetEntry("GrabCut", "grabcut_style:GrabCut", "GRABCUT_PATH", ("data_GT", "boundary_GT"), 50),
    DatasetEntry("Berkeley", "grabcut_style:Berkeley", "BERKELEY_PATH", ("images", "masks"), 100),
    DatasetEntry("DAVIS", "davis_style:Davis", "DAVIS_PATH", ("img", "gt"), 345),
    DatasetEntry("COCO_MVal", "davis_style:Davis", "COCO_MVAL_PATH", ("img", "gt"), 800),
    DatasetEntry("SBD", "sbd:open_sbd", "SBD_PATH", ("img", "inst"), 6671, splits=("val", "train")),
    DatasetEntry("SBD_Train", "sbd:open_sbd_train", "SBD_PATH", (), 20172, other_folders=("SBD",)),
    DatasetEntry(
        "PascalVOC",
        "pascal_voc:PascalVoc",
        "PASCALVOC_PATH",
        ("JPEGImages", "SegmentationObject"),
        3427,
        splits=("val", "test", "train", "trainval", "val-grey", "test-grey"),
        other_folders=("VOC2012", "VOCdevkit"),
    ),
    DatasetEntry(
        "COCO",
        "coco_panoptic:CocoPanoptic",
        "COCO_PATH",
        splits=("train", "val"),
        marks=("annotations/panoptic_*.json",),
    ),
    DatasetEntry(
        "COCO_LVIS",
        "coco_lvis:CocoLvis",
        "COCO_LVIS_PATH",
        splits=("train", "val"),
        other_keys=("LVIS_v1_PATH", "LVIS_PATH"),
        other_folders=("LVIS_v1", "LVIS"),
        marks=("*/hannotation.pickle", "*/annotations.jsonl"),
    ),
    DatasetEntry(
        "LVIS",
        "lvis:Lvis",
        "LVIS_v1_PATH",
        splits=("train", "val"),
        other_keys=("LVIS_PATH",),
        other_folders=("LVIS_v1",),
        marks=("*/lvis_train.json", "*/lvis_val.json", "*/lvis_v1_*.json", "lvis_v1_*.json"),
    ),
    DatasetEntry(
        "ADE20K",
        "ade20k:Ade20k",
        "ADE20K_PATH",
        splits=("train", "val"),
        other_folders=("ADE20K_2016_07_26",),
        marks=("images/training/*/*/ADE_train_*_seg.png", "ADE20K_2016_07_26/images"),
    ),
    DatasetEntry(
        "OpenImages",
        "open_images:OpenImages",
        "OPENIMAGES_PATH",
        splits=("train", "validation", "test"),
        marks=("*/*-annotations-object-segmentation.csv", "*/*-annotations-object-segmentation_clean.pkl"),
    ),
    DatasetEntry("DAVIS585", "davis585:Davis585", "DAVIS585_PATH", objects=585, splits=("zero", "stm", "sp")),
    DatasetEntry("HeldOut", "pack:HeldOutObjects", "HELDOUT_PATH", splits=("one", "all"), other_folders=("train",)),
    DatasetEntry("HQSeg", "hqseg:HQSeg", "HQSEG_PATH", other_folders=("HQSeg44K",)),
)
"""Readers are named relative to `clickwise.data.datasets`."""


def dataset_entries() -> dict[str, DatasetEntry]:
    """All registered data sets by name, ours first."""
    entries = {entry.name: entry for entry in DATASETS}
    for point in entry_points(group="clickwise.datasets"):
        entries.setdefault(point.name, point.load())
    return entries


def find_entry(name: str) -> DatasetEntry | None:
    """The registered data set of that name, with or without a split; upper and lower case, ``-`` and ``_`` are one."""
    plain = _plain(name.partition(":")[0])
    return next((e for e in dataset_entries().values() if _plain(e.name) == plain), None)


def open_dataset(
    name_or_folder: str | os.PathLike[str],
    data_root: str | os.PathLike[str] | None = None,
    config: Mapping[str, Path] | None = None,
    options: Mapping[str, object] | None = None,
    *,
    report: Report | None = None,
) -> Dataset:
    """The data set of that name, or the one that lies in that folder or file.

    A name is looked up under its key in ``config`` (key of config.yml -> folder), then as ``data_root/NAME``; data_root
    defaults to $CLICKWISE_DATA. A folder is read by what it holds: a registered layout if its own name is that data
    set's, else the first of `forms` that it has, else any registered layout that fits; ``FOLDER:SPLIT`` where the form
    has splits. ``options`` are the reader's own, for example ``{"stuff_prob": 0.3}``. ``report`` is told all that is
    wrong by readers that can go on; without it, the first thing wrong is an error.
    Folders are listed and matched here; files are read by ``load``. Raises DatasetError.
    """
    text, options = os.fspath(name_or_folder), {**(options or {}), **({"report": report} if report else {})}
    entry = find_entry(text) if Path(text).name == text else None
    if entry is not None:
        return _read(entry, root_of(entry, data_root, config or {}), "", text.partition(":")[2], options)
    folder, _, split = (text, "", "") if Path(text).exists() else text.rpartition(":")
    if folder and Path(folder).exists():
        return _open_place(Path(folder), split, options)
    names = list(dataset_entries())
    if Path(text).name != text:
        raise DatasetError(
            f"data set {text} does not exist; give a folder with images/ and masks/, or a name: {_all()}"
        )
    hint = did_you_mean(text.partition(":")[0], names)
    raise DatasetError(f"no data set is called {text!r}; {hint}known: {_all()}, or a folder with images/ and masks/")


def root_of(entry: DatasetEntry, data_root: str | os.PathLike[str] | None, config: Mapping[str, Path]) -> Path:
    """The folder of a registered data set, as `open_dataset` finds it. Raises DatasetError."""
    for key in (entry.config_key, *entry.other_keys):
        if key in config:
            if not config[key].is_dir():
                raise DatasetError(f"{entry.name}: {key} names {config[key]}, which is not a folder; correct it")
            return config[key]
    given = os.fspath(data_root) if data_root is not None else os.environ.get(DATA_VARIABLE, "")
    source = "--data-root" if data_root is not None else DATA_VARIABLE
    if not given:
        raise DatasetError(
            f"{entry.name}: no place to look; give --data-root DIR with {entry.name}/ in it, set {DATA_VARIABLE}, "
            f"or --config with {entry.config_key}"
        )
    root = Path(given)
    if not root.is_dir():
        raise DatasetError(f"{entry.name}: {source} is {root}, which is not a folder; expected one with {entry.name}/")
    for name in (entry.name, *entry.other_folders):
        near = [p for p in sorted(root.iterdir()) if _plain(p.name) == _plain(name) and p.is_dir()]
        folder = find_folder(root, name) or (near[0] if near else None)
        if folder is not None:
            return folder
    names = " or ".join(f"{name}/" for name in (entry.name, *entry.other_folders))
    raise DatasetError(f"{entry.name}: {root} has no folder {names}; put the data set there or correct {source}")


def _open_place(place: Path, split: str, options: Mapping[str, object]) -> Dataset:
    def fits(entry: DatasetEntry) -> bool:
        return bool(entry.folders) and all(find_folder(place, name) for name in entry.folders)

    def marked(entry: DatasetEntry) -> bool:
        return any(next(place.glob(mark), None) for mark in entry.marks)

    name = place.resolve().name
    entry = find_entry(name)
    if entry is not None and (fits(entry) or marked(entry)):
        return _read(entry, place, "", split, options)
    known = next((e for e in dataset_entries().values() if marked(e)), None)
    if known is not None:
        return _read(known, place, name, split, options)
    form = form_of(place)
    if form is not None:
        title = place.resolve().stem if place.is_file() else name
        return _read(DatasetEntry(title, form.reader, "", splits=form.splits), place, "", split, options)
    other = next((e for e in dataset_entries().values() if fits(e)), None)
    if other is None:
        raise DatasetError(f"{place} holds no form of data that is known; known: {all_forms()}, or that of {_all()}")
    return _read(other, place, name, split, options)


def _read(entry: DatasetEntry, root: Path, name: str, split: str, options: Mapping[str, object]) -> Dataset:
    module, _, reader = entry.reader.partition(":")
    full = module if "." in module else f"clickwise.data.datasets.{module}"
    make = cast(Callable[..., Dataset], getattr(import_module(full), reader))
    known = [key for key in signature(make).parameters if key not in ("root", "name", "split", "report")]
    if "report" not in signature(make).parameters:
        options = {key: value for key, value in options.items() if key != "report"}
    for key in options:
        if key not in known and key != "report":
            raise DatasetError(f"{entry.name} has no option {key!r}; it has: {', '.join(known) or 'none'}")
    if not entry.splits:
        if split:
            raise DatasetError(f"{entry.name} has no splits; ask for {entry.name}, not {entry.name}:{split}")
        return make(root, name or entry.name, **options)
    chosen = split.casefold() or entry.splits[0]
    if chosen not in entry.splits:
        raise DatasetError(f"{entry.name} has no split {split!r}; it has: {', '.join(entry.splits)}")
    return make(root, (name or entry.name) + (f":{chosen}" if split else ""), split=chosen, **options)


def _plain(name: str) -> str:
    return name.casefold().replace("-", "").replace("_", "")


def _all() -> str:
    return ", ".join(dataset_entries())
