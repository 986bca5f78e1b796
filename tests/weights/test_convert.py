"""``clickwise convert``, called as the command line calls it."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from clickwise.cli.main import main
from clickwise.models.registry import build_model
from clickwise.weights.adapters import adapter_for_architecture
from clickwise.weights.checkpoint import read_header
from clickwise.weights.load import load_model


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    model = build_model("ritm-hrnet18s")
    adapter = adapter_for_architecture("ritm-hrnet18s")
    assert adapter is not None
    path = tmp_path / "in" / "coco_lvis_h18s_itermask.pth"
    path.parent.mkdir()
    torch.save(OrderedDict((adapter.published_name(n), v) for n, v in model.state_dict().items()), path)
    return path


def test_convert(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(published), "--architecture", "ritm-hrnet18s", "--fp16"]) == 0
    target = Path("coco_lvis_h18s_itermask.safetensors")
    assert target.name in capsys.readouterr().out
    assert target.stat().st_size < 9e6
    header = read_header(target)
    assert header is not None
    assert header.info["licence"] == "MIT"
    assert load_model(target).architecture == "ritm-hrnet18s"
    assert main(["convert", str(target), "-o", "again.safetensors"]) == 0
    again = read_header("again.safetensors")
    assert again is not None
    assert again.info == header.info


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "architecture"),
        (["--architecture", "ritm-hrnet18"], "does not fit"),
        (["--architecture", "ritm-hrnet18s", "-o", "out.pth"], ".safetensors"),
        (["--architecture", "ritm-hrnet18s", "-o", "no/such/folder.safetensors"], "folder"),
    ],
)
def test_bad_input(options: list[str], message: str, published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(published), *options]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert not list(Path.cwd().glob("*.safetensors"))


def test_never_over_the_input(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", str(published), "--architecture", "ritm-hrnet18s", "-o", "m.safetensors"]) == 0
    before = Path("m.safetensors").read_bytes()
    assert main(["convert", "m.safetensors"]) == 2
    assert "input itself" in capsys.readouterr().err
    assert Path("m.safetensors").read_bytes() == before
    assert main(["convert", "nothing.pth"]) == 2
