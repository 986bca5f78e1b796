"""`clickwise data` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise.cli.data.sets import parse_bytes
from clickwise.cli.main import main
from clickwise.data.datasets.registry import open_dataset
from clickwise.errors import OptionError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("CLICKWISE_DATA", raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")


@pytest.fixture
def mine(tmp_path) -> Path:
    """A good plain folder of three pictures."""
    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        for folder in ("images", "masks"):
            (tmp_path / "mine" / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)).save(tmp_path / f"mine/images/{name}.png")
        mask = np.zeros((40, 60), np.uint8)
        mask[10:30, 10:40] = 255
        Image.fromarray(mask).save(tmp_path / f"mine/masks/{name}.png")
    return tmp_path / "mine"


def lines(capsys) -> tuple[list[str], list[str]]:
    out, err = capsys.readouterr()
    return out.splitlines(), err.splitlines()


def test_check_a_good_set(mine, capsys) -> None:
    assert main(["data", "check", str(mine)]) == 0
    out, err = lines(capsys)
    assert "mine: 3 of 3 samples checked, 3 objects" in out
    assert not err
    assert main(["data", "check", str(mine), "--limit", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["checked"] == 1


def test_check_a_bad_set(mine, capsys) -> None:
    (mine / "masks/a.png").unlink()
    Image.new("L", (60, 40), 9).save(mine / "masks/b.png")
    assert main(["data", "check", str(mine)]) == 2
    out, err = lines(capsys)
    assert out[0].startswith("error: without mask: mine: ")
    assert out[1].startswith("error: mask: mine: mask ")
    assert err == ["error: mine: 2 things wrong (mask, without mask); see the list"]
    assert main(["data", "check", str(mine), "--json"]) == 2
    out, err = capsys.readouterr()
    assert [one["rule"] for one in json.loads(out)["findings"]] == ["without mask", "mask", "no object"]
    assert err.startswith("error: ")


def test_warnings_count_only_when_asked(mine) -> None:
    Image.new("L", (60, 40)).save(mine / "masks/b.png")
    assert main(["data", "check", str(mine)]) == 0
    assert main(["data", "check", str(mine), "--strict"]) == 2


def test_show(mine, capsys) -> None:
    assert main(["data", "show", str(mine), "-o", "here.jpg", "--count", "2", "--cell", "64"]) == 0
    assert capsys.readouterr().out == "here.jpg: 2 of 3 samples\n"
    with Image.open("here.jpg") as sheet:
        assert sheet.width > 128
    assert main(["data", "show", str(mine), "-o", "here.doc"]) == 2


def test_pack_and_read(mine, capsys) -> None:
    command = ["data", "pack", str(mine), "-o", "shards", "--max-side", "32", "--quality", "60"]
    assert main(command) == 0
    assert "3 of 3 samples" in capsys.readouterr().out
    assert open_dataset("shards").load(0).image.shape == (21, 32, 3)
    assert main(command) == 0
    assert "3 were there already" in capsys.readouterr().out
    assert main([*command[:-2], "--quality", "61"]) == 2
    assert "holds another pack" in capsys.readouterr().err
    assert main(["data", "check", "shards"]) == 0


@pytest.mark.parametrize(
    "bad",
    [
        ["--limit", "much"],
        ["--quality", "200"],
        ["--max-side", "1"],
        ["--format", "gif"],
        ["--threads", "0"],
        ["--shard-size", "0"],
        ["--limit", "1kB"],
    ],
)
def test_bad_options_of_pack(mine, capsys, bad) -> None:
    assert main(["data", "pack", str(mine), "-o", "shards", *bad]) == 2
    out, err = lines(capsys)
    assert (out, len(err)) == ([], 1)


def test_the_fields_config_file_is_understood(mine, capsys, tmp_path) -> None:
    for old, new in (("images", "data_GT"), ("masks", "boundary_GT")):
        (mine / old).rename(mine / new)
    Path("config.yml").write_text("GRABCUT_PATH: ../mine\nEXPS_PATH: ./experiments\n")
    assert main(["data", "check", "GrabCut"]) == 0
    assert "GrabCut: 3 of 3" in capsys.readouterr().out
    Path("config.yml").rename("other.yml")
    assert main(["data", "check", "GrabCut"]) == 2
    capsys.readouterr()
    assert main(["data", "show", "GrabCut", "--config", "other.yml"]) == 0
    assert main(["data", "pack", "GrabCut", "--config", "other.yml", "-o", "shards"]) == 0
    assert open_dataset("shards").sources["GrabCut"]["terms"].startswith("research")
    capsys.readouterr()
    assert main(["data", "download", "GrabCut", "--config", "other.yml"]) == 2
    assert "holds 3 samples, expected 50" in capsys.readouterr().err


def test_download(capsys, tmp_path) -> None:
    assert main(["data", "download"]) == 0
    out, _ = lines(capsys)
    assert any(line.startswith("SBD: ") for line in out)
    cases = [
        (["GrabCut"], "no place to put it"),
        (["GrabCut", "--data-root", str(tmp_path)], "offline mode is on"),
        (["HQSeg", "--data-root", str(tmp_path)], "cannot be fetched for you"),
        (["GrabCat"], "did you mean GrabCut"),
    ]
    for words, message in cases:
        assert main(["data", "download", *words]) == 2
        out, err = lines(capsys)
        assert (out, len(err)) == ([], 1)
        assert message in err[0]


@pytest.mark.parametrize(
    ("text", "size"), [("500", 500), ("60MB", 60_000_000), ("1.5 GiB", 3 * 2**29), ("2k", 2000), (None, None)]
)
def test_sizes(text, size) -> None:
    assert parse_bytes(text, "--limit") == size


@pytest.mark.parametrize("text", ["", "MB", "-3", "1e9", "3 parsecs"])
def test_sizes_that_are_none(text) -> None:
    with pytest.raises(OptionError):
        parse_bytes(text, "--limit")
