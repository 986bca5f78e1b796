"""Which chain runs, with which options: modes, windows, and options of chains that are added later."""

from __future__ import annotations

import pytest
from memory_data import MemoryDataset, SmallModel, make_sample

from clickwise import evaluate
from clickwise.errors import OptionError
from clickwise.evaluation import chain_choice
from clickwise.evaluation.chain_choice import chosen_chain, inference_options, mode_label, mode_names
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.inference import chains
from clickwise.inference.chains.zoom_flip import zoom_flip
from clickwise.models.interface import InferenceDefaults

OWN = InferenceDefaults(target_size=(448, 448), skip_clicks=-1, target_size_by_dataset={"DAVIS": (672, 672)})


def cascade(engine, frame, state, options):
    """Stands for a chain of a later system."""
    cascade.seen.append(dict(options.extra))
    return zoom_flip(engine, frame, state, options)


cascade.extra_options = ("cf_n", "cf_click", "acf")
cascade.seen = []


def focus(engine, frame, state, options):
    raise AssertionError


focus.extra_options = ("infer_size", "focus_crop_r")


@pytest.fixture(autouse=True)
def _first_chains_only(monkeypatch) -> None:
    """Whatever chains there are by now: these tests know three."""
    first = ("zoom_flip", "crops", "opencv_grabcut")
    monkeypatch.setattr(chains, "CHAINS", {name: chains.CHAINS[name] for name in first})


@pytest.fixture
def later_chains(_first_chains_only, monkeypatch) -> None:
    more = {"cascade": f"{__name__}:cascade", "f_brs_b": f"{__name__}:focus", "islr": f"{__name__}:focus"}
    monkeypatch.setattr(chains, "CHAINS", {**chains.CHAINS, **more})


def test_published_windows() -> None:
    for dataset, size in ((None, (448, 448)), ("DAVIS", (672, 672)), ("GrabCut", (448, 448))):
        options = inference_options(OWN, EvaluationProtocol(), dataset)
        assert (options.target_size, options.skip_clicks) == (size, -1)
        assert options.limit_longest_side is None
        assert options.keep_stale_window
        assert options.flip


def test_fixed_windows() -> None:
    for word, size in (("fixed224", (224, 224)), ("fixed320,480", (320, 480))):
        options = inference_options(InferenceDefaults(), EvaluationProtocol(eval_mode=word), "DAVIS")
        assert (options.target_size, options.skip_clicks) == (size, -1)


@pytest.mark.parametrize("mode", ["NoBRS", "nobrs", None])
def test_plain_mode(mode) -> None:
    assert chosen_chain(OWN, EvaluationProtocol(mode=mode)) == "zoom_flip"


@pytest.mark.parametrize("mode", ["f-BRS-B", "RGB-BRS", "ISLR", "what"])
def test_mode_without_chain(mode) -> None:
    with pytest.raises(OptionError, match=rf"mode '{mode}' has no chain here; expected one of .*NoBRS"):
        chosen_chain(OWN, EvaluationProtocol(mode=mode))


def test_modes_that_are_added_later(later_chains) -> None:
    for mode, chain in (("f-BRS-B", "f_brs_b"), ("ISLR", "islr"), ("NoBRS", "zoom_flip")):
        assert chosen_chain(OWN, EvaluationProtocol(mode=mode)) == chain
    assert {"NoBRS", "f_brs_b", "islr"} <= set(mode_names())


@pytest.mark.parametrize("name", ["no_such_n", "no_such_r"])
def test_option_without_chain(name) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(OptionError, match=rf"the chain zoom_flip does not take {flag}; no chain here does"):
        chosen_chain(OWN, EvaluationProtocol(chain_options={name: 1}))


def test_cascade_options_ask_for_the_cascade(later_chains) -> None:
    cascade.seen.clear()
    protocol = EvaluationProtocol(n_clicks=1, chain_options={"cf_n": 4, "acf": True})
    result = evaluate(SmallModel(), MemoryDataset([make_sample(0)]), protocol=protocol)
    assert result.protocol.inference["chain"] == "cascade"
    assert cascade.seen == [{"cf_n": 4, "acf": True}] * 2


def test_other_options_need_the_models_own_chain(later_chains) -> None:
    protocol = EvaluationProtocol(chain_options={"infer_size": 256})
    own = InferenceDefaults(chain="islr", extra={"infer_size": 384, "focus_crop_r": 1.4})
    options = inference_options(own, protocol)
    assert (options.chain, dict(options.extra)) == ("islr", {"infer_size": 256, "focus_crop_r": 1.4})
    with pytest.raises(OptionError, match="does not take --infer-size; chains that do: f_brs_b, islr"):
        chosen_chain(OWN, protocol)
    with pytest.raises(OptionError, match="--cf-n"):
        chosen_chain(own, EvaluationProtocol(mode="ISLR", chain_options={"cf_n": 2}))


def test_labels(later_chains) -> None:
    assert [mode_label(c) for c in ("zoom_flip", "islr", "opencv_grabcut", "gone")] == ["NoBRS", "islr", "-", "gone"]
    assert chain_choice.PLAIN_MODE in mode_names()
    assert "opencv_grabcut" not in mode_names()
