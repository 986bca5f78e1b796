"""ADE20K on a miniature of the 2016 release: objects, parts, parts of parts, attributes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from miniatures import SIZE, blob, picture, regions, save

from clickwise.data.datasets.ade20k import Ade20k, instance_numbers
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import RandomizedDataset
from clickwise.errors import DatasetError

ROOM = "images/training/b/bedroom/ADE_train_00000002"
ABBEY = "images/training/a/abbey/ADE_train_00000001"
OBJECTS = regions((1, 1, 15, 15), (16, 1, 31, 12), (0, 18, 32, 24))
PARTS = regions((2, 2, 8, 8), (18, 2, 25, 8))
PARTS_OF_PARTS = regions((3, 3, 5, 5))
ROOM_TEXT = """001 # 0 # 0 # person, individual # person # "standing"
002 # 0 # 1 # car, auto # car # ""
003 # 0 # 0 # floor, flooring # floor # ""
001 # 1 # 0 # head # head # ""
002 # 1 # 0 # window, pane # window # ""
001 # 2 # 0 # eye # eye # ""
"""


def label_png(path: Path, labels: np.ndarray) -> None:
    """Class in red and green, instance in blue."""
    red, green = (np.where(labels > 0, value, 0) for value in (10, 77))
    save(path, np.stack([red, green, labels], axis=2).astype(np.uint8))


def write(root: Path) -> Path:
    for number, base in enumerate((ROOM, ABBEY)):
        save(root / f"{base}.jpg", picture(seed=number))
    label_png(root / f"{ROOM}_seg.png", OBJECTS)
    label_png(root / f"{ROOM}_parts_1.png", PARTS)
    label_png(root / f"{ROOM}_parts_2.png", PARTS_OF_PARTS)
    (root / f"{ROOM}_atr.txt").write_text(ROOM_TEXT)
    label_png(root / f"{ABBEY}_seg.png", regions((1, 1, 9, 9)))
    (root / f"{ABBEY}_atr.txt").write_text('001 # 0 # 0 # hay bale # hay bale # ""\n')
    return root


@pytest.mark.parametrize("folder", ["ADE20K", "ADE20K/ADE20K_2016_07_26", "ADE20K_2016_07_26"])
def test_objects_and_parts(tmp_path, folder) -> None:
    write(tmp_path / folder)
    data = open_dataset("ADE20K:train", tmp_path, options={"stuff_prob": 0.5})
    assert isinstance(data, RandomizedDataset)
    assert list(data.sample_ids) == ["ADE_train_00000001", "ADE_train_00000002"]
    assert data.indices_by_source() == {"ADE20K:train": [0, 1]}
    sample = data.load(1)
    assert sample.layers.shape == (*SIZE, 3)
    expected = [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2), (2, 1)]
    assert [(ref.layer, *ref.values) for ref in sample.objects] == expected
    for number, (layer, value) in enumerate(expected):
        assert np.array_equal(sample.object_mask(number), (OBJECTS, PARTS, PARTS_OF_PARTS)[layer] == value)
    assert [ref.parent for ref in sample.objects] == [None, None, None, 0, 1, 3]
    assert [ref.children for ref in sample.objects] == [(3,), (4,), (), (5,), (), ()]
    assert sample.root_ids == (0, 1, 2)
    assert "_seg.png" in data.describe(1)


def test_without_stuff(tmp_path) -> None:
    data = Ade20k(write(tmp_path), "ADE20K")
    sample = data.load(1)
    assert [(ref.layer, *ref.values) for ref in sample.objects] == [(0, 1), (0, 2), (1, 1), (2, 1)]  # no floor, window
    assert not sample.layers[:, :, 0][blob((0, 18, 32, 24))].any()
    assert not data.load(0).objects  # several words are one name: "hay bale"


def test_one_layer_at_random(tmp_path) -> None:
    data = Ade20k(write(tmp_path), "ADE20K", stuff_prob=0.5)
    rng = np.random.default_rng(0)
    counts: dict[tuple[tuple[int, ...], int], int] = {}
    for _ in range(300):
        sample = data.load_random(1, rng)
        assert sample.layers.shape[2] == 1
        key = tuple(ref.values[0] for ref in sample.objects), int((sample.layers > 0).sum())
        counts[key] = counts.get(key, 0) + 1
    objects, parts = int((OBJECTS > 0).sum()), int((PARTS > 0).sum())
    whole = {
        ((1, 2, 3), objects),
        ((1, 2), objects - 6 * 32),
        ((1, 2), parts),
        ((1,), 36),
        ((1,), 4),
    }
    assert set(counts) == whole
    assert counts[(1,), 4] == pytest.approx(100, abs=30)


class TestLabels:
    def test_labels_and_not_their_places_decide(self, tmp_path) -> None:
        """Two of three listed instances are seen: the second seen is number 3, the floor."""
        write(tmp_path)
        label_png(tmp_path / f"{ROOM}_seg.png", np.where(OBJECTS == 2, 0, OBJECTS))
        assert [ref.values for ref in Ade20k(tmp_path, "x").load(1).objects if ref.layer == 0] == [(1,)]

    def test_ranks_where_the_release_needs_them(self, tmp_path) -> None:
        write(tmp_path)
        spread = np.choose(OBJECTS, (0, 20, 77, 254)).astype(np.uint8)
        label_png(tmp_path / f"{ROOM}_seg.png", spread)
        sample = Ade20k(tmp_path, "x").load(1)
        assert [ref.values for ref in sample.objects if ref.layer == 0] == [(1,), (2,)]
        assert np.array_equal(sample.object_mask(1), OBJECTS == 2)

    def test_labels_without_a_line_are_objects(self) -> None:
        blue = np.array([[0, 1, 9]], np.uint8)
        assert instance_numbers(blue, np.array([1], np.int32)).tolist() == [[0, 1, 9]]
        assert instance_numbers(blue, np.array([], np.int32)).tolist() == [[0, 1, 9]]


class TestMalformed:
    @pytest.mark.parametrize(
        ("gone", "words"),
        [
            ("images/training", "has no images/training"),
            (f"{ROOM}_seg.png", r"00000002_seg\.png does not exist"),
            (f"{ROOM}_atr.txt", r"00000002_atr\.txt cannot be read"),
            (f"{ROOM}.jpg", r"00000002_seg\.png has no picture"),
        ],
    )
    def test_missing(self, tmp_path, gone, words) -> None:
        write(tmp_path)
        (tmp_path / gone).rename(tmp_path / "gone")
        with pytest.raises(DatasetError, match=words):
            Ade20k(tmp_path, "ADE20K")

    def test_no_pictures(self, tmp_path) -> None:
        (tmp_path / "images" / "validation").mkdir(parents=True)
        with pytest.raises(DatasetError, match="holds no picture"):
            Ade20k(tmp_path, "ADE20K", "val")

    @pytest.mark.parametrize("line", ["001 # 0 # 0", "a # 0 # 0 # b # c", "nonsense"])
    def test_attributes(self, tmp_path, line) -> None:
        write(tmp_path)
        (tmp_path / f"{ROOM}_atr.txt").write_text(f"{ROOM_TEXT}\n{line}\n")
        with pytest.raises(DatasetError, match=r"00000002_atr\.txt line 8 is .*; rule: lines of _atr\.txt"):
            Ade20k(tmp_path, "ADE20K")

    def test_label_files(self, tmp_path) -> None:
        data = Ade20k(write(tmp_path), "ADE20K")
        file = tmp_path / f"{ROOM}_seg.png"
        whole = file.read_bytes()
        file.write_bytes(whole[: len(whole) // 2])
        with pytest.raises(DatasetError, match=r"mask .*00000002_seg\.png is damaged"):
            data.load(1)
        save(file, OBJECTS)
        with pytest.raises(DatasetError, match="no 8-bit colour PNG; rule: instance = blue channel"):
            data.load(1)
        label_png(file, regions((1, 1, 4, 4), size=(24, 30)))
        with pytest.raises(DatasetError, match="is 30 x 24 pixels"):
            data.load(1)
