"""Masks as run lengths, against plain arrays, against the slow reader of `formats` and against pycocotools."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from clickwise.annotate.mask_runs import MaskRuns
from clickwise.errors import MaskError
from clickwise.formats.run_lengths import decode_counts

SIDES = arrays.array_shapes(min_dims=2, max_dims=2, max_side=24)
MASKS = SIDES.flatmap(lambda shape: arrays.arrays(bool, shape))
PAIRS = SIDES.flatmap(lambda shape: st.tuples(arrays.arrays(bool, shape), arrays.arrays(bool, shape)))


@given(MASKS)
@settings(max_examples=50, deadline=None)
def test_there_and_back(mask: np.ndarray) -> None:
    runs = MaskRuns.of(mask)
    assert np.array_equal(runs.array(), mask)
    assert np.array_equal(decode_counts(runs.counts, mask.shape), mask)
    assert MaskRuns.read(runs.size, runs.counts) == runs
    assert runs.area == mask.sum()


@given(MASKS)
@settings(max_examples=30)
def test_text_is_that_of_pycocotools(mask: np.ndarray) -> None:
    coco = pytest.importorskip("pycocotools.mask")
    assert MaskRuns.of(mask).counts == coco.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


@given(PAIRS)
@settings(max_examples=50, deadline=None)
def test_set_operations(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    first, second = MaskRuns.of(a), MaskRuns.of(b)
    assert first | second == MaskRuns.of(a | b)
    assert first & second == MaskRuns.of(a & b)
    assert first - second == MaskRuns.of(a & ~b)
    assert first ^ second == MaskRuns.of(a ^ b)


@given(MASKS, st.data())
@settings(max_examples=50, deadline=None)
def test_box_and_crop(mask: np.ndarray, data: st.DataObject) -> None:
    runs = MaskRuns.of(mask)
    height, width = mask.shape
    y, x = np.nonzero(mask)
    assert runs.box == ((x.min(), y.min(), x.max() + 1, y.max() + 1) if len(x) else None)
    x0, x1 = sorted(data.draw(st.tuples(st.integers(0, width), st.integers(0, width))))
    y0, y1 = sorted(data.draw(st.tuples(st.integers(0, height), st.integers(0, height))))
    assert np.array_equal(runs.crop((x0, y0, x1, y1)), mask[y0:y1, x0:x1])


def test_large_numbers() -> None:
    mask = np.zeros((9000, 3), bool)
    mask[8999, 2] = True
    mask[0, 0] = True
    assert np.array_equal(MaskRuns.of(mask).array(), mask)
    assert np.array_equal(decode_counts(MaskRuns.of(mask).counts, (9000, 3)), mask)


def test_other_spellings_of_a_mask_become_one() -> None:
    # 2 clear, 0 set, 2 clear, 1 set, 0 clear, 1 set: the same as 4 clear, 2 set.
    spelt = MaskRuns.read((3, 2), "2021N0")
    assert spelt == MaskRuns.of(np.array([[0, 0], [0, 1], [0, 1]], bool))


@pytest.mark.parametrize("text", ["", "5", "99", "\x01", "o", "é", "ooooooooooooo0"])
def test_damaged_text_is_refused(text: str) -> None:
    with pytest.raises(MaskError, match="run lengths"):
        MaskRuns.read((3, 2), text)


def test_other_types_and_sizes_are_refused() -> None:
    with pytest.raises(MaskError, match="boolean"):
        MaskRuns.of(np.zeros((2, 2), np.uint8))
    with pytest.raises(MaskError, match="sizes"):
        MaskRuns.empty((2, 2)) | MaskRuns.empty((2, 3))
    with pytest.raises(MaskError, match="leaves"):
        MaskRuns.empty((2, 2)).crop((0, 0, 3, 1))
