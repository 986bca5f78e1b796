"""LVIS v1 on a miniature: JSON with polygons, COCO's folders, the published overlap rule."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from miniatures import SIZE, blob, picture, save

from clickwise.data.datasets.index_cache import index_folder
from clickwise.data.datasets.lvis import Lvis, fill_in_order, fill_rounded
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import RandomizedDataset
from clickwise.errors import DatasetError


def box(x0: float, y0: float, x1: float, y1: float) -> list[float]:
    """Corners of the pixels from (x0, y0) to (x1, y1), both included."""
    return [x0, y0, x1, y0, x1, y1, x0, y1]


URL = "http://images.cocodataset.org/{}/{:012d}.jpg"
IMAGES = [(25, "train2017"), (9, "train2017"), (30, "val2017"), (77, "val2017")]
OBJECTS = [
    (30, [box(1, 1, 8, 8)]),
    (25, [box(2, 2, 11, 11)]),
    (25, [box(4, 4, 6, 6)]),
    (9, [box(1.4, 1.4, 8.6, 8.6)]),
    (25, [box(20, 2, 24, 8), box(26, 2, 29, 8)]),
]


def write(root: Path, split: str = "train", file: str = "train/lvis_train.json", folders: bool = True) -> dict:
    images = [
        {"id": number, "height": SIZE[0], "width": SIZE[1], "coco_url": URL.format(part, number)}
        for number, part in IMAGES
    ]
    annotations = [
        {"id": k, "image_id": number, "segmentation": polygons, "area": 1.0, "bbox": [0, 0, 1, 1], "category_id": 1}
        for k, (number, polygons) in enumerate(OBJECTS, start=1)
    ]
    for number, part in IMAGES:
        folder = f"{part[:-4]}/images" if folders else part
        save(root / folder / f"{number:012d}.jpg", picture(seed=number))
    content = {"info": {}, "annotations": annotations, "images": images, "licenses": [], "categories": []}
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(json.dumps(content))
    return content


@pytest.mark.parametrize("file", ["train/lvis_train.json", "train/lvis_v1_train.json", "lvis_v1_train.json"])
@pytest.mark.parametrize("folders", [True, False])
def test_pictures_and_objects(tmp_path, file, folders) -> None:
    write(tmp_path / "LVIS", file=file, folders=folders)
    data = open_dataset("LVIS:train", tmp_path)
    assert isinstance(data, RandomizedDataset)
    assert list(data.sample_ids) == ["000000000009", "000000000025", "000000000030"]  # 77 has no object
    assert data.indices_by_source() == {"LVIS:train": [0, 1, 2]}
    sample = data.load(1)
    masks = [sample.object_mask(number) for number in range(3)]
    expected = [blob((2, 2, 12, 12)), blob((4, 4, 7, 7)), blob((20, 2, 25, 9)) | blob((26, 2, 30, 9))]
    assert all(np.array_equal(mask, truth) for mask, truth in zip(masks, expected, strict=True))
    assert np.array_equal(data.load(0).object_mask(0), blob((1, 1, 10, 10)))  # 1.4 becomes 1, 8.6 becomes 9
    assert "picture 25 object 2" in data.describe(1, 2)


def test_random_order(tmp_path) -> None:
    write(tmp_path)
    data = Lvis(tmp_path, "LVIS")
    found = set()
    for seed in range(30):
        sample = data.load_random(1, np.random.default_rng(seed))
        again = data.load_random(1, np.random.default_rng(seed))
        assert np.array_equal(sample.layers, again.layers)
        assert sample.layers.shape[2] == 1
        found.add(tuple(sorted(int(sample.object_mask(k).sum()) for k in range(len(sample.objects)))))
    # A box inside another: whichever comes second is dropped, since it lies on the first or would hide it.
    assert found == {(63, 100), (9, 63)}


class TestFilling:
    def test_an_object_mostly_on_others_is_dropped(self) -> None:
        lower, upper = blob((0, 0, 10, 10)), blob((4, 0, 12, 2))
        labels, kept = fill_in_order([lower, upper], SIZE)
        assert kept == [1]  # 12 of 16 pixels lie on the lower
        assert np.array_equal(labels > 0, lower)

    def test_an_object_that_hides_another_is_dropped(self) -> None:
        small, large = blob((4, 4, 7, 7)), blob((0, 0, 20, 20))
        assert fill_in_order([small, large], SIZE)[1] == [1]

    def test_half_is_allowed(self) -> None:
        first, second = blob((0, 0, 10, 10)), blob((5, 0, 15, 10))
        labels, kept = fill_in_order([first, second], SIZE)
        assert kept == [1, 2]
        assert np.array_equal(labels == 2, second)
        assert np.array_equal(labels == 1, first & ~second)

    def test_only_what_is_still_seen_counts(self) -> None:
        first, second = blob((0, 0, 10, 10)), blob((5, 0, 15, 10))
        third = blob((0, 0, 3, 20))  # 30 of the 50 pixels that are left of the first
        assert fill_in_order([first, second, third], SIZE)[1] == [1, 2]
        assert fill_in_order([first, third], SIZE)[1] == [1, 2]

    def test_empty_masks(self) -> None:
        assert fill_in_order([np.zeros(SIZE, bool)], SIZE)[1] == []
        assert fill_in_order([], SIZE)[1] == []

    @settings(max_examples=60, deadline=None)
    @given(
        boxes=st.lists(
            st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(1, 8), st.integers(1, 8)), max_size=6
        )
    )
    def test_second_implementation(self, boxes) -> None:
        masks = [blob((x, y, x + w, y + h), (12, 12)) for x, y, w, h in boxes]
        owner: dict[tuple[int, int], int] = {}
        kept = []
        for number, mask in enumerate(masks, start=1):
            pixels = {(y, x) for y in range(12) for x in range(12) if mask[y, x]}
            shares = [sum(p in owner for p in pixels) / len(pixels)]
            for other in kept:
                visible = {p for p, o in owner.items() if o == other}
                shares.append(len(visible & pixels) / len(visible) if visible else 0)
            if max(shares) <= 0.5:
                kept.append(number)
                owner.update(dict.fromkeys(pixels, number))
        labels, found = fill_in_order(masks, (12, 12))
        assert found == [k for k in kept if k in owner.values()]
        assert all(labels[y, x] == owner.get((y, x), 0) for y in range(12) for x in range(12))


def test_parts_that_overlap_are_one_object() -> None:
    parts = [
        np.array(box(2, 2, 9, 9), np.float32).reshape(-1, 2),
        np.array(box(5, 5, 12, 12), np.float32).reshape(-1, 2),
    ]
    assert np.array_equal(fill_rounded(parts, SIZE), blob((2, 2, 10, 10)) | blob((5, 5, 13, 13)))


def test_index_is_kept(tmp_path, monkeypatch) -> None:
    write(tmp_path)
    first = Lvis(tmp_path, "LVIS").load(1)
    assert any(folder.name.startswith("lvis-") for folder in index_folder().iterdir())
    with monkeypatch.context() as patch:
        patch.setattr("clickwise.data.datasets.lvis.stream_items", None)
        assert np.array_equal(Lvis(tmp_path, "LVIS").load(1).layers, first.layers)
    monkeypatch.setattr("clickwise.data.datasets.index_cache._MAPPED_FROM", 0)
    assert np.array_equal(Lvis(tmp_path, "LVIS").load(1).layers, first.layers)


class TestMalformed:
    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda c: c["images"].pop(0), "object of picture 25, which it does not list"),
            (lambda c: c["annotations"].clear(), "has no objects"),
            (lambda c: c.pop("annotations"), "has no 'annotations'"),
            (lambda c: c["annotations"][0].pop("segmentation"), "entry of annotations that cannot be used"),
            (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4]]), "at least three corners"),
            (lambda c: c["annotations"][0].update(segmentation=[[1, 2, 3, 4, 5, 6, 7]]), "at least three corners"),
            (lambda c: c["annotations"][0].update(segmentation=[["a"] * 6]), "cannot be used"),
            (lambda c: c["images"][0].pop("height"), "entry of images that cannot be used .'height'"),
            (lambda c: c["images"][0].update(height=99), r"is 32 x 24 pixels, lvis_train\.json says 32 x 99"),
        ],
    )
    def test_annotations(self, tmp_path, change, words) -> None:
        content = write(tmp_path)
        change(content)
        (tmp_path / "train" / "lvis_train.json").write_text(json.dumps(content))
        with pytest.raises(DatasetError, match=words):
            Lvis(tmp_path, "LVIS").load(1)

    @pytest.mark.parametrize(
        ("gone", "words"),
        [
            ("train/lvis_train.json", r"has neither train/lvis_train\.json nor train/lvis_v1_train\.json"),
            ("train/images/000000000025.jpg", r"000000000025\.jpg does not exist; lvis_train\.json lists it"),
            ("val/images", "is not a folder"),
        ],
    )
    def test_missing(self, tmp_path, gone, words) -> None:
        write(tmp_path)
        (tmp_path / gone).rename(tmp_path / "gone")
        with pytest.raises(DatasetError, match=words):
            Lvis(tmp_path, "LVIS")

    def test_broken_files(self, tmp_path) -> None:
        write(tmp_path)
        image = tmp_path / "train" / "images" / "000000000025.jpg"
        image.write_bytes(image.read_bytes()[:300])
        with pytest.raises(DatasetError, match=r"000000000025\.jpg"):
            Lvis(tmp_path, "LVIS").load(1)
        file = tmp_path / "train" / "lvis_train.json"
        file.write_text(file.read_text()[:-20])
        with pytest.raises(DatasetError, match=r"lvis_train\.json is not valid JSON"):
            Lvis(tmp_path, "LVIS")
