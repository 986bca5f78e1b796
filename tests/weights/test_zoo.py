"""The zoo file: every entry complete, every name unique, names found by alias, nearest names offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from clickwise.errors import ModelError, UnknownModelError
from clickwise.models.registry import architectures
from clickwise.weights import zoo


def test_names_are_sorted_and_unique() -> None:
    assert zoo.names() == sorted(set(zoo.names()))
    assert {"clickwise-s", "ritm-hrnet18-cocolvis", "ritm-hrnet18s-cocolvis", "ritm-hrnet32-cocolvis"} <= set(
        zoo.names()
    )


@pytest.mark.parametrize("entry", zoo.entries(), ids=lambda entry: entry.name)
def test_every_entry_can_be_used(entry: zoo.ZooEntry) -> None:
    assert entry.architecture in architectures()
    assert entry.name.startswith(entry.architecture)
    assert entry.embedded or entry.addresses or entry.parts or entry.page
    assert all(address.startswith("https://") for address in (*entry.addresses, *entry.parts, entry.page or "https://"))
    assert all(address.endswith(f"/{entry.file}") for address in entry.addresses)
    assert entry.licence in entry.licence_notice
    assert entry.trained_on in entry.licence_notice
    assert "\n" not in entry.licence_notice


def test_published_numbers_of_ritm() -> None:
    """ritm.md section 6 of the reference, one value of each row."""
    noc = {entry.name: entry.published for entry in zoo.entries()}
    assert noc["ritm-hrnet18-sbd"]["SBD"] == {"0.85": 3.39, "0.90": 5.43}
    assert noc["ritm-hrnet18-cocolvis-baseline"]["Berkeley"] == {"0.85": None, "0.90": 2.48}
    assert noc["ritm-hrnet18s-cocolvis"]["DAVIS"] == {"0.85": 4.70, "0.90": 5.98}
    assert noc["ritm-hrnet18-cocolvis"]["GrabCut"] == {"0.85": 1.42, "0.90": 1.54}
    assert noc["ritm-hrnet32-cocolvis"]["COCO_MVal"] == {"0.85": None, "0.90": 2.97}


@pytest.mark.parametrize("known", ["coco_lvis_h18_itermask", "coco_lvis_h18_itermask.pth", "ritm-hrnet18-cocolvis"])
def test_alias_and_file_name_find_the_entry(known: str) -> None:
    assert zoo.get(known).name == "ritm-hrnet18-cocolvis"


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(UnknownModelError, match="coco_lvis_h18_itermask"):
        zoo.get("cocolvis_h18_itermask")
    with pytest.raises(UnknownModelError, match="nearest: clickwise-s"):
        zoo.get("clickwise")
    assert zoo.find("nothing like it") is None


def test_architecture_instead_of_weights_names_the_weights() -> None:
    with pytest.raises(UnknownModelError, match="weights for it: ritm-hrnet32-cocolvis"):
        zoo.get("ritm-hrnet32")


@pytest.mark.parametrize("text", ["- name: x", "- [", "- {name: a, file: a, extra: 1}", "just words"])
def test_malformed_zoo_file_is_a_model_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "zoo.yaml").write_text(text)
    with pytest.raises(ModelError, match="zoo"):
        zoo.read_zoo(tmp_path / "zoo.yaml")


def test_name_used_twice_is_a_model_error(tmp_path: Path) -> None:
    item = "- {name: a, aliases: [b], file: a, architecture: a, licence: MIT, trained_on: x, source: y}\n"
    (tmp_path / "zoo.yaml").write_text(item + item.replace("name: a,", "name: c,"))
    with pytest.raises(ModelError, match="'b' twice"):
        zoo.read_zoo(tmp_path / "zoo.yaml")


def test_licences_that_ask_for_more_are_known() -> None:
    conditional = {entry.name: entry.licence for entry in zoo.entries() if not entry.is_permissive}
    assert conditional == {"cfr-icl-vit-h-cocolvis": "CC-BY-NC-4.0"}


def test_published_numbers_of_the_transformers() -> None:
    """numbers.md section 1a and cfr_icl.md section 5 of the reference."""
    noc = {entry.name: entry.published for entry in zoo.entries()}
    assert noc["simpleclick-vit-b-cocolvis"]["DAVIS"] == {"0.85": 3.66, "0.90": 5.06}
    assert noc["simpleclick-vit-b-sbd"]["SBD"] == {"0.85": 3.28, "0.90": 5.24}
    assert noc["simpleclick-vit-l-cocolvis"]["GrabCut"] == {"0.85": None, "0.90": 1.40}
    assert noc["simpleclick-vit-h-sbd"]["SBD"] == {"0.85": None, "0.90": 4.15}
    assert noc["cfr-icl-vit-h-cocolvis"]["Berkeley"] == {"0.85": None, "0.90": 1.46}
    assert zoo.reported()["icmformer-vit-b"]["COCO+LVIS"]["Berkeley"] == {"0.85": 1.40, "0.90": 1.86}
    assert set(zoo.reported()) <= set(architectures())
    assert not set(zoo.reported()) & {entry.architecture for entry in zoo.entries()}
