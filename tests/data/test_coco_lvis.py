"""COCO+LVIS on miniatures in the published form and in ours."""

from __future__ import annotations

import json
import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from miniatures import SIZE, blob, picture, save
from PIL import Image

from clickwise.data.datasets.coco_lvis import CocoLvis
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import Dataset, RandomizedDataset
from clickwise.errors import DatasetError

FORMS = ["published", "ours"]
PICTURES = {
    "000000000025": {
        "masks": [(2, 2, 20, 20), (4, 4, 10, 10), (5, 5, 8, 8), (22, 2, 30, 9), (0, 21, 32, 24)],
        "parents": [None, 0, 1, None],
        "places": [(0, 1), (1, 1), (2, 1), (0, 2), (0, 3)],
    },
    "000000000009": {"masks": [(1, 1, 9, 9)], "parents": [None], "places": [(0, 1)]},
    "000000000030": {"masks": [(1, 1, 9, 9)], "parents": [], "places": [(0, 1)]},  # stuff only
}


def layers_of(entry) -> list[np.ndarray]:
    layers = [np.zeros(SIZE, np.uint8) for _ in range(1 + max(layer for layer, _ in entry["places"]))]
    for (layer, value), box in zip(entry["places"], entry["masks"], strict=True):
        layers[layer][blob(box)] = value
    return layers


def png(layer: np.ndarray) -> np.ndarray:
    buffer = BytesIO()
    Image.fromarray(layer).save(buffer, format="PNG")
    return np.frombuffer(buffer.getvalue(), np.uint8)


def hierarchy_of(parents) -> dict[int, object]:
    def level(number: int) -> int:
        return 0 if parents[number] is None else 1 + level(parents[number])

    nodes = {}
    for number, parent in enumerate(parents):
        children = [child for child, other in enumerate(parents) if other == number]
        alone = parent is None and not children
        nodes[number] = None if alone else {"children": children, "parent": parent, "node_level": level(number)}
    return nodes


