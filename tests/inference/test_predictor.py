"""The Predictor as a user holds it: clicks, masks, boxes, undo, errors, many users, large and tiny pictures."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from formula_model import FormulaModel, picture
from PIL import Image

from clickwise.clicks.click import Click, ClickList
from clickwise.errors import ClickError, ImageError, MaskError
from clickwise.inference.predictor import Predictor
from clickwise.models.interface import ModelOutput


@pytest.fixture
def model() -> FormulaModel:
    return FormulaModel(bump=15.0)


@pytest.fixture
def predictor(model: FormulaModel) -> Predictor:
    result = Predictor(model, min_crop_size=60, target_size=100)
    result.set_image(picture())
    return result


def test_click_returns_mask_probs_and_clicks(predictor: Predictor) -> None:
    p = predictor.click(48, 48)
    assert p.mask.shape == p.probs.shape == p.logits.shape == (120, 160)
    assert (p.mask.dtype, p.probs.dtype, p.logits.dtype) == (bool, np.float32, np.float32)
    assert p.clicks == ClickList([Click(48, 48)])
    assert p.mask[48, 48]
    assert not p.mask[5, 150]
    np.testing.assert_array_equal(p.mask, p.probs > 0.49)
    assert p.area == p.mask.sum()
    ys, xs = np.nonzero(p.mask)
    assert p.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
    assert 0.5 < p.score <= 1


def test_several_clicks_at_once_are_one_pass_and_one_step_of_undo(predictor: Predictor, model: FormulaModel) -> None:
    first = predictor.click(48, 48).mask
    calls = len(model.calls)
    both = predictor.click_together([Click(60, 50), Click(5, 5, False)])
    assert len(model.calls) == calls + 1
    assert len(both.clicks) == 3
    assert (predictor.undo().mask == first).all()
    for wrong in ([], [Click(50, 50), Click(500, 5)]):
        with pytest.raises(ClickError):
            predictor.click_together(wrong)
    assert (predictor.prediction.mask == first).all()


def test_x_goes_right_and_y_down(predictor: Predictor) -> None:
    probs = predictor.click(150, 10).probs
    assert np.unravel_index(probs.argmax(), probs.shape) == (10, 150)


def test_undo_redo_and_reset(predictor: Predictor) -> None:
    states, shown = [predictor.state], [predictor.prediction.probs]
    for x, y, positive in ((48, 48, True), (120, 72, True), (10, 10, False)):
        shown.append(predictor.click(x, y, positive).probs)
        states.append(predictor.state)
    for k in (2, 1, 0, 0):
        np.testing.assert_array_equal(predictor.undo().probs, shown[k])
        assert predictor.state is states[k]
    for k in (1, 2, 3, 3):
        np.testing.assert_array_equal(predictor.redo().probs, shown[k])
    predictor.undo()
    np.testing.assert_array_equal(predictor.click(10, 10, False).probs, shown[3])
    assert predictor.redo().clicks == predictor.state.clicks
    assert len(predictor.state.clicks) == 3
    predictor.reset()
    assert predictor.prediction.area == 0
    assert len(predictor.undo().clicks) == 0


def test_a_kept_state_can_be_restored(predictor: Predictor) -> None:
    predictor.click(48, 48)
    kept = predictor.state
    expected = predictor.click(120, 72).probs
    predictor.reset()
    predictor.restore(kept)
    np.testing.assert_array_equal(predictor.click(120, 72).probs, expected)
    predictor.set_image(picture(50, 60))
    with pytest.raises(MaskError, match=r"\(120, 160\).*\(50, 60\)"):
        predictor.restore(kept)


@pytest.mark.parametrize(
    ("x", "y", "positive", "words"),
    [
        (160, 5, True, "160 x 120"),
        (-0.5, 5, True, "outside"),
        (5, 119.01, True, "outside"),
        (float("nan"), 5, True, "finite"),
        (5, float("inf"), False, "finite"),
    ],
)
def test_a_bad_click_leaves_everything_as_before(
    predictor: Predictor, x: float, y: float, positive: bool, words: str
) -> None:
    predictor.click(48, 48)
    before = predictor.state
    with pytest.raises(ClickError, match=words):
        predictor.click(x, y, positive)
    assert predictor.state is before
    assert len(predictor.undo().clicks) == 0


def test_corners_are_inside(predictor: Predictor) -> None:
    for x, y in ((0, 0), (159, 0), (0, 119), (159, 119)):
        assert predictor.click(x, y).mask[y, x]


def test_background_click_needs_an_object(predictor: Predictor) -> None:
    with pytest.raises(ClickError, match=r"\(3, 4\).*160 x 120.*no positive click and no mask"):
        predictor.click(3, 4, positive=False)
    predictor.set_mask(np.zeros((120, 160), bool))
    with pytest.raises(ClickError, match="no positive click"):
        predictor.click(3, 4, positive=False)
    predictor.set_mask(np.eye(120, 160) > 0)
    assert predictor.click(3, 4, positive=False).clicks[0].is_positive is False


def test_a_failing_network_leaves_everything_as_before(predictor: Predictor, model: FormulaModel) -> None:
    predictor.click(48, 48)
    before = predictor.state

    def fail(*_: object) -> ModelOutput:
        raise RuntimeError("out of memory")

    model.predict_logits = fail  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        predictor.click(120, 72)
    assert predictor.state is before


def test_mask_from_outside_serves_the_next_click_only(predictor: Predictor, model: FormulaModel) -> None:
    mask = np.zeros((120, 160), bool)
    mask[20:100, 30:130] = True
    assert (predictor.set_mask(mask).mask == mask).all()
    assert len(predictor.prediction.clicks) == 0
    first = predictor.click(60, 60)
    _, prev, points = model.calls[-1]
    assert prev.max() == 1
    assert points[0, 0, 2] == 1, "the order counts from 1 after a mask from outside"
    second = predictor.click(20, 20, positive=False)
    _, prev, points = model.calls[-1]
    assert 0 < prev[0].max() < 1, "the second click starts from the first one's answer"
    assert points[0, 1, 2] == 2
    assert first.window is not None, "the window starts at once from a mask"
    assert len(second.clicks) == 2
    predictor.undo()
    predictor.undo()
    assert (predictor.prediction.mask == mask).all()
    assert predictor.undo().area == 0


def test_set_mask_replaces_earlier_clicks(predictor: Predictor) -> None:
    predictor.click(48, 48)
    assert len(predictor.set_mask(np.ones((120, 160), np.uint8)).clicks) == 0


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (np.ones((120, 160), bool), 1.0),
        (np.ones((1, 120, 160), np.uint8), 1.0),
        (np.full((120, 160), 255, np.uint8), 1.0),
        (np.full((120, 160), 100, np.uint8), 0.0),
        (np.full((120, 160), 0.25), 0.25),
    ],
)
def test_kinds_of_masks(predictor: Predictor, mask: np.ndarray, expected: float) -> None:
    assert predictor.set_mask(mask).probs.max() == np.float32(expected)


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((160, 120), bool), r"\(160, 120\).*\(120, 160\)"),
        (np.ones((2, 120, 160), bool), r"\(2, 120, 160\)"),
        (np.full((120, 160), 1.5), "1.5"),
        (np.full((120, 160), np.nan), "nan"),
        (np.full((120, 160), "a"), "type"),
    ],
)
def test_unfit_masks(predictor: Predictor, mask: np.ndarray, words: str) -> None:
    predictor.click(48, 48)
    before = predictor.state
    with pytest.raises(MaskError, match=words):
        predictor.set_mask(mask)
    with pytest.raises(MaskError, match=words):
        predictor.predict(mask_input=mask)
    assert predictor.state is before


def test_predict_replays_the_clicks_and_keeps_the_session(predictor: Predictor) -> None:
    predictor.click(10, 100)
    before = predictor.state
    coords, labels = [(48, 48), (120, 72), (80, 60)], [1, 1, 0]
    masks, scores, probs = predictor.predict(np.array(coords), np.array(labels))
    assert predictor.state is before
    assert (masks.shape, masks.dtype) == ((1, 120, 160), bool)
    assert scores.shape == (1,)
    assert (probs.shape, probs.dtype) == ((1, 120, 160), np.float32)
    predictor.reset()
    for (x, y), label in zip(coords, labels, strict=True):
        result = predictor.click(x, y, bool(label))
    np.testing.assert_array_equal(masks[0], result.mask)
    np.testing.assert_array_equal(probs[0], result.probs)
    assert scores[0] == pytest.approx(result.score)


def test_predict_can_return_logits(predictor: Predictor) -> None:
    logits, _, probs = predictor.predict([(48, 48)], [1], return_logits=True, multimask_output=False)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), probs, atol=1e-6)


def test_box_is_start_mask_window_and_centre_click(predictor: Predictor, model: FormulaModel) -> None:
    masks, _, _ = predictor.predict(box=np.array([20, 30, 81, 71]))
    _, prev, points = model.calls[0]
    assert len(model.calls) == 1
    prediction = predictor.box(20, 30, 81, 71)
    assert prediction.clicks == ClickList([Click(50, 50)])
    assert prediction.window == (7, 20, 94, 81), "1.4 times as wide; 60 pixels high at least, plus one by rounding"
    np.testing.assert_array_equal(prediction.mask, masks[0])
    assert prev[0].mean() == pytest.approx(61 * 41 / (87 * 61), abs=0.03)
    assert points[0, 0, 2] == 1
    more, _, _ = predictor.predict([(120, 72)], [1], box=[20, 30, 81, 71])
    np.testing.assert_array_equal(more[0], predictor.click(120, 72).mask)
    assert len(predictor.prediction.clicks) == 2


def test_box_with_mask_starts_from_the_mask(predictor: Predictor, model: FormulaModel) -> None:
    mask = np.zeros((120, 160), np.float32)
    mask[40:60, 40:60] = 0.75
    predictor.predict(box=[20, 30, 81, 71], mask_input=mask)
    assert model.calls[0][1].max() == pytest.approx(0.75)


@pytest.mark.parametrize(
    "box", [(5, 5, 5, 9), (9, 9, 5, 12), (-1, 0, 5, 5), (0, 0, 161, 5), (0, 0, np.nan, 5), (1, 2, 3), "abcd"]
)
def test_unfit_boxes(predictor: Predictor, box: object) -> None:
    with pytest.raises(ClickError, match="box"):
        predictor.predict(box=box)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"point_coords": [(1, 2)]},
        {"point_labels": [1]},
        {"point_coords": [(1, 2)], "point_labels": [1, 0]},
        {"point_coords": [(1, 2)], "point_labels": [2]},
        {"point_coords": [1, 2], "point_labels": [1]},
        {"point_coords": [(1, 2)], "point_labels": [0]},
        {"point_coords": [(1, 200)], "point_labels": [1]},
        {"point_coords": [("a", "b")], "point_labels": [1]},
    ],
)
def test_unfit_prompts(predictor: Predictor, arguments: dict) -> None:
    with pytest.raises(ClickError):
        predictor.predict(**arguments)


def test_without_picture(model: FormulaModel) -> None:
    predictor = Predictor(model)
    for call in (lambda: predictor.click(1, 1), lambda: predictor.undo(), lambda: predictor.set_mask([[True]])):
        with pytest.raises(ImageError, match="set_image"):
            call()


def test_a_picture_that_cannot_be_read_keeps_the_old_one(predictor: Predictor, tmp_path) -> None:
    predictor.click(48, 48)
    with pytest.raises(ImageError):
        predictor.set_image(tmp_path / "missing.png")
    assert predictor.size == (120, 160)
    assert len(predictor.state.clicks) == 1


def test_array_pil_and_path_are_the_same(predictor: Predictor, tmp_path) -> None:
    Image.fromarray(picture()).save(tmp_path / "p.png")
    expected = predictor.click(48, 48).probs
    for source in (Image.fromarray(picture()), tmp_path / "p.png", str(tmp_path / "p.png")):
        predictor.set_image(source)
        np.testing.assert_array_equal(predictor.click(48, 48).probs, expected)


def test_mirrored_picture_gives_mirrored_answer(model: FormulaModel) -> None:
    """Without a window; the window's rounding and the click mapping are not symmetric in the published chain."""
    predictor = Predictor(model, zoom=False)
    predictor.set_image(picture())
    straight = predictor.click(40, 48).probs
    predictor.set_image(picture()[:, ::-1])
    np.testing.assert_allclose(predictor.click(159 - 40, 48).probs[:, ::-1], straight, atol=1e-6)


def test_hundred_users_share_a_network(model: FormulaModel) -> None:
    images = [picture(60 + k % 7, 70 + k % 5) for k in range(100)]
    places = [(10 + k % 40, 12 + k % 30) for k in range(100)]

    def session(k: int) -> np.ndarray:
        predictor = Predictor(model, target_size=40, min_crop_size=20)
        predictor.set_image(images[k])
        predictor.click(*places[k])
        predictor.click(5, 5, positive=False)
        return predictor.click(50, 40).probs

    alone = [session(k) for k in range(100)]
    together: list[np.ndarray | None] = [None] * 100

    def run(start: int) -> None:
        for k in range(start, 100, 8):
            together[k] = session(k)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)
