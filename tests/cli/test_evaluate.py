"""``clickwise evaluate`` as a user types it: tables, JSON, pictures, and one line for every mistake."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise.cli.main import main
from clickwise.evaluation.result import read_results


def write_pair(root: Path, images: str, masks: str, name: str, seed: int = 0, value: int = 255) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((48, 64), np.uint8)
    mask[10 + seed : 30, 12 : 40 + seed] = value
    image = np.where(mask[:, :, None] > 0, (200, 150, 30), (30, 100, 140)) + rng.integers(-15, 15, (48, 64, 3))
    for folder, values in ((images, image.clip(0, 255).astype(np.uint8)), (masks, mask)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        Image.fromarray(values).save(root / folder / f"{name}.png")


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLICKWISE_DATA", raising=False)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data root with three miniatures, and a plain folder."""
    for name, images, masks in (
        ("GrabCut", "data_GT", "boundary_GT"),
        ("davis", "img", "gt"),
        ("Berkeley", "images", "masks"),
        ("plain pictures", "images", "masks"),
    ):
        for seed in range(2):
            write_pair(tmp_path / "root" / name, images, masks, f"p{seed}", seed)
    return tmp_path / "root"


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(["evaluate", *words])
    out, err = capsys.readouterr()
    return code, out, err


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line on stderr of a command that must fail, having printed nothing else."""
    code, out, err = ask(capsys, *words)
    assert code == 2, (out, err)
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_human_clicks_are_noted_and_repeatable(capsys: pytest.CaptureFixture[str], data: Path) -> None:
    words = ("opencv-grabcut", "--datasets", "GrabCut", "--data-root", str(data), "--n-clicks", "3")
    for name, extra in (("a", []), ("b", []), ("c", ["--click-seed", "5"])):
        code, out, _ = ask(capsys, *words, "--human-clicks", *extra, "--json", f"{name}.json")
        assert code == 0
        assert "human clicks (seed " in out
    first, again, other = (json.loads(Path(f"{name}.json").read_text())["results"][0] for name in "abc")
    assert first["protocol"]["human_clicks"]["border_prob"] == 0.2
    assert first["iou_at"] == again["iou_at"]
    assert other["protocol"]["click_seed"] == 5
    assert "--human-clicks" in shlex.split(json.loads(Path("c.json").read_text())["command"])


def test_table_json_and_pictures(data, capsys, tmp_path) -> None:
    words = ["opencv-grabcut", "--datasets", f"grabcut, DAVIS,{data / 'plain pictures'}", "--data-root", str(data)]
    code, out, err = ask(capsys, *words, "--n-clicks", "4", "--json", "r.json", "--plots", "pictures")
    assert (code, err) == (0, "")
    assert out.startswith("Eval results for model: opencv-grabcut\n---")
    assert [line.split("|")[2].strip() for line in out.splitlines()[4:7]] == ["GrabCut", "DAVIS", "plain pictures"]
    values = json.loads(Path("r.json").read_text("utf-8"))
    assert [r["dataset"] for r in values["results"]] == ["GrabCut", "DAVIS", "plain pictures"]
    for result in values["results"]:
        assert (result["model"], result["objects"], len(result["iou_at"])) == ("opencv-grabcut", 2, 4)
        assert set(result["noc"]) == set(result["nof"]) == set(result["nof_strict"]) == {"0.80", "0.85", "0.90", "0.95"}
        assert result["noc"]["0.80"] == 1
        assert result["spc"] > 0
        assert result["protocol"]["n_clicks"] == 4
    assert sorted(p.name for p in Path("pictures").iterdir()) == sorted(
        ["evaluation.txt", "iou_GrabCut.png", "iou_DAVIS.png", "iou_plain-pictures.png"]
        + [f"worst_{d}_opencv-grabcut.{end}" for d in ("GrabCut", "DAVIS", "plain-pictures") for end in ("png", "csv")]
    )
    assert Path("pictures/evaluation.txt").read_text("utf-8") == out
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pictures", "r.json", "root"]


def test_curves_of_several_files_share_a_picture(data, capsys) -> None:
    """Each file is a line of its own, under its own name; ``--worst 0`` leaves the sheets out."""
    import torch

    from clickwise.models.registry import build_model
    from clickwise.weights.checkpoint import save_checkpoint

    for name in ("first", "second"):
        torch.manual_seed(len(name))
        save_checkpoint(build_model("clickwise-s"), f"{name}.safetensors")
    words = ["opencv-grabcut", "first.safetensors", "second.safetensors", "--datasets", "GrabCut"]
    code, out, err = ask(
        capsys, *words, "--data-root", str(data), "--n-clicks", "2", "--plots", "p", "--worst", "0", "--device", "cpu"
    )
    assert (code, err) == (0, "")
    assert out.startswith("Eval results for models: opencv-grabcut, first, second")
    assert sorted(p.name for p in Path("p").iterdir()) == ["evaluation.txt", "iou_GrabCut.png"]


def test_the_command_it_names_leads_there_again(data, capsys) -> None:
    code, _, _ = ask(
        capsys,
        *("opencv-grabcut", "--datasets", f"{data / 'plain pictures'}", "--json", "r.json", "--n-clicks", "5"),
        *("--early-stop", "--target-iou", "0.85", "--thresh", "0.3", "--mode", "NoBRS", "--eval-mode", "fixed64,48"),
    )
    assert code == 0
    first, command = read_results("r.json"), shlex.split(json.loads(Path("r.json").read_text())["command"])
    assert command[:2] == ["clickwise", "evaluate"]
    Path("r.json").rename("first.json")
    assert main(command[1:]) == 0
    second = read_results("r.json")
    assert [(r.objects, r.protocol) for r in second] == [(r.objects, r.protocol) for r in first]
    assert (second[0].protocol.mode, second[0].protocol.early_stop, second[0].protocol.threshold) == (
        "NoBRS",
        True,
        0.3,
    )


def test_outlines_on_demand(data, capsys) -> None:
    words = ["opencv-grabcut", "--datasets", "GrabCut", "--data-root", str(data), "--n-clicks", "2", "--json", "r.json"]
    code, out, _ = ask(capsys, *words, "--boundary", "--plots", "pictures")
    assert code == 0
    assert "BIoU@2" in out
    assert "ASSD@2" in Path("pictures/evaluation.txt").read_text("utf-8")
    values = json.loads(Path("r.json").read_text("utf-8"))
    (result,) = values["results"]
    assert 0 < result["boundary_iou_at"][1] <= 1
    assert 0 <= result["surface_distance_at"][1] < 20
    assert "--boundary" in shlex.split(values["command"])


def test_network_and_baseline_in_one_table(data, capsys) -> None:
    import torch

    from clickwise import build_model
    from clickwise.weights.checkpoint import save_checkpoint

    torch.manual_seed(0)
    save_checkpoint(build_model("clickwise-s"), "own.safetensors")
    words = ["own.safetensors", "opencv-grabcut", "--datasets", "Berkeley", "--data-root", str(data), "--n-clicks", "2"]
    code, out, _ = ask(capsys, *words, "--device", "cpu", "--json", "r.json")
    assert code == 0
    assert [line.split("|")[1].strip() for line in out.splitlines()[4:6]] == ["own", "opencv-grabcut"]
    ours, baseline = read_results("r.json")
    assert (ours.model, baseline.model) == ("own.safetensors", "opencv-grabcut")
    assert ours.protocol.inference["chain"] != baseline.protocol.inference["chain"]
    assert [len(o.ious) for o in ours.objects] == [2, 2]


def test_several_processes(data, capsys) -> None:
    words = ["opencv-grabcut", "--datasets", "GrabCut", "--data-root", str(data), "--n-clicks", "3"]
    assert ask(capsys, *words, "--json", "one.json")[0] == 0
    assert ask(capsys, *words, "--json", "two.json", "--processes", "2")[0] == 0
    (one,), (two,) = read_results("one.json"), read_results("two.json")
    assert (one.objects, one.processes, two.processes) == (two.objects, 1, 2)


def test_data_variable_and_config(data, capsys, monkeypatch) -> None:
    words = ["opencv-grabcut", "--datasets", "Berkeley", "--n-clicks", "1"]
    assert "--data-root" in refused(capsys, *words)
    monkeypatch.setenv("CLICKWISE_DATA", str(data))
    assert ask(capsys, *words)[0] == 0
    for seed in range(3):
        write_pair(Path("elsewhere"), "images", "masks", f"p{seed}", seed)
    Path("mine.yml").write_text("BERKELEY_PATH: ./elsewhere\n")
    code, out, _ = ask(capsys, *words, "--config", "mine.yml", "--json", "r.json")
    assert (code, len(read_results("r.json")[0].objects)) == (0, 3)
    assert "Note: Berkeley has 3 objects here; published results use 100." in out
    Path("mine.yml").rename("config.yml")
    assert ask(capsys, *words, "--json", "s.json")[0] == 0
    assert len(read_results("s.json")[0].objects) == 3


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--thresh 1.5", "threshold is 1.5"),
        ("--n-clicks 0", "n_clicks is 0"),
        ("--n-clicks three", "valid integer"),
        ("--min-n-clicks 30", "min_n_clicks is 30"),
        ("--target-iou 0.5", "target_iou is 0.5; expected 0.8 to 1"),
        ("--eval-mode big", "eval_mode is 'big'; expected cvpr, fixedS or fixedH,W"),
        ("--mode f-BRS-B-X", "mode 'f-BRS-B-X' has no chain here; expected one of"),
        ("--infer-size 256", "does not take --infer-size"),
        ("--target-crop-r 1.4", "does not take --target-crop-r"),
        ("--focus-crop-r 1.4", "does not take --focus-crop-r"),
        ("--processes 0", "--processes is 0"),
        ("--device toaster", "device is 'toaster'"),
        ("--config gone.yml", "gone.yml cannot be read"),
        ("--json gone/r.json", "does not exist"),
        ("--json root", "is a folder"),
        ("--datasets ,", "names no data set"),
        ("--datasets GrabCat", "did you mean GrabCut"),
        ("--datasets COCO_MVal", "has no folder COCO_MVal/"),
        ("--colour", "no such option"),
    ],
)
def test_mistakes(data, capsys, words, expected) -> None:
    given = ["opencv-grabcut", "--datasets", "GrabCut", "--data-root", str(data), *words.split()]
    assert expected in refused(capsys, *given).lower() or expected in refused(capsys, *given)


def test_unknown_model_is_found_before_anything_runs(data, capsys) -> None:
    words = ["--datasets", "GrabCut", "--data-root", str(data), "--json", "r.json"]
    assert "clickwise-x" in refused(capsys, "opencv-grabcut", "clickwise-x", *words)
    assert "gone.pth" in refused(capsys, "gone.pth", *words)
    assert not Path("r.json").exists()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "boundary_GT" / "p1.png").unlink(), "p1.png has no mask"),
        (lambda root: (root / "data_GT" / "p0.png").unlink(), "p0.png has no picture"),
        (lambda root: write_pair(root, "data_GT", "boundary_GT", "p1", value=77), "holds the value 77"),
        (lambda root: write_pair(root, "data_GT", "boundary_GT", "p1", value=0), "holds no object pixel"),
        (lambda root: write_pair(root, "data_GT", "boundary_GT", "p1", value=128), "holds no object pixel"),
        (lambda root: (root / "data_GT" / "p1.png").write_bytes(b"\x89PNG\r\n"), "p1.png"),
        (lambda root: Image.new("L", (9, 9), 255).save(root / "boundary_GT" / "p1.png"), "must agree"),
    ],
)
def test_malformed_data_sets(data, capsys, change, expected) -> None:
    change(data / "GrabCut")
    message = refused(capsys, "opencv-grabcut", "--datasets", "GrabCut", "--data-root", str(data), "--json", "r.json")
    assert expected in message
    assert "GrabCut" in message
    assert not Path("r.json").exists()


def test_help_says_what_there_is(capsys) -> None:
    code, out, _ = ask(capsys, "--help")
    assert code == 0
    flags = "datasets data-root config mode n-clicks min-n-clicks thresh target-iou early-stop eval-mode cf-n cf-click"
    for flag in [*flags.split(), "acf", "infer-size", "target-crop-r", "focus-crop-r", "architecture", "json", "plots"]:
        assert f"--{flag}" in out


def test_baseline_on_real_pictures(grabcut: Path, capsys, tmp_path) -> None:
    """Three pictures of GrabCut; the whole set gives NoC@90 about 5.3."""
    for name in ("65019", "banana1", "21077"):
        for folder in ("data_GT", "boundary_GT"):
            (tmp_path / "GrabCut" / folder).mkdir(parents=True, exist_ok=True)
            (source,) = (grabcut / folder).glob(f"{name}.*")
            (tmp_path / "GrabCut" / folder / source.name).symlink_to(source)
    words = ["opencv-grabcut", "--datasets", "GrabCut", "--data-root", str(tmp_path), "--early-stop"]
    assert ask(capsys, *words, "--json", "r.json")[0] == 0
    (result,) = read_results("r.json")
    assert result.noc(0.90) < 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a terminal of POSIX")
def test_bar_only_on_a_terminal(data, tmp_path) -> None:
    import pty

    words = [sys.executable, "-m", "clickwise", "evaluate", "opencv-grabcut", "--datasets", "GrabCut"]
    leader, follower = pty.openpty()
    run = subprocess.Popen(
        [*words, "--data-root", str(data), "--n-clicks", "1"], stdout=subprocess.PIPE, stderr=follower
    )
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 4096):
            shown += part
    except OSError:  # the terminal is gone: the command has ended
        pass
    out, _ = run.communicate(timeout=100)
    assert run.returncode == 0
    assert b"opencv-grabcut on GrabCut" in shown
    assert b"2/2" in shown
    assert out.startswith(b"Eval results")
    assert b"\x1b" not in out


def test_chain_that_does_not_suit_the_model(data, capsys) -> None:
    """A baseline without a network keeps its chain for NoBRS and refuses one that needs a network before the table."""
    message = refused(capsys, "opencv-grabcut", "--datasets", "GrabCut", "--data-root", str(data), "--mode", "crops")
    assert "opencv-grabcut has no network" in message
