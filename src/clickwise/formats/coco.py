"""COCO JSON (cocodataset.org/#format-data): run lengths or polygons, crowds, any number of classes.

Coordinates belong to the upright picture. Reading takes those of the stored raster too, where ``width`` and ``height``
say so and the picture is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clickwise.errors import DatasetError
from clickwise.formats.coco_content import (
    CocoImage,
    annotation_files,
    annotation_runs,
    assign_annotations,
    is_ignored,
    listed_images,
    looks_like_coco,
    picture_folders,
    read_content,
)
from clickwise.formats.files import (
    PictureFacts,
    find_file,
    json_text,
    picture_facts,
    refuse,
    told_size,
)
from clickwise.formats.options import ReadOptions, WriteOptions
from clickwise.formats.records import (
    UNNAMED,
    Colour,
    LabelClass,
    LabelledImage,
    LabelledObject,
    Labels,
    RunLengths,
    labels_of,
)
from clickwise.formats.tracing import Rings, bridged, trace
from clickwise.imaging import to_upright
from clickwise.types import Size


def recognises(place: Path) -> bool:
    """Whether a file, or one in a folder, is COCO JSON."""
    return looks_like_coco(place) if place.is_file() else bool(annotation_files(place))


def read(place: Path, options: ReadOptions) -> Labels:
    """All pictures of a COCO file, or of those of a folder. Pictures themselves need not be there.

    Raises DatasetError naming file and rule for whatever is malformed.
    """
    files = [place] if place.is_file() else annotation_files(place)
    if not files:
        raise DatasetError(f"{place} holds no COCO JSON; expected one with images and annotations")
    images: list[tuple[str, LabelledImage]] = []
    classes: dict[str, LabelClass] = {}
    for file in files:
        content = read_content(file)
        names = _categories(content, file)
        classes.update((one.name, one) for one in names.values() if one.name not in classes)
        listed = listed_images(content, file, refuse)
        assign_annotations(content, file, listed, refuse)
        folders = [*options.images, *picture_folders(file, file.parent if place.is_file() else place)]
        below = file.parent.relative_to(place).as_posix() if place.is_dir() else "."
        images += [(below, _image(one, names, folders, options.within)) for one in listed.values()]
    if len({image.file_name for _, image in images}) < len(images):  # train/ and valid/ may have the same names
        images = [
            (at, image if at == "." else replace(image, file_name=f"{at}/{image.file_name}")) for at, image in images
        ]
    return labels_of(tuple(image for _, image in images), tuple(classes.values()))


def _image(one: CocoImage, names: dict[Any, LabelClass], folders: Sequence[Path], within: bool) -> LabelledImage:
    name = str(one.entry["file_name"]).replace("\\", "/").removeprefix("./")
    size, facts = _size_told(one, folders, within)
    objects: list[LabelledObject] = []
    for annotation in one.annotations:
        place = annotation["_place"]
        try:
            runs = annotation_runs(annotation, size)
        except ValueError as error:
            raise DatasetError(f"{place} cannot be read: {error}") from None
        if size != facts.size:
            runs = RunLengths.of(to_upright(runs.mask(), facts.orientation or 1))
        category = annotation.get("category_id")
        if names and category not in names:
            raise DatasetError(f"{place} has the category_id {category!r}, which categories does not list")
        number, more = annotation.get("id"), annotation.get("attributes")
        objects.append(
            LabelledObject(
                names[category].name if names else UNNAMED,
                runs,
                number if isinstance(number, int) and not isinstance(number, bool) else None,
                is_ignored(annotation),
                dict(more) if isinstance(more, dict) else {},
            )
        )
    try:
        return LabelledImage(name, *facts.size, tuple(objects), facts.orientation, facts.path)
    except DatasetError as error:
        raise DatasetError(f"{one.place}: {error}") from None


def _size_told(one: CocoImage, folders: Sequence[Path], within: bool) -> tuple[Size, PictureFacts]:
    """(height, width) of the raster that the coordinates belong to, and what is known of the picture."""
    told = one.entry.get("height"), one.entry.get("width")
    path = find_file(one.entry["file_name"], folders, within=within)
    if path is None:
        size = told_size(one.place, *told)
        return size, PictureFacts(size)
    facts = picture_facts(path)
    turned = facts.orientation is not None and facts.orientation >= 5
    if told == (None, None) or told == facts.size:
        return facts.size, facts
    if turned and told == facts.size[::-1]:
        return facts.size[::-1], facts
    raise DatasetError(
        f"{one.place} says {told[1]} x {told[0]} pixels, {path} has {facts.size[1]} x {facts.size[0]} "
        "(width x height); they must agree"
    )


def _categories(content: dict[str, Any], file: Path) -> dict[Any, LabelClass]:
    """Id -> class. Raises DatasetError for entries without id or name."""
    listed = content.get("categories") or []
    found: dict[Any, LabelClass] = {}
    for number, entry in enumerate(listed if isinstance(listed, list) else [None]):
        fits = isinstance(entry, dict) and isinstance(entry.get("id"), (int, str)) and entry["id"] not in found
        if not (fits and isinstance(entry.get("name"), str) and entry["name"]):
            raise DatasetError(f"{file} category {number} has no name or no id of its own; both are needed")
        found[entry["id"]] = LabelClass(entry["name"], _colour(entry.get("color")))
    return found


def _colour(value: Any) -> Colour | None:
    if isinstance(value, list) and len(value) == 3 and all(isinstance(v, int) and 0 <= v <= 255 for v in value):
        return value[0], value[1], value[2]
    return None


def write_run_lengths(labels: Labels, target: Path, options: WriteOptions) -> None:
    """One JSON file with compressed run lengths: every mask exactly."""
    _write(labels, target, options, polygons=False)


def write_polygons(labels: Labels, target: Path, options: WriteOptions) -> None:
    """One JSON file with polygons along pixel edges; ignored regions stay run lengths, as in COCO's own files."""
    _write(labels, target, options, polygons=True)


