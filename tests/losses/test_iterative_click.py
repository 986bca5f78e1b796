"""The iterative click loss against golden values, and against its formula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from clickwise.errors import OptionError
from clickwise.losses.iterative_click import IterativeClickLoss
from clickwise.losses.pixel import SoftIoU

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "losses.npz")
STEPS = [torch.from_numpy(step) for step in GOLDEN["icl_logits"]]
TARGET = torch.from_numpy(GOLDEN["label"]).float()


def test_golden_values() -> None:
    loss = IterativeClickLoss()
    for count, expected in enumerate(GOLDEN["out__icl_weights_1_2_3"], start=1):
        assert float(loss(STEPS[:count], TARGET)) == pytest.approx(float(expected), rel=1e-5)
    for number, part in enumerate(GOLDEN["icl_parts"]):
        found = float(loss.step(number, STEPS[number], TARGET)) / loss.weights[number]
        assert found == pytest.approx(float(part), rel=1e-5)


def test_another_loss_and_weights_by_the_formula() -> None:
    loss = IterativeClickLoss(weights=(0.5, 4.0), loss=SoftIoU())
    expected = sum(
        weight * np.mean([float(SoftIoU()(step[i : i + 1], TARGET[i : i + 1])) for i in range(len(TARGET))])
        for weight, step in zip((0.5, 4.0), STEPS, strict=False)
    )
    assert float(loss(STEPS[:2], TARGET)) == pytest.approx(expected, rel=1e-5)


def test_backward_step_by_step_gives_the_same_gradients() -> None:
    together = [step.clone().requires_grad_() for step in STEPS]
    IterativeClickLoss()(together, TARGET).backward()
    single = [step.clone().requires_grad_() for step in STEPS]
    for number, logits in enumerate(single):
        IterativeClickLoss().step(number, logits, TARGET).backward()
    for one, other in zip(together, single, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad)
        assert one.grad.abs().sum() > 0


def test_ignored_pixels_get_no_gradient() -> None:
    ignore = torch.zeros_like(TARGET, dtype=torch.bool)
    ignore[:, :, :5] = True
    logits = STEPS[0].clone().requires_grad_()
    IterativeClickLoss()([logits, STEPS[1]], TARGET, ignore).backward()
    assert logits.grad is not None
    assert not logits.grad[ignore].any()
    assert logits.grad[~ignore].any()


def test_errors() -> None:
    loss = IterativeClickLoss()
    with pytest.raises(OptionError, match="no step"):
        loss([], TARGET)
    with pytest.raises(OptionError, match="step 3 has no weight"):
        loss([*STEPS, STEPS[0]], TARGET)
    for weights in ((), (1.0, -1.0), (0.0,)):
        with pytest.raises(OptionError, match="weights"):
            IterativeClickLoss(weights=weights)
