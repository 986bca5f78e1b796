"""Folders of pictures and masks: which files count, which belong together, and what an error says."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clickwise.data.findings import Finding, Report
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError, ImageError
from clickwise.imaging import LoadedImage, read_image, read_raster, to_upright
from clickwise.types import LabelArray, MaskArray

OBJECT, IGNORED = 1, 2
"""Label values inside the layers that these readers make."""


@cache
def _picture_suffixes() -> frozenset[str]:
    return frozenset(Image.registered_extensions())


def stem_of(path: Path) -> str:
    """File name up to its last dot, in one Unicode form, so that names match whichever system wrote them."""
    return unicodedata.normalize("NFC", path.stem)


def find_folder(root: Path, name: str) -> Path | None:
    """The folder ``name`` below ``root``: exactly so, else the only one that differs in upper and lower case."""
    exact = root / name
    if exact.is_dir():
        return exact
    if not root.is_dir():
        return None
    near = [p for p in root.iterdir() if p.name.casefold() == name.casefold() and p.is_dir()]
    return near[0] if len(near) == 1 else None


def need_folder(root: Path, name: str, dataset: str) -> Path:
    """As `find_folder`, or DatasetError saying what was expected where."""
    folder = find_folder(root, name)
    if folder is None:
        what = "has no folder" if root.is_dir() else "does not exist; it should hold a folder"
        raise DatasetError(f"{dataset}: {root} {what} {name}/; check the layout of the data set")
    return folder


def picture_files(folder: Path, dataset: str) -> list[Path]:
    """The picture files directly in a folder, sorted by name; hidden files, Thumbs.db and other kinds do not count.

    Raises DatasetError when there is none.
    """
    files = sorted(
        (
            p
            for p in folder.iterdir()
            if not p.name.startswith(".") and p.suffix.lower() in _picture_suffixes() and p.is_file()
        ),
        key=lambda p: p.name,
    )
    if not files:
        raise DatasetError(f"{dataset}: {folder} holds no picture; expected at least one")
    return files


def by_stem(files: Sequence[Path], dataset: str) -> dict[str, Path]:
    """Stem -> file; DatasetError when two files share a stem."""
    found: dict[str, Path] = {}
    for path in files:
        other = found.setdefault(stem_of(path), path)
        if other is not path:
            raise DatasetError(f"{dataset}: {other} and {path.name} have the same stem; keep one of them")
    return found


def complain_about(lonely: Sequence[Path], dataset: str, what: str, rule: str, report: Report | None = None) -> None:
    """Raise DatasetError naming the first file without a partner, if there is one; or report all of them."""
    if report is not None:
        for path in lonely:
            report(Finding(str(path), f"without {what}", f"{dataset}: {path} has no {what}; {rule}"))
    elif lonely:
        more = f" ({len(lonely)} such files)" if len(lonely) > 1 else ""
        raise DatasetError(f"{dataset}: {lonely[0]} has no {what}{more}; {rule}")


def load_picture(path: Path, dataset: str) -> LoadedImage:
    """A picture, upright; DatasetError naming data set and file when it cannot be read."""
    try:
        return read_image(path)
    except ImageError as error:
        raise DatasetError(f"{dataset}: {error}") from error


def load_labels(path: Path, image: LoadedImage, dataset: str) -> NDArray[np.generic]:
    """(H, W) or (H, W, C) values of a mask file, lying on the upright picture.

    A mask turned by its own EXIF tag fits the picture as seen; one as large as the stored raster is turned with it.
    Raises DatasetError when it cannot be read or has another size.
    """
    try:
        raster, orientation = read_raster(path)
    except ImageError as error:
        raise DatasetError(f"{dataset}: mask {error}") from error
    return lay_on(raster, orientation, path, image, dataset)


def lay_on(
    raster: NDArray[np.generic], orientation: int, path: Path, image: LoadedImage, dataset: str
) -> NDArray[np.generic]:
    """The raster of a mask file, turned so that it lies on the upright picture; see `load_labels`."""
    values = to_upright(raster, orientation)
    if values.shape[:2] == image.size:
        return values
    if raster.shape[:2] == image.stored_size:
        return to_upright(raster, image.orientation)
    name = image.path.name if image.path else "its picture"
    raise DatasetError(
        f"{dataset}: mask {path} is {raster.shape[1]} x {raster.shape[0]} pixels, {name} {image.width} x "
        f"{image.height} (width x height); they must agree"
    )


def grey_labels(values: NDArray[np.generic], path: Path, dataset: str) -> NDArray[np.generic]:
    """(H, W) of a grey mask. A colour mask counts when its channels agree; alpha is left out.

    Bilevel masks become 0 and 255. Raises DatasetError for colours, which have no meaning as grey labels.
    """
    if values.ndim == 3:
        first, colours = values[:, :, 0], values[:, :, : 1 if values.shape[2] == 2 else 3]
        if (colours != first[:, :, None]).any():
            raise DatasetError(
                f"{dataset}: mask {path} is coloured; rule: a grey mask, 0 background, 128 ignored, above 128 object"
            )
        values = first
    return np.where(values, 255, 0).astype(np.uint8) if values.dtype == np.bool_ else values


def split_grey(
    values: NDArray[np.generic], path: Path, dataset: str, background: tuple[int, ...] = (0,)
) -> tuple[MaskArray, MaskArray]:
    """(object, ignored), each (H, W) bool: above 128 object, 128 ignored, ``background`` values neither.

    Raises DatasetError naming the first value without a meaning.
    """
    values = grey_labels(values, path, dataset)
    for value in np.unique(values).tolist():
        if value not in background and not 128 <= value <= 255:
            raise DatasetError(
                f"{dataset}: mask {path} holds the value {value:g}, which has no meaning; rule: "
                f"{' and '.join(map(str, background))} background, 128 ignored, above 128 (at most 255) object"
            )
    return np.asarray(values > 128), np.asarray(values == 128)  # type: ignore[operator]


def flat_sample(sample_id: str, image: LoadedImage, masks: Sequence[tuple[MaskArray, MaskArray]]) -> Sample:
    """A sample with one layer and one object per (object, ignored) pair."""
    layers: LabelArray = np.zeros((*image.size, len(masks)), dtype=np.int32)
    for number, (is_object, is_ignored) in enumerate(masks):
        layers[:, :, number][is_object] = OBJECT
        layers[:, :, number][is_ignored] = IGNORED
    return Sample(
        sample_id=sample_id,
        image=image.rgb,
        layers=layers,
        objects=tuple(ObjectRef(layer, (OBJECT,)) for layer in range(len(masks))),
        ignored=tuple(ObjectRef(layer, (IGNORED,)) for layer, pair in enumerate(masks) if pair[1].any()),
    )
