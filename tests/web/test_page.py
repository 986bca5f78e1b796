"""The annotator's page: its unit tests in node, and that every file of it is shipped."""

from __future__ import annotations

import re
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "src" / "clickwise" / "annotate" / "web"
FILES = sorted(path for path in WEB.rglob("*") if path.is_file())
OLDEST_NODE = 20


def node() -> str:
    """The node to run, or a visible skip."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed: the page's unit tests cannot run")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.strip().lstrip("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {version.strip()} is too old for the page's unit tests; {OLDEST_NODE} or later runs them")
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in Path(__file__).parent.glob("*.test.js")))
def test_unit_tests_of_the_page(name: str) -> None:
    done = subprocess.run(
        [node(), "--test", str(Path(__file__).with_name(name))],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_file_of_the_page_is_named_as_data_of_the_package() -> None:
    pattern = re.search(r"^clickwise = \[(.*)\]$", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert pattern is not None
    patterns = re.findall(r'"([^"]+)"', pattern[1])
    for path in FILES:
        name = path.relative_to(WEB.parents[1]).as_posix()
        assert any(fnmatch(name, each) for each in patterns), name


def test_the_page_asks_nobody_else_for_anything() -> None:
    """No CDN, no fonts, no inline script or style that the content policy would refuse."""
    for path in FILES:
        text = path.read_text("utf-8")
        foreign = [url for url in re.findall(r"https?://[^\s\"'`)<]+", text) if "www.w3.org" not in url]
        assert not foreign, (path.name, foreign)
    page = (WEB / "index.html").read_text("utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", page)


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix == ".js"], ids=lambda path: path.name)
def test_imports_of_modules_lead_somewhere(path: Path) -> None:
    for target in re.findall(
        r'^\s*(?:import|export)[^"]*?from "([^"]+)"|^import "([^"]+)"', path.read_text("utf-8"), re.MULTILINE
    ):
        name = "".join(target)
        assert name.startswith("."), f"{path.name} imports {name}: only the page's own modules are there"
        assert (path.parent / name).is_file(), f"{path.name} imports {name}"


def test_modules_are_of_a_readable_size() -> None:
    long = {path.name: count for path in FILES if (count := len(path.read_text("utf-8").splitlines())) > 600}
    assert not long
    assert all(len(path.read_text("utf-8").splitlines()) <= 360 for path in FILES if path.suffix == ".js")


def test_every_icon_that_is_used_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (WEB / "icons.svg").read_text("utf-8")))
    for path in FILES:
        if path.suffix == ".js":
            used = set(re.findall(r'\bicon(?:Button)?\("([\w-]+)"', path.read_text("utf-8")))
            used |= set(re.findall(r'\bicon: "([\w-]+)"', path.read_text("utf-8")))
            assert used <= drawn, (path.name, used - drawn)
