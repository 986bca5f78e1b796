"""Every kind of odd picture becomes upright 8-bit RGB, or one clear line of error."""

from __future__ import annotations

import io
import os
import struct
import threading
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clickwise.errors import ImageError, MissingExtraError, OptionError
from clickwise.imaging import LoadedImage, image_from, read_image, to_stored, to_upright
from clickwise.imaging.orientation import swaps_sides


def colours(height: int = 20, width: int = 30) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def saved(tmp_path: Path, image: Image.Image, name: str = "p.png", **options: object) -> Path:
    image.save(tmp_path / name, **options)
    return tmp_path / name


def test_plain_colour(tmp_path: Path) -> None:
    loaded = read_image(saved(tmp_path, Image.fromarray(colours())))
    np.testing.assert_array_equal(loaded.rgb, colours())
    assert (loaded.width, loaded.height, loaded.size) == (30, 20, (20, 30))
    assert (loaded.orientation, loaded.stored_size, loaded.path) == (1, (20, 30), tmp_path / "p.png")
    assert loaded.rgb.flags["C_CONTIGUOUS"]


def test_grey_and_bilevel(tmp_path: Path) -> None:
    grey = colours()[..., 0]
    np.testing.assert_array_equal(read_image(saved(tmp_path, Image.fromarray(grey))).rgb, np.dstack([grey] * 3))
    bilevel = Image.fromarray(grey > 128)
    assert bilevel.mode == "1"
    np.testing.assert_array_equal(read_image(saved(tmp_path, bilevel)).rgb[..., 1], (grey > 128) * 255)


def test_alpha_is_composed_over_white(tmp_path: Path) -> None:
    rgba = np.dstack([colours(), np.full((20, 30), 255, np.uint8)])
    rgba[:5, :, 3], rgba[5:10, :, 3] = 0, 128
    result = read_image(saved(tmp_path, Image.fromarray(rgba))).rgb
    assert (result[:5] == 255).all()
    expected = rgba[5:10, :, :3] * (128 / 255) + 255 * (127 / 255)
    assert np.abs(result[5:10] - expected).max() <= 0.51
    np.testing.assert_array_equal(result[10:], rgba[10:, :, :3])
    grey_alpha = Image.fromarray(rgba[..., 0]).convert("LA")
    grey_alpha.putalpha(Image.fromarray(rgba[..., 3]))
    assert (read_image(saved(tmp_path, grey_alpha)).rgb[:5] == 255).all()


def test_palettes_with_and_without_transparency(tmp_path: Path) -> None:
    palette = Image.fromarray(colours()).quantize(16)
    expected = np.asarray(palette.convert("RGB"))
    np.testing.assert_array_equal(read_image(saved(tmp_path, palette)).rgb, expected)
    path = saved(tmp_path, palette, "t.png", transparency=3)
    index = np.asarray(palette)
    result = read_image(path).rgb
    assert (result[index == 3] == 255).all()
    np.testing.assert_array_equal(result[index != 3], expected[index != 3])


def test_transparent_colour_of_a_colour_png(tmp_path: Path) -> None:
    rgb = colours()
    path = saved(tmp_path, Image.fromarray(rgb), transparency=tuple(int(v) for v in rgb[3, 4]))
    assert (read_image(path).rgb[3, 4] == 255).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_other_colour_spaces(tmp_path: Path, mode: str) -> None:
    flat = Image.new("RGB", (30, 20), (200, 60, 90)).convert(mode)
    result = read_image(saved(tmp_path, flat, "p.jpg", quality=95)).rgb
    assert np.abs(result.astype(int) - (200, 60, 90)).max() <= 6


def test_lab_tiff(tmp_path: Path) -> None:
    lab = Image.merge("LAB", [Image.new("L", (8, 8), v) for v in (128, 0, 0)])
    assert read_image(saved(tmp_path, lab, "p.tif")).rgb.shape == (8, 8, 3)


@pytest.mark.parametrize("name", ["p.png", "p.tif"])
def test_16_bits_full_range_equals_8_bits(tmp_path: Path, name: str) -> None:
    grey = colours()[..., 0]
    path = saved(tmp_path, Image.fromarray(grey.astype(np.uint16) * 257), name)
    np.testing.assert_array_equal(read_image(path).rgb[..., 0], grey)


