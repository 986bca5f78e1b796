"""LabelMe: one JSON file per picture with polygons, rectangles, circles and masks (labelme 3 and later)."""

from __future__ import annotations

import base64
import binascii
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from clickwise.data.datasets.folders import load_picture
from clickwise.data.datasets.reporting import ReportingReader
from clickwise.data.findings import Report
from clickwise.data.layering import layered_sample
from clickwise.data.sample import Sample
from clickwise.errors import DatasetError, ImageError
from clickwise.formats import labelme
from clickwise.formats.files import find_file
from clickwise.imaging import LoadedImage, image_from


class LabelMe(ReportingReader):
    """One sample per ``*.json`` in a folder or one level below; pictures without one are not annotated yet.

    Shapes of the same label and ``group_id`` are parts of one object. Shapes labelled ``__ignore__``, or with a flag
    ``ignore`` set, are regions without truth. Points and lines have no area and are left out. Outlines are filled as
    `outlines` says; shapes of type mask keep their holes. The picture is ``imagePath``, else the one inside the file.
    Raises DatasetError when there is no annotation file.
    """

    def __init__(self, root: str | os.PathLike[str], name: str = "", *, report: Report | None = None) -> None:
        super().__init__(Path(root), name, report)
        self._files = labelme.annotation_files(self.root)
        if not self._files:
            raise DatasetError(f"{self.name}: {root} holds no JSON file; expected LabelMe's STEM.json beside STEM.jpg")
        self.sample_ids: Sequence[str] = [f.relative_to(self.root).with_suffix("").as_posix() for f in self._files]

    def __len__(self) -> int:
        return len(self._files)

    def describe(self, index: int, object_id: int = 0) -> str:
        """Where the truth of an object comes from, for messages."""
        return f"{self._files[index]} object {object_id}"

    def load(self, index: int) -> Sample:
        """Read annotations and picture; DatasetError naming file and rule when one of them is malformed."""
        file = self._files[index]
        content = labelme.read_content(file, self.name)
        image = self._picture(file, content)
        found = list(labelme.objects_of(content, file, image.size, self.wrong))
        objects = [mask for mask, is_ignored, _ in found if not is_ignored]
        ignored = [mask for mask, is_ignored, _ in found if is_ignored]
        return layered_sample(self.sample_ids[index], image.rgb, objects, ignored)

    def _picture(self, file: Path, content: dict[str, Any]) -> LoadedImage:
        name, data = content.get("imagePath"), content.get("imageData")
        found = find_file(name, [file.parent, self.root, self.root / "images"]) if isinstance(name, str) else None
        if found is not None:
            image = load_picture(found, self.name)
        elif isinstance(data, str):
            try:
                with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as opened:
                    image = image_from(opened)
            except (ImageError, OSError, binascii.Error) as error:
                raise DatasetError(f"{self.name}: the picture inside {file} is damaged ({error})") from None
        else:
            raise DatasetError(f"{self.name}: {file} names the picture {name!r}, which is not there; put it beside")
        told = content.get("imageHeight") or image.height, content.get("imageWidth") or image.width
        if told != image.size:
            self.wrong(
                file,
                "size",
                f"says {told[1]} x {told[0]} pixels, its picture has {image.width} x {image.height} (width x height); "
                "they must agree",
            )
        return image


def recognises(root: Path) -> bool:
    """Whether a folder holds LabelMe files: judged by the first JSON file."""
    return root.is_dir() and labelme.recognises(root)
