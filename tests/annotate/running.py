"""A server in this process, with a small network, for tests that speak to it as a script does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from PIL import Image
from torch import Tensor

from clickwise.annotate.networks import Networks
from clickwise.annotate.server.app import create_app
from clickwise.annotate.server.run import listen
from clickwise.annotate.server.services import Settings
from clickwise.annotate.store import ProjectStore
from clickwise.models.interface import Gate, InferenceDefaults, InteractiveModel, ModelOutput

TOKEN = "token-of-the-tests"


class Brightness(InteractiveModel):
    """Object = what is bright in the red channel; previous mask and clicks push a little."""

    inference_defaults = InferenceDefaults(target_size=200)

    def predict_logits(self, image: Tensor, prev_mask: Tensor, points: Tensor, gate: Gate) -> ModelOutput:
        half = points.shape[1] // 2
        push = (points[:, :half, 0] >= 0).sum(1) - 0.5 * (points[:, half:, 0] >= 0).sum(1)
        return ModelOutput(20 * (image[:, :1] - 0.5) + prev_mask + push[:, None, None, None].float() - 1)


def broken_model() -> Any:
    raise RuntimeError("no such weights")


def scene(shift: int = 0) -> np.ndarray:
    """80 x 120, a bright bar at x 20..60, y 10..30 and noise."""
    rgb = np.random.default_rng(shift).integers(0, 60, (80, 120, 3), np.uint8)
    rgb[10 + shift : 30 + shift, 20:60] = 220
    return rgb


def make_photos(folder: Path, names: tuple[str, ...] = ("a.png", "day1/a.png", "b.jpg")) -> Path:
    for shift, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(shift)).save(folder / name)
    return folder


@contextmanager
def running(store: ProjectStore, **settings: Any) -> Iterator[str]:
    """The address to give to a client, token included."""
    networks = Networks({"tiny": lambda: Brightness().eval(), "broken": broken_model})
    app = create_app(store, networks, Settings(token=TOKEN, folder=store.home, **settings))
    listener = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/#token={TOKEN}"
    finally:
        server.should_exit = True
        thread.join(200)
        assert not thread.is_alive()
        listener.close()
