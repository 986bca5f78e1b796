"""Readers of the evaluation's data sets, on miniatures in the published layouts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from miniatures import blob, grey, pairs, picture, save
from PIL import Image

from clickwise.data.datasets.davis_style import Davis
from clickwise.data.datasets.grabcut_style import Berkeley, GrabCut
from clickwise.data.datasets.images_masks import ImagesMasks
from clickwise.data.sample import Dataset
from clickwise.errors import DatasetError

STYLES = [(GrabCut, "data_GT", "boundary_GT"), (Berkeley, "images", "masks"), (Davis, "img", "gt")]


@pytest.mark.parametrize(("reader", "images", "masks"), STYLES)
class TestPaired:
    def test_reads_pictures_in_order_of_their_names(self, tmp_path, reader, images, masks) -> None:
        truths = pairs(tmp_path, images, masks, ("b", "a", "C"))
        data = reader(tmp_path, "mini")
        assert isinstance(data, Dataset)
        assert (data.name, list(data.sample_ids), len(data)) == ("mini", ["C", "a", "b"], 3)
        for index, number in enumerate((2, 1, 0)):
            sample = data.load(index)
            assert sample.sample_id == data.sample_ids[index]
            assert len(sample.objects) == 1
            assert np.array_equal(sample.image, picture(seed=number))
            assert np.array_equal(sample.object_mask(0), truths[number])
            assert not sample.ignore_mask().any()

    def test_other_files_do_not_count(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images, masks)
        for folder in (images, masks):
            for name in ("Thumbs.db", ".DS_Store", "._a.png", "desktop.ini", "README.md"):
                (tmp_path / folder / name).write_bytes(b"\0\1")
            (tmp_path / folder / "more.png").mkdir()
        assert len(reader(tmp_path, "mini")) == 3

    def test_names_with_dots_spaces_and_other_alphabets(self, tmp_path, reader, images, masks) -> None:
        names = ("a.b.c", "a.b", "мяч 1", "caf\u00e9")
        truths = pairs(tmp_path, images, masks, names)
        (tmp_path / masks / "caf\u00e9.bmp").rename(tmp_path / masks / "cafe\u0301.bmp")
        data = reader(tmp_path, "mini")
        for name, truth in zip(names, truths, strict=True):
            assert np.array_equal(data.load(list(data.sample_ids).index(name)).object_mask(0), truth)

    def test_picture_without_mask(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images, masks)
        (tmp_path / masks / "b.bmp").unlink()
        with pytest.raises(DatasetError, match=rf"mini: .*{images}.b\.png has no mask; .* stem"):
            reader(tmp_path, "mini")

    def test_mask_without_picture(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images, masks, ("a", "b", "c", "d"))
        (tmp_path / images / "b.png").unlink()
        (tmp_path / images / "c.png").unlink()
        with pytest.raises(DatasetError, match=rf"{masks}.b\.bmp has no picture \(2 such files\)"):
            reader(tmp_path, "mini")

    def test_two_files_of_one_stem(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images, masks)
        save(tmp_path / masks / "a.png", grey(blob((1, 1, 5, 5))))
        with pytest.raises(DatasetError, match="same stem"):
            reader(tmp_path, "mini")

    def test_missing_and_empty_folders(self, tmp_path, reader, images, masks) -> None:
        with pytest.raises(DatasetError, match=rf"has no folder {images}/"):
            reader(tmp_path, "mini")
        (tmp_path / images).mkdir()
        with pytest.raises(DatasetError, match="holds no picture"):
            reader(tmp_path, "mini")
        with pytest.raises(DatasetError, match="does not exist"):
            reader(tmp_path / "nowhere", "mini")

    def test_folder_names_in_another_case(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images.upper(), masks.capitalize())
        assert len(reader(tmp_path, "mini")) == 3

    def test_sizes_that_differ(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images, masks)
        save(tmp_path / masks / "b.bmp", grey(blob((1, 1, 5, 5), (24, 30))))
        with pytest.raises(DatasetError, match=r"b\.bmp is 30 x 24 pixels, b\.png 32 x 24"):
            reader(tmp_path, "mini").load(1)

    def test_damaged_files(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images, masks)
        image, mask = tmp_path / images / "a.png", tmp_path / masks / "b.bmp"
        image.write_bytes(image.read_bytes()[:60])
        mask.write_bytes(b"")
        data = reader(tmp_path, "mini")
        for index, name in ((0, "a.png"), (1, "b.bmp")):
            with pytest.raises(DatasetError, match=name):
                data.load(index)

    def test_turned_pictures(self, tmp_path, reader, images, masks) -> None:
        """A mask fits the picture as seen, or as stored where only that has its size."""
        exif = Image.Exif()
        exif[0x0112] = 6
        seen = blob((2, 3, 9, 8), (32, 24))
        for name, values in (("seen", grey(seen)), ("stored", grey(np.rot90(seen)))):
            (tmp_path / images).mkdir(exist_ok=True)
            Image.fromarray(picture()).save(tmp_path / images / f"{name}.jpg", exif=exif)
            save(tmp_path / masks / f"{name}.png", values)
        data = reader(tmp_path, "mini")
        for index in range(2):
            assert data.load(index).image.shape == (32, 24, 3)
            assert np.array_equal(data.load(index).object_mask(0), seen)


class TestGreyRule:
    @pytest.mark.parametrize(("reader", "images", "masks"), STYLES[:2])
    def test_every_value(self, tmp_path, reader, images, masks) -> None:
        pairs(tmp_path, images, masks)
        values = np.zeros((24, 32), np.uint8)
        values[0], values[1], values[2], values[3] = 64, 128, 129, 255
        save(tmp_path / masks / "a.bmp", values)
        sample = reader(tmp_path, "mini").load(0)
        rows = np.arange(24)[:, None] * np.ones((1, 32), int)
        assert np.array_equal(sample.object_mask(0), (rows == 2) | (rows == 3))
        assert np.array_equal(sample.ignore_mask(), rows == 1)

    @pytest.mark.parametrize(("reader", "images", "masks"), STYLES[:2])
    @pytest.mark.parametrize("value", [1, 63, 77, 127])
    def test_value_without_meaning(self, tmp_path, reader, images, masks, value) -> None:
        pairs(tmp_path, images, masks)
        values = grey(blob((3, 3, 9, 9)))
        values[20, 20] = value
        save(tmp_path / masks / "c.bmp", values)
        with pytest.raises(DatasetError, match=rf"c\.bmp holds the value {value}, which has no meaning; rule: .*128"):
            reader(tmp_path, "mini").load(2)

    def test_grey_saved_as_colour(self, tmp_path) -> None:
        truths = pairs(tmp_path, "images", "masks", ("a", "b", "c"))
        (tmp_path / "masks" / "a.bmp").unlink()
        save(tmp_path / "masks" / "a.png", np.dstack([grey(truths[0])] * 3 + [np.full((24, 32), 255, np.uint8)]))
        save(tmp_path / "masks" / "b.bmp", truths[1])  # bilevel
        (tmp_path / "masks" / "c.bmp").unlink()
        save(tmp_path / "masks" / "c.png", np.dstack([grey(truths[2]), np.full((24, 32), 255, np.uint8)]))
        data = Berkeley(tmp_path, "mini")
        for index, truth in enumerate(truths):
            assert np.array_equal(data.load(index).object_mask(0), truth)

    def test_real_colours(self, tmp_path) -> None:
        pairs(tmp_path, "images", "masks")
        values = np.zeros((24, 32, 3), np.uint8)
        values[4:9, 4:9] = (128, 0, 0)
        save(tmp_path / "masks" / "a.bmp", values)
        with pytest.raises(DatasetError, match=r"a\.bmp is coloured; rule"):
            Berkeley(tmp_path, "mini").load(0)

    def test_empty_mask_is_for_the_caller_to_judge(self, tmp_path) -> None:
        pairs(tmp_path, "images", "masks")
        save(tmp_path / "masks" / "a.bmp", np.zeros((24, 32), np.uint8))
        sample = Berkeley(tmp_path, "mini").load(0)
        assert len(sample.objects) == 1
        assert not sample.object_mask(0).any()


def test_davis_takes_the_largest_channel(tmp_path) -> None:
    pairs(tmp_path, "img", "gt")
    values = np.zeros((24, 32, 3), np.uint8)
    values[2, 2], values[3, 3], values[4, 4], values[5, 5] = (1, 0, 0), (0, 128, 0), (0, 0, 255), (255, 255, 255)
    (tmp_path / "gt" / "a.bmp").unlink()
    save(tmp_path / "gt" / "a.png", np.dstack([values, np.full((24, 32), 255, np.uint8)]))
    indexed = Image.fromarray(blob((1, 1, 7, 7)).astype(np.uint8)).convert("P")
    indexed.putpalette([0, 0, 0, 0, 0, 128])
    (tmp_path / "gt" / "b.bmp").unlink()
    indexed.save(tmp_path / "gt" / "b.png")
    data = Davis(tmp_path, "mini")
    ys, xs = np.nonzero(data.load(0).object_mask(0))
    assert list(zip(ys, xs, strict=True)) == [(2, 2), (3, 3), (4, 4), (5, 5)]
    assert np.array_equal(data.load(1).object_mask(0), blob((1, 1, 7, 7)))
    assert not data.load(0).ignored


class TestImagesMasks:
    def test_several_objects(self, tmp_path) -> None:
        root = tmp_path / "my pictures"
        boxes = {
            "a_2": (1, 1, 4, 4),
            "a_10": (5, 1, 9, 4),
            "a": (10, 1, 15, 4),
            "a_1": (16, 1, 20, 4),
            "b.x": (1, 9, 6, 15),
        }
        for name in ("a", "a_1", "b.x"):
            save(root / "images" / f"{name}.jpg", picture())
        for name, box in boxes.items():
            save(root / "masks" / f"{name}.png", grey(blob(box)))
        data = ImagesMasks(root)
        assert (data.name, list(data.sample_ids)) == ("my pictures", ["a", "a_1", "b.x"])
        first = data.load(0)
        assert [data.describe(0, k).rpartition("masks")[2][1:] for k in range(3)] == ["a.png", "a_2.png", "a_10.png"]
        for number, name in enumerate(("a", "a_2", "a_10")):
            assert np.array_equal(first.object_mask(number), blob(boxes[name]))
        assert np.array_equal(data.load(1).object_mask(0), blob(boxes["a_1"]))

    def test_ignored_pixels_win_over_all_objects(self, tmp_path) -> None:
        save(tmp_path / "images" / "a.png", picture())
        save(tmp_path / "masks" / "a_1.png", grey(blob((2, 2, 9, 9)), blob((5, 2, 6, 9))))
        save(tmp_path / "masks" / "a_2.png", grey(blob((4, 4, 12, 12))))
        sample = ImagesMasks(tmp_path).load(0)
        assert np.array_equal(sample.ignore_mask(), blob((5, 2, 6, 9)))
        assert np.array_equal(sample.object_mask(1), blob((4, 4, 12, 12)) & ~blob((5, 2, 6, 9)))

    @pytest.mark.parametrize("name", ["b", "a_mask", "b_1"])
    def test_mask_without_picture(self, tmp_path, name) -> None:
        save(tmp_path / "images" / "a.png", picture())
        save(tmp_path / "masks" / "a.png", grey(blob((2, 2, 9, 9))))
        save(tmp_path / "masks" / f"{name}.png", grey(blob((2, 2, 9, 9))))
        with pytest.raises(DatasetError, match=rf"{name}\.png has no picture; the mask of images/STEM"):
            ImagesMasks(tmp_path)

    def test_picture_without_mask(self, tmp_path) -> None:
        save(tmp_path / "images" / "a.png", picture())
        save(tmp_path / "images" / "b.png", picture())
        save(tmp_path / "masks" / "b_1.png", grey(blob((2, 2, 9, 9))))
        with pytest.raises(DatasetError, match=r"a\.png has no mask"):
            ImagesMasks(tmp_path)

    @pytest.mark.parametrize("value", [1, 64, 127])
    def test_value_without_meaning(self, tmp_path, value) -> None:
        save(tmp_path / "images" / "a.png", picture())
        save(tmp_path / "masks" / "a.png", blob((2, 2, 9, 9)).astype(np.uint8) * value)
        with pytest.raises(DatasetError, match=rf"a\.png holds the value {value}"):
            ImagesMasks(tmp_path).load(0)


def test_real_grabcut(grabcut: Path) -> None:
    data = GrabCut(grabcut, "GrabCut")
    assert len(data) == 50
    sample = data.load(list(data.sample_ids).index("banana1"))
    assert sample.object_mask(0).any()
    assert sample.ignore_mask().any()
    assert not (sample.object_mask(0) & sample.ignore_mask()).any()