def write(root: Path, form: str, split: str = "train") -> Path:
    folder = root / split
    annotation, lines = {}, [{"format": "clickwise-cocolvis", "version": 1}]
    for number, (name, entry) in enumerate(PICTURES.items()):
        save(folder / "images" / f"{name}.jpg", picture(seed=number))
        (folder / "masks").mkdir(exist_ok=True)
        parents, layers = entry["parents"], layers_of(entry)
        if form == "published":
            content = ([png(layer) for layer in layers], entry["places"])
            (folder / "masks" / f"{name}.pickle").write_bytes(pickle.dumps(content))
            annotation[name] = {"num_instance_masks": len(parents), "hierarchy": hierarchy_of(parents)}
        else:
            for k, layer in enumerate(layers):
                save(folder / "masks" / f"{name}_{k}.png", layer)
            padded = [*parents, *[None] * (len(entry["places"]) - len(parents))]
            objects = [[*place, parent] for place, parent in zip(entry["places"], padded, strict=True)]
            lines.append({"id": name, "instances": len(parents), "objects": objects})
    if form == "published":
        (folder / "hannotation.pickle").write_bytes(pickle.dumps(annotation))
    else:
        (folder / "annotations.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return folder


@pytest.mark.parametrize("form", FORMS)
class TestBothForms:
    def test_content(self, tmp_path, form) -> None:
        write(tmp_path / "COCO_LVIS", form)
        data = open_dataset("COCO_LVIS", tmp_path, options={"stuff_prob": 0.3})
        assert isinstance(data, Dataset)
        assert isinstance(data, RandomizedDataset)
        assert list(data.sample_ids) == sorted(PICTURES)
        assert data.indices_by_source() == {"COCO_LVIS": [0, 1, 2]}
        for index, name in enumerate(data.sample_ids):
            sample, entry = data.load(index), PICTURES[name]
            assert len(sample.objects) == len(entry["masks"])
            parents = [*entry["parents"], *[None] * (len(entry["masks"]) - len(entry["parents"]))]
            for number, box in enumerate(entry["masks"]):
                assert np.array_equal(sample.object_mask(number), blob(box))
                assert sample.objects[number].parent == parents[number]
                assert sample.objects[number].children == tuple(k for k, p in enumerate(parents) if p == number)
            assert str(name) in data.describe(index)
        assert data.load(1).root_ids == (0, 3, 4)

    def test_no_stuff_by_default(self, tmp_path, form) -> None:
        write(tmp_path / "COCO_LVIS", form)
        sample = open_dataset("COCO_LVIS:train", tmp_path).load(1)
        assert len(sample.objects) == 4
        assert not sample.layers[:, :, 0][blob((0, 21, 32, 24))].any()
        assert not open_dataset("COCO_LVIS", tmp_path).load(2).objects

    def test_stuff_is_drawn(self, tmp_path, form) -> None:
        write(tmp_path / "COCO_LVIS", form)
        data = open_dataset("COCO_LVIS", tmp_path, options={"stuff_prob": 0.3})
        rng = np.random.default_rng(0)
        counts = [len(data.load_random(1, rng).objects) for _ in range(200)]
        assert set(counts) == {4, 5}
        assert counts.count(5) / 200 == pytest.approx(0.3, abs=0.1)
        again = [len(data.load_random(1, np.random.default_rng(0)).objects)]
        assert again == counts[:1]
        never = open_dataset("COCO_LVIS", tmp_path)
        assert all(len(never.load_random(1, rng).objects) == 4 for _ in range(5))

    def test_allow_list(self, tmp_path, form) -> None:
        write(tmp_path, form)
        allow = tmp_path / "allow.json"
        allow.write_text('["000000000009", "000000000099"]')
        assert list(CocoLvis(tmp_path, "x", allow_list=allow).sample_ids) == ["000000000009"]
        for text, words in (("[", "no readable JSON"), ("{}", "is no list"), ("[]", "allows no picture")):
            allow.write_text(text)
            with pytest.raises(DatasetError, match=words):
                CocoLvis(tmp_path, "x", allow_list=allow)

    def test_missing_files(self, tmp_path, form) -> None:
        folder = write(tmp_path, form)
        mask = next(folder.glob("masks/000000000009*"))
        mask.rename(folder / "kept")
        with pytest.raises(DatasetError, match=r"masks.000000000009.* does not exist; .* lists it"):
            CocoLvis(tmp_path, "x")
        (folder / "kept").rename(mask)
        (folder / "images" / "000000000009.jpg").unlink()
        with pytest.raises(DatasetError, match=r"000000000009\.jpg does not exist; .* lists it"):
            CocoLvis(tmp_path, "x")
        with pytest.raises(DatasetError, match=r"has no val.images"):
            CocoLvis(tmp_path, "x", "val")

    def test_mask_without_picture(self, tmp_path, form) -> None:
        folder = write(tmp_path, form)
        mask = next(folder.glob("masks/000000000009*"))
        mask.with_name(mask.name.replace("09", "08")).write_bytes(mask.read_bytes())
        with pytest.raises(DatasetError, match=r"000000000008.* has no picture"):
            CocoLvis(tmp_path, "x")

    def test_sizes_that_differ(self, tmp_path, form) -> None:
        folder = write(tmp_path, form)
        save(folder / "images" / "000000000009.jpg", picture((24, 30)))
        with pytest.raises(DatasetError, match=r"000000000009.* is 32 x 24 pixels, 000000000009\.jpg 30 x 24"):
            CocoLvis(tmp_path, "x").load(0)


def test_folder_of_lvis_and_its_config_key(tmp_path) -> None:
    write(tmp_path / "LVIS_v1", "published")
    assert len(open_dataset("COCO_LVIS", tmp_path)) == 3
    assert len(open_dataset("COCO_LVIS", None, {"LVIS_v1_PATH": tmp_path / "LVIS_v1"})) == 3


def test_neither_form(tmp_path) -> None:
    write(tmp_path, "ours").joinpath("annotations.jsonl").unlink()
    with pytest.raises(DatasetError, match=r"neither hannotation.pickle nor annotations.jsonl; .*build-cocolvis"):
        CocoLvis(tmp_path, "x")


class TestMalformedPickles:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"cos\nsystem\n(S'false'\ntR.", "os.system, which is not data"),
            (b"\x80\x04}", "damaged pickle"),
            (pickle.dumps([]), "no dictionary of pictures"),
            (pickle.dumps({}), "no dictionary of pictures"),
            (pickle.dumps({"000000000009": 3}), "000000000009 has no num_instance_masks"),
            (pickle.dumps({"000000000009": {"num_instance_masks": "1", "hierarchy": {}}}), "num_instance_masks '1'"),
            (pickle.dumps({"9": {"num_instance_masks": 1, "hierarchy": {1: None}}}), "hierarchy of object 1"),
            (pickle.dumps({"9": {"num_instance_masks": 1, "hierarchy": {0: {"parent": 0}}}}), "no tree"),
            (pickle.dumps({"9": {"num_instance_masks": 1, "hierarchy": {0: {"parent": 7}}}}), "no tree"),
            (
                pickle.dumps({"9": {"num_instance_masks": 2, "hierarchy": {0: {"parent": 1}, 1: {"parent": 0}}}}),
                "no tree",
            ),
        ],
    )
    def test_annotation(self, tmp_path, content, words) -> None:
        write(tmp_path, "published").joinpath("hannotation.pickle").write_bytes(content)
        with pytest.raises(DatasetError, match=rf"hannotation\.pickle.*{words}"):
            CocoLvis(tmp_path, "x")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            ((lambda: b"cos\nsystem\n(S'false'\ntR."), "os.system, which is not data"),
            (lambda: pickle.dumps(([png(np.ones(SIZE, np.uint8))[:-30]], [(0, 1)])), "damaged or no 8-bit grey PNG"),
            (lambda: pickle.dumps(([], [])), "damaged or no 8-bit grey PNG"),
            (lambda: pickle.dumps(([5], [(0, 1)])), "damaged or no 8-bit grey PNG"),
            (lambda: pickle.dumps(3), "another content"),
            (lambda: pickle.dumps(([png(np.ones((*SIZE, 3), np.uint8))], [(0, 1)])), "damaged or no 8-bit grey PNG"),
            (lambda: pickle.dumps(([png(np.ones(SIZE, np.uint8))], [(1, 1)])), "outside its 1 layers"),
            (lambda: pickle.dumps(([png(np.ones(SIZE, np.uint8))], [(0, 0)])), "outside its 1 layers"),
            (lambda: pickle.dumps(([png(np.ones(SIZE, np.uint8))], [])), "0 objects, hannotation.pickle speaks of 1"),
            (lambda: pickle.dumps(([png(np.full(SIZE, 7, np.uint8))], [(0, 1)])), "value 7, which is no object"),
            (
                lambda: pickle.dumps(([png(np.ones(SIZE, np.uint8)), png(np.ones((3, 3), np.uint8))], [(0, 1)])),
                "different sizes",
            ),
        ],
    )
    def test_masks(self, tmp_path, content, words) -> None:
        write(tmp_path, "published").joinpath("masks/000000000009.pickle").write_bytes(content())
        with pytest.raises(DatasetError, match=rf"000000000009\.pickle.*{words}"):
            CocoLvis(tmp_path, "x").load(0)


