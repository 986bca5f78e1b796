"""Pascal VOC's segmentation part (Everingham et al. 2015): one indexed PNG of objects and one of classes per picture.

``SegmentationObject/NAME.png`` holds the number of the object, ``SegmentationClass/NAME.png`` that of its class, 255 in
both is a region without truth. The names of classes are VOC's own twenty, unless a ``labelmap.txt`` lists others
(lines ``name:r,g,b::``, as other annotators write it; the first is the background).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clickwise.errors import DatasetError
from clickwise.formats.files import PictureFacts, find_file, picture_facts, read_lines
from clickwise.formats.indexed import read_indices
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.rasters import load_raster, own_orientation, save_raster, upright_on, values_in
from clickwise.formats.records import (
    NO_TRUTH_CLASS,
    UNNAMED,
    LabelClass,
    LabelledImage,
    LabelledObject,
    Labels,
    RunLengths,
    labels_of,
)
from clickwise.imaging import voc_palette

VOID = 255
MOST = 254
"""Objects of a picture, and classes, that fit between background and void."""
_OBJECTS, _CLASSES, _LISTS = "SegmentationObject", "SegmentationClass", "ImageSets/Segmentation"
_LABELMAP, _BACKGROUND = "labelmap.txt", "background"
_SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG")
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def recognises(place: Path) -> bool:
    """Whether a folder holds SegmentationObject/."""
    return (place / _OBJECTS).is_dir()


def read(place: Path, options: ReadOptions) -> Labels:
    """All pictures of the lists in ImageSets/Segmentation, or all masks. Raises DatasetError naming file and rule."""
    classes = _class_names(place)
    names = _listed(place)
    if not names:
        raise DatasetError(f"{place / _OBJECTS} holds no mask; expected NAME.png as ImageSets/Segmentation lists them")
    images = tuple(_image(place, name, classes, options) for name in names)
    used = {one.class_name for image in images for one in image.objects}
    # VOC's own twenty stand for classes that a folder may never use; a labelmap lists what its owner meant to have.
    known = [name for name in classes.values() if name in used or (place / _LABELMAP).is_file()]
    return labels_of(images, tuple(LabelClass(name) for name in known))


def _listed(place: Path) -> list[str]:
    files = sorted((place / _LISTS).glob("*.txt"))
    lines = [line.split()[0] for file in files for line in read_lines(file) if line.strip()]
    return list(dict.fromkeys(lines)) or _masks_below(place / _OBJECTS)


def _masks_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.png"))


def _image(place: Path, name: str, classes: dict[int, str], options: ReadOptions) -> LabelledImage:
    file = place / _OBJECTS / f"{name}.png"
    if options.within and find_file(f"{name}.png", [place / _OBJECTS], within=True) is None:
        raise DatasetError(f"{_OBJECTS}/{name}.png does not exist; ImageSets/Segmentation lists {name}")
    if not file.is_file():
        raise DatasetError(f"{file} does not exist; ImageSets/Segmentation lists {name}")
    folders = [*options.images, place / "JPEGImages"]
    picture = next(
        (p for s in _SUFFIXES if (p := find_file(name + s, folders, within=options.within)) is not None), None
    )
    facts = picture_facts(picture) if picture else None
    numbers = upright_on(palette_labels(file), file, facts)
    facts = facts or PictureFacts((numbers.shape[0], numbers.shape[1]), own_orientation(file))
    kinds_file = place / _CLASSES / f"{name}.png"
    kinds = upright_on(palette_labels(kinds_file), kinds_file, facts) if kinds_file.is_file() else None
    objects = []
    for value in values_in(numbers):
        if value == 0:
            continue
        inside = np.asarray(numbers == value)
        label = NO_TRUTH_CLASS if value == VOID else _class_of(kinds, inside, value, kinds_file, classes)
        objects.append(LabelledObject(label, RunLengths.of(inside), is_ignored=value == VOID))
    return LabelledImage(
        f"{name}{picture.suffix if picture else '.jpg'}", *facts.size, tuple(objects), facts.orientation, picture
    )


def _class_of(
    kinds: NDArray[np.uint8] | None, inside: NDArray[np.bool_], value: int, file: Path, classes: dict[int, str]
) -> str:
    if kinds is None:
        return UNNAMED
    found = [kind for kind in values_in(kinds[inside]) if kind != VOID]
    if len(found) != 1 or found[0] not in classes:
        raise DatasetError(
            f"{file} gives object {value} of {_OBJECTS} the classes {found or 'none'}; "
            f"rule: one per object, 1 to {max(classes)}"
        )
    return classes[found[0]]


def _class_names(place: Path) -> dict[int, str]:
    file = place / _LABELMAP
    if not file.is_file():
        return dict(enumerate(VOC_CLASSES, 1))
    lines = [line for line in read_lines(file) if line.strip() and not line.startswith("#")]
    names = [line.partition(":")[0] for line in lines]
    if not names or names[0] != _BACKGROUND or len(set(names)) < len(names):
        raise DatasetError(
            f"{file} is no list of classes; rule: lines name:r,g,b::, {_BACKGROUND} first, no name twice"
        )
    colours = voc_palette()
    for number, line in enumerate(lines[:VOID]):
        if line.split(":")[1:2] not in ([_colour_text(colours[number])], [""], []):
            raise DatasetError(
                f"{file} gives {names[number]} a colour that is not VOC's number {number}; use its palette"
            )
    return dict(enumerate(names[1:], 1))


def palette_labels(path: Path, name: str = "") -> NDArray[np.uint8]:
    """(H, W) palette indices of a mask, also of one that some tool has saved in VOC's colours.

    Raises DatasetError, beginning with ``name`` if one is given, for damaged files and other colours.
    """
    start = f"{name}: " if name else ""
    indices = read_indices(path, also_grey=True)
    if indices is not None:
        return indices
    try:
        values = load_raster(path)
    except DatasetError as error:
        raise DatasetError(f"{start}{error}") from error
    return values.astype(np.uint8) if values.ndim == 2 else _from_colours(values[:, :, :3], path, start)


def _from_colours(colours: NDArray[Any], path: Path, start: str) -> NDArray[np.uint8]:
    palette = voc_palette()
    codes, inverse = np.unique(_codes(colours), return_inverse=True)
    of_code = {int(code): index for index, code in enumerate(_codes(palette[None])[0])}
    unknown = [int(code) for code in codes if int(code) not in of_code]
    if unknown:
        colour = unknown[0] >> 16, unknown[0] >> 8 & 255, unknown[0] & 255
        raise DatasetError(
            f"{start}{path} holds the colour {colour}, which has no meaning; rule: the palette of Pascal VOC"
        )
    return np.array([of_code[int(code)] for code in codes], dtype=np.uint8)[inverse.reshape(colours.shape[:2])]


def _codes(colours: NDArray[Any]) -> NDArray[np.int64]:
    """One number per RGB colour."""
    wide = colours.astype(np.int64)
    return np.asarray(wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2])


def write(labels: Labels, target: Path, options: WriteOptions) -> None:
    """Masks of objects and classes, labelmap.txt, and lists; all pictures are both train and val."""
    palette = voc_palette()
    named = [one.name for one in labels.classes if one.name != NO_TRUTH_CLASS]
    numbers = {name: number for number, name in enumerate(named, 1)}
    for folder in ("JPEGImages", _OBJECTS, _CLASSES, _LISTS):
        (target / folder).mkdir(parents=True)
    for image in labels.images:
        objects, kinds, number = np.zeros(image.size, np.uint8), np.zeros(image.size, np.uint8), 0
        for one in image.objects:
            mask = one.mask.mask()
            number += not one.is_ignored
            objects[mask] = VOID if one.is_ignored else number
            kinds[mask] = VOID if one.is_ignored else numbers[one.class_name]
        save_raster(target / _OBJECTS / f"{image.stem}.png", objects, image.orientation, palette)
        save_raster(target / _CLASSES / f"{image.stem}.png", kinds, image.orientation, palette)
    lines = ["# label:color_rgb:parts:actions"]
    lines += [f"{name}:{_colour_text(palette[n])}::" for n, name in enumerate([_BACKGROUND, *named])]
    (target / _LABELMAP).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    for split in ("train", "val", "trainval"):
        (target / _LISTS / f"{split}.txt").write_text("".join(f"{image.stem}\n" for image in labels.images), "utf-8")


def _colour_text(colour: NDArray[np.uint8]) -> str:
    return ",".join(str(int(value)) for value in colour)
