"""Labels from elsewhere into a project: new objects on pictures that it knows, one step of undo for each picture."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from clickwise.annotate.actions import AddObject, Together
from clickwise.annotate.classes import ClassList
from clickwise.annotate.document import ImageEntry
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ProjectError
from clickwise.formats.files import plain
from clickwise.formats.records import LabelledImage, LabelledObject, Labels


@dataclass(frozen=True, slots=True)
class Imported:
    """What came in.

    images: pictures that the labels and the project have. objects: new ones; known: those that were there already, of
    the same class and mask. ignored: regions that are no objects. unknown: pictures that the project does not have.
    """

    images: int
    objects: int
    ignored: int
    unknown: tuple[str, ...]
    known: int = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """What somebody who imported should know, each in a line."""
        found = []
        if self.unknown:
            shown = ", ".join(self.unknown[:3]) + (", ..." if len(self.unknown) > 3 else "")
            found.append(f"{len(self.unknown)} pictures are not in the project and were left out: {shown}")
        if self.known:
            found.append(f"{self.known} objects were there already, with the same class and mask")
        if self.ignored:
            found.append(f"{self.ignored} regions without truth were left out: a project has only objects")
        return tuple(found)


def import_labels(store: ProjectStore, labels: Labels, *, author: str = "") -> Imported:
    """Add the objects of ``labels`` to the pictures of the same name; existing objects stay, none is added twice.

    A picture is found by its whole name, else without the ending, else by its last part without the ending, if only
    one picture has that. Classes that the project lacks are added. Sizes are checked before anything is stored:
    ProjectError names the first picture whose labels do not fit.
    """
    matched, unknown = _match(store.images(), labels.images)
    for entry, image in matched:
        if image.size != entry.size:
            raise ProjectError(
                f"labels of {image.file_name} are made for {image.width} x {image.height} pixels; the picture has "
                f"{entry.size[1]} x {entry.size[0]}"
            )
    numbers = _class_numbers(store, labels, author)
    objects = ignored = known = 0
    for entry, image in matched:
        wanted = [item for item in image.objects if not item.is_ignored]
        ignored += len(image.objects) - len(wanted)
        steps = tuple(_new_objects(store, entry, wanted, numbers))
        if steps:
            store.record(entry.image_id, Together(steps), author=author)
        objects += len(steps)
        known += len(wanted) - len(steps)
    return Imported(len(matched), objects, ignored, unknown, known)


def _new_objects(
    store: ProjectStore, entry: ImageEntry, wanted: Sequence[LabelledObject], numbers: dict[str, int]
) -> Iterator[AddObject]:
    """The objects that the picture does not have yet: another class or another mask."""
    there = Counter((item.class_id, item.mask) for item in store.document(entry.image_id).objects)
    for item in wanted:
        mask = MaskRuns.read(item.mask.size, item.mask.counts)
        key = numbers[item.class_name], mask
        if there[key]:
            there[key] -= 1
        else:
            yield AddObject(mask, key[0], "import", str(item.attributes.get("name", "")))


def _match(
    entries: tuple[ImageEntry, ...], images: tuple[LabelledImage, ...]
) -> tuple[list[tuple[ImageEntry, LabelledImage]], tuple[str, ...]]:
    """(picture of the project, its labels), in the order of the labels, and the names that belong to none."""
    matched: dict[str, ImageEntry] = {}
    for spelling in (str, _without_ending, _last_part):
        found: dict[str, list[ImageEntry]] = defaultdict(list)
        for entry in entries:
            found[plain(spelling(entry.name))].append(entry)
        taken = {entry.image_id for entry in matched.values()}
        for image in images:
            alike = found[plain(spelling(image.file_name))]
            if image.file_name not in matched and len(alike) == 1 and alike[0].image_id not in taken:
                matched[image.file_name] = alike[0]
                taken.add(alike[0].image_id)
    usable = {name: entry for name, entry in matched.items() if 0 not in entry.size}
    unknown = tuple(image.file_name for image in images if image.file_name not in usable)
    return [(usable[image.file_name], image) for image in images if image.file_name in usable], unknown


def _without_ending(name: str) -> str:
    return PurePosixPath(name).with_suffix("").as_posix()


def _last_part(name: str) -> str:
    return PurePosixPath(name).stem


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
