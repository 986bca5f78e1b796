"""``clickwise segment`` as a user types it: files, JSON, overlays, turned photos, and one line for every mistake."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from clickwise.cli.main import main
from clickwise.models.interface import Gate, InferenceDefaults, InteractiveModel, ModelOutput


class Brightness(InteractiveModel):
    """Object = what is bright in the red channel; previous mask and clicks push a little."""

    inference_defaults = InferenceDefaults(target_size=200)

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        half = points.shape[1] // 2
        push = (points[:, :half, 0] >= 0).sum(1) - 0.5 * (points[:, half:, 0] >= 0).sum(1)
        return ModelOutput(20 * (image[:, :1] - 0.5) + prev_mask + push[:, None, None, None].float() - 1)


@pytest.fixture(autouse=True)
def in_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models asked for; the network is a formula."""
    names: list[str] = []

    def load(name: str, *, architecture: str | None, device: torch.device) -> InteractiveModel:
        names.append(name)
        return Brightness().eval().to(device)

    monkeypatch.setattr("clickwise.inference.factory.load_model", load)
    return names


def scene() -> np.ndarray:
    """80 x 120, a bright bar at x 20..60, y 10..30."""
    rgb = np.full((80, 120, 3), 30, np.uint8)
    rgb[10:30, 20:60] = 220
    return rgb


def photo(name: str = "photo.png", orientation: int = 1) -> Path:
    from clickwise.imaging import to_stored

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(to_stored(scene(), orientation)).save(name, exif=exif)
    return Path(name)


def files() -> list[str]:
    return sorted(os.listdir("."))  # noqa: PTH208