def test_12_bits_in_16_are_not_black(tmp_path: Path) -> None:
    values = np.linspace(0, 4095, 600).astype(np.uint16).reshape(20, 30)
    result = read_image(saved(tmp_path, Image.fromarray(values))).rgb[..., 0]
    assert (result.min(), result.max()) == (0, 255)
    assert (np.diff(result.ravel().astype(int)) >= 0).all()


def test_8_bits_in_16_are_unchanged() -> None:
    grey = colours()[..., 0]
    np.testing.assert_array_equal(image_from(grey.astype(np.uint16)).rgb[..., 0], np.where(grey.max() > 0, grey, 0))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([[0.0, 0.5, 1.0]]), [0, 128, 255]),
        (np.array([[0.0, 100.4, 255.0]]), [0, 100, 255]),
        (np.array([[-1000.0, 0.0, 1000.0]]), [0, 128, 255]),
        (np.array([[np.nan, np.inf, -np.inf, 0.5]]), [0, 255, 0, 128]),
        (np.array([[np.nan, np.nan]]), [0, 0]),
        (np.array([[7000.0, 7000.0]]), [0, 0]),
        (np.array([[-1024, 3071]], np.int16), [0, 255]),
        (np.array([[0, 1]], np.int64), [0, 1]),
        (np.array([[False, True]]), [0, 255]),
        (np.array([[0, 2**32 - 1]], np.uint32), [0, 255]),
    ],
)
def test_depth_rule(values: np.ndarray, expected: list[int]) -> None:
    np.testing.assert_array_equal(image_from(values).rgb[0, :, 2], expected)


def test_float_tiff(tmp_path: Path) -> None:
    values = np.linspace(-3, 8, 600, dtype=np.float32).reshape(20, 30)
    result = read_image(saved(tmp_path, Image.fromarray(values), "f.tif")).rgb
    assert (result[0, 0, 0], result[-1, -1, 0]) == (0, 255)


def test_int32_tiff(tmp_path: Path) -> None:
    values = np.arange(600, dtype=np.int32).reshape(20, 30) * 1000
    assert read_image(saved(tmp_path, Image.fromarray(values, mode="I"), "i.tif")).rgb[-1, -1, 0] > 100


def test_tiff_kinds_that_only_tifffile_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    for name, planar in (("a.tif", "contig"), ("b.tif", "separate")):
        data = values if planar == "contig" else np.moveaxis(values, -1, 0)
        tifffile.imwrite(tmp_path / name, data, photometric="rgb", planarconfig=planar)
        np.testing.assert_array_equal(read_image(tmp_path / name).rgb, np.rint(values * 255).astype(np.uint8))
    monkeypatch.setenv("CLICKWISE_MAX_PIXELS", "100")
    with pytest.raises(ImageError, match="30 x 20"):
        read_image(tmp_path / "a.tif")


