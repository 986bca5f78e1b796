"""Shards: what comes out is what went in, the bytes are the same every time, and a killed job goes on."""

from __future__ import annotations

import hashlib
import io
import json
import multiprocessing
import os
import pickle
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from miniatures import blob, picture
from PIL import Image
from torch.utils.data import DataLoader

from clickwise.data.datasets.pack import PackDataset
from clickwise.data.datasets.plain_pack import read_pictures
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.datasets.shards import ShardDataset
from clickwise.data.held_out import is_held_out
from clickwise.data.sample import HasStartMasks, ObjectRef, Sample
from clickwise.data.shard_format import decode_labels, encode_labels
from clickwise.data.shard_pictures import PictureOptions, encode, picture_file
from clickwise.data.shard_writer import PackOptions, pack
from clickwise.data.shrink import shrink, shrunk_size, without_objects
from clickwise.errors import DatasetError, OptionError, OutputError

SMALL_SHARDS = PackOptions(shard_size=6000)


class Memory:
    """Samples in memory with all that shards keep: several layers, hierarchy, regions without truth, start masks."""

    def __init__(self, count: int = 12, name: str = "memory", size=(24, 32)) -> None:
        self.name = name
        self.sample_ids = [f"bild-ü{number}" for number in range(count)]
        self.size = size
        self.sources = {"even": {"terms": "CC0"}, "odd": {"terms": "none known"}}
        self.broken: set[int] = set()
        self.loaded: list[int] = []

    def __len__(self) -> int:
        return len(self.sample_ids)

    def indices_by_source(self):
        return {"even": list(range(0, len(self), 2)), "odd": list(range(1, len(self), 2))}

    def load(self, index: int) -> Sample:
        if index in self.broken:
            raise DatasetError(f"{self.name}: sample {index} is broken")
        self.loaded.append(index)
        layers = np.zeros((*self.size, 3), dtype=np.int32)
        layers[..., 0][blob((2, 2, 12, 14), self.size)] = 1
        layers[..., 0][blob((12, 2, 20 + index % 5, 14), self.size)] = 254
        layers[..., 1][blob((3, 3, 8, 8), self.size)] = 70_000 + index
        layers[..., 2][blob((0, 20, 5, 24), self.size)] = -1
        objects = (
            ObjectRef(0, (1, 254), children=(1, 2)),
            ObjectRef(0, (1,), parent=0, children=(3,)),
            ObjectRef(0, (254,), parent=0),
            ObjectRef(1, (70_000 + index,), parent=1),
        )
        return Sample(self.sample_ids[index], picture(self.size, index), layers, objects, (ObjectRef(2, (-1,)),))

    def start_mask(self, index: int):
        return blob((1, 1, 9, 9), self.size) if index % 3 == 0 else None


def assert_same(one: Sample, other: Sample) -> None:
    assert (one.sample_id, one.objects, one.ignored) == (other.sample_id, other.objects, other.ignored)
    assert (one.image == other.image).all()
    assert one.layers.dtype == other.layers.dtype == np.int32
    assert (one.layers == other.layers).all()


def digest(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.int32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, 255, -3, 2**31 - 1])
    )
)
def test_layers_survive(layer) -> None:
    assert (decode_labels(memoryview(encode_labels(layer)), layer.shape) == layer).all()


def test_everything_comes_back(tmp_path) -> None:
    data = Memory()
    done = pack([data], tmp_path / "out", SMALL_SHARDS)
    assert (done.samples, done.of, done.resumed) == (12, 12, 0)
    assert done.shards > 2
    assert done.bytes == sum(path.stat().st_size for path in (tmp_path / "out").iterdir())
    shards = open_dataset(tmp_path / "out")
    assert isinstance(shards, ShardDataset)
    assert isinstance(shards, HasStartMasks)
    assert list(shards.sample_ids) == data.sample_ids
    assert shards.indices_by_source() == data.indices_by_source()
    assert shards.sources == data.sources
    for index in range(len(data)):
        assert_same(shards.load(index), data.load(index))
        start = data.start_mask(index)
        assert (shards.start_mask(index) is None) == (start is None)
        assert start is None or (shards.start_mask(index) == start).all()


