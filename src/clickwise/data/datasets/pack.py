"""A folder of pictures with indexed masks and a ``manifest.json``: the layout of our own training pack.

``images/NAME.webp`` RGB, ``masks/NAME.png`` indexed: 0 background, 1..N objects, 255 no truth. The manifest lists per
image its files, source, object count and optional ``extra_objects`` that are unions of others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from clickwise.data.datasets.sharing import grouped
from clickwise.data.held_out import HeldOutOf, is_held_out
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError
from clickwise.types import LabelArray

Split = Literal["train", "val", "all"]

_IGNORED_INDEX = 255
HELD_OUT_PICTURES = 80
"""So many are evaluated unless told otherwise: minutes of work, enough to tell half a click apart."""
HELD_OUT_SPLITS = ("one", "all")


class PackDataset:
    """Reader of one pack. ``sources`` keeps only pictures of these sources."""

    def __init__(self, root: Path, *, split: Split = "all", sources: Sequence[str] | None = None) -> None:
        self.name = "pack"
        self.root = root
        manifest = root / "manifest.json"
        try:
            content = json.loads(manifest.read_text(encoding="utf-8"))
            entries = content["images"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"{manifest} is not a readable manifest ({error}); give a folder with manifest.json, images/, masks/"
            ) from None
        self.sources: dict[str, dict[str, Any]] = content.get("sources", {})
        self.entries: list[dict[str, Any]] = [
            entry
            for entry in entries
            if (sources is None or entry["source"] in sources)
            and (split == "all" or is_held_out(Path(entry["image"]).stem) == (split == "val"))
        ]
        if not self.entries:
            raise DatasetError(f"{manifest} lists no picture for split {split!r} and sources {sources}; check both")
        self.sample_ids: Sequence[str] = [Path(entry["image"]).stem for entry in self.entries]

    def __len__(self) -> int:
        return len(self.entries)

    def picture_path(self, index: int) -> Path:
        """The file of a sample's picture."""
        return self.root / str(self.entries[index]["image"])

    def indices_by_source(self) -> dict[str, list[int]]:
        """Sample numbers grouped by source, sources sorted."""
        return grouped([entry["source"] for entry in self.entries])

    def load(self, index: int) -> Sample:
        """Decode picture and mask of one sample."""
        entry = self.entries[index]
        image_path, mask_path = self.root / entry["image"], self.root / entry["mask"]
        try:
            with Image.open(image_path) as picture:
                image = np.array(picture.convert("RGB"))
            with Image.open(mask_path) as picture:
                if picture.mode != "P":
                    raise DatasetError(f"{mask_path} has mode {picture.mode}; expected an indexed PNG (mode P)")
                labels = np.array(picture)
        except OSError as error:
            raise DatasetError(f"sample {self.sample_ids[index]} cannot be read: {error}") from None
        if labels.shape != image.shape[:2]:
            raise DatasetError(
                f"{mask_path} is {labels.shape}, its picture {image.shape[:2]} (height, width); they must agree"
            )
        return Sample(
            sample_id=self.sample_ids[index],
            image=image,
            layers=labels[:, :, None].astype(np.int32),
            objects=_objects(entry, labels, mask_path),
            ignored=(ObjectRef(layer=0, values=(_IGNORED_INDEX,)),),
        )


def _objects(entry: dict[str, Any], labels: LabelArray, mask_path: Path) -> tuple[ObjectRef, ...]:
    """Objects 1..N, then the unions as parents of their parts."""
    count = entry["objects"]
    present = set(np.unique(labels).tolist())
    unknown = present - {0, _IGNORED_INDEX} - set(range(1, count + 1))
    if unknown:
        raise DatasetError(
            f"{mask_path} holds label {min(unknown)}; the manifest allows 0..{count} and {_IGNORED_INDEX}"
        )
    parents: dict[int, int] = {}
    unions: list[ObjectRef] = []
    for extra in entry.get("extra_objects", []):
        values = tuple(extra["union_of"])
        for value in values:
            parents.setdefault(value - 1, count + len(unions))
        unions.append(ObjectRef(layer=0, values=values, children=tuple(v - 1 for v in values)))
    parts = [ObjectRef(layer=0, values=(v,), parent=parents.get(v - 1)) for v in range(1, count + 1)]
    return (*parts, *unions)


class HeldOutObjects(HeldOutOf):
    """`HeldOutOf` one pack: what training on it validates on; "HeldOut" for evaluation.

    split: "one" = one object each of so many pictures; "all" = every object of all of them, small ones among them.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        name: str = "HeldOut",
        *,
        split: str = HELD_OUT_SPLITS[0],
        pictures: int | None = None,
        smallest_area: int = 100,
    ) -> None:
        pack = PackDataset(Path(root), split="val")
        every = split == HELD_OUT_SPLITS[1]
        wanted = HELD_OUT_PICTURES if pictures is None and not every else pictures
        super().__init__([pack], name, pictures=wanted, smallest_area=smallest_area, every_object=every)
