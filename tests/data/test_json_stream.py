"""Large JSON files in pieces: the same items as json.loads, wherever the pieces end."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clickwise.data.datasets import json_stream
from clickwise.data.datasets.json_stream import stream_items
from clickwise.errors import DatasetError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
@settings(max_examples=25, deadline=None)
@given(content=st.dictionaries(st.text(max_size=3), VALUES), wanted=st.lists(VALUES, max_size=5), indent=st.booleans())
def test_same_as_json(tmp_path_factory, chunk, content, wanted, indent) -> None:
    content = {**content, "wanted": wanted, "last": [1, 2], "number": 12}
    file = tmp_path_factory.getbasetemp() / "streamed.json"
    file.write_text(json.dumps(content, indent=2 if indent else None, ensure_ascii=False), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_stream, "_CHUNK", chunk)
        found = list(stream_items(file, ("wanted", "last"), "mini"))
    expected = [(key, item) for key, items in content.items() if key in ("wanted", "last") for item in items]
    assert found == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not valid JSON .'the end' instead of '{'"),
        ("[]", "not valid JSON"),
        ('{"a": [1, 2', "not valid JSON"),
        ('{"a": [1, 2]', "not valid JSON"),
        ('{"a": [1 2]}', "not valid JSON"),
        ('{"a": [1, 2] "b": 3}', "not valid JSON"),
        ('{"a": 3}', "'a' is no list"),
        ('{"b": [1]}', "has no 'a'"),
        ("{}", "has no 'a'"),
        ("{1: [1]}", "not valid JSON"),
        ('{"a": [' + "[" * 100_000, "not valid JSON"),
    ],
)
def test_damage(tmp_path, text, words) -> None:
    file = tmp_path / "a.json"
    file.write_text(text)
    with pytest.raises(DatasetError, match=rf"mini: .*a\.json .*{words}|{words}"):
        list(stream_items(file, ("a",), "mini"))


def test_missing_empty_and_other_bytes(tmp_path) -> None:
    with pytest.raises(DatasetError, match="does not exist"):
        list(stream_items(tmp_path / "a.json", ("a",), "mini"))
    (tmp_path / "a.json").write_bytes(b'{"a": ["\xff"]}')
    with pytest.raises(DatasetError, match="not valid JSON"):
        list(stream_items(tmp_path / "a.json", ("a",), "mini"))
    (tmp_path / "a.json").write_text('{"a": []}')
    assert list(stream_items(tmp_path / "a.json", ("a",), "mini")) == []
