"""`clickwise.__all__` is sorted, and every name in it is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import clickwise


def test_all_is_sorted_without_doubles() -> None:
    assert clickwise.__all__ == sorted(set(clickwise.__all__))


@pytest.mark.parametrize("name", clickwise.__all__)
def test_every_public_name_is_there(name: str) -> None:
    value = getattr(clickwise, name)
    assert name in dir(clickwise)
    if name != "__version__":
        assert value.__doc__, f"{name} lacks a docstring"


def test_lazy_table_agrees_with_all() -> None:
    assert sorted(clickwise._HOMES) == [name for name in clickwise.__all__ if name != "__version__"]


def test_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predict'"):
        clickwise.predict  # noqa: B018


def test_import_alone_loads_nothing_heavy() -> None:
    code = (
        "import sys, clickwise, clickwise.cli.main as m; m.build_app(); "
        "print(sorted({'torch', 'numpy', 'cv2', 'matplotlib', 'scipy', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
