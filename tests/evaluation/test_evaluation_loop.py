"""The loop against a slow second one, and its rules one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from memory_data import MemoryDataset, PerfectModel, SmallModel, make_dataset, make_sample
from slow_evaluation import slow_evaluate, slow_noc

from clickwise import evaluate
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import ClickwiseError, DatasetError, OptionError
from clickwise.evaluation import runner
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.inference.options import InferenceOptions
from clickwise.inference.predictor import Predictor
from clickwise.metrics import iou
from clickwise.models.interface import InferenceDefaults


def truth_as_picture(sample: Sample, object_id: int = 0) -> Sample:
    image = np.zeros((*sample.image.shape[:2], 3), np.uint8)
    image[sample.object_mask(object_id)] = 255
    return Sample(sample.sample_id, image, sample.layers, sample.objects[: object_id + 1], sample.ignored)


@pytest.mark.parametrize("early_stop", [False, True])
@pytest.mark.parametrize(
    ("eval_mode", "window"), [("cvpr", {}), ("fixed48,64", {"target_size": (48, 64), "skip_clicks": -1})]
)
def test_same_as_the_slow_loop(early_stop, eval_mode, window) -> None:
    data = make_dataset(2)
    model = SmallModel()
    protocol = EvaluationProtocol(
        n_clicks=6, min_n_clicks=2, target_iou=0.85, early_stop=early_stop, threshold=0.45, eval_mode=eval_mode
    )
    result = evaluate(model, data, protocol=protocol)
    options = InferenceOptions.for_model(model.inference_defaults, published=True, threshold=0.45, **window)
    expected = slow_evaluate(
        model, data.samples, options, n_clicks=6, threshold=0.45, early_stop=early_stop, target=0.85, least=2
    )
    assert len(result.objects) == len(expected) == 4
    for found, (ious, clicks) in zip(result.objects, expected, strict=True):
        assert list(found.clicks) == clicks
        assert found.ious == pytest.approx(ious, abs=1e-12)
    rows = [ious for ious, _ in expected]
    assert len({len(row) for row in rows}) > 1 or not early_stop
    for target in (0.80, 0.85):
        assert result.noc(target) == pytest.approx(slow_noc(rows, target, 6))


def test_early_stop_changes_no_noc_up_to_the_target() -> None:
    data, model = make_dataset(3), SmallModel()
    full = evaluate(model, data, protocol=EvaluationProtocol(n_clicks=12))
    early = evaluate(model, data, protocol=EvaluationProtocol(n_clicks=12, early_stop=True))
    assert early.clicks < full.clicks
    for target in (0.80, 0.85, 0.90):
        assert early.noc(target) == full.noc(target)
        assert early.nof(target) == full.nof(target)
    for a, b in zip(early.objects, full.objects, strict=True):
        assert b.ious[: len(a.ious)] == a.ious
        assert list(b.clicks)[: len(a.clicks)] == list(a.clicks)


def test_all_clicks_are_made_and_lie_in_errors() -> None:
    data, model = make_dataset(2), SmallModel()
    result = evaluate(model, data, protocol=EvaluationProtocol(n_clicks=7))
    for number, found in enumerate(result.objects):
        sample = data.samples[number // 2]
        truth, ignored = sample.object_mask(number % 2), sample.ignore_mask()
        assert len(found.ious) == len(found.clicks) == 7
        assert len({(c.x, c.y) for c in found.clicks}) == 7
        predictor = Predictor(model, chain="published")
        predictor.set_image(sample.image)
        mask = np.zeros_like(truth)
        for click, value in zip(found.clicks, found.ious, strict=True):
            assert truth[click.y, click.x] == click.is_positive
            assert mask[click.y, click.x] != click.is_positive
            assert not ignored[click.y, click.x]
            mask = predictor.click(click.x, click.y, click.is_positive).mask
            assert value == iou(mask, truth, ignored)


def test_perfect_answer_stops_and_keeps_its_iou() -> None:
    samples = [truth_as_picture(make_sample(k, ignored=False)) for k in range(2)]
    result = evaluate(PerfectModel(), MemoryDataset(samples), protocol=EvaluationProtocol(n_clicks=9, min_n_clicks=4))
    assert [o.ious for o in result.objects] == [(1.0,), (1.0,)]
    assert result.clicks == 2
    assert result.noc(0.95) == 1
    assert result.iou_at(9) == 1
    assert result.iou_curve() == [1.0] * 9
    with pytest.raises(OptionError, match="budget was 9"):
        result.iou_at(10)


def test_ignored_pixels_do_not_count() -> None:
    """The picture shows the object and the region without truth: right, since that region is not looked at."""
    sample = make_sample(1)
    image = np.zeros_like(sample.image)
    image[sample.object_mask(0) | sample.ignore_mask()] = 255
    shown = Sample(sample.sample_id, image, sample.layers, sample.objects[:1], sample.ignored)
    protocol = EvaluationProtocol(n_clicks=3)
    assert evaluate(PerfectModel(), MemoryDataset([shown]), protocol=protocol).objects[0].ious == (1.0,)
    open_sample = Sample(sample.sample_id, image, sample.layers, sample.objects[:1])
    assert max(evaluate(PerfectModel(), MemoryDataset([open_sample]), protocol=protocol).objects[0].ious) < 1


def test_objects_do_not_see_each_other() -> None:
    data, model, protocol = make_dataset(3), SmallModel(), EvaluationProtocol(n_clicks=4)
    together = evaluate(model, data, protocol=protocol)
    for number, sample in enumerate(data.samples):
        alone = evaluate(model, MemoryDataset([sample]), protocol=protocol)
        assert alone.objects == together.objects[2 * number : 2 * number + 2]


def test_threshold_is_used() -> None:
    data, model = make_dataset(1), SmallModel()
    low, high = (evaluate(model, data, protocol=EvaluationProtocol(n_clicks=1, threshold=t)) for t in (0.1, 0.9))
    assert low.objects[0].ious != high.objects[0].ious
    assert low.protocol.inference["threshold"] == 0.1


def test_published_window_of_the_data_set() -> None:
    class Dual(SmallModel):
        inference_defaults = InferenceDefaults(target_size=64, target_size_by_dataset={"DAVIS": 96})

    protocol = EvaluationProtocol(n_clicks=2)
    for name, target in (("memory", 64), ("DAVIS", 96)):
        result = evaluate(Dual(), MemoryDataset([make_sample(0)], name), protocol=protocol)
        assert result.protocol.inference["target_size"] == target
        assert result.protocol.inference["limit_longest_side"] is None
        assert result.dataset == name


class TestBeforeTheFirstClick:
    """What is wrong is said before any network runs."""

    @pytest.fixture
    def model(self) -> SmallModel:
        return SmallModel()

    def refuse(self, model, samples, words, error: type[ClickwiseError] = DatasetError, **options) -> None:
        with pytest.raises(error, match=words):
            evaluate(model, MemoryDataset(samples), **options)
        assert not model.calls

    def test_empty_mask(self, model) -> None:
        good = make_sample(0)
        bad = Sample("bad", good.image, good.layers, (*good.objects, ObjectRef(0, (7,))))
        self.refuse(model, [good, bad], r"object 2 of sample bad holds no object pixel")

    def test_object_under_ignored_pixels(self, model) -> None:
        s = make_sample(0)
        self.refuse(model, [Sample("hid", s.image, s.layers, s.objects, s.objects[1:])], "object 1 of sample hid")

    def test_no_object_and_no_sample(self, model) -> None:
        s = make_sample(0)
        self.refuse(model, [Sample("void", s.image, s.layers, ())], "sample void has no object")
        self.refuse(model, [], "is empty")

    def test_malformed_sample(self, model, monkeypatch) -> None:
        def load(self, index):
            raise DatasetError("mask x.png holds the value 3")

        monkeypatch.setattr(MemoryDataset, "load", load)
        self.refuse(model, [make_sample(0)], "value 3")

    @pytest.mark.parametrize("processes", [0, -1, 1.5, "2"])
    def test_processes(self, model, processes) -> None:
        self.refuse(model, [make_sample(0)], "processes is", OptionError, processes=processes)

    def test_folder_names_the_file(self, tmp_path, model) -> None:
        from PIL import Image

        for folder, values in (("images", np.zeros((8, 8, 3), np.uint8)), ("masks", np.zeros((8, 8), np.uint8))):
            (tmp_path / folder).mkdir()
            Image.fromarray(values).save(tmp_path / folder / "a.png")
        with pytest.raises(DatasetError, match=r"masks.a\.png holds no object pixel; rule"):
            evaluate(model, tmp_path)
        assert not model.calls


def test_sample_is_read_once_for_all_its_objects(monkeypatch) -> None:
    data = make_dataset(2)
    result = evaluate(SmallModel(), data, protocol=EvaluationProtocol(n_clicks=1))
    assert data.loads == 4  # once for the check, once for the loop
    assert [(o.sample_id, o.object_id) for o in result.objects] == [
        (f"picture {s}", o) for s in range(2) for o in range(2)
    ]


def test_seconds_per_click(monkeypatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(runner.time, "perf_counter", lambda: float(next(now)))
    result = evaluate(SmallModel(), make_dataset(1), protocol=EvaluationProtocol(n_clicks=4))
    # start, 2 per object, end: each object took one tick, the whole five.
    assert (result.busy_seconds, result.elapsed_seconds) == (2.0, 5.0)
    assert result.spc == 2.0 / 8
    assert math.isfinite(result.noc_standard_error(0.9))
