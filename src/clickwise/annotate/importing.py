"""Labels from elsewhere into a project: new objects on pictures that it knows, one step of undo for each picture."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath

from clickwise.annotate.actions import AddObject, Together
from clickwise.annotate.classes import ClassList
from clickwise.annotate.document import ImageEntry
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ProjectError
from clickwise.formats.records import LabelledImage, Labels


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in. unknown: pictures that the project does not have. ignored: regions that are no objects."""

    images: int
    objects: int
    ignored: int
    unknown: tuple[str, ...]


def import_labels(store: ProjectStore, labels: Labels, *, author: str = "") -> Imported:
    """Add the objects of ``labels`` to the pictures of the same name; existing objects stay.

    A picture is found by its whole name, else by its last part without the ending, if only one picture has that.
    Classes that the project lacks are added. Sizes are checked before anything is stored: ProjectError names the
    first picture whose labels do not fit.
    """
    entries = store.images()
    matched, unknown = _match(entries, labels.images)
    for entry, image in matched:
        if image.size != entry.size:
            raise ProjectError(
                f"labels of {image.file_name} are made for {image.width} x {image.height} pixels; the picture has "
                f"{entry.size[1]} x {entry.size[0]}"
            )
    numbers = _class_numbers(store, labels, author)
    objects = ignored = images = 0
    for entry, image in matched:
        wanted = [item for item in image.objects if not item.is_ignored]
        ignored += len(image.objects) - len(wanted)
        steps = tuple(
            AddObject(
                MaskRuns.read(item.mask.size, item.mask.counts),
                numbers[item.class_name],
                "import",
                str(item.attributes.get("name", "")),
            )
            for item in wanted
        )
        if steps:
            store.record(entry.image_id, Together(steps), author=author)
        images += 1
        objects += len(steps)
    return Imported(images, objects, ignored, unknown)


def _match(
    entries: tuple[ImageEntry, ...], images: tuple[LabelledImage, ...]
) -> tuple[list[tuple[ImageEntry, LabelledImage]], tuple[str, ...]]:
    by_name = {entry.name: entry for entry in entries}
    by_stem: dict[str, list[ImageEntry]] = defaultdict(list)
    for entry in entries:
        by_stem[PurePosixPath(entry.name).stem].append(entry)
    matched, unknown = [], []
    for image in images:
        alike = by_stem.get(PurePosixPath(image.file_name).stem, [])
        found = by_name.get(image.file_name) or (alike[0] if len(alike) == 1 else None)
        if found is None or 0 in found.size:
            unknown.append(image.file_name)
        else:
            matched.append((found, image))
    return matched, tuple(unknown)


def _class_numbers(store: ProjectStore, labels: Labels, author: str) -> dict[str, int]:
    """Class name -> number in the project, after adding what is missing."""
    classes, version = store.classes()
    new: ClassList = classes
    for item in labels.classes:
        if new.named(item.name) is None:
            new = new.add(item.name, item.colour)
    if new != classes:
        store.set_classes(new, base_version=version, author=author)
    return {item.name: item.class_id for item in new.offered}