def test_parts_of_shards(tmp_path) -> None:
    pack([Memory(300, size=(8, 32))], tmp_path)
    train, val = (ShardDataset(tmp_path, split=split) for split in ("train", "val"))
    assert len(train) + len(val) == 300
    assert all(is_held_out(name) for name in val.sample_ids)
    assert len(open_dataset(f"{tmp_path}:val")) == len(val) > 0
    odd = ShardDataset(tmp_path, sources=["odd"])
    assert list(odd.indices_by_source()) == ["odd"]
    assert odd.load(3).sample_id == "bild-ü7"
    with pytest.raises(DatasetError, match="no sample for split"):
        ShardDataset(tmp_path, sources=["gone"])


def test_same_bytes_with_any_number_of_threads(tmp_path) -> None:
    for number, threads in enumerate((1, 3, 1)):
        pack([Memory()], tmp_path / str(number), SMALL_SHARDS, threads=threads)
    assert digest(tmp_path / "0") == digest(tmp_path / "1") == digest(tmp_path / "2")


@pytest.mark.parametrize("limit", [None, 25_000])
def test_a_killed_job_goes_on(tmp_path, limit) -> None:
    options = replace(SMALL_SHARDS, limit=limit)
    pack([Memory()], tmp_path / "whole", options)
    data = Memory()

    def stop(done: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack([data], tmp_path / "out", options, tick=stop)
    assert not (tmp_path / "out/index.json").exists()
    assert not list((tmp_path / "out").glob(".clickwise*"))
    (tmp_path / "out/.clickwise-killed.tmp").write_bytes(b"half")
    (tmp_path / "out" / f"shard-{len(list((tmp_path / 'out').glob('*.bin'))):05d}.bin").write_bytes(b"no note yet")
    data.loaded.clear()
    done = pack([data], tmp_path / "out", options)
    assert 0 < done.resumed < 7
    assert len(data.loaded) <= 12 - done.resumed
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")
    data.loaded.clear()
    assert pack([data], tmp_path / "out", options).resumed == done.samples
    assert not data.loaded


def test_a_folder_with_something_else_is_left_alone(tmp_path) -> None:
    data = Memory()
    data.broken = {9}
    with pytest.raises(DatasetError, match="sample 9"):
        pack([data], tmp_path / "out", SMALL_SHARDS)
    with pytest.raises(OutputError, match="beginning of another pack"):
        pack([Memory(11)], tmp_path / "out", SMALL_SHARDS)
    data.broken = set()
    pack([data], tmp_path / "out", SMALL_SHARDS)
    with pytest.raises(OutputError, match="holds another pack"):
        pack([Memory(11)], tmp_path / "out", SMALL_SHARDS)
    (tmp_path / "out/index.json").unlink()
    with pytest.raises(OutputError, match=r"shard-00001\.bin of another pack"):
        pack([data], tmp_path / "out", SMALL_SHARDS)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/diary.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"not empty \(diary\.txt\)"):
        pack([data], tmp_path / "notes")
    with pytest.raises(OutputError, match="cannot make the folder"):
        pack([data], tmp_path / "notes/diary.txt/out")


@pytest.mark.parametrize("limit", [8_000, 14_000, 30_000])
def test_the_limit_holds_for_the_whole_folder(tmp_path, limit) -> None:
    done = pack([Memory(40)], tmp_path / "out", PackOptions(limit=limit, shard_size=5000))
    assert 0 < done.samples < 40
    assert limit * 0.5 < done.bytes <= limit
    shards = ShardDataset(tmp_path / "out")
    places = [Memory(40).sample_ids.index(name) for name in shards.sample_ids]
    assert places == sorted(places), "the order stays"
    assert places != list(range(len(places))), "a fair sample, not the beginning"
    with pytest.raises(OptionError, match="not even one"):
        pack([Memory(4)], tmp_path / "none", PackOptions(limit=1500))


