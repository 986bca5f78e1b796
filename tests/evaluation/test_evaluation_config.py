"""config.yml: folders of this machine, and published checkpoints by name."""

from __future__ import annotations

import pytest

from clickwise.errors import InputError, ModelError
from clickwise.evaluation.config import read_config


def test_keys(tmp_path) -> None:
    file = tmp_path / "config.yml"
    file.write_text(
        "INTERACTIVE_MODELS_PATH: './weights'\nEXPS_PATH: \"./experiments\"\n\n# Evaluation datasets\n"
        f"GRABCUT_PATH: ./datasets/GrabCut\nDAVIS_PATH: {tmp_path}/DAVIS\nSBD_PATH:\n"
        "IMAGENET_PRETRAINED_MODELS:\n  HRNETV2_W18: ./w18.pth\nother: [1, 2]\n"
    )
    config = read_config(file)
    assert config.source == file
    assert set(config.paths) == {"INTERACTIVE_MODELS_PATH", "EXPS_PATH", "GRABCUT_PATH", "DAVIS_PATH"}
    assert config.paths["GRABCUT_PATH"] == tmp_path / "datasets" / "GrabCut"
    assert config.paths["DAVIS_PATH"] == tmp_path / "DAVIS"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "cannot be read"),
        ("- a\n- b", "is no mapping"),
        ("", "is no mapping"),
        ("GRABCUT_PATH: [1]", "GRABCUT_PATH is"),
        ("GRABCUT_PATH: 3", "GRABCUT_PATH is 3"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
    ],
)
def test_unusable_file(tmp_path, monkeypatch, text, words) -> None:
    (tmp_path / "config.yml").write_text(text)
    with pytest.raises(InputError, match=words):
        read_config(tmp_path / "config.yml")
    monkeypatch.chdir(tmp_path)
    assert read_config().paths == {}  # nobody asked for this file


def test_missing_file(tmp_path, monkeypatch) -> None:
    with pytest.raises(InputError, match=r"gone\.yml cannot be read"):
        read_config(tmp_path / "gone.yml")
    monkeypatch.chdir(tmp_path)
    assert read_config().source is None
    (tmp_path / "config.yml").write_text("DAVIS_PATH: here")
    assert read_config().paths == {"DAVIS_PATH": tmp_path / "here"}


def test_checkpoints_by_name(tmp_path, monkeypatch) -> None:
    (tmp_path / "config.yml").write_text("INTERACTIVE_MODELS_PATH: weights")
    for name in ("one.pth", "deep/two_last.pth", "run/000_a/checkpoints/last.pth", "run/000_a/checkpoints/010.pth"):
        (tmp_path / "weights" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "weights" / name).touch()
    config, folder = read_config(tmp_path / "config.yml"), tmp_path / "weights"
    assert config.checkpoint("one.pth") == str(folder / "one.pth")
    assert config.checkpoint("one") == str(folder / "one.pth")
    assert config.checkpoint("two") == str(folder / "deep" / "two_last.pth")
    assert config.checkpoint("run:last") == str(folder / "run/000_a/checkpoints/last.pth")
    for unchanged in ("opencv-grabcut", "clickwise-s", "coco_lvis_h18_itermask", "gone", "gone.pth", "run:9", "*"):
        assert config.checkpoint(unchanged) == unchanged
    monkeypatch.chdir(tmp_path / "weights")
    assert config.checkpoint("one.pth") == "one.pth"
    (folder / "one_more.pth").touch()
    with pytest.raises(ModelError, match=r"'one' matches 2 checkpoints .* one\.pth, one_more\.pth; give more"):
        config.checkpoint("one")
