"""``clickwise train`` with bad input: one line on stderr, exit code 2, nothing written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["clickwise-s", "--data-root", "."], "encoder weights"),
        (["clickwise-s", "--data-root", "nowhere"], "no folder"),
        (["clickwise-z", "--data-root", "."], "no recipe"),
        (["--resume", "--data-root", "."], "no recipe was given"),
        (["ritm-hrnet18s-pack", "--data-root", ".", "--strategy", "zero"], "--strategy is 'zero'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "clickwise", "train", *arguments, "--device", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
    assert not list(tmp_path.iterdir())


def test_list_names_every_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    from clickwise.cli.train import train
    from clickwise.recipes import FAMILIES, RECIPES

    train(list_recipes=True)
    lines = capsys.readouterr().out.splitlines()
    named = [line.split() for line in lines if line.startswith("  ")]
    assert [words[0] for words in named] == list(RECIPES)
    assert all(len(words) > 1 for words in named), "every recipe says what it is"
    assert {line for line in lines if line and not line.startswith(" ")} == set(FAMILIES)
    assert all(len(line) <= 120 for line in lines)
