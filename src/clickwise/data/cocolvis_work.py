"""What a build of COCO+LVIS does with one picture: fill, merge, write its masks."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clickwise.data.cocolvis_merge import MergedPicture, merge_picture
from clickwise.data.datasets.coco_panoptic import STUFF, THING, read_ids
from clickwise.errors import DatasetError, MissingExtraError
from clickwise.imaging import write_bytes
from clickwise.types import MaskArray, Size

Form = Literal["clickwise", "published"]

NAME = "build-cocolvis"
"""How messages call the build."""
_PICKLE_PROTOCOL = 4
_PNG_EFFORT = 3
"""Of 9: label layers hardly get smaller beyond, and writing them is a third of the work."""


@dataclass(frozen=True)
class PictureTask:
    """All that is needed to merge one picture, in another process too."""

    picture: str
    size: Size
    polygons: list[list[NDArray[np.float32]]]
    panoptic: Path | None
    ids: NDArray[np.int32]
    kinds: NDArray[np.uint8]
    masks: Path
    form: Form


def run_task(task: PictureTask) -> dict[str, Any]:
    """Merge one picture and write its masks; its line for the journal."""
    lvis = [fill_official(polygons, task.size) for polygons in task.polygons]
    things: list[MaskArray] = []
    stuff: list[MaskArray] = []
    if task.panoptic is not None:
        ids = read_ids(task.panoptic, task.ids, NAME)
        if ids.shape != task.size:
            raise DatasetError(
                f"{NAME}: {task.panoptic} is {ids.shape[1]} x {ids.shape[0]} pixels, LVIS says {task.size[1]} x "
                f"{task.size[0]} (width x height); they must agree"
            )
        things = [ids == number for number in task.ids[task.kinds == THING]]
        stuff = [ids == number for number in task.ids[task.kinds == STUFF]]
    merged = merge_picture(lvis, things, stuff, task.size)
    if merged.places:
        _write_masks(task, merged)
    return {"id": task.picture, "instances": merged.instances, "objects": merged.rows()}


def fill_official(polygons: Sequence[NDArray[np.float32]], size: Size) -> MaskArray:
    """(H, W) union of polygons by pycocotools, the rule of LVIS's own tools."""
    tool = pycocotools()
    # In the file the corners have two decimals; as 32-bit floats they would be off by up to 3e-5.
    flat = [np.round(polygon.astype(np.float64), 2).ravel().tolist() for polygon in polygons]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its 2.0.11 does not know an argument of NumPy 2
        return np.asarray(tool.decode(tool.merge(tool.frPyObjects(flat, *size))), dtype=bool)


def _write_masks(task: PictureTask, merged: MergedPicture) -> None:
    encoded = [_png(layer) for layer in merged.layers]
    if task.form == "clickwise":
        for number, content in enumerate(encoded):
            write_bytes(task.masks / f"{task.picture}_{number}.png", content)
        return
    arrays = [np.frombuffer(content, dtype=np.uint8) for content in encoded]
    write_bytes(task.masks / f"{task.picture}.pickle", dump_pickle((arrays, list(merged.places))))


def _png(layer: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(layer).save(buffer, format="PNG", compress_level=_PNG_EFFORT)
    return buffer.getvalue()


class _PortablePickler(pickle.Pickler):
    """Writes arrays of bytes so that every NumPy reads them: the usual way names a module that NumPy 2 has moved."""

    def reducer_override(self, value: object) -> Any:
        """See the pickle module."""
        if isinstance(value, np.ndarray):
            return np.frombuffer, (value.tobytes(), "u1")
        return NotImplemented


def dump_pickle(value: object) -> bytes:
    """A pickle that the published readers understand."""
    buffer = BytesIO()
    _PortablePickler(buffer, _PICKLE_PROTOCOL).dump(value)
    return buffer.getvalue()


def pycocotools() -> Any:
    """LVIS polygons are filled as LVIS's own tools do."""
    try:
        return import_module("pycocotools.mask")
    except ImportError:
        raise MissingExtraError("pycocotools", "data", "building COCO+LVIS") from None
