"""Masks keep the raster of their picture, files are whole or absent, drawings are as the field draws them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise import imaging
from clickwise.clicks.click import Click
from clickwise.errors import MaskError, OptionError, OutputError
from clickwise.imaging import LoadedImage, atomic_write, overlay, read_mask, to_stored, write_image, write_mask


def blob(height: int = 20, width: int = 30) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[2:9, 4:25] = True
    mask[9:15, 4:8] = True
    return mask


def turned(orientation: int, height: int = 20, width: int = 30) -> LoadedImage:
    stored = to_stored(blob(height, width), orientation).shape
    return LoadedImage(np.zeros((height, width, 3), np.uint8), orientation, stored)


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("size", [(20, 30), (25, 25)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_written_masks_come_back(tmp_path: Path, orientation: int, size: tuple[int, int], upright: bool) -> None:
    path, image = tmp_path / "m.png", turned(orientation, *size)
    write_mask(path, blob(*size), orientation, upright=upright)
    with Image.open(path) as written:
        raster = np.asarray(written)
        assert written.mode == "L"
        assert written.text["clickwise:orientation"] == ("upright" if upright else "stored")
        assert written.getexif().get(0x0112, 1) == (1 if upright else orientation)
    assert set(np.unique(raster)) == {0, 255}
    np.testing.assert_array_equal(raster > 0, blob(*size) if upright else to_stored(blob(*size), orientation))
    np.testing.assert_array_equal(read_mask(path, image), blob(*size))


def test_masks_of_other_tools_fit_by_size(tmp_path: Path) -> None:
    image, path = turned(6), tmp_path / "m.png"
    for raster in (to_stored(blob(), 6), blob()):
        Image.fromarray(raster.astype(np.uint8) * 255).save(path)
        np.testing.assert_array_equal(read_mask(path, image), blob())
        np.testing.assert_array_equal(read_mask(raster, image), blob())
    square = turned(6, 25, 25)
    Image.fromarray(to_stored(blob(25, 25), 6)).save(path)
    np.testing.assert_array_equal(read_mask(path, square), blob(25, 25))


def test_values_of_mask_files(tmp_path: Path) -> None:
    image, path = turned(1), tmp_path / "m.png"
    kinds = {
        "0_1": Image.fromarray(blob().astype(np.uint8)),
        "bilevel": Image.fromarray(blob()),
        "colour": Image.fromarray(np.dstack([blob() * 255, blob() * 0, blob() * 0]).astype(np.uint8)),
        "16 bit": Image.fromarray(blob().astype(np.uint16) * 65535),
        "soft": Image.fromarray(np.where(blob(), 128, 127).astype(np.uint8)),
    }
    for name, kind in kinds.items():
        kind.save(path)
        np.testing.assert_array_equal(read_mask(path, image), blob(), err_msg=name)
    np.testing.assert_array_equal(read_mask(np.where(blob(), 0.75, 0.0), image), np.where(blob(), 0.75, 0.0))


def test_unfit_masks(tmp_path: Path) -> None:
    image, path = turned(6), tmp_path / "m.png"
    Image.new("L", (31, 20)).save(path)
    with pytest.raises(MaskError, match=r"31 x 20.*30 x 20.*20 x 30"):
        read_mask(path, image)
    path.write_bytes(b"nonsense")
    with pytest.raises(MaskError, match=r"m\.png"):
        read_mask(path, image)
    with pytest.raises(MaskError, match="does not exist"):
        read_mask(tmp_path / "none.png", image)
    with pytest.raises(MaskError, match="folder"):
        read_mask(tmp_path, image)


def test_failure_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "out.bin"
    path.write_bytes(b"old")

    def write_half(error: BaseException) -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(KeyboardInterrupt):
        write_half(KeyboardInterrupt())
    with pytest.raises(OutputError, match="No space"):
        write_half(OSError(28, "No space left on device"))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.bin"]


def test_writing_through_links_and_keeping_modes(tmp_path: Path) -> None:
    real, link = tmp_path / "real.txt", tmp_path / "link.txt"
    imaging.write_text(real, "one")
    real.chmod(0o640)
    link.symlink_to(real)
    imaging.write_text(link, "zwei ä")
    assert link.is_symlink()
    assert real.read_text("utf-8") == "zwei ä"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    for path, words in ((tmp_path, "folder"), (tmp_path / "no" / "x", "does not exist"), (Path(os.devnull), "regular")):
        with pytest.raises(OutputError, match=words), atomic_write(path):
            pass


def test_a_very_long_name(tmp_path: Path) -> None:
    name = "ä" * 120 + ".png"
    write_mask(tmp_path / name, blob())
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_palette_is_pascal_vocs() -> None:
    palette = imaging.voc_palette()
    assert palette[:5].tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [0, 0, 128]]
    assert len(np.unique(palette, axis=0)) == 256


def test_overlay() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    before = rgb.copy()
    drawn = overlay(rgb, blob(), alpha=0.6)
    np.testing.assert_array_equal(rgb, before)
    np.testing.assert_array_equal(drawn[~blob()], rgb[~blob()])
    np.testing.assert_allclose(drawn[blob()], rgb[blob()] * 0.4 + np.array([128, 0, 0]) * 0.6, atol=0.51)
    labels = blob() * 2
    np.testing.assert_allclose(overlay(rgb, labels, alpha=1)[blob()], [[0, 128, 0]] * int(blob().sum()))
    clicked = overlay(rgb, blob() & False, [Click(10, 5), Click(29, 19, False)], radius=2)
    assert clicked[5, 10].tolist() == [0, 255, 0]
    assert clicked[19, 29].tolist() == [255, 0, 0]
    assert (clicked[10, 10] == rgb[10, 10]).all()
    assert (overlay(rgb, blob() & False, [Click(10, 5)], radius=0) == rgb).all()


@pytest.mark.parametrize("name", ["o.png", "o.jpg", "o.webp", "o.bmp", "o.TIFF"])
def test_pictures_are_written_by_name(tmp_path: Path, name: str) -> None:
    rgb = np.full((20, 30, 3), 99, np.uint8)
    write_image(tmp_path / name, rgb)
    assert np.abs(imaging.read_image(tmp_path / name).rgb.astype(int) - 99).max() <= 3
    with pytest.raises(OptionError, match="xyz"):
        write_image(tmp_path / "o.xyz", rgb)
