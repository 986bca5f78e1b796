"""The training pack: indexed masks, unions, ignored index, hold-out by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise.data.datasets.pack import HELD_OUT_PICTURES, HeldOutObjects, PackDataset
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.held_out import is_held_out
from clickwise.errors import DatasetError


def write(root: Path, labels: np.ndarray, objects: int, *, mode: str = "P", name: str = "a_picture") -> Path:
    (root / "images").mkdir(parents=True, exist_ok=True)
    (root / "masks").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((*labels.shape, 3), np.uint8)).save(root / f"images/{name}.png")
    mask = Image.fromarray(labels.astype(np.uint8))
    if mode == "P":
        mask.putpalette([0] * 768)
    mask.save(root / f"masks/{name}.png")
    entry = {
        "image": f"images/{name}.png",
        "mask": f"masks/{name}.png",
        "source": "made",
        "objects": objects,
        "extra_objects": [{"name": "whole", "union_of": list(range(1, objects + 1))}],
    }
    (root / "manifest.json").write_text(json.dumps({"images": [entry]}))
    return root


LABELS = np.array([[0, 1, 1, 255], [0, 2, 2, 2], [0, 0, 0, 255]])


def test_parts_unions_and_ignored_pixels(tmp_path: Path) -> None:
    sample = PackDataset(write(tmp_path, LABELS, 2)).load(0)
    assert sample.image.shape == (3, 4, 3)
    assert [sample.object_mask(i).sum() for i in range(3)] == [2, 3, 5]
    assert sample.root_ids == (2,)
    assert sample.objects[2].children == (0, 1)
    assert sample.ignore_mask().tolist() == (LABELS == 255).tolist()


@pytest.mark.parametrize(
    ("labels", "objects", "mode", "words"),
    [
        (LABELS, 1, "P", "label 2"),
        (LABELS, 2, "L", "mode L"),
    ],
)
def test_labels_without_meaning_are_named(
    tmp_path: Path, labels: np.ndarray, objects: int, mode: str, words: str
) -> None:
    dataset = PackDataset(write(tmp_path, labels, objects, mode=mode))
    with pytest.raises(DatasetError, match=words):
        dataset.load(0)


def test_missing_parts_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"manifest\.json"):
        PackDataset(tmp_path)
    write(tmp_path, LABELS, 2)
    with pytest.raises(DatasetError, match="no picture"):
        PackDataset(tmp_path, sources=["other"])
    (tmp_path / "masks/a_picture.png").unlink()
    with pytest.raises(DatasetError, match="a_picture"):
        PackDataset(tmp_path).load(0)


def test_picture_and_mask_must_agree_in_size(tmp_path: Path) -> None:
    write(tmp_path, LABELS, 2)
    Image.new("RGB", (7, 7)).save(tmp_path / "images/a_picture.png")
    with pytest.raises(DatasetError, match="must agree"):
        PackDataset(tmp_path).load(0)


def test_hold_out_depends_on_the_name_alone() -> None:
    held_out = [is_held_out(f"name_{i}") for i in range(4000)]
    assert 0.02 < np.mean(held_out) < 0.03


def test_the_real_pack_splits_without_overlap(data_root: Path) -> None:
    if not (data_root / "train" / "manifest.json").exists():
        pytest.skip("CLICKWISE_DATA has no train/")
    train, val = (PackDataset(data_root / "train", split=split) for split in ("train", "val"))
    assert len(train) + len(val) == 10640
    assert not set(train.sample_ids) & set(val.sample_ids)
    for index in range(0, len(val), 20):
        sample = val.load(index)
        assert all(sample.region(ref).any() for ref in sample.objects)


def test_held_out_objects_by_name(tmp_path: Path) -> None:
    """``--datasets heldout``: one object without a parent each, large enough, of held-out pictures of train/."""
    names = [f"name_{i}" for i in range(200)]
    held_out = [name for name in names if is_held_out(name)]
    labels = np.zeros((20, 30))
    labels[2:14, 3:20], labels[18, 28] = 1, 2
    entries = []
    for name in (*held_out, next(name for name in names if not is_held_out(name))):
        write(tmp_path / "train", labels, 2, name=name)
        entries += json.loads((tmp_path / "train/manifest.json").read_text())["images"]
    for entry in entries[1:]:
        entry["extra_objects"] = []
    (tmp_path / "train/manifest.json").write_text(json.dumps({"images": entries}))
    for asked in ("HeldOut", "heldout", "held-out"):
        data = open_dataset(asked, tmp_path)
        assert data.name == "HeldOut"
        assert sorted(data.sample_ids) == sorted(held_out)
    areas = {data.sample_ids[i]: data.load(i).object_mask(0).sum() for i in range(len(data))}
    assert areas.pop(held_out[0]) == 205, "the union has no parent, its parts have"
    assert set(areas.values()) == {204}, "the other object has a single pixel"
    assert all(len(data.load(i).objects) == 1 for i in range(len(data)))
    assert len(open_dataset("HeldOut", tmp_path, options={"pictures": 2})) == 2
    every = open_dataset("HeldOut:all", tmp_path, options={"smallest_area": 1})
    assert every.name == "HeldOut:all"
    counts = {name: sum(i.startswith(f"{name}#") for i in every.sample_ids) for name in held_out}
    assert counts.pop(held_out[0]) == 1
    assert set(counts.values()) == {2}
    assert len(set(every.sample_ids)) == len(every)
    for i in range(len(every)):
        sample = every.load(i)
        assert (sample.sample_id, len(sample.objects)) == (every.sample_ids[i], 1)
        assert sample.object_mask(0).any()
    assert len(open_dataset("HeldOut:all", tmp_path)) == len(held_out), "the other object is too small"
    with pytest.raises(DatasetError, match="no split 'most'; it has: one, all"):
        open_dataset("HeldOut:most", tmp_path)
    with pytest.raises(DatasetError, match="has no folder HeldOut/ or train/"):
        open_dataset("HeldOut", tmp_path / "train")


def test_held_out_objects_of_the_real_pack(data_root: Path) -> None:
    if not (data_root / "train" / "manifest.json").exists():
        pytest.skip("CLICKWISE_DATA has no train/")
    data = open_dataset("HeldOut", data_root)
    assert isinstance(data, HeldOutObjects)
    assert len(data) == HELD_OUT_PICTURES
    assert all(is_held_out(name) for name in data.sample_ids)
