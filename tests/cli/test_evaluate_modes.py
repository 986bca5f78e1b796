"""``clickwise evaluate`` with every mode on every kind of network that suits it, as small files of random weights."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clickwise import build_model
from clickwise.cli.main import main
from clickwise.evaluation.chain_choice import mode_names
from clickwise.inference import factory
from clickwise.weights.checkpoint import save_checkpoint

VIT = {"width": 64, "depth": 8, "heads": 2, "image_size": [64, 64], "neck_channels": [16, 16, 32, 32]}
SWIN = {"width": 16, "depths": [2, 2, 2, 2], "heads": [1, 2, 4, 8], "window": 4}
SMALL: dict[str, dict[str, Any]] = {
    "clickwise-s": {},
    "icmformer-swin-s": SWIN,
    "icmformer-vit-b": VIT,
    "iglr-segformer-b0": {},
    "ritm-hrnet18s": {},
    "ritm-resnet34": {"channels": 32},
    "simpleclick-vit-xtiny": {"image_size": [64, 64]},
    "srafs-segformer-b0": {},
}
"""One architecture of every kind of network, as small as its parameters allow."""
RITM = ("ritm-hrnet18s", "ritm-resnet34")
LIMITED: dict[str, tuple[str, ...]] = {
    "cascade": tuple(name for name in SMALL if name != "ritm-resnet34"),
    "ISLR": ("iglr-segformer-b0",),
    "f-BRS-A": RITM,
    "f-BRS-B": RITM,
    "f-BRS-C": RITM,
}
"""Mode -> networks that can run it; modes that are not here suit every network.

DeepLab takes no previous mask, which the cascade feeds back.
"""
CHAINS = {"NoBRS": "zoom_flip"}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a picture in ``data``, and a file of random weights for every network."""
    folder = tmp_path_factory.mktemp("modes")
    rng = np.random.default_rng(0)
    for kind in ("images", "masks"):
        (folder / "data" / kind).mkdir(parents=True)
    mask = np.zeros((40, 52), np.uint8)
    mask[8:26, 10:34] = 255
    image = np.where(mask[:, :, None] > 0, (200, 150, 30), (30, 100, 140)) + rng.integers(-15, 15, (40, 52, 3))
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(folder / "data" / "images" / "p.png")
    Image.fromarray(mask).save(folder / "data" / "masks" / "p.png")
    torch.manual_seed(0)
    for name, params in SMALL.items():
        save_checkpoint(build_model(name, **params), folder / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module", autouse=True)
def _files_are_read_once() -> Iterator[None]:
    """Half of the time would go into reading the same files; that a command reads them is tested elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(factory, "load_model", cache(factory.load_model))
        yield


Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Evaluates networks with two clicks per object; model -> its part of the JSON."""
    monkeypatch.chdir(work)

    def run(models: tuple[str, ...], *words: str) -> dict[str, Any]:
        files = [f"{name}.safetensors" for name in models]
        common = ["--datasets", "data", "--n-clicks", "2", "--eval-mode", "fixed64", "--device", "cpu"]
        code = main(["evaluate", *files, *common, "--json", "r.json", *words])
        captured = capsys.readouterr()
        assert (code, captured.err) == (0, ""), captured.err
        results = json.loads(Path("r.json").read_text("utf-8"))["results"]
        assert [r["model"] for r in results] == files
        for result in results:
            assert (result["objects"], len(result["iou_at"])) == (1, 2)
            assert all(0 <= value <= 1 for value in result["iou_at"])
        return dict(zip(models, results, strict=True))

    return run


def chain(result: dict[str, Any]) -> Any:
    return result["protocol"]["inference"]["chain"]


def test_help_names_every_mode() -> None:
    text = inspect.getsource(import_module("clickwise.cli.evaluate"))
    assert [mode for mode in mode_names() if mode not in text] == []


@pytest.mark.parametrize("mode", mode_names())
def test_every_mode_runs_on_every_suitable_network(mode: str, ask: Ask) -> None:
    cheap = ("--cf-n", "1") if mode == "cascade" else ()
    for result in ask(LIMITED.get(mode, tuple(SMALL)), "--mode", mode, *cheap).values():
        assert chain(result) == CHAINS.get(mode, mode)
        assert result["protocol"]["mode"] == mode


def test_without_a_mode_each_network_has_its_own_chain(ask: Ask) -> None:
    found = {name: chain(result) for name, result in ask(("clickwise-s", "iglr-segformer-b0")).items()}
    assert found == {"clickwise-s": "zoom_flip", "iglr-segformer-b0": "ISLR"}


@pytest.mark.parametrize("mode", [(), ("--mode", "NoBRS")], ids=["own", "NoBRS"])
def test_cascade_flags(mode: tuple[str, ...], ask: Ask) -> None:
    """The command of CFR-ICL's release names the plain mode beside its flags."""
    for result in ask(("clickwise-s", "simpleclick-vit-xtiny"), *mode, "--cf-n", "4", "--acf").values():
        assert chain(result) == "cascade"
        assert result["protocol"]["chain_options"] == {"acf": True, "cf_n": 4}


def test_adaptive_cascade_can_be_switched_off(ask: Ask) -> None:
    (result,) = ask(("clickwise-s",), "--cf-n", "1", "--no-acf").values()
    assert result["protocol"]["inference"]["extra"] == {"cf_n": 1, "acf": False}
    assert "--cf-n 1 --no-acf" in json.loads(Path("r.json").read_text("utf-8"))["command"]


def test_options_of_the_local_refinement(ask: Ask) -> None:
    words = ("--mode", "islr", "--infer-size", "48", "--target-crop-r", "1.5", "--focus-crop-r", "1.2")
    (result,) = ask(("iglr-segformer-b0",), *words).values()
    assert result["protocol"]["inference"]["extra"] == {"infer_size": 48, "target_crop_r": 1.5, "focus_crop_r": 1.2}


@pytest.mark.parametrize(
    ("model", "words", "expected"),
    [
        ("clickwise-s", "--mode f-BRS-B", "clickwise-s has no place B; use RGB-BRS, DistMap-BRS or NoBRS"),
        ("iglr-segformer-b0", "--mode f-BRS-C", "has no place C; use RGB-BRS, DistMap-BRS or NoBRS"),
        ("clickwise-s", "--mode ISLR", "needs a network with a refiner"),
        ("ritm-resnet34", "--cf-n 4", "takes no previous mask"),
        ("clickwise-s", "--no-acf", "does not take --acf; chains that do: cascade"),
        ("iglr-segformer-b0", "--mode f-BRS-A --cf-n 2", "does not take --cf-n"),
    ],
)
def test_what_does_not_suit_is_refused_in_one_line(
    model: str, words: str, expected: str, work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["evaluate", str(work / f"{model}.safetensors"), "--datasets", str(work / "data"), *words.split()]
    assert main(given) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert expected in captured.err
