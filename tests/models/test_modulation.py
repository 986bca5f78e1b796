"""Mask modulation against golden cases and against a second implementation, pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_modulation import slow_modulate
from torch import Tensor

from clickwise.errors import OptionError
from clickwise.models.modulation import latest_rows, modulate

RULES = ["corrected", "released"]


def points_of(*clicks: tuple[float, float, float, bool], rows: int = 4) -> Tensor:
    """(1, 2 rows, 3) from clicks (y, x, order, is_positive), in the order given."""
    points = torch.full((1, 2 * rows, 3), -1.0)
    used = {True: 0, False: rows}
    for y, x, order, positive in clicks:
        points[0, used[positive]] = torch.tensor([y, x, order])
        used[positive] += 1
    return points


def noise(height: int, width: int, seed: int = 0) -> Tensor:
    return torch.rand((1, 1, height, width), generator=torch.Generator().manual_seed(seed))


def check(prev: Tensor, points: Tensor, *, max_radius: float = 100.0) -> None:
    """Both rules agree with the slow one, item by item."""
    for rule in RULES:
        found = modulate(prev, points, max_radius=max_radius, rule=rule)
        assert found.dtype == prev.dtype
        for item in range(len(prev)):
            slow = slow_modulate(prev[item, 0].numpy(), points[item].numpy(), max_radius, rule)
            # A radius is a float32 root; near the border of a small window its last bit is seen.
            np.testing.assert_allclose(found[item, 0].numpy(), slow, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rule", RULES)
def test_golden_cases(rule: str, golden: Path) -> None:
    file = np.load(golden / "srafs_modulation_cases.npz")
    for i, name in enumerate(file["names"]):
        prev, points = torch.from_numpy(file["prev"][i]), torch.from_numpy(file["points"][i])
        found = modulate(prev[None, None], points[None], max_radius=float(file["r_max"][i]), rule=rule)
        np.testing.assert_allclose(found[0, 0].numpy(), file[rule][i], atol=1e-6, rtol=0, err_msg=name)


def test_golden_batch(golden: Path) -> None:
    file = np.load(golden / "srafs_modulation_batch.npz")
    found = modulate(torch.from_numpy(file["prev"]), torch.from_numpy(file["points"]), rule="released")
    np.testing.assert_allclose(found.numpy(), file["released"], atol=1e-6, rtol=0)


def test_the_slow_one_meets_the_golden_cases_too(golden: Path) -> None:
    file = np.load(golden / "srafs_modulation_cases.npz")
    for i, name in enumerate(file["names"]):
        for rule in RULES:
            slow = slow_modulate(file["prev"][i], file["points"][i], float(file["r_max"][i]), rule)
            np.testing.assert_allclose(slow, file[rule][i], atol=1e-6, rtol=0, err_msg=name)


place = st.floats(0, 29.375, width=32) | st.integers(0, 29).map(float)
click = st.tuples(place, place, st.integers(0, 3).map(float), st.booleans())


@settings(max_examples=60, deadline=None)
@given(
    clicks=st.lists(click, max_size=4),
    radius=st.sampled_from([5.0, 12.0, 100.0]),
    levels=st.sampled_from([None, 0.0, 1.0, 0.5]),
    seed=st.integers(0, 3),
)
def test_any_clicks_on_any_map(
    clicks: list[tuple[float, float, float, bool]], radius: float, levels: float | None, seed: int
) -> None:
    """Orders may tie, clicks may coincide with each other and lie on the border; maps may be flat."""
    prev = noise(30, 24, seed)
    if levels is not None:
        prev[:, :, :, :12] = levels
    check(prev, points_of(*clicks), max_radius=radius)


def test_a_batch_is_its_items() -> None:
    prev = torch.cat([noise(30, 40, seed) for seed in range(4)])
    points = torch.cat(
        [
            points_of((10, 12, 0, True)),
            points_of((10, 12, 0, True), (14, 15, 1, False)),
            points_of(),
            points_of((3, 2, 5, False), (20.5, 30.25, 4, True)),
        ]
    )
    check(prev, points)
    together = modulate(prev, points)
    for item in range(4):
        assert torch.equal(together[item : item + 1], modulate(prev[item : item + 1], points[item : item + 1]))


def test_a_positive_click_raises_its_neighbourhood_and_a_negative_one_lowers_it() -> None:
    prev = noise(64, 64) * 0.4 + 0.1
    around = (0, 0, slice(29, 36), slice(29, 36))
    before = prev[around].mean()
    up, down = points_of((32, 32, 0, True)), points_of((32, 32, 0, False))
    assert modulate(prev, up)[around].mean() > before + 0.2
    assert modulate(prev, down)[around].mean() < before - 0.2
    assert modulate(prev, up, rule="released")[around].mean() < before - 0.1, "the inverted exponent"
    assert modulate(prev, up)[0, 0, 32, 32] == 1
    assert modulate(prev, down)[0, 0, 32, 32] == 0


def test_nothing_changes_outside_the_window() -> None:
    prev = noise(50, 60)
    # Another sign 24 pixels away: radius 12.
    found = modulate(prev, points_of((25, 20, 0, False), (25, 44, 1, True)))
    ys, xs = np.mgrid[:50, :60]
    changed = (found != prev)[0, 0].numpy()
    assert not changed[(ys - 25) ** 2 + (xs - 44) ** 2 > 12**2].any()
    assert changed[(ys - 25) ** 2 + (xs - 44) ** 2 < 11**2].all()


def test_no_click_leaves_the_mask() -> None:
    prev = noise(20, 30)
    assert torch.equal(modulate(prev, points_of()), prev)


def test_of_equal_orders_the_last_row_counts() -> None:
    points = points_of((5, 5, 100, True), (9, 9, 100, True), (20, 20, 100, False), (2, 2, 3, False))
    assert latest_rows(points).tolist() == [4]
    assert latest_rows(points.flip(1)).tolist() == [7]
    check(noise(30, 30), points)


@pytest.mark.parametrize("place", [(0.0, 0.0), (29.0, 39.0), (0.5, 39.4), (29.4, -0.4), (12.5, 13.5)])
def test_border_and_fractions(place: tuple[float, float]) -> None:
    for positive in (True, False):
        points = points_of((*place, 1, positive), (max(place[0] - 4, 0), max(place[1] - 3, 0), 0, not positive))
        check(noise(30, 40), points)


def test_it_carries_no_gradient_and_keeps_its_input() -> None:
    prev = noise(20, 20).requires_grad_()
    before = prev.detach().clone()
    assert not modulate(prev, points_of((5, 5, 0, True))).requires_grad
    assert torch.equal(prev, before)


def test_half_precision_masks_stay_close() -> None:
    prev, points = noise(40, 40), points_of((20, 20, 0, True))
    exact = modulate(prev, points)
    for dtype in (torch.float16, torch.bfloat16):
        found = modulate(prev.to(dtype), points)
        assert found.dtype == dtype
        # A power of up to a hundred makes the rounding of the mask itself grow.
        assert (found.float() - exact).abs().mean() < 5e-3


def test_bad_options_are_errors() -> None:
    with pytest.raises(OptionError, match="corrected or released"):
        modulate(noise(8, 8), points_of(), rule="fixed")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="radius > 0"):
        modulate(noise(8, 8), points_of(), max_radius=0)
