"""What a working installation looks like, looked at item by item, and one click as a self-test."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

SELF_TEST_MODEL = "clickwise-s"
SELF_TEST_LEAST_IOU = 0.8
"""The bundled sample is an easy picture; a lower agreement means that something computes wrongly."""
_INSTRUCTION_SETS = {
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "vnni": ("avx512_vnni", "avx_vnni"),
    "bf16": ("avx512_bf16", "amx_bf16", "bf16"),
    "amx": ("amx_tile",),
    "neon": ("asimd",),
}
_EXTRAS = {
    "annotate": ("fastapi", "uvicorn", "sqlalchemy"),
    "data": ("pycocotools", "shapely"),
    "train": ("lightning_fabric", "tensorboard"),
    "plots": ("matplotlib",),
    "fast": ("openvino",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "formats": ("tifffile", "pydicom"),
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    value: JSON data. ok: False when clickwise cannot work like this; None for plain information. text: for people.
    """

    name: str
    value: Any
    text: str
    ok: bool | None = None


def examine() -> list[Finding]:
    """Look at everything; never raises, a part that fails is a finding."""
    parts: list[Callable[[], Iterator[Finding]]] = [_software, _hardware, _extras, _folders, _self_test]
    found: list[Finding] = []
    for part in parts:
        try:
            found += part()
        except Exception as error:
            reason = " ".join(str(error).split())
            found.append(Finding(part.__name__.strip("_").replace("_", " "), None, reason or repr(error), ok=False))
    return found


def _software() -> Iterator[Finding]:
    yield Finding("python", platform.python_version(), f"{platform.python_version()} at {sys.executable}")
    yield Finding("system", platform.platform(), platform.platform())
    for requirement in ["clickwise", *_core_requirements()]:
        try:
            found: str | None = version(requirement)
        except PackageNotFoundError:
            found = None
        yield Finding(requirement, found, found or f"missing; pip install {requirement}", ok=found is not None)


def _core_requirements() -> list[str]:
    """Names of what clickwise cannot do without, from the metadata of the installation."""
    lines = [line for line in requires("clickwise") or [] if "extra ==" not in line]
    return [name.group() for line in lines if (name := re.match(r"[\w.-]+", line))]


def _hardware() -> Iterator[Finding]:
    import torch

    from clickwise.engines.torch import resolve_device

    sets = _instruction_sets()
    yield Finding(
        "processor", sets, f"{platform.machine()}, {os.cpu_count()} cores, {', '.join(sets) or 'no sets known'}"
    )
    threads = torch.get_num_threads()
    yield Finding("threads", threads, f"{threads} (OMP_NUM_THREADS sets it)")
    devices = ["cpu"]
    devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    devices += ["mps"] if torch.backends.mps.is_available() else []
    yield Finding("devices", devices, ", ".join(devices))
    yield Finding("device", str(resolve_device("auto")), f"{resolve_device('auto')} will be used (--device sets it)")
    yield Finding("engine", "torch", "torch, eager, fp32 will be used")


def _instruction_sets() -> list[str]:
    """Names of the vector units that matter, as the processor tells (Linux only)."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return []
    flags = {flag for line in text.splitlines() if line.startswith(("flags", "Features")) for flag in line.split()}
    return [name for name, any_of in _INSTRUCTION_SETS.items() if flags & set(any_of)]


def _extras() -> Iterator[Finding]:
    for extra, modules in _EXTRAS.items():
        missing = [name for name in modules if find_spec(name) is None]
        text = f'not installed; pip install "clickwise[{extra}]"' if missing else "installed"
        yield Finding(f"extra {extra}", not missing, text)


def _folders() -> Iterator[Finding]:
    from clickwise.weights import hub, zoo

    folder = hub.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        yield Finding("cache", str(folder), f"{folder}, writable")
    except OSError as error:
        reason = error.strerror or str(error)
        yield Finding("cache", str(folder), f"{folder}: {reason}; set XDG_CACHE_HOME to a writable folder", ok=False)
    here = [entry.name for entry in zoo.entries() if hub.find_local(entry) is not None]
    yield Finding("weights", here, ", ".join(here) or "none")
    data = os.environ.get("CLICKWISE_DATA", "")
    yield Finding("data", data or None, data or "CLICKWISE_DATA is not set (evaluation and training want it)")
    offline = "on" if hub.is_offline() else "off"
    yield Finding("offline mode", hub.is_offline(), offline)


def _self_test() -> Iterator[Finding]:
    """Segment the bundled photo with the bundled weights and compare with its truth."""
    from clickwise.assets import sample
    from clickwise.inference.predictor import Predictor
    from clickwise.weights.load import load_model

    picture = sample()
    predictor = Predictor(load_model(SELF_TEST_MODEL))
    predictor.set_image(picture.image)
    mask = np.zeros_like(picture.truth)
    times = []
    for click in picture.clicks:
        start = time.perf_counter()
        mask = predictor.click(click.x, click.y, positive=click.is_positive).mask
        times.append((time.perf_counter() - start) * 1000)
    iou = float((mask & picture.truth).sum() / max(1, (mask | picture.truth).sum()))
    yield Finding(
        "self-test",
        {"model": SELF_TEST_MODEL, "iou": round(iou, 4), "ms_per_click": [round(t, 1) for t in times]},
        f"{SELF_TEST_MODEL}, {len(times)} clicks on {picture.title}: IoU {iou:.3f} with the truth, "
        f"{min(times):.0f} ms per click",
        ok=iou >= SELF_TEST_LEAST_IOU,
    )
