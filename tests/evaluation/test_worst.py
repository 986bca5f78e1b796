"""The worst objects: their order, what is said of them, and the sheet they are drawn on."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import slow_robustness as slow
from memory_data import MemoryDataset, SmallModel, make_dataset, make_sample
from PIL import Image
from test_evaluation_result import make_result

from clickwise import Predictor, evaluate
from clickwise.clicks.click import Click, ClickList
from clickwise.errors import OutputError
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.result import ObjectResult
from clickwise.evaluation.worst import errors_of, examine, mean_iou, replay, worst_objects, write_worst
from clickwise.evaluation.worst_sheet import CAPTION, GAP, TILE, Answer, Row, crop_box, sheet

MISSED, EXTRA, OUTLINE = (255, 40, 40), (40, 110, 255), (255, 230, 0)


def test_most_clicks_first_then_lowest_iou() -> None:
    result = make_result([[0.5, 0.9, 0.9, 0.9], [0.7, 0.7, 0.7, 0.7], [1.0], [0.9, 0.1, 0.1, 0.1], [0.6] * 4])
    assert worst_objects(result) == [4, 1, 0, 3, 2]
    assert worst_objects(result, 2) == [4, 1]
    assert mean_iou([0.5, 1.0], 4) == pytest.approx((0.5 + 1 + 1 + 1) / 4)
    early = make_result([[0.5, 0.86], [0.2, 0.3, 0.85]], early_stop=True, target_iou=0.85)
    assert worst_objects(early) == [1, 0], "90 % is not known, 85 % is"


@pytest.mark.parametrize("seed", range(3))
def test_what_is_wrong_agrees_with_a_slow_count(seed: int) -> None:
    sample = make_sample(seed, (32, 50))
    truth, ignored = sample.object_mask(0), sample.ignore_mask()
    mask = np.roll(truth, (1, 3), axis=(0, 1))
    found = ObjectResult(sample.sample_id, 0, (0.4, 0.5), ClickList([Click(1, 1, True), Click(2, 2, False)]))
    failure = examine(1, found, sample, 0, [truth, mask])
    wrong = [p for p in slow.pixels(truth != mask) if not ignored[p]]
    near = slow.near_outline(truth, 2)
    area = truth.sum()
    assert failure.last.missed_share == sum(bool(truth[p]) for p in wrong) / area
    assert failure.last.extra_share == sum(bool(mask[p]) for p in wrong) / area
    assert failure.first.fault == "nothing"
    assert failure.last.edge_share == pytest.approx(sum(bool(near[p]) for p in wrong) / len(wrong))
    assert (failure.clicks, failure.first_iou, failure.last_iou) == (None, 0.4, 0.5)


def test_the_fault_in_words() -> None:
    truth = make_sample(0, (60, 60), ignored=False).object_mask(0)

    def fault(mask: np.ndarray) -> str:
        return errors_of(mask, truth, np.zeros_like(truth)).fault

    half = truth.copy()
    half[:, : int(np.nonzero(truth)[1].mean())] = False
    far = truth.copy()
    far[45:, 45:] = True
    assert fault(truth) == "nothing"
    assert math.isnan(errors_of(truth, truth, np.zeros_like(truth)).edge_share)
    assert fault(half) == "part missing"
    assert fault(far) == "too much"
    assert fault(truth | np.roll(truth, 1, axis=0)) == "edges"


def drawn_sheet(tmp_path, count: int = 3, pictures: int = 2):
    data, protocol = make_dataset(pictures), EvaluationProtocol(n_clicks=4)
    result = evaluate(SmallModel(), data, protocol=protocol)
    units = [(index, number) for index in range(pictures) for number in range(2)]
    predictor = Predictor(SmallModel(), chain="published")
    worst = write_worst(result, data, units, predictor, tmp_path / "new", label="мяч 1", count=count)
    with Image.open(worst.sheet) as image:
        return data, result, predictor, worst, np.asarray(image)


def test_files_hold_the_worst_objects(tmp_path) -> None:
    data, result, predictor, worst, picture = drawn_sheet(tmp_path)
    assert [p.name for p in (worst.sheet, worst.table)] == ["worst_memory_мяч-1.png", "worst_memory_мяч-1.csv"]
    assert picture.shape == (3 * (CAPTION + TILE + GAP), 5 * (TILE + GAP) + GAP, 3)
    order = worst_objects(result, 3)
    rows = list(csv.DictReader(worst.table.open(encoding="utf-8")))
    assert [(r["sample"], int(r["object"])) for r in rows] == [
        (result.objects[i].sample_id, result.objects[i].object_id) for i in order
    ]
    assert [int(r["rank"]) for r in rows] == [1, 2, 3]
    assert {
        "clicks_to_90",
        "first_fault",
        "last_fault",
        "traits",
        "area_share",
        "fine_share",
        "parts",
        "contrast",
    } <= set(rows[0])
    for failure, place in zip(worst.failures, order, strict=True):
        found = result.objects[place]
        assert (failure.sample_id, failure.last_iou) == (found.sample_id, found.ious[-1])
        sample = data.samples[list(data.sample_ids).index(found.sample_id)]
        masks = replay(found, sample, None, predictor)
        assert len(masks) == len(found.ious)
        truth, ignored = sample.object_mask(found.object_id), sample.ignore_mask()
        assert [slow.iou(m, truth, ignored) for m in (masks[0], masks[-1])] == [found.ious[0], found.ious[-1]]


def test_many_objects_stand_in_two_columns(tmp_path) -> None:
    *_, picture = drawn_sheet(tmp_path, count=11, pictures=6)
    assert picture.shape == (6 * (CAPTION + TILE + GAP), 2 * (5 * (TILE + GAP) + GAP), 3)
    assert (picture[-TILE:, -TILE:] == 255).all(), "the twelfth place is empty"
    assert sheet([]).shape == (1, 1, 3)


def near(tile: np.ndarray, x: int, y: int, colour: tuple[int, int, int], strength: float = 1.0) -> bool:
    """Whether the pixel is grey 100 with so much of the colour laid over it."""
    return bool(np.abs(tile[y, x] - (100 * (1 - strength) + strength * np.array(colour))).max() <= 1)


def test_tiles_show_missed_added_and_ignored_pixels_at_their_places() -> None:
    """A picture of 84 pixels square that is shown twice as large: place (x, y) of the picture lies at (2x, 2y)."""
    image = np.full((84, 84, 3), 100, np.uint8)
    truth, mask, ignored = (np.zeros((84, 84), bool) for _ in range(3))
    truth[10:70, 10:70] = True
    mask[10:70, 40:80] = True
    ignored[:, :5] = True
    start = np.zeros_like(truth)
    start[30:50, 30:50] = True
    clicks = (Click(55, 60, is_positive=True), Click(76, 60, is_positive=False))
    row = Row(("a", "b"), image, truth, ignored, (Answer(mask, clicks, 0.5),), start)
    assert crop_box(truth) == (0, 0, 84, 84)
    strip = sheet([row])
    assert strip.shape[1] == 3 * (TILE + GAP) + GAP, "no room is left for answers that nobody has"
    whole, shown, answer = (
        strip[CAPTION : CAPTION + TILE, GAP + i * (TILE + GAP) :][:, :TILE].astype(int) for i in range(3)
    )
    assert near(shown, 100, 40, (0, 0, 0), 0)
    assert near(shown, 20, 60, OUTLINE)
    assert near(shown, 60, 80, (255, 255, 255)), "start mask"
    assert near(answer, 40, 40, MISSED, 0.6)
    assert near(answer, 20, 40, MISSED, 0.6), "no outline here"
    assert near(answer, 100, 40, (0, 220, 80), 0.25)
    assert near(answer, 150, 40, EXTRA, 0.6)
    assert near(answer, 5, 40, (128, 128, 128), 0.6)
    for tile in (whole, answer):
        assert near(tile, 110, 120, (0, 255, 0))
        assert near(tile, 152, 120, (255, 0, 0))
    assert not near(shown, 110, 120, (0, 255, 0))


def test_the_crop_stays_in_the_picture_and_holds_small_objects() -> None:
    mask = np.zeros((100, 200), bool)
    mask[0:2, 198:200] = True
    x0, y0, x1, y1 = crop_box(mask)
    assert (y0, x1) == (0, 200)
    assert x0 <= 176
    assert y1 >= 24
    mask[:, 50:] = True
    assert crop_box(mask) == (5, 0, 200, 100)


def test_folder_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot make the folder"):
        write_worst(make_result(), MemoryDataset([]), [], None, tmp_path / "file" / "x")  # type: ignore[arg-type]
