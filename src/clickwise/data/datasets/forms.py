"""Forms of data that are known by what a folder or file holds, whatever it is called.

A new form is one reader file with a function ``recognises(place)``, and one line in `FORMS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Form:
    """A form of data.

    what: for messages. reader: "module:callable" like that of a `DatasetEntry`; the module has ``recognises``.
    splits: what may follow the folder after a colon; the first is meant when nothing follows.
    """

    what: str
    reader: str
    splits: tuple[str, ...] = ()

    def fits(self, place: Path) -> bool:
        """Whether a folder or file has this form; looks at names and at the beginnings of few files."""
        module, _, _ = self.reader.partition(":")
        return bool(import_module(f"clickwise.data.datasets.{module}").recognises(place))


FORMS = (
    Form("shards (index.json)", "shards:ShardDataset", ("all", "train", "val")),
    Form("a training pack (manifest.json)", "plain_pack:read_pack", ("all", "train", "val")),
    Form("images/ with masks/ and labels.json", "exported_masks:ExportedMasks"),
    Form("images/ with masks/", "images_masks:ImagesMasks"),
    Form("YOLO (data.yaml, or images/ with labels/)", "yolo:YoloSeg", ("all", "train", "val", "test")),
    Form("DAVIS-585", "davis585:Davis585", ("zero", "stm", "sp")),
    Form("im/ with gt/", "hqseg:HQSeg"),
    Form("COCO JSON", "coco_json:CocoJson"),
    Form("LabelMe JSON", "labelme:LabelMe"),
)
"""Tried in this order; readers are named relative to `clickwise.data.datasets`."""


def form_of(place: Path) -> Form | None:
    """The first form that a folder or file has, or None."""
    return next((form for form in FORMS if form.fits(place)), None)


def all_forms() -> str:
    """Names of all forms, for messages."""
    return ", ".join(form.what for form in FORMS)
