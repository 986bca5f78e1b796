"""The baseline without learning: an engine and a chain, driven through the ordinary Predictor."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clickwise import Predictor
from clickwise.errors import ClickError, ModelError, OptionError, UnknownModelError
from clickwise.inference.factory import make_predictor, model_label, open_model
from clickwise.inference.opencv_grabcut import OpenCVGrabCut
from clickwise.metrics import iou
from clickwise.models.registry import build_model


def scene(height: int = 90, width: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two orange discs on blue-green, in noise: (image, disc A, disc B)."""
    rng = np.random.default_rng(0)
    ys, xs = np.ogrid[:height, :width]
    a = (xs - 0.3 * width) ** 2 + (ys - 0.5 * height) ** 2 < (0.22 * height) ** 2
    b = (xs - 0.75 * width) ** 2 + (ys - 0.5 * height) ** 2 < (0.2 * height) ** 2
    image = np.where((a | b)[:, :, None], (220, 140, 40), (40, 120, 130)) + rng.integers(-20, 20, (height, width, 3))
    return image.clip(0, 255).astype(np.uint8), a, b


@pytest.fixture
def predictor() -> Predictor:
    predictor = make_predictor("opencv-grabcut")
    predictor.set_image(scene()[0])
    return predictor


def test_one_click_finds_the_object_that_was_clicked(predictor) -> None:
    _, a, b = scene()
    first = predictor.click(36, 45)
    assert first.mask.shape == (90, 120)
    assert iou(first.mask, a) > 0.95
    assert not (first.mask & b).any()  # alike, but another part without a click
    assert iou(predictor.click(90, 45).mask, a | b) > 0.95
    assert iou(predictor.click(90, 45, positive=False).mask, a) > 0.85


def test_all_of_the_predictor_works(predictor) -> None:
    _, a, b = scene()
    one = predictor.click(36, 45).mask
    predictor.click(90, 45)
    assert np.array_equal(predictor.undo().mask, one)
    predictor.reset()
    predictor.set_mask(a | b)
    taken_away = b & ~predictor.click(90, 45, positive=False).mask
    assert taken_away[42:49, 87:94].all()  # what is alike cannot be told apart without a click on A
    predictor.reset()
    assert iou(predictor.box(12, 20, 60, 70).mask, a) > 0.9
    masks, _, _ = predictor.predict(np.array([[36, 45]]), np.array([1]))
    assert np.array_equal(masks[0], one)
    with pytest.raises(ClickError):
        predictor.click(500, 1)


def test_equal_clicks_give_equal_masks() -> None:
    masks = []
    for _ in range(2):
        predictor = make_predictor("opencv-grabcut", chain="published")
        predictor.set_image(scene()[0])
        predictor.click(36, 45)
        masks.append(predictor.click(5, 5, positive=False).mask)
    assert np.array_equal(*masks)


def test_large_pictures_are_worked_on_small() -> None:
    image, a, _ = scene(900, 1200)
    predictor = make_predictor("opencv-grabcut")
    predictor.set_image(image)
    found = predictor.click(360, 450)
    assert found.window_probs.values.shape == (240, 320)
    assert iou(found.mask, a) > 0.97


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 3), (2000, 1)])
def test_odd_sizes(size) -> None:
    predictor = make_predictor("opencv-grabcut")
    predictor.set_image(np.full((*size, 3), 7, np.uint8))
    assert predictor.click(size[1] - 1, size[0] - 1).mask.shape == size
    assert predictor.click(0, 0, positive=False).mask.shape == size


def test_flat_picture_and_many_clicks() -> None:
    predictor = make_predictor("opencv-grabcut")
    predictor.set_image(np.full((30, 40, 3), 100, np.uint8))
    for k in range(10):
        predictor.click(4 * k, 3 * k, positive=k % 2 == 0)
    assert predictor.prediction.mask.shape == (30, 40)


class TestFactory:
    def test_every_way_to_name_a_model(self, tmp_path) -> None:
        from clickwise.weights.checkpoint import save_checkpoint

        model = build_model("clickwise-s")
        save_checkpoint(model, tmp_path / "own.safetensors")
        for given in (model, tmp_path / "own.safetensors", str(tmp_path / "own.safetensors")):
            predictor = make_predictor(given, chain="published", dataset="DAVIS", threshold=0.3)
            assert predictor.options.threshold == 0.3
            assert predictor.engine.capabilities == model.capabilities
        assert isinstance(make_predictor(OpenCVGrabCut()).engine, OpenCVGrabCut)

    def test_labels(self) -> None:
        assert model_label("opencv-grabcut") == "opencv-grabcut"
        assert model_label(build_model("clickwise-s")) == "clickwise-s"
        assert model_label(OpenCVGrabCut()) == "opencv"

    def test_refusals(self) -> None:
        with pytest.raises(UnknownModelError):
            make_predictor("opencv-grabcat")
        with pytest.raises(OptionError, match="has no architecture"):
            open_model("opencv-grabcut", architecture="ritm-hrnet18")
        with pytest.raises(OptionError, match="for weights by name"):
            open_model(build_model("clickwise-s"), architecture="clickwise-s")
        with pytest.raises(OptionError, match="device"):
            open_model("clickwise-s", device="toaster")

    def test_there_is_no_network(self) -> None:
        with pytest.raises(ModelError, match="has no network"):
            OpenCVGrabCut().run(torch.zeros(1, 3, 4, 4), None, torch.zeros(1, 2, 3))
        predictor = make_predictor("opencv-grabcut", chain="zoom_flip")
        predictor.set_image(scene()[0])
        with pytest.raises(ModelError, match="leave mode and chain out"):
            predictor.click(3, 3)
        assert len(predictor.state.clicks) == 0
