"""Create a virtual environment and install this checkout into it. Plain Python, nothing needed beforehand.

    python3 tools/install.py .venv [--extra dev]

On Linux without an NVIDIA driver the CPU build of PyTorch is taken where its index answers: it is ten times smaller.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_TORCH = os.environ.get("CLICKWISE_TORCH_INDEX", "https://download.pytorch.org/whl/cpu")
OLDEST = (3, 10)


def main() -> int:
    """Install; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("venv", type=Path)
    parser.add_argument("--extra", default="")
    arguments = parser.parse_args()
    if sys.version_info < OLDEST:
        return _fail(
            f"this is Python {sys.version.split()[0]}, clickwise needs {OLDEST[0]}.{OLDEST[1]} or later; "
            "name another with `make PYTHON=python3.12 ...`"
        )
    python = _create(arguments.venv)
    if python is None:
        return _fail("cannot create a virtual environment; on Debian and Ubuntu: apt install python3-venv")
    package = f"{ROOT}[{arguments.extra}]" if arguments.extra else str(ROOT)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    command += [] if sys.stdout.isatty() else ["--quiet"]  # people want to see that it moves
    command += ["--constraint", str(ROOT / "constraints.txt"), *_cpu_torch(python), "--editable", package]
    print("installing:", " ".join(command), flush=True)
    return subprocess.call(command)


def _create(venv: Path) -> Path | None:
    """The interpreter of the environment, made if it is not there; None when this Python cannot make one."""
    folder = "Scripts" if os.name == "nt" else "bin"
    python = venv / folder / "python"
    works = python.exists() and subprocess.call([str(python), "-m", "pip", "--version"], stdout=subprocess.DEVNULL) == 0
    if not works and subprocess.call([sys.executable, "-m", "venv", str(venv)]) != 0:
        return None
    return python


def _cpu_torch(python: Path) -> list[str]:
    """Arguments that make pip prefer the CPU build, or none."""
    wanted = sys.platform == "linux" and shutil.which("nvidia-smi") is None and CPU_TORCH
    if not wanted or subprocess.call([str(python), "-c", "import torch"], stderr=subprocess.DEVNULL) == 0:
        return []
    try:
        urllib.request.urlopen(f"{CPU_TORCH}/torch/", timeout=5).close()
    except (OSError, ValueError):
        return []
    return ["--extra-index-url", CPU_TORCH]


def _fail(reason: str) -> int:
    print(f"error: {reason}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
