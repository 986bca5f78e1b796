"""Mixtures of data sets: shares, weights, what is held out, and objects annotated twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickwise.data.held_out import HeldOutOf, held_out_indices, is_held_out
from clickwise.data.mixture import Mixture, Share, without_duplicates
from clickwise.data.sample import ObjectRef, Sample
from clickwise.errors import DatasetError


def sample(name: str, masks: Sequence[np.ndarray], parents: Sequence[int | None] | None = None) -> Sample:
    """One layer per mask."""
    layers = np.stack([mask.astype(np.int32) for mask in masks], axis=2)
    parents = parents or [None] * len(masks)
    objects = tuple(
        ObjectRef(i, (1,), parents[i], tuple(j for j, p in enumerate(parents) if p == i)) for i in range(len(masks))
    )
    return Sample(name, np.zeros((*layers.shape[:2], 3), dtype=np.uint8), layers, objects)


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((24, 24), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


class Plain:
    """So many samples, each with one object."""

    def __init__(self, name: str, count: int) -> None:
        self.name = name
        self.sample_ids = [f"{name}/{i}" for i in range(count)]

    def __len__(self) -> int:
        return len(self.sample_ids)

    def load(self, index: int) -> Sample:
        return sample(self.sample_ids[index], [box(2, 2, 20, 20)])


class Drawing(Plain):
    """Names the number that it drew."""

    def load_random(self, index: int, rng: np.random.Generator) -> Sample:
        return sample(f"{self.sample_ids[index]}#{rng.integers(100)}", [box(2, 2, 20, 20)])


class Weighted(Plain):
    """The first sample is drawn three times out of four."""

    def sample_weights(self) -> np.ndarray:
        rest = np.full(len(self) - 1, 0.25 / (len(self) - 1))
        return np.concatenate([[0.75], rest])


def drawn(mixture: Mixture, count: int = 2000) -> Counter[str]:
    rng = np.random.default_rng(0)
    return Counter(mixture.draw(rng).sample_id for _ in range(count))


def by_set(found: Counter[str]) -> dict[str, float]:
    total: Counter[str] = Counter()
    for name, times in found.items():
        total[name.partition("/")[0]] += times
    return {name: times / sum(found.values()) for name, times in total.items()}


def test_weights_decide_how_often_a_set_is_drawn() -> None:
    shares = by_set(drawn(Mixture([Share(Plain("a", 7), 3.0), Share(Plain("b", 500), 1.0)])))
    assert shares["a"] == pytest.approx(0.75, abs=0.03)


def test_without_weights_sets_are_joined_end_to_end() -> None:
    sets = [Share(Plain("a", 100), hold_out=False), Share(Plain("b", 300), hold_out=False)]
    shares = by_set(drawn(Mixture(sets)))
    assert shares["b"] == pytest.approx(0.75, abs=0.03)


def test_held_out_samples_are_never_drawn_and_are_what_validation_gets() -> None:
    data = Plain("a", 200)
    held_out = {f"a/{i}" for i in range(200) if is_held_out(str(i))}
    assert held_out
    assert set(drawn(Mixture([Share(data)]), 4000)) == set(data.sample_ids) - held_out
    assert set(HeldOutOf([data], "held out", pictures=99).sample_ids) == held_out
    assert {data.sample_ids[i] for i in held_out_indices(data)} == held_out


def test_own_weights_and_own_draws_of_a_set_are_used() -> None:
    found = drawn(Mixture([Share(Weighted("w", 30), hold_out=False)]))
    assert found["w/0"] / 2000 == pytest.approx(0.75, abs=0.03)
    uniform = drawn(Mixture([Share(Weighted("w", 30), hold_out=False, is_weighted=False)]))
    assert uniform["w/0"] / 2000 == pytest.approx(1 / 30, abs=0.02)
    names = drawn(Mixture([Share(Drawing("d", 1), hold_out=False)]), 50)
    assert len(names) > 10
    assert names == drawn(Mixture([Share(Drawing("d", 1), hold_out=False)]), 50)


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(DatasetError, match="at least one"):
        Mixture([])
    empty = Plain("a", 0)
    with pytest.raises(DatasetError, match="no sample is left"):
        Mixture([Share(empty)])


def test_validation_has_one_large_object_per_picture() -> None:
    class TwoObjects(Plain):
        def load(self, index: int) -> Sample:
            return sample(
                self.sample_ids[index], [box(0, 0, 3, 3), box(4, 4, 20, 20), box(5, 5, 19, 19)], [None, None, 1]
            )

    found = HeldOutOf([TwoObjects("a", 400)], "x", pictures=3)
    assert len(found) == 3
    for index in range(3):
        one = found.load(index)
        assert len(one.objects) == 1
        assert one.object_mask(0).sum() == 256


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 12), st.integers(1, 12)), max_size=6),
    st.sampled_from([0.3, 0.5, 0.7, 0.9]),
)
def test_duplicates_against_the_obvious_way(boxes: list[tuple[int, int, int, int]], most: float) -> None:
    masks = [box(x, y, x + w, y + h) for x, y, w, h in boxes]
    if not masks:
        return
    kept: list[int] = []
    for i, mask in enumerate(masks):
        if all((mask & masks[j]).sum() / (mask | masks[j]).sum() <= most for j in kept):
            kept.append(i)
    found = without_duplicates(sample("s", masks), most)
    assert [ref.layer for ref in found.objects] == kept


def test_children_of_a_duplicate_go_to_the_object_above() -> None:
    masks = [box(0, 0, 20, 20), box(0, 0, 20, 19), box(3, 3, 9, 9)]
    found = without_duplicates(sample("s", masks, [None, 0, 1]), 0.8)
    assert [ref.layer for ref in found.objects] == [0, 2]
    assert found.objects[1].parent == 0
    assert found.objects[0].children == (1,)


def test_a_mixture_leaves_duplicates_out_where_asked() -> None:
    class Doubled(Plain):
        def load(self, index: int) -> Sample:
            return sample(self.sample_ids[index], [box(2, 2, 20, 20), box(2, 2, 20, 19)])

    rng = np.random.default_rng(0)
    assert len(Mixture([Share(Doubled("d", 3), hold_out=False)]).draw(rng).objects) == 2
    assert len(Mixture([Share(Doubled("d", 3), hold_out=False)], 0.85).draw(rng).objects) == 1
