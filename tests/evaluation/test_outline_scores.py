"""Boundary IoU and surface distance by clicks, and clicks that start from a mask."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from memory_data import MemoryDataset, PerfectModel, SmallModel, make_dataset, make_sample
from test_evaluation_result import make_result

from clickwise import Predictor, evaluate
from clickwise.errors import DatasetError
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.report import table
from clickwise.evaluation.result import ObjectResult, mean_curve, read_results
from clickwise.evaluation.worst import write_worst
from clickwise.metrics import boundary_iou, surface_distance
from clickwise.models.registry import build_model


class WithStarts(MemoryDataset):
    """Every sample starts from its first object's mask, shifted by some pixels; the second one from nothing."""

    def start_mask(self, index: int):
        return None if index == 1 else np.roll(self.samples[index].object_mask(0), 3, axis=1)


def test_scores_are_those_of_the_answers() -> None:
    """Replaying the recorded clicks gives the masks; pixels without truth are background in both outlines."""
    data = make_dataset(2)
    result = evaluate(SmallModel(), data, protocol=EvaluationProtocol(n_clicks=3, boundary=True))
    predictor = Predictor(SmallModel(), chain="published")
    expected: list[list[tuple[float, float]]] = []
    for found in result.objects:
        sample = data.samples[data.sample_ids.index(found.sample_id)]
        truth, ignored = sample.object_mask(found.object_id), sample.ignore_mask()
        predictor.set_image(sample.image)
        masks = [predictor.click(c.x, c.y, c.is_positive).mask for c in found.clicks]
        expected.append([(boundary_iou(m, truth, ignored), surface_distance(m & ~ignored, truth)) for m in masks])
        assert found.boundary_ious == tuple(b for b, _ in expected[-1])
        assert found.distances == tuple(d for _, d in expected[-1])
    assert result.boundary_iou_curve() == pytest.approx(np.mean([[b for b, _ in row] for row in expected], axis=0))
    assert result.surface_distance_curve() == pytest.approx(np.mean([[d for _, d in row] for row in expected], axis=0))


def test_nothing_is_measured_unless_asked_for() -> None:
    result = evaluate(SmallModel(), make_dataset(1), protocol=EvaluationProtocol(n_clicks=1))
    assert result.objects[0].boundary_ious == ()
    assert (result.boundary_iou_curve(), result.surface_distance_curve()) == ([], [])
    assert "boundary_iou_at" not in result.as_plain()
    assert "BIoU" not in result.table()


def test_perfect_answers_agree_in_their_outlines() -> None:
    sample = make_sample(0, ignored=False)
    sample.image[:] = np.where(sample.layers > 0, 255, 0)
    one = type(sample)(sample.sample_id, sample.image, (sample.layers > 0).astype(np.int32), sample.objects[:1])
    result = evaluate(PerfectModel(), MemoryDataset([one]), protocol=EvaluationProtocol(n_clicks=4, boundary=True))
    assert len(result.objects[0].ious) == 1
    assert result.boundary_iou_curve() == [1.0] * 4
    assert result.surface_distance_curve() == [0.0] * 4


@pytest.mark.parametrize(
    ("rows", "finished", "budget", "expected"),
    [
        ([[1.0, 3.0], [5.0]], [False, True], 2, [3.0, 4.0]),  # stopped for good: the last value stays
        ([[1.0, 3.0], [5.0]], [False, False], 2, [3.0]),  # stopped early: no answer after one click
        ([[math.inf, 2.0], [4.0, 4.0]], [False, False], 9, [4.0, 3.0]),
        ([[math.inf]], [True], 2, [math.nan, math.nan]),
        ([], [], 3, []),
    ],
)
def test_mean_curve(rows, finished, budget, expected) -> None:
    assert mean_curve(rows, finished, budget) == pytest.approx(expected, nan_ok=True)


def measured(distances=(math.inf, 2.5)):
    result = make_result([[0.5, 0.7]], n_clicks=2, boundary=True)
    (found,) = result.objects
    more = ObjectResult(found.sample_id, found.object_id, found.ious, found.clicks, (0.25, 0.5), distances, 0.4)
    return type(result)(result.model, result.dataset, (more,), result.protocol)


def test_json_and_back(tmp_path) -> None:
    measured().to_json(tmp_path / "r.json")
    (values,) = json.loads((tmp_path / "r.json").read_text("utf-8"))["results"]
    assert (values["boundary_iou_at"], values["surface_distance_at"]) == ([0.25, 0.5], [None, 2.5])
    assert values["details"]["objects"][0]["start_iou"] == 0.4
    assert list(read_results(tmp_path / "r.json")) == [measured()]


def test_table() -> None:
    lines = table([measured()]).splitlines()
    (place,) = [i for i, line in enumerate(lines) if "BIoU@1" in line]
    names, row = ([cell.strip() for cell in lines[i].split("|")[3:-1]] for i in (place, place + 2))
    assert dict(zip(names, row, strict=True)) == {"BIoU@1": "25.00", "BIoU@2": "50.00", "ASSD@1": "?", "ASSD@2": "2.50"}
    assert "ASSD: mean distance of outlines in pixels." in lines[-2]
    assert lines[-1] == "Note: clicks on d start from masks, 1 with mean IoU 40.00."
    assert "ASSD leaves out 1 of 1 objects of d" in table([measured((1.0, math.inf))])


def test_clicks_start_from_the_masks_of_the_data_set(tmp_path) -> None:
    samples = [make_sample(seed) for seed in range(2)]
    result = evaluate(SmallModel(), WithStarts(samples), protocol=EvaluationProtocol(n_clicks=2))
    plain = evaluate(SmallModel(), MemoryDataset(samples), protocol=EvaluationProtocol(n_clicks=2))
    first, _, *second = result.objects
    assert first.start_iou is not None
    assert 0 < first.start_iou < 1
    assert first.clicks != plain.objects[0].clicks
    assert tuple(second) == plain.objects[2:]
    assert "start from masks, 2 with" in result.table()
    units = [(index, number) for index in range(2) for number in range(2)]
    worst = write_worst(result, WithStarts(samples), units, Predictor(SmallModel(), chain="published"), tmp_path)
    assert worst.sheet.is_file()


def test_iglr_corrects_a_mask_piece_by_piece() -> None:
    """Progressive merge: what the click does not touch stays as the start mask has it."""
    sample = make_sample(0, ignored=False)
    data = WithStarts([sample])
    protocol = EvaluationProtocol(n_clicks=1, eval_mode="fixed64")
    model = build_model("iglr-segformer-b0")
    (found, _) = evaluate(model, data, protocol=protocol).objects
    predictor = Predictor(model, target_size=(64, 64))
    predictor.set_image(sample.image)
    start = predictor.set_mask(data.start_mask(0)).mask
    click = found.clicks[0]
    after = predictor.click(click.x, click.y, click.is_positive).mask
    changed = after ^ start
    assert not changed.any() or changed[int(click.y), int(click.x)]


def test_start_mask_of_another_size_is_an_error_before_the_work() -> None:
    class Wrong(MemoryDataset):
        def start_mask(self, index: int):
            return np.zeros((3, 4), bool)

    with pytest.raises(DatasetError, match=r"start mask of picture 0 is \(3, 4\)"):
        evaluate(SmallModel(), Wrong([make_sample(0)]))
