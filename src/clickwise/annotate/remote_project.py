"""A project on a server, for scripts: its pictures and objects, everything that can be done to them, exports."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal
from uuid import uuid4

import numpy as np
from numpy.typing import ArrayLike

from clickwise.annotate.deltas import read_patch
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.protocol import ImageShape, ModelShape, Patch
from clickwise.annotate.remote_calls import Calls
from clickwise.annotate.remote_predictor import RemotePredictor
from clickwise.annotate.scratch_wire import sent_mask
from clickwise.clicks.click import Click, ClickList
from clickwise.errors import InputError, MaskError, OptionError
from clickwise.imaging import mask_from
from clickwise.types import MaskArray, Size

_PAGE = 500
_NOTES = "x-clickwise-notes"


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object of a picture as the server has it. runs: its mask, packed; clicks: those made since its last start."""

    object_id: int
    class_id: int
    class_name: str
    name: str
    hidden: bool
    locked: bool
    clicks: ClickList
    runs: MaskRuns

    @property
    def mask(self) -> MaskArray:
        """(H, W) bool; a new array at each access."""
        return self.runs.array()


@dataclass(frozen=True, slots=True)
class RemoteDocument:
    """A picture's objects, the lowest first, at one version. size: (height, width) of the upright picture."""

    image_id: str
    version: int
    size: Size
    finished: bool
    undoable: int
    redoable: int
    objects: tuple[RemoteObject, ...]


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import brought. notes: what was left out, and why."""

    images: int
    objects: int
    notes: tuple[str, ...]


class RemoteProject:
    """The project of a running ``clickwise annotate``. Everything goes through its history, and people see it at once.

    address, token: as for `RemotePredictor`. user: the name in the history. Not thread-safe; make one for each thread.
    Raises what the server refuses as ClickwiseErrors with its message: ConflictError when somebody was faster,
    LockedError for a locked object, ServerError when the server cannot be reached or refuses the token.
    """

    def __init__(self, address: str | Calls, token: str | None = None, *, user: str = "") -> None:
        self._calls = address if isinstance(address, Calls) else Calls(address, token, user=user)
        self._sizes: dict[str, Size] = {}

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        self._calls.close()

    def __enter__(self) -> RemoteProject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---------------------------------------------------------------------------------------- looking

    @property
    def name(self) -> str:
        """What the project is called."""
        return str(self.info()["name"])

    def info(self) -> dict[str, Any]:
        """Name, classes, progress, models, formats and limits, as GET /api/project gives them."""
        told: dict[str, Any] = self._calls.json("GET", "project")
        return told

    def models(self) -> list[ModelShape]:
        """Networks that can be asked for, the default one first."""
        return [ModelShape.model_validate(item) for item in self._calls.json("GET", "models")]

    def classes(self) -> dict[str, int]:
        """Name -> class_id of the classes that are offered."""
        listed = self._calls.json("GET", "classes")["classes"]
        return {item["name"]: item["class_id"] for item in listed if not item["retired"]}

    def images(
        self, which: Literal["all", "unfinished", "broken", "left_out"] = "all", *, named: str = ""
    ) -> Iterator[ImageShape]:
        """The pictures in their order; named: only those with this text in their name.

        left_out: those that `leave_out` took out of the project, which nothing else lists.
        """
        offset = 0
        while True:
            page = self._calls.json("GET", "images", filter=which, offset=offset, limit=_PAGE, q=named or None)
            self._sizes |= {item["image_id"]: (item["height"], item["width"]) for item in page["images"]}
            yield from (ImageShape.model_validate(item) for item in page["images"])
            offset += len(page["images"])
            if not page["images"] or offset >= page["total"]:
                return

    def image(self, name: str) -> ImageShape:
        """The picture of that whole name. InputError when there is none."""
        found = [item for item in self.images(named=name) if item.name == name]
        if not found:
            raise InputError(f"no picture of the project is called {name!r}; see images()")
        return found[0]

    def document(self, image_id: str) -> RemoteDocument:
        """A picture's objects. ProjectError when there is no such picture, InputError when it cannot be opened."""
        told = self._calls.json("GET", f"images/{image_id}")
        names = {item["class_id"]: item["name"] for item in self._calls.json("GET", "classes")["classes"]}
        size = self._sizes[image_id] = (told["height"], told["width"])
        objects = {item["object_id"]: _object(item, size, names) for item in told["objects"]}
        return RemoteDocument(
            told["image_id"],
            told["version"],
            size,
            told["finished"],
            told["undoable"],
            told["redoable"],
            tuple(objects[number] for number in told["order"]),
        )

    # ---------------------------------------------------------------------------------------- doing

    def do(self, image_id: str, kind: str, *, base_version: int | None = None, **fields: Any) -> dict[str, Any]:
        """One command of the protocol (docs/reference/annotator-protocol.md); the Result with its version and delta.

        kind: click, box, stroke, mask, threshold, action, undo, redo. base_version: the version that you saw; then
        ConflictError when somebody changed the same since.
        """
        command = {"type": kind, "id": uuid4().hex, "image_id": image_id, "base_version": base_version, **fields}
        told: dict[str, Any] = self._calls.json("POST", f"images/{image_id}/do", command)
        return told

    def click(
        self, image_id: str, x: float, y: float, positive: bool = True, *, object_id: int | None = None, **more: Any
    ) -> int:
        """A click on an object, or for a new one (more: class_id, model, threshold, cut_others); the object's id."""
        click = Click(float(x), float(y), bool(positive))
        told = self.do(image_id, "click", x=click.x, y=click.y, positive=click.is_positive, object_id=object_id, **more)
        return int(told["object_id"])

    def set_mask(
        self, image_id: str, mask: ArrayLike, *, object_id: int | None = None, name: str = "", **more: Any
    ) -> int:
        """A new object from a mask, or another mask for an object (more: class_id, cut_others); the object's id.

        mask: (H, W) bool or integers (0/1 or 0/255) of the upright picture, else MaskError.
        """
        size = self._sizes.get(image_id) or self.document(image_id).size
        given = mask_from(mask, size)
        if given.dtype != np.bool_:
            raise MaskError(
                f"mask has values of type {given.dtype}; expected booleans or integers, such as probs > 0.5"
            )
        patch = sent_mask(given).patch
        assert patch is not None
        told = self.do(image_id, "mask", mask=patch.model_dump(mode="json"), object_id=object_id, name=name, **more)
        return int(told["object_id"])

    def action(self, image_id: str, kind: str, **fields: Any) -> dict[str, Any]:
        """class, rename, colour, hide, lock, delete, merge, move, finish, cut_others with their fields."""
        return self.do(image_id, "action", action={"action": kind, **fields})

    def finish(self, image_id: str, finished: bool = True) -> None:
        """Say that a picture is done, or not."""
        self.action(image_id, "finish", finished=finished)

    def undo(self, image_id: str) -> None:
        """Take back the last step of a picture, whoever made it. ProjectError when there is none."""
        self.do(image_id, "undo")

    def redo(self, image_id: str) -> None:
        """Do again what was taken back last. ProjectError when there is nothing."""
        self.do(image_id, "redo")

    def leave_out(self, image_id: str) -> ImageShape:
        """Leave a picture out of the project: no list, count or export has it; its file, objects and history stay."""
        return ImageShape.model_validate(self._calls.json("POST", f"images/{image_id}/leave-out"))

    def take_back(self, image_id: str) -> ImageShape:
        """Take a picture that was left out back, to its place in the list."""
        return ImageShape.model_validate(self._calls.json("POST", f"images/{image_id}/take-back"))

    # ---------------------------------------------------------------------------------------- in and out

    def upload(self, file: str | os.PathLike[str], name: str | None = None) -> ImageShape:
        """Add a picture to the project; a copy of it lies there then."""
        told = self._send("images", Path(file), name=name or Path(file).name)
        return ImageShape.model_validate(told)

    def export(self, form: str, target: str | os.PathLike[str], **options: bool | str) -> tuple[str, ...]:
        """Write all labels in a format of `clickwise.formats` into a file: JSON, or a zip of a folder; its notes.

        options: finished_only, pictures, holes ("refuse", "bridge", "fill"). Raises ConflictError, with the reason and
        the formats that can, when the format cannot hold something.
        """
        return self._receive("labels", Path(target), format=form, **options)

    def export_project(self, target: str | os.PathLike[str], *, pictures: bool = True) -> tuple[str, ...]:
        """Write the project with all histories as a zip; its notes. `clickwise import-labels` brings it back."""
        return self._receive("bundle", Path(target), pictures=pictures)

    def import_labels(self, file: str | os.PathLike[str], form: str = "auto") -> Imported:
        """Add the objects of a label file, of a zip of a folder of them, or of a zipped project, to the project."""
        told = self._send("labels", Path(file), format=form, name=Path(file).name)
        return Imported(told["images"], told["objects"], tuple(told["notes"]))

    def predictor(self, model: str | None = None, *, threshold: float | None = None) -> RemotePredictor:
        """A predictor on the same server, for pictures that are not in the project. It shares this connection."""
        return RemotePredictor(self._calls, model=model, threshold=threshold)

    def _send(self, path: str, file: Path, **query: object) -> Any:
        try:
            with file.open("rb") as opened:
                return self._calls.json("POST", path, opened, **query)
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            raise InputError(f"{file} cannot be read: {error.strerror}") from error

    def _receive(self, path: str, target: Path, **query: object) -> tuple[str, ...]:
        if target.is_dir():
            raise OptionError(f"{target} is a folder; give the name of a file")
        headers = self._calls.download(path, target, **query)
        return tuple(json.loads(headers.get(_NOTES, "[]")))


def _object(item: dict[str, Any], size: Size, names: dict[int, str]) -> RemoteObject:
    return RemoteObject(
        item["object_id"],
        item["class_id"],
        names.get(item["class_id"], ""),
        item["name"],
        item["hidden"],
        item["locked"],
        ClickList(Click(x, y, positive) for x, y, positive in item["clicks"]),
        read_patch(Patch.model_validate(item["mask"], strict=False), size),
    )
