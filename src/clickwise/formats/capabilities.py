"""What each format can hold, as data, and the check that nothing is lost in silence.

Masks, classes and regions without truth are kept, or the export is refused and the formats are named that can. Colours,
numbers and attributes that a format has no place for are left out with a note.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clickwise.errors import OutputError
from clickwise.formats.files import plain
from clickwise.formats.options import Holes
from clickwise.formats.records import NO_TRUTH_CLASS, LabelledImage, LabelledObject, Labels
from clickwise.formats.tracing import trace


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a format keeps.

    overlaps: objects that share pixels. holes: background inside an object. empty: objects without pixels.
    most: objects per picture (None: any number). ignored: regions without truth per picture; ignored_classes: with
    classes of their own. unused_classes: those that no object has, and the order of all. most_classes: None for any.
    forbidden, reserved: characters that no class may have in its name, and names with a meaning of their own.
    forbidden_in_files: the same for names of pictures. by_stem: names of pictures must differ in more than the ending.
    endings: the ending comes back without the picture. colours (of classes), ids, attributes: as they are called.
    sizes: can be read without the pictures.
    """

    overlaps: bool = True
    holes: bool = True
    empty: bool = False
    most: int | None = None
    ignored: Literal["any", "one", "none"] = "any"
    ignored_classes: bool = True
    unused_classes: bool = True
    most_classes: int | None = None
    forbidden: str = ""
    reserved: tuple[str, ...] = ()
    forbidden_in_files: str = ""
    by_stem: bool = True
    endings: bool = True
    colours: bool = True
    ids: bool = True
    attributes: bool = True
    sizes: bool = True


@dataclass(frozen=True, slots=True)
class _Complaint:
    """What does not fit, where, which formats it would fit, and what else could be done."""

    what: str
    fits: Callable[[Capabilities], bool]
    hint: str = ""


def check(
    labels: Labels, name: str, can: Capabilities, holes: Holes, others: Mapping[str, Capabilities]
) -> tuple[str, ...]:
    """Notes on what will be left out; OutputError for the first thing that must not be.

    name: of the format. holes: what the user wants where the format has none. others: every format, for the message.
    """
    closed: list[str] = []
    for complaint in _complaints(labels, can, holes, closed):
        able = [other for other, theirs in others.items() if other != name and complaint.fits(theirs)]
        ways = [*([f"use {_any_of(able)}"] if able else []), *([complaint.hint] if complaint.hint else [])]
        raise OutputError(f"{complaint.what}, which {name} cannot hold; {', or '.join(ways) or 'change it first'}")
    notes = list(_left_out(labels, can))
    if closed:
        more = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
        keeping = _any_of([other for other, theirs in others.items() if theirs.holes])
        notes.insert(0, f"the holes of {closed[0]}{more} are closed; {keeping} would keep them")
    return tuple(notes)


def _complaints(labels: Labels, can: Capabilities, holes: Holes, closed: list[str]) -> Iterator[_Complaint]:
    yield from _about_classes(labels, can)
    yield from _about_files(labels, can)
    for image in labels.images:
        yield from _about_counts(image, can)
        yield from _about_pixels(image, can)
        if not can.holes and holes != "bridge":
            for place, one in _objects(image):
                if not one.is_ignored and trace(one.mask.mask()).holes:
                    closed.append(place)
                    if holes == "refuse":
                        hint = "--holes bridge (cut open by a line of no width), or --holes fill"
                        yield _Complaint(f"{place} has a hole", lambda other: other.holes, hint)


def _about_classes(labels: Labels, can: Capabilities) -> Iterator[_Complaint]:
    if can.most_classes is not None and len(labels.classes) > can.most_classes:
        count = len(labels.classes)
        yield _Complaint(
            f"there are {count} classes, more than {can.most_classes}",
            lambda other: other.most_classes is None or other.most_classes >= count,
        )
    meant = {one.class_name for image in labels.images for one in image.objects if not one.is_ignored}
    for name in (one.name for one in labels.classes):
        if not _name_fits(name, can) or (name in can.reserved and name in meant):
            yield _Complaint(
                f"the class {name!r} has a name",
                lambda other, name=name: _name_fits(name, other) and name not in other.reserved,  # type: ignore[misc]
                "rename it",
            )


def _name_fits(name: str, can: Capabilities) -> bool:
    # Where some characters mean something, so do blanks at the ends, which readers strip.
    return not (set(can.forbidden) & set(name)) and (not can.forbidden or name == name.strip())


def _about_files(labels: Labels, can: Capabilities) -> Iterator[_Complaint]:
    stems: dict[str, str] = {}
    for image in labels.images:
        if set(can.forbidden_in_files) & set(image.file_name):
            what = f"{image.file_name} has a blank in its name"
            yield _Complaint(what, lambda other: not other.forbidden_in_files, "rename it")
        other_name = stems.setdefault(plain(image.stem), image.file_name)
        if can.by_stem and other_name != image.file_name:
            what = f"{other_name} and {image.file_name} differ in their endings only"
            yield _Complaint(what, lambda other: not other.by_stem, "rename one of them")


def _about_counts(image: LabelledImage, can: Capabilities) -> Iterator[_Complaint]:
    count = sum(not one.is_ignored for one in image.objects)
    if can.most is not None and count > can.most:
        what = f"{image.file_name} has {count} objects, more than {can.most}"
        yield _Complaint(what, lambda other: other.most is None or other.most >= count)
    ignored = len(image.objects) - count
    if ignored > {"any": ignored, "one": 1, "none": 0}[can.ignored]:
        fitting = ("any",) if ignored > 1 else ("any", "one")
        regions = "a region" if ignored == 1 else f"{ignored} regions"
        yield _Complaint(f"{image.file_name} has {regions} without truth", lambda other: other.ignored in fitting)


def _about_pixels(image: LabelledImage, can: Capabilities) -> Iterator[_Complaint]:
    seen = None if can.overlaps else np.zeros(image.size, dtype=bool)
    for place, one in _objects(image):
        if can.empty and seen is None:
            return
        if not can.empty and not one.mask.area:
            yield _Complaint(f"{place} has no pixel", lambda other: other.empty, "remove it")
        if seen is not None:
            mask = one.mask.mask()
            if seen[mask].any():
                yield _Complaint(f"{place} overlaps one before it", lambda other: other.overlaps)
            seen |= mask


def _objects(image: LabelledImage) -> Iterator[tuple[str, LabelledObject]]:
    for number, one in enumerate(image.objects, 1):
        yield f"{image.file_name} object {number} ({one.class_name})", one


def _any_of(names: list[str]) -> str:
    return " or ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), names[-1]])


def _left_out(labels: Labels, can: Capabilities) -> Iterator[str]:
    objects = [one for image in labels.images for one in image.objects]
    if not can.colours and any(one.colour is not None for one in labels.classes):
        yield "colours of classes are not kept"
    if not can.ids and any(one.object_id is not None for one in objects):
        yield "numbers of objects are not kept"
    if not can.attributes and any(one.attributes for one in objects):
        yield "attributes of objects are not kept"
    used = dict.fromkeys(one.class_name for one in objects)
    if not can.unused_classes and [one.name for one in labels.classes] != list(used):
        yield "the order of the classes, and those that no object has, are not kept"
    if not can.ignored_classes and any(one.is_ignored and one.class_name != NO_TRUTH_CLASS for one in objects):
        yield "classes of regions without truth are not kept"
    if not can.endings and any(not image.file_name.endswith(".jpg") for image in labels.images):
        yield "endings of the pictures' names are not kept"
