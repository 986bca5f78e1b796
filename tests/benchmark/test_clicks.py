"""The click benchmark: stages add up, both sides find the same state, the numbers mean what they say."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from clickwise.assets import sample
from clickwise.benchmark import contenders
from clickwise.benchmark.clicks import _interleaved, benchmark_clicks, relative_error
from clickwise.benchmark.contenders import Subject, baseline_engine, load_subject, make_engine
from clickwise.benchmark.memory import own_peak_mb, peak_memory_mb
from clickwise.benchmark.roofline import flops_per_click, matmul_roof
from clickwise.benchmark.scenario import fixed_states, states_by_model
from clickwise.benchmark.stopwatch import StageTimes, WatchedEngine, one_click, stages, timed_click
from clickwise.cli.main import main
from clickwise.clicks.encoding import disk_maps
from clickwise.clicks.next_click import error_regions
from clickwise.engines.torch import TorchEngine
from clickwise.errors import ModelError, OptionError, UnknownModelError, WeightsMissingError
from clickwise.inference.options import InferenceOptions
from clickwise.inference.predictor import Predictor
from clickwise.inference.window import Frame
from clickwise.models.interface import InferenceDefaults, InteractiveModel, ModelOutput

CONTRACT_KEYS = [
    "model",
    "engine",
    "baseline_ms",
    "engine_ms",
    "ratio",
    "iou_agreement",
    "logit_error",
    "outside_network_share",
    "peak_mb",
    "roofline_share",
]


class Tiny(InteractiveModel):
    """One convolution over picture, previous mask and wide disks: enough to grow a mask round the clicks."""

    inference_defaults = InferenceDefaults(target_size=64)

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(6, 1, 3, padding=1)

    def predict_logits(self, image, prev_mask, points, gate):
        disks = disk_maps(points, 12.0, tuple(image.shape[2:]))
        return ModelOutput(self.conv(torch.cat([image, prev_mask, disks], dim=1)))


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return Tiny().eval()


@pytest.fixture
def small_sample(monkeypatch):
    """The bundled picture at a tenth of its size, so that tests take no time."""
    whole = sample()
    image, truth = np.ascontiguousarray(whole.image[::10, ::10]), np.ascontiguousarray(whole.truth[::10, ::10])

    class Small:
        pass

    Small.image, Small.truth = image, truth
    monkeypatch.setattr("clickwise.benchmark.clicks.sample", lambda: Small)
    return Small


def measured(subject, engine="torch", **options):
    return benchmark_clicks(subject, engine, **{"clicks": 3, "repeats": 2, "peak_memory": lambda *_: 1.0, **options})


# ---------------------------------------------------------------------------------------------------------------------
# Stages


def test_stages_add_up():
    click = stages(10.0, [(10.5, 11.5), (11.75, 12.0)], 12.5)
    assert click == StageTimes(prepare=750.0, network=1250.0, paste=500.0)
    assert click.total == 2500.0
    assert stages(1.0, [], 1.5) == StageTimes(prepare=500.0, network=0.0, paste=0.0)


def test_a_timed_click_reads_the_clock_round_the_network(tiny, small_sample):
    ticks = iter(range(100))
    state = fixed_states(small_sample.truth, 1)[0]
    options = InferenceOptions.for_model(tiny.inference_defaults)
    click = timed_click(baseline_engine(tiny), Frame(small_sample.image), state, options, lambda: float(next(ticks)))
    assert click == StageTimes(prepare=1000.0, network=1000.0, paste=1000.0)


def test_engines_take_turns_and_medians_count(small_sample):
    log = []
    durations = {"slow": iter([5.0, 50.0, 6.0]), "fast": iter([1.0, 2.0, 30.0])}
    now = 0.0

    class Fake:
        def __init__(self, name):
            self.name = name
            self.capabilities, self.inference_defaults = Tiny.capabilities, Tiny.inference_defaults

        def run(self, image, prev_mask, points, gate=None):
            nonlocal now
            log.append(self.name)
            now += next(durations[self.name])
            return ModelOutput(torch.zeros(len(image), 1, *image.shape[2:]))

    options = InferenceOptions.for_model(Tiny.inference_defaults)
    states, steps = fixed_states(small_sample.truth, 1), []
    slow, fast = _interleaved(
        [Fake("slow"), Fake("fast")], small_sample.image, states, options, 3, lambda: now, lambda: steps.append(1)
    )
    assert log == ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert (slow[0].network, fast[0].network) == (6000.0, 2000.0)
    assert len(steps) == 3


# ---------------------------------------------------------------------------------------------------------------------
# States


def test_fixed_states_depend_on_the_truth_only_and_their_clicks_correct_something(small_sample):
    truth = sample().truth
    states, again = fixed_states(truth, 4), fixed_states(truth, 4)
    assert [s.clicks for s in states] == [s.clicks for s in again]
    assert [len(s.clicks) for s in states] == [1, 2, 3, 4]
    assert states[0].probs is None
    for state in states[1:]:
        missed, extra = error_regions(truth, state.probs.mask(0.5))
        click = state.clicks[-1]
        assert (missed if click.is_positive else extra)[click.y, click.x]
    wrong = [np.count_nonzero(s.probs.mask(0.5) ^ truth) for s in states[1:]]
    assert wrong == sorted(wrong, reverse=True)


def test_states_by_model_are_those_of_a_predictor(tiny, small_sample):
    options = InferenceOptions.for_model(tiny.inference_defaults)
    states = states_by_model(baseline_engine(tiny), Frame(small_sample.image), small_sample.truth, options, 3)
    predictor = Predictor(tiny, options=options)
    predictor.set_image(small_sample.image)
    assert len(states) == 3
    for state in states:
        known = predictor.state.probs
        assert (state.probs is None) == (known is None)
        if known is not None:
            np.testing.assert_array_equal(state.probs.full(), known.full())
        assert state.window == predictor.state.window
        click = state.clicks[-1]
        predictor.click(click.x, click.y, click.is_positive)


def test_a_perfect_answer_ends_the_clicks(small_sample):
    class Perfect(Tiny):
        inference_defaults = InferenceDefaults(skip_clicks=100, flip=False)

        def predict_logits(self, image, prev_mask, points, gate):
            return ModelOutput(torch.from_numpy(np.where(small_sample.truth, 9.0, -9.0)[None, None]).float())

    options = InferenceOptions.for_model(Perfect.inference_defaults)
    engine = baseline_engine(Perfect().eval())
    assert len(states_by_model(engine, Frame(small_sample.image), small_sample.truth, options, 5)) == 1


# ---------------------------------------------------------------------------------------------------------------------
# Results


def test_result_of_trained_weights(tiny, small_sample):
    result = measured(Subject("tiny", tiny, is_trained=True))
    numbers = result.to_dict()
    assert list(numbers) == CONTRACT_KEYS
    assert json.loads(json.dumps(numbers)) == numbers
    rounds = make_engine("torch", Tiny()).autocast  # to bf16, where the processor has units for it
    assert numbers["iou_agreement"]["min"] >= (0.995 if rounds else 1.0)
    assert numbers["logit_error"] < (0.05 if rounds else 1e-5)
    assert numbers["ratio"] == pytest.approx(numbers["baseline_ms"] / numbers["engine_ms"])
    assert 0 < numbers["outside_network_share"] < 1
    assert 0 < numbers["roofline_share"] < 1
    assert numbers["peak_mb"] == 1.0


def test_result_without_trained_weights_claims_no_agreement(tiny, small_sample):
    result = measured(Subject("tiny", tiny, is_trained=False))
    assert result.to_dict()["iou_agreement"] is None
    assert len(result.contender) == len(result.baseline) == 3


def test_a_wrong_engine_is_found_out(tiny, small_sample, monkeypatch):
    def broken(model):
        with torch.no_grad():
            model.conv.bias += 0.3
        return TorchEngine(model)

    monkeypatch.setitem(contenders.ENGINES, "broken", broken)
    before = tiny.conv.bias.clone()
    result = measured(Subject("tiny", tiny, is_trained=True), "broken")
    assert result.logit_error > 0.05
    assert min(result.iou_agreement) < 1.0
    torch.testing.assert_close(tiny.conv.bias, before)  # the engine got a copy


def test_both_sides_get_the_same_input(tiny, small_sample):
    options = InferenceOptions.for_model(tiny.inference_defaults)
    seen = []

    class Recorder(WatchedEngine):
        def run(self, image, prev_mask, points, gate=None):
            seen.append((image.clone(), None if prev_mask is None else prev_mask.clone(), points.clone()))
            return super().run(image, prev_mask, points, gate)

    state = fixed_states(small_sample.truth, 3)[-1]
    for engine in (baseline_engine(tiny), make_engine("torch", Tiny().eval())):
        one_click(Recorder(engine), Frame(small_sample.image), state, options)
    for first, second in zip(*seen, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_flops_are_those_of_the_convolution(tiny, small_sample):
    options = InferenceOptions.for_model(replace(tiny.inference_defaults, skip_clicks=100))
    states = fixed_states(small_sample.truth, 2)
    counted = flops_per_click(baseline_engine(tiny), Frame(small_sample.image), states, options)
    height, width = small_sample.truth.shape
    mirror_pair, multiply_add = 2, 2
    assert counted == mirror_pair * multiply_add * height * width * 6 * 9


def test_the_roof_is_positive_and_relative_error_is_relative():
    assert matmul_roof(torch.device("cpu"), seconds=0.0) > 1e8
    assert relative_error(torch.tensor([1.0, -3.5]), torch.tensor([1.0, -4.0])) == pytest.approx(0.125)


def test_options_are_checked(tiny):
    for wrong in ({"clicks": 0}, {"repeats": 0}):
        with pytest.raises(OptionError, match="expected at least 1"):
            measured(Subject("tiny", tiny, is_trained=True), **wrong)
    with pytest.raises(OptionError, match="engine is 'warp'; expected one of torch"):
        measured(Subject("tiny", tiny, is_trained=True), "warp")


# ---------------------------------------------------------------------------------------------------------------------
# Subjects, memory, command line


def test_an_architecture_gets_the_same_random_weights_each_time():
    state = torch.get_rng_state()
    first, second = load_subject("ritm-hrnet18s", "cpu"), load_subject("ritm-hrnet18s", "cpu")
    assert not first.is_trained
    assert torch.equal(state, torch.get_rng_state())
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_unknown_names_and_missing_weights_are_errors(monkeypatch, tmp_path):
    with pytest.raises(UnknownModelError, match="ritm-hrnet18"):
        load_subject("ritm-hrnet99", "cpu")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsMissingError, match="clickwise download"):
        load_subject("ritm-hrnet18s-cocolvis", "cpu")


def test_own_peak_is_a_plausible_number():
    peak = own_peak_mb()
    assert peak is None or 50 < peak < 1e6


def test_memory_of_an_unknown_model_is_one_line():
    with pytest.raises(ModelError, match=r"measuring the memory of no-such-model failed: .*no-such-model"):
        peak_memory_mb("no-such-model", "torch", "cpu", 1)


def test_command_writes_json(tmp_path, capsys):
    target = tmp_path / "numbers.json"
    assert (
        main(["benchmark", "clickwise-s", "--clicks", "1", "--repeats", "1", "--device", "cpu", "--json", str(target)])
        == 0
    )
    numbers = json.loads(target.read_text())
    assert list(numbers) == CONTRACT_KEYS
    assert numbers["engine_ms"] > 0
    assert numbers["peak_mb"] is None or numbers["peak_mb"] > 100
    assert "network" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "warp"], "error: engine is 'warp'"),
        (["--json", "no/such/folder/x.json"], "error: --json no/such/folder/x.json: there is no folder"),
        (["--clicks", "0"], "error: "),
        (["--device", "abacus"], "error: device is 'abacus'"),
    ],
)
def test_bad_options_are_one_line_and_exit_code_2(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["benchmark", "clickwise-s", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith(message)
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
