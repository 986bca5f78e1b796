"""Evaluation under conditions: numbers against plain evaluations and slow statistics, tables, JSON, picture."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import slow_robustness as slow
from memory_data import MemoryDataset, SmallModel, make_dataset
from PIL import Image

from clickwise import evaluate
from clickwise.clicks.human import HumanClicks
from clickwise.errors import OptionError
from clickwise.evaluation.campaign import Task
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.robustness import campaign
from clickwise.evaluation.robustness.campaign import limited, robustness
from clickwise.evaluation.robustness.changed import ChangedDataset
from clickwise.evaluation.robustness.comparison import group_difference, paired_difference, rank_correlation
from clickwise.evaluation.robustness.conditions import CONDITIONS, GROUPS, Condition, conditions_named
from clickwise.evaluation.robustness.report import plot_conditions, text, write_json
from clickwise.evaluation.runner import Job

BUDGET = 4
LARGE = 130
PROTOCOL = EvaluationProtocol(n_clicks=BUDGET)
WIDE = Condition("wide", "objects", "wider than the other", objects=lambda shape: shape.area > LARGE)


@pytest.fixture(scope="module")
def data() -> MemoryDataset:
    return make_dataset(3)


@pytest.fixture(scope="module")
def found(data):
    """Every condition but those about objects, which find none in pictures so small, and one that finds some."""
    changing = [replace(c, smallest_area=min(c.smallest_area, 3)) for c in conditions_named("picture,clicks,start")]
    conditions = [*changing, WIDE, *conditions_named("tiny")]
    return robustness(SmallModel(), data, conditions=conditions, protocol=PROTOCOL, seed=3)


def test_plain_is_the_plain_evaluation(found, data) -> None:
    assert found.plain.objects == evaluate(SmallModel(), data, protocol=PROTOCOL).objects
    assert (found.model, found.dataset, len(found.shapes)) == ("SmallModel", "memory", 6)


@pytest.mark.parametrize("name", ["gray", "noise", "rotated", "small"])
def test_a_changed_picture_is_evaluated_as_any_picture(name: str, found, data) -> None:
    """Against one data set for each object that holds the changed sample ready made."""
    condition = next(c for c in CONDITIONS if c.name == name)
    units = [(i, k) for i in range(3) for k in range(2)]
    changed = ChangedDataset(data, units, condition, seed=3)
    expected = []
    for index, (_, object_id) in enumerate(units):
        sample = changed.load(index)
        if np.count_nonzero(sample.object_mask(object_id)) >= 3:
            one = replace(sample, objects=(sample.objects[object_id],))
            expected.append(evaluate(SmallModel(), MemoryDataset([one]), protocol=PROTOCOL).objects[0].ious)
    assert [o.ious for o in found.finding(name).result.objects] == expected
    assert expected


def test_human_clicks_are_those_of_evaluate(found, data) -> None:
    protocol = replace(PROTOCOL, human_clicks=HumanClicks(), click_seed=3)
    assert found.finding("human-clicks").result.objects == evaluate(SmallModel(), data, protocol=protocol).objects


def test_rough_starts_are_started_from(found) -> None:
    for name in ("start-grown", "start-shrunk", "start-wobbly", "start-part"):
        finding = found.finding(name)
        assert finding.result.objects
        assert all(0.75 <= o.start_iou <= 0.85 for o in finding.result.objects)
        assert 0.75 <= finding.start_iou <= 0.85
    assert found.finding("gray").start_iou is None


def test_differences_are_paired_object_by_object(found) -> None:
    for finding in found.findings:
        if finding.condition.is_choice:
            continue
        pairs = list(zip(finding.result.objects, finding.compared.objects, strict=True))
        assert all((a.sample_id, a.object_id) == (b.sample_id, b.object_id) for a, b in pairs)
        if len(pairs) < 2:
            continue
        for target in (0.80, 0.95):
            each = [slow.clicks_to(a.ious, target, BUDGET) - slow.clicks_to(b.ious, target, BUDGET) for a, b in pairs]
            difference = finding.noc_difference(target)
            assert (difference.mean, difference.standard_error) == pytest.approx(slow.mean_and_error(each))
            assert difference.mean == pytest.approx(finding.result.noc(target) - finding.compared.noc(target))
        first = [a.ious[0] - b.ious[0] for a, b in pairs]
        assert finding.iou_difference(1).mean == pytest.approx(slow.mean_and_error(first)[0])


def test_chosen_objects_are_compared_with_the_others(found) -> None:
    finding = found.finding("wide")
    areas = [shape.area for shape in found.shapes]
    assert 0 < sum(a > LARGE for a in areas) < 6, "the pictures of this test hold both"
    pairs = list(zip(found.plain.objects, areas, strict=True))
    parts = [[o.ious[0] for o, area in pairs if (area > LARGE) == wanted] for wanted in (True, False)]
    (mean, error), (other, other_error) = (slow.mean_and_error(p) if len(p) > 1 else (p[0], math.nan) for p in parts)
    difference = finding.iou_difference(1)
    assert difference.mean == pytest.approx(mean - other)
    assert difference.standard_error == pytest.approx(math.hypot(error, other_error), nan_ok=True)
    assert found.finding("tiny").result.objects == ()
    assert math.isnan(found.finding("tiny").noc_difference(0.9).mean)


def test_differences_of_few_or_no_objects() -> None:
    assert paired_difference([3], [1]).mean == 2
    assert math.isnan(paired_difference([3], [1]).standard_error)
    assert math.isnan(paired_difference([], []).mean)
    assert group_difference([2, 4], [1, 1]).mean == 2
    assert group_difference([2, 4], [1, 1]).standard_error == pytest.approx(1)
    assert math.isnan(group_difference([2, 4], [1]).standard_error)


def test_rank_correlation() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.integers(0, 5, 12).tolist(), rng.normal(size=12).tolist()
        assert rank_correlation(a, b) == pytest.approx(slow.spearman(a, b))
    assert rank_correlation([1, 2, 3], [1, 8, 9]) == pytest.approx(1)
    assert rank_correlation([1, 2, math.nan, 4], [9, 8, 0, 1]) == pytest.approx(-1)
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]))
    assert math.isnan(rank_correlation([1, 2], [1, 2]))


def test_the_seed_decides_and_repeats(found, data) -> None:
    def ious(seed: int) -> list:
        again = robustness(SmallModel(), data, conditions="noise,start-part", protocol=PROTOCOL, seed=seed)
        return [[o.ious for o in f.result.objects] for f in again.findings]

    assert ious(3) == [[o.ious for o in found.finding(name).result.objects] for name in ("noise", "start-part")]
    assert ious(4) != ious(3)


def test_tables(found) -> None:
    said = text(found, "mine")
    assert said.startswith("mine on memory: 4 clicks, seed 3\n")
    lines = {line.split("|")[1].strip(): line.split("|")[1:-1] for line in said.splitlines() if line.startswith("|")}
    names = [cell.strip() for cell in lines["condition"]]
    assert names[:3] == ["condition", "objects", "NoC@80"]
    assert names[6:] == ["never 90", "IoU@1", "IoU@3", "NoC@90 against", "IoU@1 against"]
    plain, dark = ([cell.strip() for cell in lines[name]] for name in ("plain", "dark"))
    assert plain[1] == "6"
    error = found.plain.noc_standard_error(0.9)
    assert plain[4] == f"{found.plain.noc(0.9):.2f} ± {error:.2f}"
    assert plain[7] == f"{100 * found.plain.iou_at(1):.1f}"
    difference = found.finding("dark").noc_difference(0.9)
    assert dark[-2] == f"{difference.mean:+.2f} ± {difference.standard_error:.2f}"
    assert [cell.strip() for cell in lines["tiny"]][1:] == ["0", *["-"] * 9]
    assert "start-grown: from the truth grown, IoU 75-85 % (mean " in said
    assert "contrast across the outline" in lines
    widths = {len(line) for line in said.splitlines() if line.startswith("| ") and line.count("|") == len(names) + 1}
    assert len(widths) == 1


def test_json_holds_everything_and_no_nan(found, tmp_path) -> None:
    write_json(tmp_path / "r.json", [found], "clickwise robustness x")
    values = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert values["command"] == "clickwise robustness x"
    (result,) = values["results"]
    assert (result["model"], result["dataset"], result["seed"]) == ("SmallModel", "memory", 3)
    assert result["plain"]["noc"]["0.90"] == found.plain.noc(0.9)
    rows = {row["condition"]: row for row in result["conditions"]}
    assert list(rows) == [f.condition.name for f in found.findings]
    dark = rows["dark"]
    assert dark["difference"]["noc"]["0.95"]["mean"] == found.finding("dark").noc_difference(0.95).mean
    assert set(dark["difference"]["iou_at"]) == {"1", "3"}
    assert len(dark["iou_at"]) == BUDGET
    assert len(dark["details"]) == dark["objects"] == 6
    assert rows["tiny"]["noc"]["0.90"] is None
    assert len(result["details"]) == 6
    assert {"ious", "clicks", "shape", "traits"} <= set(result["details"][0])


def test_one_picture_for_all_models(found, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    other = replace(found, plain=replace(found.plain, model="$b"))
    (file,) = plot_conditions([found, other], tmp_path / "deep", {"SmallModel": "a"})
    assert file.name == "robustness_memory.png"
    with Image.open(file) as image:
        assert len(np.unique(np.asarray(image.convert("L")))) > 10


def test_a_run_that_is_stopped_leaves_what_it_has_found(found, data, tmp_path, monkeypatch) -> None:
    answers = iter([found])

    def once(*_: object, **__: object):
        for answer in answers:
            return answer
        raise KeyboardInterrupt

    monkeypatch.setattr(campaign, "run_conditions", once)
    tasks = [Task(Job(name, data, PROTOCOL), [(0, 0)]) for name in ("opencv-grabcut", "clickwise-s")]
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        campaign.run_tasks(tasks, [], "again", say=said.append, plots=tmp_path, json_file=tmp_path / "r.json")
    assert len(json.loads((tmp_path / "r.json").read_text("utf-8"))["results"]) == len(said) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json", "robustness.txt", "robustness_memory.png"]
    assert (tmp_path / "robustness.txt").read_text("utf-8") == f"{said[0]}\nAgain: again\n"


def test_conditions_by_name_group_or_all() -> None:
    assert conditions_named("all") == list(CONDITIONS)
    assert [c.name for c in conditions_named("holes, Dark,CLICKS")] == [
        "dark",
        "human-clicks",
        "border-clicks",
        "holes",
    ]
    assert conditions_named("low_contrast")[0].name == "low-contrast"
    assert conditions_named("plain") == []
    assert {c.group for c in CONDITIONS} == set(GROUPS)
    assert len({c.name for c in CONDITIONS}) == len(CONDITIONS)
    for condition in CONDITIONS:
        given = [condition.picture, condition.clicks, condition.start, condition.objects]
        assert sum(part is not None for part in given) == 1
    with pytest.raises(OptionError, match="no condition is called 'drak'; did you mean dark"):
        conditions_named("gray,drak")
    with pytest.raises(OptionError, match="names none"):
        conditions_named(" , ")


def test_a_few_objects_are_spread_over_all() -> None:
    units = [(i, 0) for i in range(10)]
    assert limited(units, None) == limited(units, 10) == limited(units, 99) == units
    assert limited(units, 3) == [(0, 0), (3, 0), (6, 0)]
    with pytest.raises(OptionError, match="limit"):
        limited(units, 0)


def test_protocols_that_make_no_sense_here(data) -> None:
    for protocol in (EvaluationProtocol(early_stop=True), EvaluationProtocol(human_clicks=HumanClicks())):
        with pytest.raises(OptionError, match="no place in a protocol for robustness"):
            robustness(SmallModel(), data, protocol=protocol)
