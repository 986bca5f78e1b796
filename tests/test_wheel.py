"""The wheel: holds what it needs, and segments a photo in an empty environment."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout and nothing stale in it gets in."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--wheel-dir", str(source / "out"), str(source)], check=True, capture_output=True)
    (built,) = (source / "out").glob("clickwise-*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty virtual environment with the wheel; its dependencies are lent by the one that runs the tests."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, str(wheel)], check=True)
    (site,) = (folder / "lib").glob("python3*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_wheel_holds_data_and_licence(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in (
        "clickwise/py.typed",
        "clickwise/weights/zoo.yaml",
        "clickwise/assets/sample.jpg",
        "clickwise/assets/sample_truth.png",
        "clickwise/assets/SOURCES.md",
        "clickwise/weights/embedded/clickwise-s.safetensors",
    ):
        assert needed in names
    assert any(name.startswith("clickwise/weights/embedded/") and name.endswith(".md") for name in names), "model card"
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)
    assert not {name for name in names if name.startswith("tests")}
    python = {str(p.relative_to(ROOT / "src")) for p in (ROOT / "src" / "clickwise").rglob("*.py")}
    assert python <= names, "every module is packed"


@pytest.mark.skipif(os.name == "nt", reason="paths of POSIX environments")
def test_wheel_segments_in_an_empty_environment(environment: Path, tmp_path: Path) -> None:
    run = {"capture_output": True, "text": True, "cwd": tmp_path, "check": False}
    clickwise = str(environment / "bin" / "clickwise")
    where = [str(environment / "bin" / "python"), "-c", "import clickwise.assets as a; print(a.__file__)"]
    assert str(environment) in subprocess.run(where, **run).stdout, "the wheel runs, not the checkout"

    from clickwise.assets import sample

    photo = sample()
    shutil.copy(photo.photo_path, tmp_path / "photo.jpg")
    clicks = [word for click in photo.clicks for word in ("--fg", f"{click.x:g},{click.y:g}")]
    done = subprocess.run([clickwise, "segment", "photo.jpg", *clicks, "-o", "mask.png", "--json"], **run)
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    mask = np.asarray(Image.open(tmp_path / "mask.png"))
    assert mask.shape == photo.truth.shape
    assert set(np.unique(mask)) <= {0, 255}
    assert report["area"] == int((mask == 255).sum())
    on_object = mask == 255
    assert (on_object & photo.truth).sum() / (on_object | photo.truth).sum() > 0.8

    done = subprocess.run([clickwise, "segment", "none.jpg", "--fg", "1,1"], **run)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
