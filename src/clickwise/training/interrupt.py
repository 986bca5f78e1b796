"""Ctrl-C and SIGTERM while training: finish the step, write a checkpoint, then leave."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ECHO_S = 10.0
"""torchrun hands a signal on to its processes, which SLURM may have reached already; it kills them 30 s later."""


class Interrupt:
    """Whether a stop was asked for. echo_s: for so many seconds after the first signal others are taken as the same."""

    def __init__(self, *, echo_s: float = 0.0) -> None:
        self.asked = False
        self._echo_s, self._since = echo_s, 0.0

    def handle(self, signum: int, frame: FrameType | None) -> None:
        """First signal: remember it. Second: stop at once."""
        if not self.asked:
            self.asked, self._since = True, time.monotonic()
        elif time.monotonic() - self._since >= self._echo_s:
            raise KeyboardInterrupt


@contextmanager
def deferred_interrupt() -> Iterator[Interrupt]:
    """Within the block the first Ctrl-C or SIGTERM only sets ``asked``. Outside the main thread nothing changes."""
    interrupt = Interrupt(echo_s=_ECHO_S if "TORCHELASTIC_RUN_ID" in os.environ else 0.0)
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    before = {number: signal.signal(number, interrupt.handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield interrupt
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