def test_several_sets(tmp_path) -> None:
    pack([Memory(2), Memory(3, "other")], tmp_path / "out")
    shards = ShardDataset(tmp_path / "out")
    assert list(shards.sample_ids[:3]) == ["memory/bild-ü0", "memory/bild-ü1", "other/bild-ü0"]
    assert shards.load(2).sample_id == "other/bild-ü0"
    assert shards.indices_by_source()["even"] == [0, 2, 4]
    with pytest.raises(DatasetError, match="two samples are called"):
        pack([Memory(2), Memory(3)], tmp_path / "twice")
    strange = Memory(2, "strange")
    strange.sources = {"even": {"terms": "other"}}
    with pytest.raises(DatasetError, match="with other terms"):
        pack([Memory(2), strange], tmp_path / "terms")


def test_shards_of_shards(tmp_path) -> None:
    pack([Memory()], tmp_path / "one", PackOptions(PictureOptions(quality=30)))
    shards = ShardDataset(tmp_path / "one")
    pack([shards], tmp_path / "two")
    again = ShardDataset(tmp_path / "two")
    assert again.picture_bytes(2) == shards.picture_bytes(2), "not encoded again"
    assert_same(again.load(5), shards.load(5))
    assert again.sources == shards.sources


def _pack_until_killed(folder: Path) -> None:
    def kill(done: int) -> None:
        if done == 9:
            os.kill(os.getpid(), signal.SIGKILL)

    pack([Memory()], folder, SMALL_SHARDS, tick=kill)


def test_kill_nine_leaves_no_data_set_and_is_continued(tmp_path) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    process = multiprocessing.get_context("fork").Process(target=_pack_until_killed, args=(tmp_path / "out",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with pytest.raises(DatasetError, match="not finished"):
        open_dataset(tmp_path / "out")
    assert 0 < pack([Memory()], tmp_path / "out", SMALL_SHARDS).resumed < 9
    pack([Memory()], tmp_path / "whole", SMALL_SHARDS)
    assert digest(tmp_path / "out") == digest(tmp_path / "whole")


def test_shrinking_keeps_picture_and_layers_together(tmp_path) -> None:
    data = Memory(1, size=(48, 64))
    pack([data], tmp_path / "out", PackOptions(PictureOptions(max_side=32)))
    shards = ShardDataset(tmp_path / "out")
    sample = shards.load(0)
    assert sample.image.shape == (24, 32, 3)
    assert [sample.object_mask(i).any() for i in range(4)] == [True] * 4
    assert shards.start_mask(0).shape == (24, 32)
    assert (sample.object_mask(1) == data.load(0).object_mask(1)[::2, ::2]).all()
    assert shrunk_size((1, 1000), 100) == (1, 100)
    assert shrunk_size((10, 20), 100) == (10, 20)


def test_objects_that_vanish_hand_their_children_on() -> None:
    sample = Memory(1).load(0)
    assert without_objects(sample, ()) is sample
    less = without_objects(sample, {1})
    assert [(ref.values, ref.parent, ref.children) for ref in less.objects] == [
        ((1, 254), None, (1, 2)),
        ((254,), 0, ()),
        ((70_000,), 0, ()),
    ]
    assert without_objects(sample, {0, 1}).root_ids == (0, 1)
    tiny = np.zeros((24, 32, 1), np.int32)
    tiny[1, 1], tiny[8:, 8:] = 1, 2
    small = shrink(Sample("a", picture(), tiny, (ObjectRef(0, (1,)), ObjectRef(0, (2,)))), (6, 8))
    assert [ref.values for ref in small.objects] == [(2,)]


def test_pictures_are_kept_as_they_are_where_they_serve(tmp_path) -> None:
    file = tmp_path / "a.jpg"
    Image.fromarray(picture()).save(file, quality=30)
    image = np.array(Image.open(file))
    original = file.read_bytes()
    assert picture_file(image, original, PictureOptions()) == original
    assert picture_file(image, original, PictureOptions(quality=100)) == original, "smaller, and exact"
    assert picture_file(image, b"GIF" + original, PictureOptions()) != original
    other = image.copy()
    other[0, 0, 0] ^= 1
    for options in (PictureOptions(), PictureOptions(quality=10)):
        assert picture_file(other, original, options) != original
    assert (np.array(Image.open(io.BytesIO(encode(other, "lossless")))) == other).all()
    assert encode(np.zeros((1, 17000, 3), np.uint8), "webp", 50)[:2] == b"\xff\xd8"
    assert encode(image, "jpeg", 50)[:2] == b"\xff\xd8"


@pytest.mark.parametrize("options", [{"max_side": 3}, {"quality": 0}, {"quality": 101}, {"kind": "gif"}])
def test_options_are_checked(options) -> None:
    with pytest.raises(OptionError):
        PictureOptions(**options)


def test_damage_is_named(tmp_path) -> None:
    pack([Memory(3)], tmp_path)
    shard = tmp_path / "shard-00000.bin"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(data)
    dataset = ShardDataset(tmp_path)
    with pytest.raises(DatasetError, match=r"bild-ü1 in .*shard-00000\.bin is damaged \(its checksum"):
        dataset.load(1)
    dataset.load(0)
    shard.write_bytes(data[:-1])
    with pytest.raises(DatasetError, match="the index says"):
        ShardDataset(tmp_path)
    shard.unlink()
    with pytest.raises(DatasetError, match="is missing"):
        ShardDataset(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda index: index.update(version=2), "this version reads"),
        (lambda index: index["samples"]["id"].pop(), "contradicts itself|no index"),
        (lambda index: index["samples"].update(offset=[10**9] * 3), "contradicts itself"),
        (lambda index: index.pop("shards"), "no index of shards"),
    ],
)
def test_a_damaged_index_is_named(tmp_path, change, words) -> None:
    pack([Memory(3)], tmp_path)
    index = json.loads((tmp_path / "index.json").read_text("utf-8"))
    change(index)
    (tmp_path / "index.json").write_text(json.dumps(index))
    with pytest.raises(DatasetError, match=words):
        ShardDataset(tmp_path)


