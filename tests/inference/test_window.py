"""Maps known in a window only: every operation equals the same on the full frame."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from clickwise.inference import window as window_module
from clickwise.inference.window import Frame, WindowMap


@st.composite
def boxes(draw: st.DrawFn, height: int, width: int) -> tuple[int, int, int, int]:
    x0, y0 = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    return x0, y0, draw(st.integers(x0 + 1, width)), draw(st.integers(y0 + 1, height))


@st.composite
def maps(draw: st.DrawFn) -> WindowMap:
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    grid = draw(st.integers(1, 30)), draw(st.integers(1, 30))
    values = np.random.default_rng(draw(st.integers(0, 999))).random(grid).astype(np.float32)
    if draw(st.booleans()):
        values **= 8  # few places above one half
    return WindowMap((height, width), draw(boxes(height, width)), values)


def slow_full(known: WindowMap) -> torch.Tensor:
    x0, y0, x1, y1 = known.box
    full = torch.zeros(1, 1, *known.frame)
    values = torch.from_numpy(known.values)[None, None].float()
    full[:, :, y0:y1, x0:x1] = F.interpolate(values, size=(y1 - y0, x1 - x0), mode="bilinear", align_corners=True)
    return full


@settings(max_examples=150, deadline=None)
@given(maps(), st.data())
def test_sample_equals_paste_crop_resize(known: WindowMap, data: st.DataObject) -> None:
    box = data.draw(boxes(*known.frame))
    size = data.draw(st.tuples(st.integers(1, 50), st.integers(1, 50)))
    crop = slow_full(known)[:, :, box[1] : box[3], box[0] : box[2]]
    expected = F.interpolate(crop, size=size, mode="bilinear", align_corners=True)[0, 0].numpy()
    np.testing.assert_allclose(known.sample(box, size), expected, atol=2e-5)


@settings(max_examples=150, deadline=None)
@given(maps(), st.sampled_from([0.3, 0.49, 0.5, 0.9]))
def test_box_mask_and_full_equal_the_full_frame(known: WindowMap, threshold: float) -> None:
    full = slow_full(known)[0, 0].numpy()
    np.testing.assert_allclose(known.full(), full, atol=1e-6)
    if (np.abs(full - threshold) < 1e-5).any():
        return
    mask = full > threshold
    np.testing.assert_array_equal(known.mask(threshold), mask)
    ys, xs = np.nonzero(mask)
    expected = (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) if len(ys) else None
    assert known.bounding_box(threshold) == expected


def test_mask_in_bands_equals_mask_at_once(monkeypatch) -> None:
    values = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    known = WindowMap((300, 200), (10, 20, 190, 280), values)
    at_once = known.mask(0.49)
    monkeypatch.setattr(window_module, "_PIXELS_AT_ONCE", 1000)
    assert (known.mask(0.49) != at_once).mean() < 1e-4


def test_a_map_of_equal_values_is_not_above_itself() -> None:
    """sigmoid(0) everywhere: rounding while resizing must not lift it above one half."""
    known = WindowMap((301, 257), (3, 5, 250, 299), np.full((77, 91), 0.5, np.float32))
    assert known.bounding_box(0.5) is None


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_crop_equals_crop_of_floats(data: st.DataObject) -> None:
    height, width = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 40))
    rgb = np.random.default_rng(height * 41 + width).integers(0, 256, (height, width, 3), dtype=np.uint8)
    box = data.draw(boxes(height, width))
    size = data.draw(st.tuples(st.integers(1, 50), st.integers(1, 50)))
    crop = torch.from_numpy(rgb).permute(2, 0, 1)[None].float()[:, :, box[1] : box[3], box[0] : box[2]] / 255
    expected = F.interpolate(crop, size=size, mode="bilinear", align_corners=True)[0]
    frame = Frame(rgb)
    for _ in range(2):  # the second time from the cache
        # Positions up to 50 in single precision are good to 4e-6, and so is a value between two neighbours.
        np.testing.assert_allclose(frame.crop(box, size).numpy(), expected.numpy(), atol=8e-6)


def test_full_map_is_cut_to_its_content() -> None:
    full = np.zeros((50, 60), np.float32)
    full[10:20, 30:33] = 0.7
    known = WindowMap.from_full(full)
    assert known.box == (30, 10, 33, 20)
    np.testing.assert_array_equal(known.full(), full)
    assert WindowMap.from_full(np.zeros((5, 6), bool)).bounding_box(0.5) is None
