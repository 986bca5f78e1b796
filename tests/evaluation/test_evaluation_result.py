"""Protocol and result: scores, JSON, what is refused."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest

from clickwise.clicks.click import Click, ClickList
from clickwise.errors import InputError, OptionError, OutputError
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.result import EvaluationResult, ObjectResult, read_results, write_results
from clickwise.evaluation.workers import shard

ROWS = ([0.5, 0.86, 0.91, 0.96], [0.2, 0.82, 0.7, 0.9], [1.0])


def make_result(rows=ROWS, model="m", dataset="d", **protocol) -> EvaluationResult:
    objects = tuple(
        ObjectResult(f"s{k}", k % 2, tuple(row), ClickList(Click(i, k, i % 2 == 0) for i in range(len(row))))
        for k, row in enumerate(rows)
    )
    options = {"n_clicks": 4, **protocol}
    return EvaluationResult(model, dataset, objects, EvaluationProtocol(**options), 4.5, 6.0, 2)


def test_scores_by_hand() -> None:
    result = make_result()
    assert result.noc(0.80) == pytest.approx((2 + 2 + 1) / 3)
    assert result.noc(0.90) == pytest.approx((3 + 4 + 1) / 3)
    assert (result.nof(0.90), result.nof_strict(0.90)) == (1, 0)
    assert (result.nof(0.95), result.nof_strict(0.95)) == (2, 1)
    assert result.iou_at(2) == pytest.approx((0.86 + 0.82 + 1) / 3)
    assert result.iou_curve()[3] == pytest.approx((0.96 + 0.9 + 1) / 3)
    assert result.clicks == 9
    assert result.spc == 0.5
    # counts 3, 4, 1: mean 8/3, sample variance 7/3
    assert result.noc_standard_error(0.90) == pytest.approx(math.sqrt(7 / 3 / 3))


def test_json_of_the_contract(tmp_path) -> None:
    make_result().to_json(tmp_path / "r.json")
    (values,) = json.loads((tmp_path / "r.json").read_text("utf-8"))["results"]
    keys = {"0.80", "0.85", "0.90", "0.95"}
    assert {"model", "dataset", "objects", "noc", "nof", "nof_strict", "iou_at", "spc", "protocol"} <= set(values)
    assert (values["model"], values["dataset"], values["objects"]) == ("m", "d", 3)
    assert set(values["noc"]) == set(values["nof"]) == set(values["nof_strict"]) == keys
    assert values["noc"]["0.90"] == pytest.approx(8 / 3)
    assert (values["nof"]["0.95"], values["nof_strict"]["0.95"]) == (2, 1)
    assert len(values["iou_at"]) == 4
    assert values["protocol"]["n_clicks"] == 4
    assert values["protocol"]["threshold"] == 0.49
    assert values["details"]["objects"][1]["clicks"][1] == [1, 1, 0]


@pytest.mark.parametrize("protocol", [{}, {"early_stop": True}, {"mode": "NoBRS", "eval_mode": "fixed64,96"}])
def test_round_trip(tmp_path, protocol) -> None:
    first = make_result(**protocol)
    first = dataclasses.replace(
        first, protocol=first.protocol.ran_with({"target_size": (4, 5), "extra": {"a": (1, 2)}, "flip": True})
    )
    second = make_result([[0.123456789012345, 0.3]], model="n", n_clicks=2)
    write_results(tmp_path / "r.json", [first, second], "clickwise evaluate m n")
    assert list(read_results(tmp_path / "r.json")) == [first, second]
    write_results(tmp_path / "again.json", read_results(tmp_path / "r.json"), "clickwise evaluate m n")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "r.json").read_bytes()
    assert json.loads((tmp_path / "r.json").read_text())["command"] == "clickwise evaluate m n"


def test_early_stop_leaves_higher_targets_unknown() -> None:
    result = make_result([[0.5, 0.91], [0.95]], early_stop=True, target_iou=0.90)
    assert result.noc(0.90) == 1.5
    for ask in (result.noc, result.nof, result.nof_strict, result.noc_standard_error):
        with pytest.raises(OptionError, match=r"not known: objects stopped early at 0\.9"):
            ask(0.95)
    plain = result.as_plain()
    assert plain["noc"]["0.95"] is None
    assert plain["nof"]["0.95"] is None
    assert plain["noc"]["0.90"] == 1.5
    assert plain["iou_at"] == pytest.approx([(0.5 + 0.95) / 2])


def test_one_object_has_no_standard_error() -> None:
    assert make_result([[0.5, 0.6, 0.7, 0.8]]).as_plain()["details"]["noc_standard_error"]["0.90"] is None


def test_further_target() -> None:
    plain = make_result(target_iou=0.875).as_plain()
    assert list(plain["noc"]) == ["0.80", "0.85", "0.875", "0.90", "0.95"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_clicks": 0}, "n_clicks is 0"),
        ({"n_clicks": True}, "n_clicks"),
        ({"n_clicks": 5, "min_n_clicks": 6}, "min_n_clicks is 6"),
        ({"min_n_clicks": 0}, "min_n_clicks"),
        ({"target_iou": 0.7}, "target_iou is 0.7; expected 0.8 to 1"),
        ({"target_iou": math.nan}, "target_iou"),
        ({"threshold": 0.0}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"thresholds": ()}, "thresholds"),
        ({"thresholds": (0.9, 1.2)}, "thresholds"),
        ({"eval_mode": "fixed"}, "eval_mode is 'fixed'"),
        ({"eval_mode": "fixed0"}, "eval_mode"),
        ({"eval_mode": "fixed12,"}, "eval_mode"),
        ({"eval_mode": "cvpr "}, "eval_mode"),
    ],
)
def test_protocol_refuses(options, words) -> None:
    with pytest.raises(OptionError, match=words):
        EvaluationProtocol(**options)


def test_protocol_windows_and_stops() -> None:
    assert EvaluationProtocol().window() is None
    assert EvaluationProtocol(eval_mode="fixed448").window() == (448, 448)
    assert EvaluationProtocol(eval_mode="fixed320,480").window() == (320, 480)
    field = EvaluationProtocol(n_clicks=5, min_n_clicks=3, early_stop=True, target_iou=0.9)
    assert [field.stops(0.9, k) for k in (1, 2, 3)] == [False, False, True]
    assert [field.stops(0.89, k) for k in (3, 5)] == [False, True]
    assert not EvaluationProtocol().stops(0.999, 19)
    assert EvaluationProtocol().stops(1.0, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        field.n_clicks = 3  # type: ignore[misc]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": [{}]}', '{"results": [3]}', "\x00"])
def test_other_files_are_refused(tmp_path, text) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(InputError, match=r"r\.json does not hold evaluation results"):
        read_results(tmp_path / "r.json")


def test_unknown_protocol_entry(tmp_path) -> None:
    values = make_result().as_plain()
    values["protocol"]["colour"] = 3
    (tmp_path / "r.json").write_text(json.dumps({"results": [values]}))
    with pytest.raises(OptionError, match="'colour'"):
        read_results(tmp_path / "r.json")


def test_old_file_survives_a_failure(tmp_path) -> None:
    (tmp_path / "r.json").write_text("old")
    with pytest.raises(OutputError, match="does not exist"):
        make_result().to_json(tmp_path / "gone" / "r.json")
    assert (tmp_path / "r.json").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


@pytest.mark.parametrize("count", [1, 2, 5, 50, 51])
@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_shards_are_exact(count, world) -> None:
    parts = [list(shard(count, rank, world)) for rank in range(world)]
    assert sorted(place for part in parts for place in part) == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
