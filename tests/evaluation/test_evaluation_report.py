"""Tables as the field prints them, and pictures."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image
from test_evaluation_result import make_result

from clickwise.errors import MissingExtraError
from clickwise.evaluation.plots import file_name, need_matplotlib, plot_curves
from clickwise.evaluation.protocol import EvaluationProtocol
from clickwise.evaluation.report import Table, short_names, table

FIELD = """\
Eval results for model: m
-------------------------------------------------------------------------------------------------------------------
|  BRS Type   |  Dataset  | NoC@80% | NoC@85% | NoC@90% | NoC@95% | >=4@85% | >=4@90% | >=4@95% | SPC,s |  Time   |
-------------------------------------------------------------------------------------------------------------------
|    NoBRS    |  GrabCut  |  1.67   |  1.67   |  2.67   |  3.00   |    0    |    1    |    2    | 0.500 | 0:00:06 |
"""


def ran(result, chain="zoom_flip"):
    from dataclasses import replace

    return replace(result, protocol=result.protocol.ran_with({"chain": chain}))


def test_the_fields_table() -> None:
    text = table([ran(make_result([[0.5, 0.86, 0.91, 0.96], [0.2, 0.86, 0.7, 0.9], [1.0]], dataset="GrabCut"))])
    assert text.startswith(FIELD)
    assert "NoF@95%" in text
    assert "IoU@3" in text
    assert "IoU@5" not in text
    assert "Protocol: 4 clicks per object, all clicks are made; threshold 0.49; eval mode cvpr." in text
    assert "Note: GrabCut has 3 objects here; published results use 50." in text
    widths = {len(line) for line in text.splitlines()[1:5]}
    assert len(widths) == 1


def test_result_prints_itself() -> None:
    result = ran(make_result())
    assert result.table() == table([result])


def test_unknown_scores_and_further_targets() -> None:
    result = ran(make_result([[0.5, 0.91], [0.95]], early_stop=True, target_iou=0.92))
    text = table([result])
    assert "NoC@92%" in text
    row = text.splitlines()[4]
    assert row.split("|")[3:11] == [f"{cell:^9}" for cell in ("1.50", "1.50", "1.50", "2.50", "?", "0", "0", "1")]
    assert "objects stop at IoU 0.92 after at least 1 clicks" in text


def test_several_models_share_a_table() -> None:
    results = [ran(make_result(model=m, dataset=d)) for m in ("opencv-grabcut", "x/best.pth") for d in ("a" * 14, "b")]
    text = table(results)
    assert text.startswith("Eval results for models: opencv-grabcut, best\n")
    lines = text.splitlines()
    assert len({len(line) for line in lines[1:8]}) == 1
    assert [line.split("|")[1].strip() for line in lines[4:8]] == ["opencv-grabcut"] * 2 + ["best"] * 2


def test_names_of_files() -> None:
    assert short_names(["a/best.pth", "b/best.pth", "c.safetensors", "ritm-hrnet18"]) == {
        "a/best.pth": "a/best.pth",
        "b/best.pth": "b/best.pth",
        "c.safetensors": "c",
        "ritm-hrnet18": "ritm-hrnet18",
    }
    assert Table(["a/b.pth"], ["d"], EvaluationProtocol()).heading == "Eval results for model: b"
    assert file_name("worst", "a/b c.pth", "..") == "worst_a-b-c.pth_model"


def test_long_runs_show_hours() -> None:
    from dataclasses import replace

    assert "| 2:03:04 |" in table([replace(ran(make_result()), elapsed_seconds=7384.9)])


def test_curves(tmp_path) -> None:
    pytest.importorskip("matplotlib")
    results = [make_result(model=m, dataset=d) for m in ("$a_b^c", "мяч") for d in ("x/y", "z")]
    files = plot_curves(results, tmp_path / "deep" / "er")
    assert [f.name for f in files] == ["iou_x-y.png", "iou_z.png"]
    for file in files:
        with Image.open(file) as image:
            assert image.size == (840, 540)
            assert len(np.unique(np.asarray(image.convert("L")))) > 10
    assert "pyplot" not in {name.rpartition(".")[2] for name in sys.modules if name.startswith("matplotlib")}


def test_without_matplotlib(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r'pip install "clickwise\[plots\]"'):
        need_matplotlib()
