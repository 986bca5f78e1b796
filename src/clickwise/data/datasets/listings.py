"""What the readers of large sets share: lists of names, listed folders, label rasters, outlines of samples."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.data.findings import Finding, Report, refuse
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError, ImageError
from clickwise.imaging import LoadedImage, read_raster
from clickwise.types import LabelArray


def root_with(root: Path, wanted: Sequence[str], inner: Sequence[str], dataset: str) -> Path:
    """The folder that holds all of ``wanted``: the root, or one of the folders ``inner`` below it.

    Raises DatasetError naming the first that is missing.
    """
    for place in (root, *(root / name for name in inner)):
        if all((place / name).exists() for name in wanted):
            return place
    missing = next(name for name in wanted if not (root / name).exists())
    what = "has no" if root.is_dir() else "does not exist; it should hold"
    raise DatasetError(f"{dataset}: {root} {what} {missing}; expected {', '.join(wanted)}")


def read_text(path: Path, dataset: str) -> str:
    """A text file; DatasetError when it is missing or no text."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise DatasetError(f"{dataset}: {path} does not exist; check the layout of the data set") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{dataset}: {path} cannot be read as text: {error}") from error


def read_names(path: Path, dataset: str) -> list[str]:
    """One name per line (what follows a blank is left out); DatasetError when there is none or one comes twice."""
    names = [line.split()[0] for line in read_text(path, dataset).splitlines() if line.strip()]
    if not names:
        raise DatasetError(f"{dataset}: {path} is empty; expected one name per line")
    if len(set(names)) < len(names):
        twice = next(name for number, name in enumerate(names) if name in names[:number])
        raise DatasetError(f"{dataset}: {path} lists {twice} twice; keep one of the lines")
    return names


def listed(folder: Path, dataset: str) -> set[str]:
    """The file names in a folder, read in one go; DatasetError when there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries}
    except OSError:
        raise DatasetError(f"{dataset}: {folder} is not a folder; check the layout of the data set") from None


def need_files(
    names: Sequence[str], folder: Path, suffix: str, dataset: str, listed_in: Path, report: Report | None = None
) -> set[str]:
    """The listed names without their file ``folder/NAME + suffix``, told to ``report``.

    Without a report the first is raised as a DatasetError.
    """
    have = listed(folder, dataset)
    lacking = (name for name in names if name + suffix not in have)
    missing = [name for name in lacking if "/" not in name or not (folder / f"{name}{suffix}").is_file()]
    more = f" ({len(missing)} such files)" if len(missing) > 1 and report is None else ""
    for name in missing:
        file = folder / f"{name}{suffix}"
        message = f"{dataset}: {file} does not exist{more}; {listed_in.name} lists it"
        (report or refuse)(Finding(str(file), "missing file", message))
    return set(missing)


def check_probability(value: float, option: str, dataset: str) -> float:
    """The value; DatasetError when it lies outside 0..1."""
    if not 0 <= value <= 1:
        raise DatasetError(f"{dataset}: option {option} is {value}; expected a probability from 0 to 1")
    return value


def raster(path: Path, dataset: str) -> NDArray[Any]:
    """Stored values of a mask file, (H, W) or (H, W, C); DatasetError when it cannot be read."""
    try:
        return read_raster(path)[0]
    except ImageError as error:
        raise DatasetError(f"{dataset}: mask {error}") from error


def need_size(values: NDArray[Any], image: LoadedImage, path: Path, dataset: str) -> None:
    """Raise DatasetError when labels and picture differ in height or width."""
    if values.shape[:2] != image.size:
        name = image.path.name if image.path else "its picture"
        raise DatasetError(
            f"{dataset}: {path} is {values.shape[1]} x {values.shape[0]} pixels, {name} {image.width} x "
            f"{image.height} (width x height); they must agree"
        )


def labelled_sample(
    sample_id: str, image: LoadedImage, labels: NDArray[Any], values: Sequence[int], ignored: Collection[int] = ()
) -> Sample:
    """A sample of one layer: one object per value. Labels that are neither object nor ignored become 0."""
    layer: LabelArray = labels.astype(np.int32)
    layer = np.where(np.isin(layer, [*values, *ignored]), layer, 0).astype(np.int32)
    return Sample(
        sample_id=sample_id,
        image=image.rgb,
        layers=layer[:, :, None],
        objects=tuple(ObjectRef(0, (int(value),)) for value in values),
        ignored=tuple(ObjectRef(0, (int(value),)) for value in ignored if (layer == value).any()),
    )
