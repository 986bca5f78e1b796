"""Published annotations come as pickles. Here they are read as data: nothing that a file names is ever imported.

A pickle is a program for a small machine that may call whatever it names. Ours may name a dozen things only, and for
each it gets a stand-in of ours: plain containers, byte strings, and NumPy arrays and numbers, which are built from
their bytes after a check of type and size. Files of Python 2 and 3, of NumPy 1 and 2 and of every pickle protocol can
be read.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from clickwise.errors import DatasetError

_KINDS = "biufSU"
"""Array types that are plain bytes: numbers, booleans, strings."""


def read_pickle(path: Path, dataset: str) -> Any:
    """The content of a pickle file; DatasetError when it is missing, damaged or names anything but data."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(f"{dataset}: {path} does not exist; check the layout of the data set") from None
    except OSError as error:
        raise DatasetError(f"{dataset}: {path} cannot be read: {error.strerror or error}") from error
    try:
        return loads(content)
    except _NotData as error:
        raise DatasetError(
            f"{dataset}: {path} asks for {error}, which is not data; it was not run, get the published file"
        ) from None
    except Exception as error:  # a damaged pickle fails in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DatasetError(f"{dataset}: {path} is a damaged pickle ({reason}); get a fresh copy") from error


def loads(content: bytes) -> Any:
    """The content of a pickle. Raises pickle.UnpicklingError, or what else damage leads to."""
    reader = _Reader(io.BytesIO(content), encoding="latin1")
    loaded = reader.load()
    return _finished(loaded, {}) if reader.made_arrays else loaded


class _NotData(pickle.UnpicklingError):
    """The file names something that is not in our table."""


class _Dtype:
    """Stands for numpy.dtype."""

    __slots__ = ("value",)

    def __init__(self, spec: object, *_: object) -> None:
        self.value = np.dtype(str(spec))
        if self.value.kind not in _KINDS:
            raise _NotData(f"an array of type {spec}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[2] is not None or state[3] is not None:
            raise _NotData("an array of records")
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class _Array:
    """Stands for an array that is being built; `_finished` puts the array in its place."""

    __slots__ = ("value",)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        shape, dtype, is_fortran, content = state[-4:]  # a version number comes before them
        self.value = _array(content, dtype, shape, "F" if is_fortran else "C")


def _array(content: Any, dtype: Any, shape: Any, order: str = "C") -> np.ndarray[Any, Any]:
    """An array from its bytes. ``np.frombuffer`` and ``reshape`` refuse sizes that do not fit."""
    raw = content.encode("latin1") if isinstance(content, str) else bytes(content)
    kind = dtype.value if isinstance(dtype, _Dtype) else _Dtype(dtype).value
    flat = np.frombuffer(raw, dtype=kind) if raw else np.empty(0, dtype=kind)
    return flat.reshape(shape, order="F" if order == "F" else "C")


class _Named:
    """A name in the file that may be used: called, it does what we let it do. Nothing can be changed about it."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: Any) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: object) -> None:
        raise _NotData("a change of what it names")


def _never(*_: object) -> None:
    raise _NotData("a call of a type")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise _NotData(f"the encoding {encoding}")
    return text.encode("latin1")


def _scalar(dtype: Any, content: Any = b"") -> Any:
    return _array(content, dtype, (1,))[0].item()


_BUILTINS: dict[str, Callable[..., Any]] = {
    "set": set,
    "frozenset": frozenset,
    "bytes": lambda: b"",
    "list": _never,
    "dict": _never,
    "int": _never,
}
_NUMPY: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("multiarray", "_reconstruct", lambda *_: _Array()),
    ("multiarray", "scalar", _scalar),
    ("numeric", "_frombuffer", _array),
)
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    **{(module, name): make for module in ("builtins", "__builtin__") for name, make in _BUILTINS.items()},
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "defaultdict"): lambda *_: {},
    ("_codecs", "encode"): _encode,
    ("numpy", "ndarray"): _never,
    ("numpy", "dtype"): _Dtype,
    ("numpy", "frombuffer"): lambda content, dtype: _array(content, dtype, (-1,)),
    **{(f"numpy.{core}.{module}", name): make for core in ("core", "_core") for module, name, make in _NUMPY},
}
"""Names that a file may use, and what they do here."""


class _Reader(pickle.Unpickler):
    """Finds every name in our table or not at all."""

    made_arrays = False

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Called by the machine for each name in the file."""
        make = _ALLOWED.get((module_name, global_name))
        if make is None:
            raise _NotData(f"{module_name}.{global_name}")
        self.made_arrays |= global_name == "_reconstruct"
        return _Named(make)


def _finished(value: Any, seen: dict[int, Any]) -> Any:
    """The same content with arrays in the place of what stood for them."""
    if isinstance(value, _Array):
        return value.value
    if not isinstance(value, (list, tuple, dict)):
        return value
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, tuple):
        done: Any = tuple(_finished(item, seen) for item in value)
        seen[id(value)] = done
        return done
    seen[id(value)] = value
    for key, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        value[key] = _finished(item, seen)
    return value
