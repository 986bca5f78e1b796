"""Documents as the records that label files are written from."""

from __future__ import annotations

from pathlib import Path

from clickwise.annotate.classes import ClassList
from clickwise.annotate.document import ImageDocument, ImageEntry
from clickwise.formats.records import LabelledImage, LabelledObject, RunLengths


def labelled(entry: ImageEntry, document: ImageDocument, classes: ClassList) -> LabelledImage:
    """A picture with its objects, hidden ones too, the hindmost first."""
    objects = []
    for item in document.objects:
        kind = classes.get(item.class_id)
        attributes = {"name": item.name} if item.name else {}
        mask = RunLengths(item.mask.size, item.mask.counts)
        objects.append(LabelledObject(kind.name, mask, attributes=attributes))
    height, width = entry.size
    return LabelledImage(entry.name, height, width, tuple(objects), entry.orientation, Path(entry.path))
