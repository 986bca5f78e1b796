"""The table of docs/reference/label-formats.md is what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from clickwise.formats.registry import FORMATS, LabelFormat

PAGE = (Path(__file__).parents[2] / "docs/reference/label-formats.md").read_text("utf-8")


def row(one: LabelFormat) -> str:
    can = one.can
    cells = [
        f"`{one.name}`",
        "yes" if can.overlaps else "refused",
        "yes" if can.holes else {"fill": "closed, with a note", "refuse": "refused"}[one.holes],
        "any number" if can.most is None else str(can.most),
        {"any": "yes", "one": "one per picture", "none": "refused"}[can.ignored],
        "all" if can.unused_classes else "used ones",
        *("yes" if kept else "no" for kept in (can.colours, can.ids, can.attributes)),
        "no" if can.sizes else "yes",
    ]
    return f"| {' | '.join(cells)} |"


@pytest.mark.parametrize("one", FORMATS, ids=lambda one: one.name)
def test_the_table_is_true(one) -> None:
    assert row(one) in PAGE
