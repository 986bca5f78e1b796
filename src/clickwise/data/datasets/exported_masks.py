"""PNG masks as ``export-labels`` writes them: ``labels.json`` says which value of which file is which object."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.reporting import ReportingReader
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.formats.options import ReadOptions
from clickwise.formats.png_masks import SIDECAR, is_listed, listed_image, read_sidecar


class ExportedMasks(ReportingReader):
    """Every picture that ``labels.json`` lists and ``images/`` holds, in folders too, with its objects in their order.

    Masks of 8 and 16 bits, one per picture or one per object, lie on the raster as it is stored and turn with their
    picture. A picture without objects is a background sample. Raises DatasetError when no picture is there: export with
    ``--with-pictures``, or put them into ``images/``.
    """

    def __init__(self, root: str | os.PathLike[str], name: str = "", *, report: Report | None = None) -> None:
        super().__init__(Path(root), name, report)
        self._entries: list[dict[str, Any]] = []
        self._pictures: list[Path] = []
        for number, entry in enumerate(read_sidecar(self.root)["pictures"]):
            place = f"{self.root / SIDECAR} picture {number}"
            if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str):
                self.wrong(place, "picture without name", "has no file_name; expected the file that clickwise wrote")
                continue
            path = self.root / "images" / entry["file_name"]
            if not path.is_file():
                self.wrong(place, "picture missing", f"names {entry['file_name']}, which is not in images/")
                continue
            self._entries.append(entry)
            self._pictures.append(path)
        if not self._entries:
            raise DatasetError(
                f"{self.name}: {self.root / 'images'} holds none of the pictures of {SIDECAR}; put them there, or "
                "export with --with-pictures"
            )
        self.sample_ids: Sequence[str] = [
            path.relative_to(self.root / "images").with_suffix("").as_posix() for path in self._pictures
        ]

    def __len__(self) -> int:
        return len(self._entries)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        objects = [one for one in self._entries[index].get("objects", []) if not one.get("ignored")]
        return str(self.root / objects[object_id]["file"]) if objects else str(self.root / SIDECAR)

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self._pictures[index]

    def load(self, index: int) -> Sample:
        """Read a picture and its masks; DatasetError naming file and rule when one of them is malformed."""
        image = load_picture(self._pictures[index], self.name)
        try:
            listed = listed_image(self.root, self._entries[index], ReadOptions())
        except DatasetError as error:
            raise DatasetError(f"{self.name}: {error}") from error
        masks = [(one.mask.mask(), one.is_ignored) for one in listed.objects]
        return layered_sample(
            self.sample_ids[index],
            image.rgb,
            (mask for mask, is_ignored in masks if not is_ignored),
            (mask for mask, is_ignored in masks if is_ignored),
        )


def recognises(root: Path) -> bool:
    """Whether a folder holds a labels.json of ours beside images/."""
    return root.is_dir() and is_listed(root) and (root / "images").is_dir()
