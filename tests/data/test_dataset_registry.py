"""Data sets by name, by config key and by folder."""

from __future__ import annotations

import pytest
import test_ade20k
import test_coco_lvis
import test_coco_panoptic
import test_lvis
import test_open_images
from miniatures import pairs

from clickwise.data.datasets.coco_lvis import CocoLvis
from clickwise.data.datasets.davis_style import Davis
from clickwise.data.datasets.grabcut_style import Berkeley, GrabCut
from clickwise.data.datasets.images_masks import ImagesMasks
from clickwise.data.datasets.lvis import Lvis
from clickwise.data.datasets.registry import DATASETS, dataset_entries, open_dataset
from clickwise.data.sample import Dataset
from clickwise.errors import DatasetError


@pytest.fixture(autouse=True)
def _no_data_variable(monkeypatch) -> None:
    monkeypatch.delenv("CLICKWISE_DATA", raising=False)


PAIRED = [entry for entry in DATASETS if entry.name in ("GrabCut", "Berkeley", "DAVIS", "COCO_MVal")]


@pytest.mark.parametrize("entry", PAIRED, ids=lambda entry: entry.name)
@pytest.mark.parametrize("change", [str, str.lower, str.upper, lambda name: name.replace("_", "-")])
def test_names_and_folders_tolerate_case(tmp_path, entry, change) -> None:
    pairs(tmp_path / change(entry.name), *entry.folders)
    for name in (entry.name, change(entry.name), entry.name.lower()):
        data = open_dataset(name, tmp_path)
        assert isinstance(data, Dataset)
        assert (data.name, len(data)) == (entry.name, 3)


def test_data_variable(tmp_path, monkeypatch) -> None:
    pairs(tmp_path / "DAVIS", "img", "gt", ("a",))
    pairs(tmp_path / "other" / "DAVIS", "img", "gt", ("a", "b"))
    monkeypatch.setenv("CLICKWISE_DATA", str(tmp_path))
    assert len(open_dataset("DAVIS")) == 1
    assert len(open_dataset("DAVIS", tmp_path / "other")) == 2


def test_config_keys_win(tmp_path) -> None:
    pairs(tmp_path / "Berkeley", "images", "masks", ("a",))
    pairs(tmp_path / "elsewhere", "images", "masks", ("a", "b"))
    paths = {"BERKELEY_PATH": tmp_path / "elsewhere", "DAVIS_PATH": tmp_path / "gone"}
    data = open_dataset("Berkeley", tmp_path, paths)
    assert isinstance(data, Berkeley)
    assert len(data) == 2
    with pytest.raises(DatasetError, match=r"DAVIS_PATH names .*gone"):
        open_dataset("DAVIS", tmp_path, paths)


def test_folders_are_recognised(tmp_path) -> None:
    pairs(tmp_path / "mine", "images", "masks")
    pairs(tmp_path / "grabcut", "data_GT", "boundary_GT")
    pairs(tmp_path / "frames", "img", "gt")
    pairs(tmp_path / "berkeley", "images", "masks")
    cases = [("mine", ImagesMasks, "mine"), ("grabcut", GrabCut, "GrabCut"), ("frames", Davis, "frames")]
    for folder, reader, name in [*cases, ("berkeley", Berkeley, "Berkeley")]:
        data = open_dataset(tmp_path / folder)
        assert (type(data), data.name) == (reader, name)


def test_folder_in_the_working_folder(tmp_path, monkeypatch) -> None:
    pairs(tmp_path / "mine", "images", "masks")
    monkeypatch.chdir(tmp_path)
    assert open_dataset("mine").name == "mine"
    assert open_dataset("mine/").name == "mine"
    monkeypatch.chdir("mine")
    assert open_dataset(".").name == "mine"


@pytest.mark.parametrize(
    ("name", "root", "words"),
    [
        ("GrabCat", None, "did you mean GrabCut"),
        ("nothing/here", None, "does not exist"),
        ("GrabCut", None, "--data-root"),
        ("GrabCut", "{tmp}", "has no folder GrabCut/"),
        ("GrabCut", "{tmp}/gone", "not a folder"),
        ("{tmp}", None, "no form of data that is known"),
    ],
)
def test_errors(tmp_path, name, root, words) -> None:
    with pytest.raises(DatasetError, match=words):
        open_dataset(name.format(tmp=tmp_path), root and root.format(tmp=tmp_path))


def test_names_are_unique() -> None:
    assert len(dataset_entries()) == len(DATASETS)
    readers = {key: {e.reader.partition(":")[0] for e in DATASETS if e.config_key == key} for key in KEYS}
    assert all(len(modules) == 1 for modules in readers.values()), "a key of config.yml means one layout"


KEYS = {entry.config_key for entry in DATASETS}


def test_large_sets_are_recognised_by_their_files(tmp_path) -> None:
    """Whatever their folder is called, and before any plain form; their own name decides where two would fit."""
    writers = {
        "COCO": test_coco_panoptic.write,
        "COCO_LVIS": lambda root: test_coco_lvis.write(root, "published"),
        "LVIS": test_lvis.write,
        "OpenImages": test_open_images.write,
        "ADE20K": test_ade20k.write,
    }
    for name, write in writers.items():
        for folder in (name, f"my_{name}"):
            write(tmp_path / folder)
            data = open_dataset(tmp_path / folder)
            assert type(data) is type(open_dataset(f"{tmp_path / folder}:train"))
            assert data.name == folder
    test_coco_lvis.write(tmp_path / "LVIS", "ours")
    assert isinstance(open_dataset(tmp_path / "LVIS"), Lvis)
    assert isinstance(open_dataset("COCO_LVIS", tmp_path), CocoLvis)
