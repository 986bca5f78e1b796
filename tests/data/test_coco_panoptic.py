"""COCO's panoptic annotations on a miniature: JSON, colour PNGs, things, stuff and crowds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from miniatures import SIZE, blob, picture, regions, save

from clickwise.data.datasets.coco_panoptic import CocoPanoptic
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import RandomizedDataset
from clickwise.errors import DatasetError

CATEGORIES = [{"id": 1, "isthing": 1, "name": "person"}, {"id": 184, "isthing": 0, "name": "tree-merged"}]
PICTURES = {
    # Number in the miniature's label map -> (segment id, category, iscrowd).
    "000000000139": (
        regions((2, 2, 9, 9), (12, 2, 20, 9), (2, 12, 20, 16), (0, 18, 32, 24)),
        {1: (3226956, 1, 0), 2: (6979964, 1, 0), 3: (5391, 1, 1), 4: (7, 184, 0)},
    ),
    "000000000285": (regions((4, 4, 28, 20)), {1: (255, 1, 0)}),
}


def panoptic_png(path: Path, labels: np.ndarray, segments: dict[int, tuple[int, int, int]]) -> None:
    ids = np.zeros(labels.shape, np.int64)
    for label, (number, *_) in segments.items():
        ids[labels == label] = number
    save(path, np.stack([ids % 256, ids // 256 % 256, ids // 65536], axis=2).astype(np.uint8))


def write(root: Path, split: str = "train2017", images: str = "train2017") -> dict[str, object]:
    annotations = []
    for number, (name, (labels, segments)) in enumerate(PICTURES.items()):
        save(root / images / f"{name}.jpg", picture(seed=number))
        panoptic_png(root / "annotations" / f"panoptic_{split}" / f"{name}.png", labels, segments)
        infos = [
            {"id": i, "category_id": c, "iscrowd": crowd, "bbox": [0, 0, 1, 1], "area": 1}
            for i, c, crowd in segments.values()
        ]
        annotations.append({"image_id": int(name), "file_name": f"{name}.png", "segments_info": infos})
    content: dict[str, object] = {
        "info": {"year": 2017},
        "images": [{"id": int(name)} for name in PICTURES],
        "annotations": annotations,
        "categories": list(CATEGORIES),
    }
    (root / "annotations" / f"panoptic_{split}.json").write_text(json.dumps(content))
    return content


@pytest.mark.parametrize(
    ("split", "images"),
    [("train2017", "train2017"), ("train", "train"), ("train2017", "images/train2017")],
)
def test_things_are_objects_and_crowds_are_none(tmp_path, split, images) -> None:
    write(tmp_path / "COCO", split, images)
    data = open_dataset("COCO:train", tmp_path)
    assert isinstance(data, RandomizedDataset)
    assert list(data.sample_ids) == list(PICTURES)
    assert data.indices_by_source() == {"COCO:train": [0, 1]}
    labels, _ = PICTURES["000000000139"]
    sample = data.load(0)
    assert len(sample.objects) == 2
    assert not sample.ignored
    for number in (0, 1):
        assert np.array_equal(sample.object_mask(number), labels == number + 1)
    assert np.array_equal(sample.layers[:, :, 0] > 0, np.isin(labels, (1, 2)))
    assert len(data.load(1).objects) == 1
    assert "000000000139.png" in data.describe(0)


def test_crowds_can_be_ignored(tmp_path) -> None:
    write(tmp_path / "COCO")
    sample = open_dataset("COCO", tmp_path, options={"ignore_crowd": True}).load(0)
    assert len(sample.objects) == 2
    assert np.array_equal(sample.ignore_mask(), PICTURES["000000000139"][0] == 3)


def test_stuff(tmp_path) -> None:
    write(tmp_path / "COCO")
    data = open_dataset("COCO", tmp_path, options={"stuff_prob": 0.5})
    labels = PICTURES["000000000139"][0]
    sample = data.load(0)
    masks = [sample.object_mask(number) for number in range(3)]
    assert all(np.array_equal(mask, labels == label) for mask, label in zip(masks, (1, 2, 4), strict=True))
    rng = np.random.default_rng(1)
    counts = [len(data.load_random(0, rng).objects) for _ in range(200)]
    assert set(counts) == {2, 3}
    assert counts.count(3) / 200 == pytest.approx(0.5, abs=0.1)
    assert len(open_dataset("COCO", tmp_path, options={"stuff_prob": 1}).load_random(0, rng).objects) == 3


class TestMalformed:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda c: c["annotations"][0]["segments_info"].pop(), r"segment id 7, which the JSON file does not list"),
            (
                lambda c: c["annotations"][0]["segments_info"].append({"id": 9, "category_id": 1}),
                "no pixel of the segment 9",
            ),
            (lambda c: c["categories"].pop(), "uses the category 184"),
            (lambda c: c.pop("categories"), "has no 'categories'"),
            (lambda c: c.pop("annotations"), "has no 'annotations'"),
            (lambda c: c["annotations"].clear(), "lists no picture"),
            (lambda c: c["annotations"][0].pop("segments_info"), "entry of annotations without 'segments_info'"),
            (lambda c: c["annotations"][0]["segments_info"][0].update(id=0), "segment id outside"),
            (lambda c: c["annotations"][0].update(file_name="000000000001.png"), r"000000000001\.jpg does not exist"),
        ],
    )
    def test_annotations(self, tmp_path, change, words) -> None:
        content = write(tmp_path)
        change(content)
        (tmp_path / "annotations" / "panoptic_train2017.json").write_text(json.dumps(content))
        with pytest.raises(DatasetError, match=words):
            CocoPanoptic(tmp_path, "COCO").load(0)

    @pytest.mark.parametrize(
        ("gone", "words"),
        [
            ("annotations/panoptic_train2017.json", r"panoptic_train2017\.json does not exist; expected"),
            ("annotations/panoptic_train2017", "is not a folder"),
            ("train2017", "is not a folder"),
            ("train2017/000000000139.jpg", r"000000000139\.jpg does not exist; panoptic_train2017\.json lists it"),
            ("annotations/panoptic_train2017/000000000139.png", r"000000000139\.png does not exist"),
        ],
    )
    def test_missing(self, tmp_path, gone, words) -> None:
        write(tmp_path)
        (tmp_path / gone).rename(tmp_path / "gone")
        with pytest.raises(DatasetError, match=words):
            CocoPanoptic(tmp_path, "COCO")

    def test_broken_json(self, tmp_path) -> None:
        write(tmp_path)
        file = tmp_path / "annotations" / "panoptic_train2017.json"
        file.write_text(file.read_text()[:-30])
        with pytest.raises(DatasetError, match=r"panoptic_train2017\.json is not valid JSON"):
            CocoPanoptic(tmp_path, "COCO")

    def test_masks(self, tmp_path) -> None:
        write(tmp_path)
        data = CocoPanoptic(tmp_path, "COCO")
        file = tmp_path / "annotations" / "panoptic_train2017" / "000000000285.png"
        whole = file.read_bytes()
        file.write_bytes(whole[:-40])
        with pytest.raises(DatasetError, match=r"mask .*000000000285\.png is damaged"):
            data.load(1)
        save(file, blob((4, 4, 28, 20)).astype(np.uint8))
        with pytest.raises(DatasetError, match="no 8-bit colour PNG; rule: segment id"):
            data.load(1)
        panoptic_png(file, regions((4, 4, 28, 20), size=(24, 30)), {1: (255, 1, 0)})
        with pytest.raises(DatasetError, match=r"is 30 x 24 pixels, 000000000285\.jpg 32 x 24"):
            data.load(1)


def test_background_is_not_a_segment(tmp_path) -> None:
    write(tmp_path)
    sample = CocoPanoptic(tmp_path, "COCO").load(1)
    assert np.array_equal(sample.layers[:, :, 0], PICTURES["000000000285"][0])
    assert sample.layers.shape == (*SIZE, 1)
