"""The documentation is true: code in it runs, commands in it exist, links in it lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from pathlib import Path

import pytest

from clickwise.assets import sample
from clickwise.cli.main import COMMANDS, _load

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(language: str) -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for number, match in enumerate(BLOCK.finditer(page.read_text("utf-8"))):
            if match[1] == language:
                found.append((f"{page.relative_to(ROOT)}-{number}", match[2]))
    return found


def commands() -> list[tuple[str, str]]:
    lines = [(name, line) for name, text in blocks("bash") for line in text.replace("\\\n", " ").splitlines()]
    return [(f"{name}: {line}", line) for name, line in lines if line.startswith("clickwise ")]


@pytest.mark.parametrize("code", [code for _, code in blocks("python")], ids=[name for name, _ in blocks("python")])
def test_python_in_the_documentation_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(sample().photo_path, tmp_path / "photo.jpg")
    shutil.copy(sample().truth_path, tmp_path / "photo_mask.png")
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "documentation", "exec"), {"__name__": "documentation"})


@pytest.mark.parametrize("line", [line for _, line in commands()], ids=[name for name, _ in commands()])
def test_commands_in_the_documentation_exist(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words[0].startswith("-"):
        assert words[0] in {"--help", "--version"}
        return
    assert words[0] in COMMANDS
    command = _load(words[0])
    if hasattr(command, "commands"):
        assert words[1] in command.commands
        command = command.commands[words[1]]
    known = {name for parameter in command.params for name in parameter.opts}
    used = {word.partition("=")[0] for word in words[1:] if word.startswith("-")}
    assert used <= known | {"--help"}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


def test_command_line_reference_is_up_to_date() -> None:
    tool = ROOT / "tools" / "write_cli_reference.py"
    spec = importlib.util.spec_from_file_location("write_cli_reference", tool)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text("utf-8") == module.reference(), f"run: python {tool.relative_to(ROOT)}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop().resolve()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#]+)", page.read_text("utf-8"))
        todo += [page.parent / link for link in links if "://" not in link]
    assert {page.resolve() for page in (ROOT / "docs").rglob("*.md")} <= reached
