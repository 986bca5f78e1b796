"""``clickwise robustness`` as a user types it: tables, JSON, pictures, and one line for every mistake."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise.cli.main import main


@pytest.fixture(autouse=True)
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of two pictures in the working folder."""
    monkeypatch.chdir(tmp_path)
    for seed in range(2):
        rng = np.random.default_rng(seed)
        mask = np.zeros((48, 64), np.uint8)
        mask[10 + seed : 30, 12 : 40 + seed] = 255
        image = np.where(mask[:, :, None] > 0, (200, 150, 30), (30, 100, 140)) + rng.integers(-15, 15, (48, 64, 3))
        for folder, values in (("images", image.clip(0, 255).astype(np.uint8)), ("masks", mask)):
            (tmp_path / "mine" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(tmp_path / "mine" / folder / f"p{seed}.png")


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["robustness", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_tables_json_and_pictures(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["opencv-grabcut", "--datasets", "mine", "--conditions", "dark,start-part,objects", "--n-clicks", "2"]
    code, out, err = ask(capsys, *words, "--json", "r.json", "--plots", "new/pictures", "--worst", "1")
    assert (code, err) == (0, "")
    assert out.startswith("opencv-grabcut on mine: 2 clicks, seed 0\n\n| condition ")
    names = [line.split("|")[1].strip() for line in out.splitlines() if line.startswith("| ")]
    assert names[:4] == ["condition", "plain", "dark", "start-part"]
    assert "tiny" in names
    assert sorted(p.name for p in Path("new/pictures").iterdir()) == [
        "robustness.txt",
        "robustness_mine.png",
        "worst_mine_opencv-grabcut.csv",
        "worst_mine_opencv-grabcut.png",
    ]
    assert Path("new/pictures/robustness.txt").read_text("utf-8") == out
    values = json.loads(Path("r.json").read_text("utf-8"))
    assert [row["condition"] for row in values["results"][0]["conditions"]][:2] == ["dark", "start-part"]
    assert len(values["results"][0]["worst"]) == 1
    command = shlex.split(values["command"])
    assert command == ["clickwise", "robustness", *words, "--json", "r.json", "--plots", "new/pictures", "--worst", "1"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine", "new", "r.json"]


def test_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("opencv-grabcut", "--datasets", "mine", "--conditions", "noise", "--n-clicks", "1", "--limit", "1")
    rows = [line.split("|") for line in ask(capsys, *words)[1].splitlines() if line.startswith("|")]
    assert [[cell.strip() for cell in row[1:3]] for row in rows[2:4]] == [["plain", "1"], ["noise", "1"]]


def test_the_list_of_conditions_needs_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ask(capsys, "--list")
    assert code == 0
    assert "dark            picture  a tenth of the light" in out.splitlines()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--conditions", "drak"], "no condition is called 'drak'; did you mean dark?"),
        (["--limit", "0"], "limit is 0; expected at least 1 object"),
        (["--worst", "-1"], "--worst is -1; expected at least 0"),
        (["--processes", "0"], "--processes is 0; expected at least 1"),
        (["--seed", "-1"], "--seed is -1; expected at least 0"),
        (["--n-clicks", "0"], "n_clicks is 0"),
        (["--json", "missing/r.json"], "does not exist"),
        (["--plots", "mine/images/p0.png/x"], "cannot make the folder"),
    ],
)
def test_mistakes_are_one_line(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ask(capsys, "opencv-grabcut", "--datasets", "mine", *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
