"""Evaluation with human clicks: where they lie, that they depend on seed and names alone, what is recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from memory_data import SmallModel, make_dataset

from clickwise import evaluate
from clickwise.clicks.human import HumanClicks
from clickwise.errors import OptionError
from clickwise.evaluation.protocol import CLICKER, HUMAN_CLICKER, EvaluationProtocol
from clickwise.evaluation.report import table
from clickwise.evaluation.result import read_results, write_results


def protocol(**options: object) -> EvaluationProtocol:
    return EvaluationProtocol(n_clicks=5, **{"human_clicks": HumanClicks(), **options})  # type: ignore[arg-type]


def test_clicks_lie_on_the_object_or_off_it_as_their_sign_says_and_differ_from_the_fields() -> None:
    data, model = make_dataset(2), SmallModel()
    human, plain = (
        evaluate(model, data, protocol=protocol()),
        evaluate(model, data, protocol=protocol(human_clicks=None)),
    )
    for number, found in enumerate(human.objects):
        sample = data.samples[number // 2]
        truth, ignored = sample.object_mask(number % 2), sample.ignore_mask()
        assert len({(c.x, c.y) for c in found.clicks}) == len(found.clicks)
        for click in found.clicks:
            assert truth[int(click.y), int(click.x)] == click.is_positive
            assert not ignored[int(click.y), int(click.x)]
    assert any(a.clicks[0] != b.clicks[0] for a, b in zip(human.objects, plain.objects, strict=True))


def test_the_same_seed_gives_the_same_clicks_in_any_order_and_number_of_samples() -> None:
    model = SmallModel()
    many, data = evaluate(model, make_dataset(3), protocol=protocol()), make_dataset(3)
    data.samples, data.sample_ids = data.samples[::-1], data.sample_ids[::-1]
    turned = evaluate(model, data, protocol=protocol())
    by_name = {(o.sample_id, o.object_id): o.clicks for o in turned.objects}
    assert all(by_name[o.sample_id, o.object_id] == o.clicks for o in many.objects)
    other = evaluate(model, make_dataset(3), protocol=protocol(click_seed=1))
    assert any(a.clicks != b.clicks for a, b in zip(many.objects, other.objects, strict=True))


def test_the_protocol_is_recorded_and_read_back(tmp_path: Path) -> None:
    rule = HumanClicks(core_prob=0.5, border_prob=0.1, jitter=0.02)
    result = evaluate(SmallModel(), make_dataset(1), protocol=protocol(human_clicks=rule, click_seed=7))
    write_results(tmp_path / "r.json", [result], "command")
    stored = json.loads((tmp_path / "r.json").read_text())["results"][0]["protocol"]
    assert stored["human_clicks"] == {"core_prob": 0.5, "border_prob": 0.1, "border_share": 0.25, "jitter": 0.02}
    assert (stored["click_seed"], stored["clicker"]) == (7, HUMAN_CLICKER)
    [again] = read_results(tmp_path / "r.json")
    assert again.protocol == result.protocol
    assert again.protocol.human_clicks == rule
    assert "human clicks (seed 7)" in table([result])


def test_without_the_option_everything_is_as_it_was() -> None:
    plain = EvaluationProtocol()
    assert (plain.human_clicks, plain.clicker) == (None, CLICKER)
    old = {key: value for key, value in plain.as_plain().items() if key not in ("human_clicks", "click_seed")}
    assert EvaluationProtocol.from_plain(old) == plain
    with pytest.raises(OptionError, match="click_seed"):
        EvaluationProtocol(click_seed=-1)