def _write(labels: Labels, target: Path, options: WriteOptions, *, polygons: bool) -> None:
    ids = {one.name: number for number, one in enumerate(labels.classes, 1)}
    categories = [
        {"id": ids[one.name], "name": one.name, "supercategory": ""}
        | ({} if one.colour is None else {"color": list(one.colour)})
        for one in labels.classes
    ]
    numbers = [one.object_id for image in labels.images for one in image.objects]
    keeps_ids = None not in numbers and len(set(numbers)) == len(numbers)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(labels.images, 1):
        images.append({"id": image_id, "file_name": image.file_name, "width": image.width, "height": image.height})
        for one in image.objects:
            number = one.object_id if keeps_ids else len(annotations) + 1
            mask = one.mask.mask()
            outline = _outline(one, trace(mask) if polygons else None, options)
            x0, y0, x1, y1 = one.mask.box() or (0, 0, 0, 0)
            annotations.append(
                {
                    "id": number,
                    "image_id": image_id,
                    "category_id": ids[one.class_name],
                    "segmentation": outline,
                    "area": int(mask.sum()),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "iscrowd": int(one.is_ignored),
                }
                | ({"attributes": dict(one.attributes)} if one.attributes else {})
            )
    content = {"images": images, "annotations": annotations, "categories": categories}
    target.write_text(json_text(content), "utf-8")


def _outline(one: LabelledObject, rings: Rings | None, options: WriteOptions) -> object:
    if rings is None or one.is_ignored or not rings.parts:
        return {"size": list(one.mask.size), "counts": one.mask.counts}
    if rings.holes and options.holes == "bridge":
        outlines = [bridged([*rings.parts, *rings.holes])]
    else:
        outlines = list(rings.parts)
    return [[value for corner in outline for value in corner] for outline in outlines]
