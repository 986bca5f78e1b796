"""Pickles are read as data: everything that published files hold comes back, nothing that they name is run."""

from __future__ import annotations

import os
import pickle
import pickletools
from collections import OrderedDict, defaultdict

import numpy as np
import pytest

from clickwise.data.datasets.safe_pickle import loads, read_pickle
from clickwise.errors import DatasetError

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
CONTENT = {
    "000000000009": {"num_instance_masks": 3, "hierarchy": {0: None, 1: {"children": [2], "parent": None}}},
    "float": 0.5,
    "large": 2**80,
    "bytes": b"\x00\xff",
    "empty": b"",
    "list": [(1, "name", 0.25), None, True],
    "sets": {1, 2},
    "frozen": frozenset({3}),
    "ordered": OrderedDict(a=1),
    "nested": [[["x"]]],
}
ARRAYS = [
    np.arange(7, dtype=np.uint8),
    np.arange(12, dtype=">i4").reshape(3, 4),
    np.asfortranarray(np.arange(12, dtype=np.float32).reshape(3, 4)),
    np.array(["a", "bcd"]),
    np.zeros((0, 2), dtype=np.int64),
    np.array([True, False]),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_content(protocol) -> None:
    assert loads(pickle.dumps(CONTENT, protocol)) == CONTENT
    found = loads(pickle.dumps(defaultdict(list, {"a": [1]}), protocol))
    assert (found, type(found)) == ({"a": [1]}, dict)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("module", ["numpy._core", "numpy.core"])
def test_arrays(protocol, module) -> None:
    shared = ARRAYS[0]
    raw = pickle.dumps((ARRAYS, {"again": shared}, np.float64(2.5), np.int32(-3)), protocol)
    if protocol < 4:  # older files name the older place; with frames the lengths would have to change
        raw = raw.replace(b"numpy._core", module.encode())
    arrays, again, number, integer = loads(raw)
    for got, want in zip(arrays, ARRAYS, strict=True):
        assert isinstance(got, np.ndarray)
        assert got.dtype == want.dtype
        assert np.array_equal(got, want)
    assert np.array_equal(again["again"], shared)
    assert (number, integer) == (2.5, -3)


def test_python_2_strings() -> None:
    """Python 2 wrote text as bytes, also that of arrays."""
    raw = (
        b"(cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I3\ntcnumpy\ndtype\n"
        b"(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x01\\x80\\xff'\ntbS'caf\\xe9'\nt."
    )
    array, text = loads(raw)
    assert array.tolist() == [1, 128, 255]
    assert text == "caf\u00e9"


def test_lists_that_hold_themselves() -> None:
    knot: list[object] = [np.arange(2)]
    knot.append(knot)
    got = loads(pickle.dumps(knot))
    assert got[1] is got
    assert got[0].tolist() == [0, 1]


class Evil:
    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch {}",), "system"),
        (eval, ("open({!r}, 'w')",), "eval"),
        (getattr, ("", "join"), "getattr"),
        (np.load, ("{}",), "load"),
        (list, (range(2),), "range|call of a type"),
        (bytes.__add__, (b"", b""), "wrapper|getattr|attrgetter"),
    ],
)
def test_code_is_never_run(tmp_path, protocol, function, arguments, named) -> None:
    mark, file = tmp_path / "mark", tmp_path / "evil.pickle"
    try:
        raw = pickle.dumps(
            [Evil(function, *(a.format(str(mark)) if isinstance(a, str) else a for a in arguments))], protocol
        )
    except pickle.PicklingError:
        pytest.skip("cannot be written in this protocol")
    file.write_bytes(raw)
    with pytest.raises(DatasetError, match=rf"mini: .*evil\.pickle asks for .*({named}).* not run"):
        read_pickle(file, "mini")
    assert not mark.exists()


@pytest.mark.parametrize(
    "raw",
    [
        b"cposix\nsystem\n(S'touch x'\ntR.",
        b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93\x8c\x01x\x85R.",
        b"(i__builtin__\neval\n.",
        b"cbuiltins\nset\n}S'__doc__'\nS'x'\nsb.",  # would change what the name stands for
        b"cbuiltins\nset\n(N}S'_make'\nS'x'\nstb.",
        b"cnumpy\ndtype\n(S'O'\nI0\nI1\ntR.",  # objects inside an array could be anything
        b"cnumpy\nndarray\n(I9\ntR.",
        b"Pname\n.",  # a reference outside the file
        b"\x82\x01.",  # a registered extension
    ],
)
def test_other_ways_to_code(tmp_path, raw) -> None:
    (tmp_path / "x.pickle").write_bytes(raw)
    with pytest.raises(DatasetError, match=r"x\.pickle"):
        read_pickle(tmp_path / "x.pickle", "mini")
    assert set() == loads(pickle.dumps(set()))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_sizes_that_do_not_fit(protocol) -> None:
    raw = pickle.dumps(np.arange(100, dtype=np.uint8), protocol)
    small = raw.replace(b"\x28", b"\x27", 1) if protocol == 0 else raw.replace(bytes(range(100)), bytes(range(99)))
    with pytest.raises(Exception):  # noqa: B017
        loads(small[:-3])


def test_damaged_files(tmp_path) -> None:
    raw = pickle.dumps(CONTENT)
    assert any(opcode.name == "FRAME" for opcode, *_ in pickletools.genops(raw))
    for length in (0, 1, 10, len(raw) // 2, len(raw) - 1):
        (tmp_path / "x.pickle").write_bytes(raw[:length])
        with pytest.raises(DatasetError, match=r"x\.pickle is a damaged pickle"):
            read_pickle(tmp_path / "x.pickle", "mini")
    with pytest.raises(DatasetError, match="does not exist"):
        read_pickle(tmp_path / "gone.pickle", "mini")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_pickle(tmp_path, "mini")
    (tmp_path / "deep.pickle").write_bytes(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".")
    read_pickle(tmp_path / "deep.pickle", "mini")