def test_one_click(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    photo()
    assert main(["segment", "photo.png", "--fg", "40,20", "--device", "cpu"]) == 0
    assert loaded == ["clickwise-s"]
    with Image.open("photo_mask.png") as mask:
        assert mask.mode == "L"
        np.testing.assert_array_equal(np.asarray(mask), (scene()[..., 0] > 128) * 255)
    output = capsys.readouterr()
    assert output.out.startswith("photo_mask.png: 800 pixels (8.3 % of the picture) from 1 click, box 20,10,60,30")
    assert output.err == ""
    assert files() == ["photo.png", "photo_mask.png"]


def test_json(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    photo("my.photo.v2.png")
    arguments = [
        "segment",
        "my.photo.v2.png",
        "--bg",
        "5,70",
        "--fg",
        "40,20",
        "--fg",
        "30,15.5",
        "--model",
        "some-model",
    ]
    assert main([*arguments, "--json", "--device", "cpu"]) == 0
    assert loaded == ["some-model"]
    assert json.loads(capsys.readouterr().out) == {
        "model": "some-model",
        "image": "my.photo.v2.png",
        "width": 120,
        "height": 80,
        "clicks": [
            {"x": 40.0, "y": 20.0, "positive": True},
            {"x": 30.0, "y": 15.5, "positive": True},
            {"x": 5.0, "y": 70.0, "positive": False},
        ],
        "area": 800,
        "bbox": [20, 10, 60, 30],
        "orientation": "stored",
        "mask": "my.photo.v2_mask.png",
    }


@pytest.mark.parametrize("upright", [False, True])
def test_turned_photo(loaded: list[str], capsys: pytest.CaptureFixture[str], upright: bool) -> None:
    """Clicks and box are in the picture as seen; the file lies on the stored raster unless --upright."""
    photo("turned.png", orientation=6)
    arguments = ["segment", "turned.png", "--fg", "40,20", "-o", "m.png", "--overlay", "o.png", "--json"]
    assert main([*arguments, *(["--upright"] if upright else [])]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["width"], record["height"], record["bbox"]) == (120, 80, [20, 10, 60, 30])
    assert record["orientation"] == ("upright" if upright else "stored")
    with Image.open("m.png") as mask, Image.open("turned.png") as image, Image.open("o.png") as overlay:
        assert mask.text["clickwise:orientation"] == record["orientation"]
        assert mask.size == ((120, 80) if upright else image.size)
        raster = scene() if upright else np.asarray(image)
        np.testing.assert_array_equal(np.asarray(mask) > 0, raster[..., 0] > 128)
        assert overlay.size == (120, 80)
        assert overlay.getpixel((40, 20)) == (0, 255, 0)


def test_mask_goes_round(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    photo("turned.png", orientation=5)
    assert main(["segment", "turned.png", "--fg", "40,20"]) == 0
    assert main(["segment", "turned.png", "--bg", "2,2", "--mask", "turned_mask.png", "-o", "again.png", "--json"]) == 0
    record = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert record["bbox"] == [20, 10, 60, 30]
    assert len(record["clicks"]) == 1


def test_box(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    photo()
    assert main(["segment", "photo.png", "--box", "18,8,63,33", "--bg", "1,1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["clicks"][0] == {"x": 40.0, "y": 20.0, "positive": True}
    assert len(record["clicks"]) == 2


def test_empty_mask_is_a_result(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("RGB", (50, 40)).save("dark.png")
    assert main(["segment", "dark.png", "--fg", "4,4", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["area"], record["bbox"]) == (0, None)
    assert main(["segment", "dark.png", "--fg", "4,4"]) == 0
    assert "empty mask" in capsys.readouterr().out


def test_threshold(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    photo()
    assert main(["segment", "photo.png", "--fg", "40,20", "--threshold", "0.00001", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["area"] == 80 * 120


def test_unicode_names(loaded: list[str]) -> None:
    photo("Grüße 画像.png")
    assert main(["segment", "Grüße 画像.png", "--fg", "40,20"]) == 0
    assert "Grüße 画像_mask.png" in files()


def bad(arguments: list[str], words: str) -> Any:
    return pytest.param(arguments, words, id=" ".join(arguments))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        bad(["photo.png"], "--fg X,Y"),
        bad(["photo.png", "--fg", "1"], "--fg is '1'; expected X,Y"),
        bad(["photo.png", "--fg", "1,2,3"], "expected X,Y"),
        bad(["photo.png", "--bg", "a,b"], "--bg is 'a,b'"),
        bad(["photo.png", "--fg", ""], "expected X,Y"),
        bad(["photo.png", "--fg", "nan,3"], "finite"),
        bad(["photo.png", "--fg", "120,3"], "(120, 3) is outside the image of 120 x 80"),
        bad(["photo.png", "--fg", "-1,3"], "(-1, 3) is outside"),
        bad(["photo.png", "--bg", "4,3"], "no positive click and no mask"),
        bad(["photo.png", "--box", "1,2,3"], "--box is '1,2,3'"),
        bad(["photo.png", "--box", "9,9,5,5"], "holds no pixel"),
        bad(["photo.png", "--box", "0,0,500,5"], "outside the image"),
        bad(["missing.png", "--fg", "1,2"], "missing.png does not exist"),
        bad([".", "--fg", "1,2"], "folder"),
        bad(["text.png", "--fg", "1,2"], "not a picture"),
        bad(["cut.png", "--fg", "1,2"], "truncated"),
        bad(["photo.png", "--fg", "1,2", "--mask", "small.png"], "10 x 10 pixels; expected 120 x 80"),
        bad(["photo.png", "--fg", "1,2", "--mask", "missing.png"], "mask missing.png does not exist"),
        bad(["photo.png", "--fg", "1,2", "-o", "photo.png"], "over the picture"),
        bad(["photo.png", "--fg", "1,2", "-o", "./sub/../photo.png"], "over the picture"),
        bad(["photo.png", "--fg", "1,2", "-o", "link.png"], "over the picture"),
        bad(["photo.png", "--fg", "1,2", "--overlay", "link.png"], "over the picture"),
        bad(["photo.png", "--fg", "1,2", "-o", "a.png", "--overlay", "a.png"], "both"),
        bad(["photo.png", "--fg", "1,2", "-o", "a.jpg"], "PNG"),
        bad(["photo.png", "--fg", "1,2", "--overlay", "a.doc"], "a.doc"),
        bad(["photo.png", "--fg", "1,2", "-o", "none/a.png"], "no folder none"),
        bad(["photo.png", "--fg", "1,2", "--threshold", "1.5"], "threshold"),
        bad(["photo.png", "--fg", "1,2", "--threshold", "high"], "threshold"),
        bad(["photo.png", "--fg", "1,2", "--device", "tpu"], "device is 'tpu'"),
        bad(["photo.png", "--fg", "1,2", "--colour", "red"], "--colour"),
        bad([], "IMAGE"),
    ],
)
def test_mistakes_cost_one_line(
    loaded: list[str], capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    data = photo().read_bytes()
    Path("sub").mkdir()
    Path("link.png").symlink_to("photo.png")
    Path("text.png").write_text("words")
    Path("cut.png").write_bytes(data[: len(data) // 2])
    Image.new("L", (10, 10)).save("small.png")
    before = files()
    assert main(["segment", *arguments]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert output.err.count("\n") == 1
    assert words in output.err
    assert files() == before
    assert Path("photo.png").read_bytes() == data


def test_a_picture_called_like_a_mask_is_safe(loaded: list[str]) -> None:
    photo("x_mask.png")
    assert main(["segment", "x_mask.png", "--fg", "40,20"]) == 0
    assert files() == ["x_mask.png", "x_mask_mask.png"]


def test_jpeg_beside_a_mask_name_links_to_the_picture(loaded: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The default name must not reach the picture through a link either."""
    photo("real.png")
    Path("real_mask.png").hardlink_to("real.png")
    assert main(["segment", "real.png", "--fg", "40,20"]) == 2
    assert "over the picture" in capsys.readouterr().err
