"""Shared by all tests: no network, no user's cache, data sets only where CLICKWISE_DATA says."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_works() -> None:
    """A suite that a script starts in the background inherits "ignore Ctrl-C", and so would all commands it starts."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of the tests' own, offline mode, no settings of the user; inherited by commands that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("CLICKWISE_OFFLINE", "1")
        for name in ("CLICKWISE_MODEL_DIR", "CLICKWISE_WEIGHTS_URL", "CLICKWISE_DEBUG", "CLICKWISE_MAX_PIXELS"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def golden() -> Path:
    """Folder of the golden outputs."""
    return GOLDEN


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of the data sets; the test is skipped where CLICKWISE_DATA is not set."""
    value = os.environ.get("CLICKWISE_DATA", "")
    if not value or not Path(value).is_dir():
        pytest.skip("CLICKWISE_DATA names no folder")
    return Path(value)


@pytest.fixture(scope="session")
def grabcut(data_root: Path) -> Path:
    """Folder of the GrabCut data set."""
    if not (data_root / "GrabCut").is_dir():
        pytest.skip(f"{data_root} holds no GrabCut")
    return data_root / "GrabCut"
