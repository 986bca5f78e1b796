"""SBD on a miniature: lists, pictures and MATLAB instance files as published."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from miniatures import SIZE, blob, instance_mat, picture, regions, save

from clickwise.data.datasets.index_cache import index_folder
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.datasets.sbd import SbdObjects, SbdTraining, open_sbd
from clickwise.data.sample import Dataset, WeightedDataset
from clickwise.errors import DatasetError

LABELS = {
    "2008_000008": regions((2, 2, 12, 12), (14, 3, 30, 20)),
    "2008_000007": regions((1, 1, 5, 5), (8, 8, 20, 20), (20, 2, 23, 23)),
    "2009_000001": regions((4, 4, 28, 20)),
}


@pytest.fixture
def sbd(tmp_path: Path) -> Path:
    root = tmp_path / "SBD"
    names = list(LABELS)
    for number, (name, labels) in enumerate(LABELS.items()):
        save(root / "img" / f"{name}.jpg", picture(seed=number))
        instance_mat(root / "inst" / f"{name}.mat", labels)
    (root / "val.txt").write_text("".join(f"{name}\n" for name in names[:2]))
    (root / "train.txt").write_text(f"{names[2]}\n{names[0]}\n\n")
    return root


def test_one_sample_per_object_in_file_order(sbd) -> None:
    data = open_dataset("SBD", sbd.parent)
    assert isinstance(data, SbdObjects)
    assert isinstance(data, Dataset)
    expected = [(name, value) for name in list(LABELS)[:2] for value in range(1, LABELS[name].max() + 1)]
    assert list(data.sample_ids) == [f"{name}_{value}" for name, value in expected]
    for index, (name, value) in enumerate(expected):
        sample = data.load(index)
        assert len(sample.objects) == 1
        assert not sample.ignored
        assert np.array_equal(sample.object_mask(0), LABELS[name] == value)
        assert np.array_equal(sample.layers[:, :, 0] > 0, LABELS[name] == value)
        assert sample.image.shape == (*SIZE, 3)
        assert f"{name}.mat label {value}" in data.describe(index)


def test_train_list_for_evaluation_and_for_training(sbd) -> None:
    evaluated = open_dataset("SBD_Train", sbd.parent)
    assert list(evaluated.sample_ids) == ["2009_000001_1", "2008_000008_1", "2008_000008_2"]
    trained = open_dataset("SBD:train", sbd.parent)
    assert isinstance(trained, SbdTraining)
    assert (trained.name, list(trained.sample_ids)) == ("SBD:train", ["2009_000001", "2008_000008"])
    assert trained.indices_by_source() == {"SBD:train": [0, 1]}
    sample = trained.load(1)
    assert np.array_equal(sample.layers[:, :, 0], LABELS["2008_000008"])
    assert [ref.values for ref in sample.objects] == [(1,), (2,)]


@pytest.mark.parametrize("inner", ["dataset", "benchmark_RELEASE/dataset"])
def test_published_sub_folders(sbd, inner) -> None:
    target = sbd.parent / "other" / inner
    target.parent.mkdir(parents=True)
    sbd.rename(target)
    assert len(open_sbd(sbd.parent / "other", "SBD")) == 5


def test_buggy_objects_are_left_out_of_training_only(sbd) -> None:
    labels = regions((0, 0, 3, 3))
    thin = np.zeros(SIZE, bool)
    thin[np.arange(24), np.arange(24)] = True  # 24 of 24 x 24: 4 %
    fuller = blob((28, 0, 29, 24)) | blob((30, 0, 31, 2))  # 26 of 24 x 3: well filled
    labels[thin], labels[fuller] = 2, 3
    instance_mat(sbd / "inst" / "2009_000001.mat", labels)
    sample = open_dataset("SBD:train", sbd.parent).load(0)
    assert [ref.values for ref in sample.objects] == [(1,), (3,)]
    assert not sample.layers[:, :, 0][thin & ~blob((0, 0, 3, 3))].any()
    assert len(open_dataset("SBD_Train", sbd.parent)) == 5


@pytest.mark.parametrize(("filled", "kept"), [(8, 1), (7, 0)])
def test_where_buggy_begins(sbd, filled, kept) -> None:
    labels = np.zeros((20, 20), np.uint8)
    labels[0, 0] = labels[9, 9] = 1  # a box of 10 x 10
    labels[0, 1 : filled - 1] = 1
    save(sbd / "img" / "2009_000001.jpg", picture((20, 20)))
    instance_mat(sbd / "inst" / "2009_000001.mat", labels)
    assert len(open_dataset("SBD:train", sbd.parent).load(0).objects) == kept


def test_list_of_objects_is_kept_until_a_file_changes(sbd, monkeypatch) -> None:
    assert len(open_sbd(sbd, "SBD")) == 5
    assert index_folder().is_dir()
    with monkeypatch.context() as patch:
        patch.setattr("clickwise.data.datasets.sbd.read_instances", None)
        assert len(open_sbd(sbd, "SBD")) == 5
    (sbd / "val.txt").write_text("2009_000001\n")
    assert len(open_sbd(sbd, "SBD")) == 1


def test_without_a_place_for_the_index(sbd, monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(open_sbd(sbd, "SBD")) == 5
    assert len(open_sbd(sbd, "SBD")) == 5


def test_damaged_index_is_made_again(sbd) -> None:
    assert len(open_sbd(sbd, "SBD")) == 5
    for file in index_folder().rglob("*.npy"):
        file.write_bytes(b"\0")
    assert len(open_sbd(sbd, "SBD")) == 5


class TestWeights:
    def published(self, path: Path, scores: list[tuple[int, str, float]]) -> None:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(pickle.dumps(scores, 2))

    @pytest.mark.parametrize("place", ["", "assets/", "../assets/"])
    def test_published_file(self, sbd, place) -> None:
        self.published(
            sbd / f"{place}sbd_samples_weights.pkl", [(0, "2008_000008", 0.9), (1, "2009_000001", np.float64(0.6))]
        )
        data = open_dataset("SBD:train", sbd.parent)
        assert isinstance(data, WeightedDataset)
        weights = data.sample_weights()
        assert weights.sum() == pytest.approx(1)
        assert weights[0] / weights[1] == pytest.approx((0.4 / 0.1) ** 1.25)

    def test_our_rule(self, sbd) -> None:
        data = open_dataset("SBD:train", sbd.parent)
        scores = []
        for name in data.sample_ids:
            shares = []
            for value in range(1, LABELS[name].max() + 1):
                mask = np.pad(LABELS[name] == value, 9)
                inside = np.argwhere(mask)
                outside = np.argwhere(~mask)
                deep = [np.hypot(*(outside - place).T).min() > 3 for place in inside]
                shares.append(np.mean(deep))
            scores.append(np.mean(shares))
        expected = (1 - np.array(scores)) ** 1.25
        assert np.allclose(data.sample_weights(), expected / expected.sum())
        assert data.sample_weights()[1] > data.sample_weights()[0]  # two small objects against a large one
        assert np.allclose(data.sample_weights(gamma=0), 0.5)

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"\x80\x04]", "damaged pickle"),
            (b"cos\nsystem\n(S'false'\ntR.", "os.system, which is not data"),
            (pickle.dumps([1, 2]), "no list of"),
            (pickle.dumps([(0, "2008_000008", 0.9)]), "no score for 2009_000001"),
            (pickle.dumps([(0, "2008_000008", 0.9), (0, "2009_000001", float("nan"))]), "not numbers"),
        ],
    )
    def test_malformed_file(self, sbd, content, words) -> None:
        (sbd / "sbd_samples_weights.pkl").write_bytes(content)
        with pytest.raises(DatasetError, match=rf"sbd_samples_weights\.pkl .*{words}|{words}"):
            open_dataset("SBD:train", sbd.parent).sample_weights()


class TestMalformed:
    @pytest.mark.parametrize(
        ("gone", "words"),
        [
            ("val.txt", r"SBD: .*has no val\.txt"),
            ("img", "has no img"),
            ("img/2008_000007.jpg", r"2008_000007\.jpg does not exist; val\.txt lists it"),
            ("inst/2008_000007.mat", r"2008_000007\.mat does not exist; val\.txt lists it"),
        ],
    )
    def test_missing(self, sbd, gone, words) -> None:
        (sbd / gone).rename(sbd.parent / "gone")
        with pytest.raises(DatasetError, match=words):
            open_sbd(sbd, "SBD")

    @pytest.mark.parametrize(
        ("text", "words"), [("", "is empty"), ("a\na\n", "lists a twice"), ("\xff", "does not exist")]
    )
    def test_lists(self, sbd, text, words) -> None:
        (sbd / "val.txt").write_text(text)
        with pytest.raises(DatasetError, match=words):
            open_sbd(sbd, "SBD")

    def test_instance_files(self, sbd) -> None:
        from scipy.io import savemat

        file = sbd / "inst" / "2008_000007.mat"
        whole = file.read_bytes()
        for content in (b"", whole[: len(whole) // 2], b"no MATLAB" * 50):
            file.write_bytes(content)
            with pytest.raises(DatasetError, match=r"2008_000007\.mat cannot be read .*; rule: a MATLAB 5"):
                open_sbd(sbd, "SBD")
        savemat(file, {"GTcls": 1})
        with pytest.raises(DatasetError, match="has no GTinst"):
            open_sbd(sbd, "SBD")
        for value, words in ((3.5, "no instance map"), ({"Segmentation": np.zeros((2, 2, 2))}, "no instance map")):
            savemat(file, {"GTinst": value})
            with pytest.raises(DatasetError, match=words):
                open_sbd(sbd, "SBD")
        savemat(file, {"GTinst": {"Segmentation": np.full(SIZE, 300, np.uint16)}})
        with pytest.raises(DatasetError, match="label 300"):
            open_sbd(sbd, "SBD")

    def test_sizes_that_differ(self, sbd) -> None:
        instance_mat(sbd / "inst" / "2008_000007.mat", regions((1, 1, 3, 3), size=(24, 30)))
        with pytest.raises(DatasetError, match=r"2008_000007\.mat is 30 x 24 pixels, 2008_000007\.jpg 32 x 24"):
            open_sbd(sbd, "SBD").load(2)

    def test_truncated_picture(self, sbd) -> None:
        file = sbd / "img" / "2008_000008.jpg"
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(DatasetError, match=r"2008_000008\.jpg"):
            open_sbd(sbd, "SBD").load(0)

    def test_unknown_split_and_option(self, sbd) -> None:
        with pytest.raises(DatasetError, match=r"SBD has no split 'test'; it has: val, train"):
            open_dataset("SBD:test", sbd.parent)
        with pytest.raises(DatasetError, match="no option 'stuff_prob'; it has: none"):
            open_dataset("SBD", sbd.parent, options={"stuff_prob": 1})
        (sbd.parent / "DAVIS").mkdir()
        with pytest.raises(DatasetError, match="DAVIS has no splits"):
            open_dataset("DAVIS:val", sbd.parent)


def test_index_is_a_whole_folder_or_none(sbd) -> None:
    open_sbd(sbd, "SBD")
    assert not list(index_folder().glob(".*"))
