"""The files of COCO+LVIS, in the published form and in ours, as arrays (protocol 1.4)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clickwise.data.datasets.index_cache import Arrays
from clickwise.data.datasets.safe_pickle import read_pickle
from clickwise.errors import DatasetError

PUBLISHED_FILE = "hannotation.pickle"
ANNOTATIONS_FILE = "annotations.jsonl"
FORMAT_NAME = "clickwise-cocolvis"
"""The first line of our file is ``{"format": FORMAT_NAME, "version": 1, ...}``; each other line is one picture:
``{"id": "000000000009", "instances": 3, "objects": [[layer, value, parent or null], ...]}``. Objects from number
"instances" on are stuff. Layer k of the picture is ``masks/ID_k.png``, 8 bits, grey."""
NOBODY = -1
"""Parent of an object without one."""


def decode_masks(path: Path, dataset: str) -> tuple[list[NDArray[np.uint8]], list[tuple[int, int]]]:
    """Layers, each (H, W), and (layer, value) of each object of a published mask file. Raises DatasetError."""
    content = read_pickle(path, dataset)
    rule = "rule: (list of PNG files as bytes, list of (layer, value))"
    try:
        encoded, mapping = content
        places = [(int(layer), int(value)) for layer, value in mapping]
        layers = [_decoded(bytes(item) if isinstance(item, (bytes, np.ndarray)) else b"") for item in encoded]
    except (TypeError, ValueError):
        raise DatasetError(f"{dataset}: {path} has another content; {rule}") from None
    whole = [layer for layer in layers if layer is not None]
    if not whole or len(whole) < len(layers):
        raise DatasetError(f"{dataset}: {path} holds a layer that is damaged or no 8-bit grey PNG; {rule}")
    if len({layer.shape for layer in whole}) > 1:
        raise DatasetError(f"{dataset}: {path} holds layers of different sizes; {rule}")
    if any(not (0 <= layer < len(layers) and 1 <= value <= 255) for layer, value in places):
        raise DatasetError(f"{dataset}: {path} lists an object outside its {len(layers)} layers; {rule}")
    return whole, places


def _decoded(content: bytes) -> NDArray[np.uint8] | None:
    """(H, W) of an 8-bit grey PNG; None for anything else."""
    try:
        with Image.open(BytesIO(content), formats=["PNG"]) as image:
            return np.asarray(image) if image.mode == "L" else None
    except Exception:  # decoders raise whatever they like on damaged files
        return None


def read_layers(folder: Path, picture: str, places: Sequence[tuple[int, int]], dataset: str) -> list[NDArray[np.uint8]]:
    """The PNG files of a picture in our form."""
    layers: list[NDArray[np.uint8]] = []
    for number in range(max((layer for layer, _ in places), default=0) + 1):
        path = folder / f"{picture}_{number}.png"
        try:
            layer = _decoded(path.read_bytes())
        except OSError as error:
            raise DatasetError(f"{dataset}: {path} cannot be read: {error.strerror}; the picture needs it") from error
        if layer is None:
            raise DatasetError(f"{dataset}: mask {path} is damaged or no 8-bit grey PNG; get a fresh copy")
        layers.append(layer)
        if layer.shape != layers[0].shape:
            raise DatasetError(f"{dataset}: mask {path} has another size than {picture}_0.png")
    return layers


def read_published(path: Path, dataset: str) -> Arrays:
    """Arrays of `_Index` from hannotation.pickle, pictures sorted by id. Raises DatasetError."""
    content = read_pickle(path, dataset)
    if not isinstance(content, dict) or not content:
        raise DatasetError(f"{dataset}: {path} is no dictionary of pictures; get the published file")
    rows = [_published_row(path, dataset, picture, content[picture]) for picture in sorted(content)]
    return pack_index(sorted(content), [(count, [(0, 0, parent) for parent in parents]) for count, parents in rows])


def _published_row(path: Path, dataset: str, picture: object, entry: object) -> tuple[int, list[int]]:
    """(number of instances, parent of each) of one picture."""

    def fault(what: str) -> DatasetError:
        return DatasetError(f"{dataset}: {path} picture {picture} {what}; get the published file")

    if not isinstance(entry, dict) or not isinstance(entry.get("hierarchy"), dict):
        raise fault("has no num_instance_masks and hierarchy")
    count, parents = entry.get("num_instance_masks"), []
    if not isinstance(count, int) or count < 0:
        raise fault(f"has num_instance_masks {count!r}")
    nodes = {int(number): node for number, node in entry["hierarchy"].items()}
    if nodes and not 0 <= min(nodes) <= max(nodes) < count:
        raise fault(f"has a hierarchy of object {max(nodes)}, but {count} objects")
    for number in range(count):
        node = nodes.get(number)
        parent = node.get("parent") if isinstance(node, Mapping) else None
        parents.append(NOBODY if parent is None else int(parent))
    if not is_forest(parents):
        raise fault("has a hierarchy that is no tree")
    return count, parents


def read_own(path: Path, dataset: str) -> Arrays:
    """Arrays of `_Index` from our annotations file, pictures sorted by id. Raises DatasetError."""
    rows: dict[str, tuple[int, list[tuple[int, int, int]]]] = {}
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                entry = json.loads(line)
                if number == 1:
                    if (entry["format"], entry["version"]) != (FORMAT_NAME, 1):
                        raise ValueError("it is of another format or version")
                    continue
                rows[str(entry["id"])] = own_row(entry)
            except (ValueError, KeyError, TypeError) as error:
                reason = " ".join(str(error).split())
                raise DatasetError(
                    f"{dataset}: {path} line {number} is no valid entry ({reason}); build the file again"
                ) from None
    if not rows:
        raise DatasetError(f"{dataset}: {path} lists no picture; build the file again")
    names = sorted(rows)
    return pack_index(names, [rows[name] for name in names])


def own_row(entry: Mapping[str, Any]) -> tuple[int, list[tuple[int, int, int]]]:
    """(number of instances, (layer, value, parent) of each object) of a line of our file. Raises ValueError."""
    count = int(entry["instances"])
    objects = [
        (int(layer), int(value), NOBODY if parent is None else int(parent)) for layer, value, parent in entry["objects"]
    ]
    if not 0 <= count <= len(objects):
        raise ValueError(f"{count} instances of {len(objects)} objects")
    if any(layer < 0 or not 1 <= value <= 255 for layer, value, _ in objects):
        raise ValueError("an object without a place")
    if any(parent != NOBODY for *_, parent in objects[count:]):
        raise ValueError("stuff with a parent")
    if not is_forest([parent for *_, parent in objects[:count]]):
        raise ValueError("a hierarchy that is no tree")
    return count, objects


def is_forest(parents: Sequence[int]) -> bool:
    """Whether every parent exists and nobody is an ancestor of itself. -1: no parent."""
    for number in range(len(parents)):
        steps, parent = 0, parents[number]
        while parent != NOBODY:
            steps += 1
            if not 0 <= parent < len(parents) or steps > len(parents):
                return False
            parent = parents[parent]
    return True


def pack_index(names: Sequence[str], rows: Sequence[tuple[int, Sequence[tuple[int, int, int]]]]) -> Arrays:
    """The arrays of `_Index` of pictures with (number of instances, (layer, value, parent) of each object)."""
    objects = np.array([item for _, items in rows for item in items], dtype=np.int32).reshape(-1, 3)
    return {
        "ids": np.array(names, dtype=np.str_),
        "instances": np.array([count for count, _ in rows], dtype=np.int32),
        "starts": np.cumsum([0, *(len(items) for _, items in rows)], dtype=np.int64),
        "places": np.ascontiguousarray(objects[:, :2]),
        "parents": np.ascontiguousarray(objects[:, 2]),
    }
