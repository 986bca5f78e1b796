"""Kept indexes: made once, made again when something changes, shared between processes."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from clickwise.data.datasets import index_cache
from clickwise.data.datasets.index_cache import cached_arrays, index_folder


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "list.txt").write_text("a")
    return tmp_path / "list.txt"


def make(value: int, size: int = 10) -> dict[str, np.ndarray]:
    return {"numbers": np.full(size, value), "names": np.array(["a", "bc"]), "empty": np.zeros((0, 2), np.int32)}


def test_made_once(source) -> None:
    assert cached_arrays("kind", [source], lambda: make(1))["numbers"][0] == 1
    kept = cached_arrays("kind", [source], lambda: make(2))
    assert kept["numbers"][0] == 1
    assert kept["names"].tolist() == ["a", "bc"]
    assert kept["empty"].shape == (0, 2)
    assert cached_arrays("other", [source], lambda: make(3))["numbers"][0] == 3


def test_made_again_when_a_source_changes(source) -> None:
    cached_arrays("kind", [source], lambda: make(1))
    source.write_text("ab")
    assert cached_arrays("kind", [source], lambda: make(2))["numbers"][0] == 2
    os.utime(source, ns=(1, 1))
    assert cached_arrays("kind", [source], lambda: make(3))["numbers"][0] == 3
    assert len(list(index_folder().iterdir())) == 1  # the old ones are gone


def test_a_failed_build_leaves_nothing(source) -> None:
    def fail() -> dict[str, np.ndarray]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cached_arrays("kind", [source], fail)
    assert not index_folder().exists()


@pytest.mark.parametrize("mapped_from", [0, 1 << 20])
def test_arrays_go_to_other_processes(source, monkeypatch, mapped_from) -> None:
    monkeypatch.setattr(index_cache, "_MAPPED_FROM", mapped_from)
    cached_arrays("kind", [source], lambda: make(7, 100_000) if mapped_from else {"numbers": np.full(100_000, 7)})
    kept = cached_arrays("kind", [source], dict)["numbers"]
    raw = pickle.dumps(kept)
    assert np.array_equal(pickle.loads(raw), kept)
    assert len(pickle.dumps(kept[:10])) < 1000
    assert np.array_equal(pickle.loads(pickle.dumps(kept[5:9])), kept[5:9])
    assert (len(raw) < 1000) == (mapped_from == 0)  # the name of the file, or the content


def test_without_a_home(source, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert index_folder() == Path.home() / ".cache" / "clickwise" / "indexes"
