"""YOLO segmentation: ``labels/STEM.txt`` with one outline per line, ``data.yaml`` with splits and class names."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.reporting import ReportingReader
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError
from clickwise.formats.yolo import YoloFolder, labels_file, mask_of, recognises

__all__ = ["YoloSeg", "recognises"]


class YoloSeg(ReportingReader):
    """Every picture of the splits in ``data.yaml``; ``images/`` in its path becomes ``labels/`` for its text file.

    Each line is one object, filled as `outlines` says (parts joined by a bridge drawn out and back stay one object,
    and the bridge leaves no trace). A picture without text file, or with an empty one, is a background sample.
    ``root`` may be the YAML file itself; without one, ``images/`` and ``labels/`` below the folder count.
    split: "train", "val" or "test" takes only that one. Raises DatasetError when one is missing or holds no picture.
    """

    def __init__(
        self, root: str | os.PathLike[str], name: str = "", *, split: str = "all", report: Report | None = None
    ) -> None:
        place = Path(root)
        super().__init__(place.parent if place.is_file() else place, name, report)
        self._folder = YoloFolder(place, split, name=self.name, wrong=self.wrong)
        self.root, self._pictures = self._folder.root, self._folder.pictures
        if not self._pictures:
            raise DatasetError(
                f"{self.name}: {root} holds no picture (split {split}); expected images/ with labels/ beside"
            )
        self.sample_ids: Sequence[str] = [_id(path, self.root) for path in self._pictures]

    def __len__(self) -> int:
        return len(self._pictures)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return f"{labels_file(self._pictures[index])} object {object_id}"

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self._pictures[index]

    def load(self, index: int) -> Sample:
        """Read a picture, fill its outlines; DatasetError naming file and line when one of them is malformed."""
        picture = self._pictures[index]
        image = load_picture(picture, self.name)
        outlines = self._folder.outlines(labels_file(picture))
        return layered_sample(self.sample_ids[index], image.rgb, (mask_of(line, *image.size) for _, line in outlines))


def _id(path: Path, root: Path) -> str:
    try:
        return path.relative_to(root).with_suffix("").as_posix()
    except ValueError:
        return path.with_suffix("").as_posix()
