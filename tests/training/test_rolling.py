"""The rolling batch: lives, refills, clicks on errors, previous masks, and state that survives."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
import torch

from clickwise.data.stream import TrainingItem
from clickwise.models.interface import ModelOutput
from clickwise.training.methods.rolling import Rolling
from clickwise.training.parts.methods import RollingMethod

SIZE = 24


def item(number: int) -> TrainingItem:
    """A square object whose place tells the number; one positive click in it; the last row has no truth."""
    object_mask = torch.zeros(1, SIZE, SIZE, dtype=torch.bool)
    left = number % 12
    object_mask[:, 4:14, left : left + 10] = True
    ignore_mask = torch.zeros_like(object_mask)
    ignore_mask[:, -1] = True
    points = torch.full((8, 3), -1.0)
    points[0] = torch.tensor([9.0, left + 5.0, 0.0])
    return TrainingItem(
        image=torch.full((3, SIZE, SIZE), number % 256, dtype=torch.uint8),
        object_mask=object_mask,
        ignore_mask=ignore_mask,
        points=points,
        prev_mask=torch.zeros(1, SIZE, SIZE),
    )


def items() -> Iterator[TrainingItem]:
    return (item(i) for i in count())


def nothing(image: torch.Tensor, prev_mask: torch.Tensor, points: torch.Tensor) -> ModelOutput:
    """A network that sees no object anywhere."""
    return ModelOutput(torch.full_like(prev_mask, -3.0))


def run(method: Rolling, stream: Iterator[TrainingItem], forward: object = nothing) -> tuple[object, int]:
    taken = []
    counted = (taken.append(item) or item for item in stream)  # type: ignore[func-returns-value]
    [part] = method.rounds(None, forward, counted, torch.device("cpu"))  # type: ignore[arg-type]
    return part.batch, len(taken)


def test_lives_follow_their_law() -> None:
    method = Rolling(RollingMethod(life=(0.5, 0.0, 0.5)), batch=16, seed=0, rank=0)
    stream = items()
    taken = [run(method, stream)[1] for _ in range(400)]
    assert taken[0] == 16
    # Mean life 2: half of the slots are new at each step.
    assert np.mean(taken[1:]) == pytest.approx(8, abs=0.6)


def test_answer_becomes_previous_mask_and_places_a_click_on_the_error() -> None:
    method = Rolling(RollingMethod(life=(0.0, 0.0, 1.0)), batch=3, seed=0, rank=0)
    stream = items()
    first, _ = run(method, stream)
    assert not first.prev_mask.any()
    assert first.click_round.tolist() == [0, 0, 0]
    second, taken = run(method, stream)
    assert taken == 0
    assert torch.allclose(second.prev_mask, torch.sigmoid(torch.tensor(-3.0)).expand_as(second.prev_mask))
    assert second.click_round.tolist() == [1, 1, 1]
    for slot in range(3):
        added = second.points[slot, 1]
        assert added[2] == 1, "the second click of the item"
        assert second.target[slot, 0, int(added[0]), int(added[1])] == 1, "missed object: a positive click on it"


def test_false_object_is_clicked_away_and_ignored_pixels_are_not() -> None:
    def everything(image: torch.Tensor, prev_mask: torch.Tensor, points: torch.Tensor) -> ModelOutput:
        return ModelOutput(torch.full_like(prev_mask, 3.0))

    method = Rolling(RollingMethod(life=(0.0, 0.0, 0.0, 1.0)), batch=8, seed=1, rank=0)
    stream = items()
    run(method, stream, everything)
    batch, _ = run(method, stream, everything)
    for slot in range(8):
        y, x = (int(v) for v in batch.points[slot, 4, :2])
        assert batch.target[slot, 0, y, x] == 0
        assert not batch.ignore_mask[slot, 0, y, x]


def test_a_slot_without_error_is_refilled() -> None:
    def perfect(image: torch.Tensor, prev_mask: torch.Tensor, points: torch.Tensor) -> ModelOutput:
        number = (image[:, :1, 0, 0] * 255).round().long()
        masks = torch.stack([item(int(n)).object_mask for n in number.flatten()])
        return ModelOutput(masks.float() * 20 - 10)

    method = Rolling(RollingMethod(life=(0.0, 0.0, 0.0, 1.0)), batch=4, seed=0, rank=0)
    stream = items()
    assert [run(method, stream, perfect)[1] for _ in range(3)] == [4, 4, 4]


def test_state_survives() -> None:
    def rounds(method: Rolling, stream: Iterator[TrainingItem], number: int) -> list[torch.Tensor]:
        return [
            torch.cat([b.points.flatten(), b.image.flatten()]) for b in (run(method, stream)[0] for _ in range(number))
        ]

    straight = Rolling(RollingMethod(), batch=4, seed=7, rank=0)
    stream = items()
    taken = 0
    for _ in range(5):
        taken += run(straight, stream)[1]
    state = straight.state_dict()
    expected = rounds(straight, stream, 6)
    again = Rolling(RollingMethod(), batch=4, seed=99, rank=0)
    again.load_state_dict(state)
    rest = items()
    for _ in range(taken):
        next(rest)
    assert all(torch.equal(a, b) for a, b in zip(expected, rounds(again, rest, 6), strict=True))


def test_ranks_and_seeds_differ() -> None:
    lives = [tuple(_lives(seed, rank)) for seed, rank in ((0, 0), (0, 1), (1, 0), (0, 0))]
    assert lives[0] == lives[3]
    assert len(set(lives)) == 3


def _lives(seed: int, rank: int) -> list[int]:
    method = Rolling(RollingMethod(), batch=32, seed=seed, rank=rank)
    run(method, items())
    return method.steps_left
