"""Files that label files are made of or speak of: reading text with one-line errors, finding and measuring pictures."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any, Literal, Protocol

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image

from clickwise.errors import DatasetError, ImageError, OutputError
from clickwise.imaging import max_pixels, read_header
from clickwise.types import MaskArray, Size

Level = Literal["error", "warning"]


class Wrong(Protocol):
    """Told of everything that is wrong: where, the rule in a word or two, and how the sentence goes on after the place.

    If it returns, the reader leaves out what is wrong and goes on. A warning does not make the data unusable.
    """

    def __call__(self, place: Path | str, rule: str, message: str, level: Level = "error") -> None:
        """Report one thing."""


def refuse(place: Path | str, rule: str, message: str, level: Level = "error") -> None:
    """The usual `Wrong`: the first error is raised as a DatasetError, warnings pass."""
    if level == "error":
        raise DatasetError(f"{place} {message}")


def read_json(file: Path, name: str = "") -> Any:
    """The value in a JSON file. Raises DatasetError naming the file, after ``name`` if one is given."""
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DatasetError(_unreadable(file, name, "JSON", error)) from None


def json_text(content: object, indent: int | None = None) -> str:
    """JSON on one line or indented, the same for the same content; numpy's numbers are written as numbers.

    Raises OutputError for values that JSON cannot hold.
    """
    separators = (",", ":") if indent is None else None
    try:
        return json.dumps(content, ensure_ascii=False, indent=indent, separators=separators, default=_number) + "\n"
    except (TypeError, ValueError) as error:
        raise OutputError(f"an attribute cannot be written as JSON ({error}); give numbers, texts, lists") from error


def _number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def read_yaml(file: Path, name: str = "") -> Any:
    """The value in a YAML file. Raises DatasetError naming the file, after ``name`` if one is given."""
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise DatasetError(_unreadable(file, name, "YAML", error)) from None


def read_lines(file: Path, name: str = "") -> list[str]:
    """The lines of a text file. Raises DatasetError naming the file, after ``name`` if one is given."""
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DatasetError(_unreadable(file, name, "text", error)) from None


def find_file(name: str, folders: Sequence[Path], *, within: bool = False) -> Path | None:
    """The file of that name (with ``/`` or ``\\``) in the first of the folders that has it.

    within: a name that is absolute or leads out of the folders (``..``) is not looked for.
    """
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        if within and not _stays_below(spelling):
            continue
        for folder in folders:
            try:
                if (folder / spelling).is_file():
                    return folder / spelling
            except (OSError, ValueError):  # a name that no file can have
                continue
    return None


def _stays_below(name: str) -> bool:
    path = PureWindowsPath(name)  # knows both kinds of slashes, and drives
    return not path.is_absolute() and not path.drive and not path.root and ".." not in path.parts


def is_picture_name(path: Path) -> bool:
    """Whether a file's name is that of a picture: a known ending, not hidden."""
    return not path.name.startswith(".") and path.suffix.lower() in Image.registered_extensions()


def pictures_below(folder: Path) -> list[Path]:
    """All pictures of a folder, then those of the folders in it, by name; none when there is no such folder."""
    found = (path for path in folder.rglob("*") if is_picture_name(path) and path.is_file())
    return sorted(found, key=lambda path: (path.relative_to(folder).parts[:-1], path.name))


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is known of a picture: (height, width) upright, EXIF orientation (None: not known), where it lies."""

    size: Size
    orientation: int | None = None
    path: Path | None = None


def picture_facts(path: Path) -> PictureFacts:
    """By the header of a picture file. Raises DatasetError naming it."""
    try:
        header = read_header(path)
    except ImageError as error:
        raise DatasetError(str(error)) from error
    return PictureFacts(header.size, header.orientation, path)


def told_size(place: str, height: object, width: object) -> Size:
    """(height, width) as a label file tells it of a picture that is not there. Raises DatasetError after ``place``."""
    if not (type(height) is int and type(width) is int and height > 0 and width > 0):
        raise DatasetError(
            f"{place} has the height {height!r} and width {width!r}, and its picture is not there; "
            "expected two whole numbers"
        )
    if height * width > max_pixels():
        raise DatasetError(f"{place} tells of {width} x {height} pixels; at most {max_pixels()} are read")
    return height, width


def by_plain_stem(paths: Iterable[Path], root: Path) -> dict[str, Path]:
    """Path below ``root`` without its ending (in one Unicode form) -> file; of several, the first."""
    found: dict[str, Path] = {}
    for path in paths:
        found.setdefault(plain(path.relative_to(root).with_suffix("").as_posix()), path)
    return found


def plain(name: str) -> str:
    """A name in the one Unicode form in which names are compared, whichever system wrote them."""
    return unicodedata.normalize("NFC", name)


def bright(values: NDArray[np.generic]) -> MaskArray:
    """(H, W) True where the first channel of a mask file is above 128, or set in a bilevel one."""
    first = values[:, :, 0] if values.ndim == 3 else values
    return np.asarray(first if first.dtype == np.bool_ else first > 128, dtype=bool)  # type: ignore[operator]


def is_number(value: object) -> bool:
    """Whether a value from a text file is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _unreadable(file: Path, name: str, what: str, error: Exception) -> str:
    reason = " ".join(str(getattr(error, "strerror", None) or error).split())
    return f"{name}{': ' if name else ''}{file} is no readable {what} ({reason}); expected a complete file"
