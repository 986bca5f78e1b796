"""The stored sizes and multiply-adds are those of the networks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from clickwise.models import complexity
from clickwise.models.complexity import counted, figures_of, own_architectures
from clickwise.models.registry import get_architecture

RUN = "run tools/write_model_figures.py"
QUICK = ("clickwise-s", "icmformer-vit-b", "iglr-segformer-b0", "ritm-resnet34", "simpleclick-vit-xtiny")


def test_every_architecture_has_stored_figures() -> None:
    missing = {a.name for a in own_architectures()} - set(complexity._stored())
    assert not missing, RUN


@pytest.mark.parametrize("name", QUICK)
def test_stored_figures_are_right(name: str) -> None:
    architecture = get_architecture(name)
    assert figures_of(architecture) == counted(architecture), RUN


@pytest.mark.soak
def test_all_stored_figures_are_right() -> None:
    for architecture in own_architectures():
        assert figures_of(architecture) == counted(architecture), f"{architecture.name}: {RUN}"


def test_what_is_not_stored_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An architecture of a third party, or one whose native size is another by now."""
    stored = figures_of(get_architecture("clickwise-s"))
    moved = replace(get_architecture("clickwise-s"), native_size=(64, 96))
    found = figures_of(moved)
    assert (found.parameters, found.size) == (stored.parameters, (64, 96))
    assert found.multiply_adds is not None
    assert stored.multiply_adds is not None
    assert found.multiply_adds < stored.multiply_adds / 10
    monkeypatch.setattr(complexity, "_stored", dict)
    assert figures_of(moved) == found


def test_listing_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(architecture: object) -> None:
        raise AssertionError("counts at listing time")

    monkeypatch.setattr(complexity, "counted", refuse)
    assert all(figures_of(architecture).multiply_adds for architecture in own_architectures())
