"""Pictures, a place for a project, and one that was worked on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from started_project import HEIGHT, WIDTH, scribble, started

from clickwise.annotate import database


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("b10.png", "b2.png", "more/b2.png"):
        Image.fromarray(rng.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(folder / name)
    (folder / "broken.png").write_bytes(b"\x89PNG not really")
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "project"


@pytest.fixture
def file(place: Path, photos: Path) -> Path:
    store, image_id = started(place, photos)
    scribble(store, image_id, 30)
    store.close()
    return place / database.PROJECT_FILE