class TestMalformedOwnFiles:
    @pytest.mark.parametrize(
        ("line", "words"),
        [
            ("{", "no valid entry"),
            ("{}", "no valid entry .'instances'"),
            ('{"id": "9", "instances": 2, "objects": [[0, 1, null]]}', "2 instances of 1 objects"),
            ('{"id": "9", "instances": 1, "objects": [[0, 0, null]]}', "without a place"),
            ('{"id": "9", "instances": 1, "objects": [[0, 1, 0]]}', "no tree"),
            ('{"id": "9", "instances": 1, "objects": [[0, 1, null], [0, 2, 0]]}', "stuff with a parent"),
            ('{"id": "9", "instances": 1, "objects": [[0, 1]]}', "no valid entry"),
        ],
    )
    def test_lines(self, tmp_path, line, words) -> None:
        file = write(tmp_path, "ours") / "annotations.jsonl"
        file.write_text(f"{file.read_text()}{line}\n")
        with pytest.raises(DatasetError, match=rf"annotations\.jsonl line 5 .*{words}|line 5 is {words}"):
            CocoLvis(tmp_path, "x")

    @pytest.mark.parametrize("first", ['{"format": "other", "version": 1}', '{"format": "clickwise-cocolvis"}', ""])
    def test_first_line(self, tmp_path, first) -> None:
        (write(tmp_path, "ours") / "annotations.jsonl").write_text(f"{first}\n")
        with pytest.raises(DatasetError, match="line 1 is no valid entry"):
            CocoLvis(tmp_path, "x")

    def test_no_pictures(self, tmp_path) -> None:
        (write(tmp_path, "ours") / "annotations.jsonl").write_text('{"format": "clickwise-cocolvis", "version": 1}\n')
        with pytest.raises(DatasetError, match="lists no picture"):
            CocoLvis(tmp_path, "x")

    def test_layers(self, tmp_path) -> None:
        folder = write(tmp_path, "ours")
        data = CocoLvis(tmp_path, "x")
        file = folder / "masks" / "000000000025_1.png"
        whole = file.read_bytes()
        for content in (b"", whole[:50], b"no PNG"):
            file.write_bytes(content)
            with pytest.raises(DatasetError, match=r"000000000025_1\.png is damaged"):
                data.load(1)
        save(file, np.ones((3, 3), np.uint8))
        with pytest.raises(DatasetError, match="another size"):
            data.load(1)
        save(file, np.full(SIZE, 9, np.uint8))
        with pytest.raises(DatasetError, match="layer 1 holds the value 9, which is no object"):
            data.load(1)
        file.unlink()
        with pytest.raises(DatasetError, match=r"000000000025_1\.png cannot be read"):
            data.load(1)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_probability(tmp_path, value) -> None:
    write(tmp_path, "ours")
    with pytest.raises(DatasetError, match=r"stuff_prob is .* from 0 to 1"):
        CocoLvis(tmp_path, "x", stuff_prob=value)
