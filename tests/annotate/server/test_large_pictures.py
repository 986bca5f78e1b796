"""Large pictures: masks from what the network saw, rows of runs without unfolding, tiles."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from clickwise.annotate import answers
from clickwise.annotate.answers import mask_of
from clickwise.annotate.decoded import Picture, Pictures
from clickwise.annotate.deltas import level_count, level_size, patch
from clickwise.annotate.mask_runs import MaskRuns
from clickwise.annotate.row_runs import row_counts
from clickwise.annotate.store import ProjectStore
from clickwise.errors import ImageError, InputError
from clickwise.imaging import LoadedImage, read_image
from clickwise.imaging.encode import jpeg_bytes, thumbnail
from clickwise.inference.window import WindowMap


@settings(max_examples=40, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.data())
def test_rows_of_runs_are_those_of_the_unfolded_piece(mask: np.ndarray, data: st.DataObject) -> None:
    height, width = mask.shape
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    expected = MaskRuns.of(np.ascontiguousarray(mask[y0:y1, x0:x1].T)).counts
    assert row_counts(MaskRuns.of(mask), (x0, y0, x1, y1)) == expected


@settings(max_examples=40, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(2, 6), st.integers(2, 6)), elements=st.floats(0, 1, width=16)),
    st.integers(2, 40),
    st.integers(2, 40),
    st.floats(0.02, 0.97),
    st.integers(0, 3),
)
def test_a_window_seen_small_gives_the_mask_of_its_pixels(
    grid: np.ndarray, height: int, width: int, threshold: float, margin: int
) -> None:
    frame = (height + 2 * margin, width + margin)
    known = WindowMap(frame, (margin, margin, margin + width, margin + height), grid)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(answers, "PIXELS_UNFOLDED", 0)
        patched.setattr(answers, "_COLUMNS_AT_ONCE", 7)
        mask = mask_of(known, frame, threshold)
    assert MaskRuns.read(frame, mask.counts) == mask, "not in the one form"
    different = mask.array() != known.mask(threshold)
    assert (np.abs(known.full()[different] - threshold) < 1e-5).all()


def test_a_click_on_100_megapixels_makes_no_full_frames() -> None:
    frame = (8700, 11500)
    ys, xs = np.mgrid[0:605, 0:800]
    grid = (1 / (1 + np.exp(((ys - 300) ** 2 + (xs - 400) ** 2) ** 0.5 - 40))).astype(np.float32)
    known = WindowMap(frame, (0, 0, frame[1], frame[0]), grid)
    moved = WindowMap(frame, (0, 0, frame[1], frame[0]), np.roll(grid, 1, 1))
    tracemalloc.start()
    before, after = mask_of(known, frame, 0.49), mask_of(moved, frame, 0.49)
    change = patch(before, after)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert before.area == pytest.approx(np.pi * (40 * 14.38) ** 2, rel=0.01)
    assert change.rect[2] - change.rect[0] < 1300
    assert peak < 60e6, "a full frame of bytes alone would be 100 MB"


def test_the_pyramid_halves_until_one_tile_is_left() -> None:
    assert [level_count(size) for size in [(1, 1), (512, 512), (513, 2), (1200, 1600), (8700, 11500)]] == [
        1,
        1,
        2,
        3,
        6,
    ]
    assert level_size((1201, 1600), 2) == (301, 400)
    rng = np.random.default_rng(0)
    picture = Picture(LoadedImage(rng.integers(0, 255, (1030, 700, 3), np.uint8)))
    assert picture.level(2).shape == (258, 175, 3)
    with Image.open(io.BytesIO(picture.tile(0, 1, 2))) as tile:
        assert tile.size == (700 - 512, 1030 - 1024)
    for wrong in [(0, 2, 0), (0, 0, 3), (3, 0, 0), (-1, 0, 0), (0, -1, 0)]:
        with pytest.raises(InputError):
            picture.tile(*wrong)
    smooth = np.broadcast_to(np.arange(200, dtype=np.uint8)[None, :, None], (100, 200, 3))
    picture = Picture(LoadedImage(np.ascontiguousarray(smooth)))
    with Image.open(io.BytesIO(picture.tile(0, 0, 0))) as tile:
        assert np.abs(np.asarray(tile, np.int16) - smooth).max() <= 3


def test_pictures_are_decoded_once_and_kept_within_their_budget(tmp_path: Path) -> None:
    for name in "abc":
        Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "d.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with ProjectStore.open(tmp_path / "project") as store:
        entries = store.add_images([tmp_path])
        pictures = Pictures(budget=90_000)
        first = pictures.get(entries[0])
        assert pictures.get(entries[0]) is first
        assert first.result().loaded.size == (100, 100)
        for entry in entries[1:3]:
            pictures.ahead(entry)
            pictures.get(entry).result()
        assert pictures.bytes_kept == 80_000
        assert pictures.get(entries[0]) is not first
        for _ in range(2):
            with pytest.raises(ImageError, match=r"d\.png is") as told:
                pictures.get(entries[3]).result()
            assert str(tmp_path) not in str(told.value)
        Image.fromarray(np.zeros((50, 100, 3), np.uint8)).save(tmp_path / "c.png")
        pictures.get(entries[0]).result()
        pictures.get(entries[1]).result()
        with pytest.raises(ImageError, match="put the old file back"):
            pictures.get(entries[2]).result()
        pictures.close()


def test_thumbnails_are_upright_and_small(tmp_path: Path) -> None:
    pixels = np.zeros((1600, 2400, 3), np.uint8)
    pixels[:, :600] = (250, 30, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(pixels).save(tmp_path / "plain.png")
    for name in ("turned.jpg", "plain.png"):
        small = thumbnail(tmp_path / name, 160)
        full = read_image(tmp_path / name).rgb
        assert small.shape[:2] == ((160, 107) if name == "turned.jpg" else (107, 160))
        ys, xs = np.array([8, 90, 8, 90]), np.array([8, 8, 90, 90])
        scale = full.shape[0] / small.shape[0]
        there = full[(ys * scale).astype(int), (xs * scale).astype(int)].astype(int)
        assert np.abs(small[ys, xs].astype(int) - there).max() < 12
    with Image.open(io.BytesIO(jpeg_bytes(pixels[:16, :16]))) as image:
        assert image.layer[0][1:3] == (1, 1), "colour is not subsampled"
