"""OpenImages on a miniature: CSV file or the published list, masks of other sizes than the pictures."""

from __future__ import annotations

import pickle
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from miniatures import blob, picture, save

from clickwise.data.datasets.open_images import OpenImages
from clickwise.data.datasets.registry import open_dataset
from clickwise.data.sample import RandomizedDataset
from clickwise.errors import DatasetError

MASKS = {
    "0a1b": {"0a1b_m04yx4_1.png": ((24, 32), (2, 2, 12, 12)), "0a1b_m04yx4_2.png": ((24, 32), (8, 8, 20, 20))},
    "0f00": {"0f00_m0dzct_1.png": ((30, 28), (4, 4, 14, 15))},
}
HEADER = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks\n"


def write(root: Path, form: str = "csv", split: str = "train") -> Path:
    folder = root / split
    rows = []
    for number, (name, masks) in enumerate(MASKS.items()):
        save(folder / "images" / f"{name}.jpg", picture(seed=number))
        for file, (size, box) in masks.items():
            save(folder / "masks" / file, blob(box, size))
            rows.append((file, name))
    rows += [("0a1b_m04yx4_3.png", "0a1b"), ("gone_m1_1.png", "gone")]  # not downloaded
    base = folder / f"{split}-annotations-object-segmentation"
    if form == "csv":
        text = "".join(f"{file},{name},/m/1,box,0,1,0,1,0.9,\n" for file, name in rows)
        base.with_suffix(".csv").write_text(HEADER + text)
    else:
        table = defaultdict(list)
        for file, name in rows:
            table[name].append(file)
        content = {"image_id_to_masks": table, "dataset_samples": list(table)}
        base.with_name(f"{base.name}_clean.pkl").write_bytes(pickle.dumps(content))
    return folder


@pytest.mark.parametrize("form", ["csv", "published"])
class TestBothForms:
    def test_all_masks_of_a_picture(self, tmp_path, form) -> None:
        write(tmp_path / "OpenImages", form)
        data = open_dataset("OpenImages:train", tmp_path)
        assert isinstance(data, RandomizedDataset)
        assert list(data.sample_ids) == list(MASKS)
        assert data.indices_by_source() == {"OpenImages:train": [0, 1]}
        sample = data.load(0)
        assert sample.layers.shape == (24, 32, 2)
        for number, (_, box) in enumerate(MASKS["0a1b"].values()):
            assert np.array_equal(sample.object_mask(number), blob(box))
        assert data.describe(0, 1).endswith("0a1b_m04yx4_2.png")

    def test_one_mask_at_random(self, tmp_path, form) -> None:
        write(tmp_path / "OpenImages", form)
        data = open_dataset("OpenImages", tmp_path)
        rng = np.random.default_rng(0)
        areas = [int(data.load_random(0, rng).object_mask(0).sum()) for _ in range(100)]
        assert set(areas) == {100, 144}
        assert areas.count(100) == pytest.approx(50, abs=20)
        assert len(data.load_random(0, rng).objects) == 1


def test_smaller_width_and_smaller_height(tmp_path) -> None:
    """The picture is 24 x 32 (height x width), the mask 30 x 28: both become 24 x 28."""
    folder = write(tmp_path)
    data = OpenImages(tmp_path, "OpenImages")
    for sample in (data.load(1), data.load_random(1, np.random.default_rng(0))):
        assert sample.image.shape == (24, 28, 3)
        mask = blob((4, 4, 14, 15), (30, 28)).astype(np.uint8)
        assert np.array_equal(sample.object_mask(0), cv2.resize(mask, (28, 24), interpolation=cv2.INTER_NEAREST) > 0)
        whole = cv2.imread(str(folder / "images" / "0f00.jpg"))[:, :, ::-1]
        difference = sample.image.astype(int) - cv2.resize(whole, (28, 24), interpolation=cv2.INTER_LINEAR)
        assert abs(difference).max() <= 2


def test_any_value_above_0_is_object(tmp_path) -> None:
    folder = write(tmp_path)
    values = np.zeros((24, 32), np.uint8)
    values[3:9, 3:9], values[12:15, 3:9] = 1, 255
    save(folder / "masks" / "0a1b_m04yx4_1.png", values)
    assert np.array_equal(OpenImages(tmp_path, "x").load(0).object_mask(0), values > 0)


def test_new_masks_are_noticed(tmp_path) -> None:
    folder = write(tmp_path)
    assert len(OpenImages(tmp_path, "x").load(0).objects) == 2
    save(folder / "masks" / "0a1b_m04yx4_3.png", blob((0, 0, 3, 3)))
    assert len(OpenImages(tmp_path, "x").load(0).objects) == 3


class TestMalformed:
    def test_missing(self, tmp_path) -> None:
        folder = write(tmp_path)
        with pytest.raises(DatasetError, match=r"has no validation.images"):
            OpenImages(tmp_path, "x", "validation")
        (folder / "train-annotations-object-segmentation.csv").unlink()
        with pytest.raises(DatasetError, match=r"segmentation\.csv does not exist"):
            OpenImages(tmp_path, "x")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"ImageID,Mask\n0a1b,x.png\n", "row without ImageID or MaskPath"),
            (f"{HEADER}0a1b_m04yx4_1.png\n".encode(), "row without ImageID or MaskPath"),
            (HEADER.encode(), "no row of .* has both"),
            (f"{HEADER}gone.png,gone,/m/1\n".encode(), "no row of .* has both"),
            (b"MaskPath,ImageID\n\xff\xfe,1\n", "no readable table"),
        ],
    )
    def test_tables(self, tmp_path, content, words) -> None:
        (write(tmp_path) / "train-annotations-object-segmentation.csv").write_bytes(content)
        with pytest.raises(DatasetError, match=words):
            OpenImages(tmp_path, "x")

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"cos\nsystem\n(S'false'\ntR.", "os.system, which is not data"),
            (pickle.dumps({}), "has no image_id_to_masks"),
            (pickle.dumps({"image_id_to_masks": {"0a1b": 3}}), "has no image_id_to_masks"),
            (pickle.dumps([]), "has no image_id_to_masks"),
        ],
    )
    def test_published_list(self, tmp_path, content, words) -> None:
        file = write(tmp_path, "published") / "train-annotations-object-segmentation_clean.pkl"
        file.write_bytes(content)
        with pytest.raises(DatasetError, match=words):
            OpenImages(tmp_path, "x")

    def test_truncated(self, tmp_path) -> None:
        folder = write(tmp_path)
        data = OpenImages(tmp_path, "x")
        for name in ("masks/0a1b_m04yx4_1.png", "images/0a1b.jpg"):
            whole = (folder / name).read_bytes()
            (folder / name).write_bytes(whole[: len(whole) // 2])
            with pytest.raises(DatasetError, match=Path(name).name):
                data.load(0)
            (folder / name).write_bytes(whole)
