"""How much of the machine a network uses: its multiply-adds against the best matrix product measured here and now."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.utils.flop_counter import FlopCounterMode

from clickwise.benchmark.stopwatch import Clock, wait_for
from clickwise.engines.base import Engine
from clickwise.engines.torch import cpu_has_bf16
from clickwise.inference.chains import get_chain
from clickwise.inference.options import InferenceOptions
from clickwise.inference.state import PredictorState
from clickwise.inference.window import Frame

_SIDE = {"cpu": 1024, "cuda": 8192, "mps": 2048}
"""Side of the square matrices by device: large enough to reach the roof, small enough to take no time."""
_SECONDS = 0.4
"""Measured this long per number format, after one product to warm up."""


def flops_per_click(engine: Engine, frame: Frame, states: Sequence[PredictorState], options: InferenceOptions) -> float:
    """Mean floating-point operations (2 per multiply-add) of the network for these clicks.

    Convolutions, matrix products and attention count; pointwise work does not.
    """
    counter = FlopCounterMode(display=False)
    chain = get_chain(options.chain)
    with counter:
        for state in states:
            chain(engine, frame, state, options)
    return counter.get_total_flops() / len(states)


def matmul_roof(device: torch.device, seconds: float = _SECONDS, clock: Clock = time.perf_counter) -> float:
    """Most floating-point operations per second of a matrix product on this device, in fp32 or bf16.

    On a CPU without bf16 units, fp32 is the roof: bf16 is emulated there, a hundred times slower.
    """
    dtypes = [torch.float32, torch.bfloat16] if device.type != "cpu" or cpu_has_bf16() else [torch.float32]
    side = _SIDE.get(device.type, _SIDE["cpu"])
    return max(_matmul_rate(device, dtype, side, seconds, clock) for dtype in dtypes)


def _matmul_rate(device: torch.device, dtype: torch.dtype, side: int, seconds: float, clock: Clock) -> float:
    left = torch.full((side, side), 0.5, device=device, dtype=dtype)
    right, result = left.clone(), torch.empty_like(left)
    best, begin = 0.0, clock()
    with torch.inference_mode():
        torch.mm(left, right, out=result)
        wait_for(result)
        while best == 0.0 or clock() - begin < seconds:
            start = clock()
            torch.mm(left, right, out=result)
            wait_for(result)
            best = max(best, 2 * side**3 / (clock() - start))
    return best