@pytest.mark.filterwarnings("ignore")
def test_missing_tifffile_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.tif").write_bytes(b"II*\0" + b"\xff" * 60)

    def without(name: str) -> object:
        raise ImportError(name)

    monkeypatch.setattr("clickwise.imaging.read.import_module", without)
    with pytest.raises(MissingExtraError, match=r"clickwise\[formats\]"):
        read_image(tmp_path / "odd.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["p.png", "p.jpg", "p.tif", "p.webp"])
def test_exif_orientation(tmp_path: Path, name: str, orientation: int) -> None:
    upright = np.zeros((24, 40, 3), np.uint8)
    upright[:12, :20], upright[:12, 20:], upright[12:, :20] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = to_stored(upright, orientation)
    options = {} if name.endswith(("png", "tif")) else {"quality": 100}
    path = saved(tmp_path, Image.fromarray(stored), name, exif=exif, **options)
    loaded = read_image(path)
    assert loaded.orientation == orientation
    assert loaded.stored_size == stored.shape[:2]
    assert loaded.size == (24, 40)
    assert swaps_sides(orientation) == (loaded.stored_size != loaded.size)
    for y, x in ((6, 10), (6, 30), (18, 10), (18, 30)):
        assert np.abs(loaded.rgb[y, x].astype(int) - upright[y, x]).max() < 12
    with Image.open(path) as opened:
        np.testing.assert_array_equal(image_from(opened).rgb, loaded.rgb)


def test_nonsensical_orientation_is_ignored(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 77
    assert read_image(saved(tmp_path, Image.fromarray(colours()), exif=exif)).orientation == 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_to_stored_undoes_to_upright(orientation: int) -> None:
    array = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(to_stored(to_upright(array, orientation), orientation), array)
    np.testing.assert_array_equal(to_upright(to_stored(array, orientation), orientation), array)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_frame_of_an_animation(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (9, 7), c) for c in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    options = {"lossless": True} if name.endswith("webp") else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(read_image(tmp_path / name).rgb[3, 3], (250, 0, 0))


@pytest.mark.parametrize("shape", [(1, 1), (1, 2000), (2000, 1)])
def test_extreme_shapes(tmp_path: Path, shape: tuple[int, int]) -> None:
    assert read_image(saved(tmp_path, Image.new("RGB", shape[::-1]))).size == shape


@pytest.mark.parametrize("name", ["Ünïcödé 画像 🐈.png", "a.b.c.png", ".png.png", "with space.png", "-o.png"])
def test_odd_names(tmp_path: Path, name: str) -> None:
    np.testing.assert_array_equal(read_image(saved(tmp_path, Image.fromarray(colours()), name)).rgb, colours())


@cache
def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(colours(200, 300)).save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_truncated(tmp_path: Path, kind: str, share: float) -> None:
    data = encoded(kind)
    path = tmp_path / f"p.{kind.lower()}"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises((ImageError, MissingExtraError)) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_damaged_bytes_never_escape_as_other_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLICKWISE_MAX_PIXELS", "1000000")
    rng = np.random.default_rng(3)
    for kind in ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP"):
        for k in range(15):
            data = bytearray(encoded(kind))
            for place in rng.integers(0, min(len(data), 400), 12):
                data[place] = rng.integers(0, 256)
            path = tmp_path / f"{kind}{k}"
            path.write_bytes(data)
            try:
                assert isinstance(read_image(path), LoadedImage)
            except (ImageError, MissingExtraError) as error:
                lines = str(error).splitlines()
                assert len(lines) == 1


def test_not_pictures(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("hello")
    for name, words in (
        ("empty.png", "empty"),
        ("text.png", "not a picture"),
        ("missing.png", "does not exist"),
        (".", "folder"),
    ):
        with pytest.raises(ImageError, match=words):
            read_image(tmp_path / name)
    with pytest.raises(ImageError):
        read_image("a\0b.png")


def test_postscript_is_not_run(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="EPS"):
        read_image(saved(tmp_path, Image.fromarray(colours()), "p.eps"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match="regular"):
        read_image(tmp_path / "pipe.png")


def huge_png(width: int, height: int) -> bytes:
    """A PNG that announces a large size and holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_size_limit_by_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge.png"
    path.write_bytes(huge_png(50_000, 5_001))
    with pytest.raises(ImageError, match=r"50000 x 5001.*250.*CLICKWISE_MAX_PIXELS"):
        read_image(path)
    path.write_bytes(huge_png(50_000, 5_000))
    with pytest.raises(ImageError, match="truncated"):
        read_image(path)
    small = saved(tmp_path, Image.fromarray(colours()))
    monkeypatch.setenv("CLICKWISE_MAX_PIXELS", "599")
    with pytest.raises(ImageError, match="30 x 20"):
        read_image(small)
    monkeypatch.setenv("CLICKWISE_MAX_PIXELS", "600")
    read_image(small)
    for value in ("many", "0", "-4", "inf"):
        monkeypatch.setenv("CLICKWISE_MAX_PIXELS", value)
        with pytest.raises(OptionError, match="CLICKWISE_MAX_PIXELS"):
            read_image(small)


def test_pillows_own_limit_is_neither_felt_nor_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    path = saved(tmp_path, Image.fromarray(colours()))

    def read_often() -> None:
        for _ in range(20):
            read_image(path)

    threads = [threading.Thread(target=read_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Image.MAX_IMAGE_PIXELS == 100


def test_arrays(tmp_path: Path) -> None:
    rgb = colours()
    assert image_from(rgb).rgb is rgb or np.shares_memory(image_from(rgb).rgb, rgb)
    assert image_from(rgb[..., 0]).rgb.shape == (20, 30, 3)
    assert image_from(rgb[..., :1]).rgb.shape == (20, 30, 3)
    np.testing.assert_array_equal(image_from(rgb[:, ::-1]).rgb, rgb[:, ::-1])
    loaded = image_from(rgb)
    assert image_from(loaded) is loaded
    for bad in (np.zeros((3, 20, 30)), np.zeros((0, 5, 3)), np.zeros(5), None, 5, object(), np.zeros((4, 4), complex)):
        with pytest.raises(ImageError):
            image_from(bad)  # type: ignore[arg-type]