class _Sums:
    """For the loader's worker processes: a number per sample."""

    def __init__(self, dataset: ShardDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> int:
        sample = self.dataset.load(index)
        return int(sample.image.sum()) + int(sample.layers.sum()) + 1000 * len(self.dataset._maps)


@pytest.mark.parametrize("method", ["fork"])
def test_in_loader_workers(tmp_path, method) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    pack([Memory()], tmp_path)
    dataset = ShardDataset(tmp_path)
    here = [_Sums(dataset)[index] for index in range(len(dataset))]
    loader = DataLoader(_Sums(dataset), batch_size=None, num_workers=2, multiprocessing_context=method)
    assert list(loader) == here
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy._maps == {}
    assert_same(copy.load(1), dataset.load(1))


def test_the_real_pack_is_the_same_from_shards(data_root, tmp_path) -> None:
    root = data_root / "train"
    if not (root / "manifest.json").exists():
        pytest.skip("CLICKWISE_DATA has no train/")
    data = PackDataset(root)
    for name, indices in data.indices_by_source().items():
        assert data.sources[name]["terms"], "the terms go along"
        assert indices
    firsts = {indices[0] for indices in data.indices_by_source().values()}
    chosen = sorted(firsts | set(range(0, len(data), 400)))
    data.entries = [data.entries[i] for i in chosen]
    data.sample_ids = [data.sample_ids[i] for i in chosen]
    pack([data], tmp_path / "out", PackOptions(shard_size=300_000), threads=2)
    shards = ShardDataset(tmp_path / "out")
    assert isinstance(read_pictures(tmp_path / "out", split="train"), ShardDataset)
    assert isinstance(read_pictures(root, split="train"), PackDataset)
    assert shards.indices_by_source() == data.indices_by_source()
    assert shards.sources == {name: data.sources[name] for name in data.indices_by_source()}
    for index in range(len(data)):
        assert_same(shards.load(index), data.load(index))
