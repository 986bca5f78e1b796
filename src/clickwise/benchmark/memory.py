"""Peak memory of a few clicks with one engine, measured in a process of its own that does nothing else.

Run as ``python -m clickwise.benchmark.memory MODEL ENGINE DEVICE CLICKS``: prints one number (megabytes) or "unknown".
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from clickwise.errors import ModelError

_TIME_LIMIT_S = 1800


def peak_memory_mb(model: str, engine: str, device: str, clicks: int) -> float | None:
    """Megabytes (10^6 bytes) that a fresh process holds at most while it loads a model and answers clicks.

    Resident memory of the process on a CPU; memory of the device on CUDA. None where the system does not tell. Raises
    ModelError when the process fails.
    """
    command = [sys.executable, "-m", "clickwise.benchmark.memory", model, engine, device, str(clicks)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"measuring the memory of {model} took more than {_TIME_LIMIT_S} s; ask for fewer clicks"
        ) from None
    lines = done.stdout.split()
    if done.returncode != 0 or not lines:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ModelError(f"measuring the memory of {model} failed: {reason}; run the same clicks with less load")
    return None if lines[-1] == "unknown" else float(lines[-1])


def own_peak_mb() -> float | None:
    """The most memory that this process has held so far, in megabytes; None where the system does not tell."""
    try:
        # Not getrusage: on Linux its maximum is inherited from the parent process.
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    except OSError:
        pass
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    return None


def _main(model: str, engine_name: str, device: str, clicks: str) -> None:
    import torch

    from clickwise.assets import sample
    from clickwise.benchmark.contenders import load_subject, make_engine
    from clickwise.benchmark.scenario import fixed_states
    from clickwise.benchmark.stopwatch import one_click
    from clickwise.inference.options import InferenceOptions
    from clickwise.inference.window import Frame

    network = load_subject(model, device).model
    on_cuda = network.device.type == "cuda"
    engine = make_engine(engine_name, network)
    options = InferenceOptions.for_model(engine.inference_defaults)
    frame = Frame(sample().image)
    for state in fixed_states(sample().truth, int(clicks)):
        one_click(engine, frame, state, options)
    peak = torch.cuda.max_memory_allocated() / 1e6 if on_cuda else own_peak_mb()
    print("unknown" if peak is None else f"{peak:.1f}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
